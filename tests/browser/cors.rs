use serde_json::json;

use super::page::Asked;
use super::{Chromium, Site, policy};
use crate::support::{Gate, Recorder};

#[test]
fn a_page_reads_answers_where_its_origin_is_allowed_and_nowhere_else() {
    let (site, other, backend) = (Site::start(), Site::start(), Recorder::ok());
    let gate = Gate::with(&policy(&site))
        .upstream("ws", backend.address())
        .start();
    let address = format!("http://{}/openapi/x", gate.address());
    let with_key =
        json!({ "method": "POST", "headers": { "X-App-Key": "keyAbcd123" }, "body": "b" });
    let page = Chromium::shared().open(&site.address());

    let answered = page.ask(&address, &with_key);
    let ok = Asked::Answered {
        status: 200,
        text: "ok".to_owned(),
    };
    assert_eq!(answered, ok);
    let received = backend.only().head;
    assert_eq!(received.header("x-auth-app-id"), Some("demo"));
    assert_eq!(received.header("origin"), Some(site.origin().as_str()));

    // Refusals can be read as well.
    match page.ask(&address, &json!({ "method": "POST" })) {
        Asked::Answered { status: 401, text } => assert!(text.contains("no_credential"), "{text}"),
        other @ (Asked::Answered { .. } | Asked::Failed(_)) => panic!("{other:?}"),
    }
    // A header that is not listed does not pass the preflight.
    let unlisted = json!({ "method": "POST", "headers": { "X-Other": "1" } });
    let failed = Asked::Failed("TypeError".to_owned());
    assert_eq!(page.ask(&address, &unlisted), failed);
    page.photograph("cors");

    let stranger = page.beside(&other.address());
    assert_eq!(stranger.ask(&address, &with_key), failed);
    assert_eq!(stranger.ask(&address, &json!({ "method": "GET" })), failed);
    assert_eq!(
        backend.requests().len(),
        1,
        "its preflight was the end of it"
    );
}

use super::page::Page;
use super::{Chromium, Site, gate_before, ws};
use crate::support::mint::{bearer_subprotocol, sa_token};
use crate::support::ws_backend::WsBackend;

/// The backend's view: the token arrived once, in its header, and in no other form.
#[track_caller]
fn expect_one_copy(backend: &WsBackend, token: &str) {
    let received = backend.last_handshake();
    assert_eq!(received.header("token"), Some(token));
    assert_eq!(received.text.matches(token).count(), 1, "{}", received.text);
    assert!(
        !received.text.contains("imgate.bearer."),
        "{}",
        received.text
    );
    assert_eq!(received.target(), "/ws?deviceType=im_web");
    assert_eq!(received.header("x-auth-subject"), Some("7"));
}

fn talk(page: &Page, url: &str, protocols: &[&str]) -> String {
    let socket = page.connect(url, protocols).opened();
    page.echo(&socket, "hello");
    page.echo(&socket, "十二 ✓");
    socket.protocol
}

#[test]
fn a_page_carries_its_token_in_the_query_or_in_a_subprotocol() {
    let (site, backend) = (Site::start(), WsBackend::echo());
    let gate = gate_before(&backend, &site).start();
    let page = Chromium::shared().open(&site.address());
    let token = sa_token("im_user:7");
    let subprotocol = bearer_subprotocol(&token);

    assert_eq!(talk(&page, &ws(&gate, &format!("&token={token}")), &[]), "");
    expect_one_copy(&backend, &token);

    // The backend chooses none, so the gate answers with the first that is not the token.
    assert_eq!(
        talk(&page, &ws(&gate, ""), &[&subprotocol, "chat", "json"]),
        "chat"
    );
    expect_one_copy(&backend, &token);
    let offered = backend.last_handshake();
    assert_eq!(offered.header("sec-websocket-protocol"), Some("chat, json"));

    assert_eq!(talk(&page, &ws(&gate, ""), &["json", &subprotocol]), "json");
    expect_one_copy(&backend, &token);
}

#[test]
fn a_page_carries_its_token_in_a_cookie() {
    let (site, backend) = (Site::start(), WsBackend::echo());
    let gate = gate_before(&backend, &site).start();
    let token = sa_token("im_user:7");
    let page = Chromium::shared().open(&site.log_in(&token));
    assert_eq!(
        page.run("document.cookie"),
        "theme=dark",
        "out of reach of scripts"
    );

    assert_eq!(talk(&page, &ws(&gate, ""), &[]), "");
    expect_one_copy(&backend, &token);
    assert_eq!(
        backend.last_handshake().header("cookie"),
        Some("theme=dark")
    );

    assert_eq!(talk(&page, &ws(&gate, ""), &["chat"]), "chat");
    expect_one_copy(&backend, &token);
    page.photograph("cookie");
}

#[test]
fn a_page_sees_nothing_of_a_refusal() {
    let (site, backend) = (Site::start(), WsBackend::echo());
    let gate = gate_before(&backend, &site).start();
    let page = Chromium::shared().open(&site.address());
    let token = sa_token("im_user:7");
    let forged = format!("{token}x");
    let subprotocol = bearer_subprotocol(&token);
    for (case, url, protocols) in [
        ("no token", ws(&gate, ""), &[][..]),
        ("a forged one", ws(&gate, &format!("&token={forged}")), &[]),
        (
            "another device",
            ws(&gate, &format!("&token={token}")).replace("im_web", "web"),
            &[],
        ),
        (
            "no other subprotocol",
            ws(&gate, ""),
            &[subprotocol.as_str()],
        ),
    ] {
        println!("{case}");
        page.connect(&url, protocols).expect_refused();
    }
    page.photograph("refused");
    assert!(backend.handshakes().is_empty());
}

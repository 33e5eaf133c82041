//! Dynamic tokens of Easemob, and the apps that paths name.

use serde_json::Value;

use super::{WINDOW, credentials, policy, send_all, verdict};
use crate::support::gate::Builder;
use crate::support::{Gate, Recorder};

/// The apps and the routes of a backend with Easemob's paths.
const APPS: &str = "
authenticators:
  users:
    from: [{ header: Authorization, prefix: Bearer }]
    easemob_dynamic:
      apps:
        - { app_key: \"easemob-demo#testapp\", client_id: YXA6-one, client_secret: { file: one } }
        - { app_key: \"easemob-demo#other\", client_id: YXA6-two, client_secret: { file: two } }
      ttls: [600]
  partners: { from: [{ header: X-App-Key }], app_key: { keys: [{ id: p, secret: { value: key-p } }] } }
routes:
  - { name: plain, match: { path: /plain }, require: { any_of: [users] }, upstream: im }
  - { name: me, match: { path: \"/{org}/{app}/me/**\" }, require: { any_of: [users] }, upstream: im }
  - { name: partners, match: { path: \"/{org}/{app}/partners\" }, require: { any_of: [partners] }, upstream: im }
  - { name: ws, match: { path: \"/{org}/{app}/ws\" }, websocket: true, require: { any_of: [users] }, upstream: im }
";

fn vectors_gate(backend: &Recorder, clock: i64) -> Gate {
    let setting = |name: &str| credentials::setting(&format!("/easemob_dynamic/{name}"));
    let scheme = format!(
        "easemob_dynamic: {{ apps: [{{ app_key: \"{}\", client_id: {}, client_secret: {{ file: secret }} }}], ttls: [{}] }}",
        setting("appkey"),
        setting("clientId"),
        setting("ttl"),
    );
    Gate::with(&policy(&scheme))
        .file("secret", &setting("clientSecret"))
        .upstream("im", backend.address())
        .clock(clock)
        .start()
}

#[test]
fn the_shared_vectors_are_judged_as_they_say() {
    let backend = Recorder::ok();
    let cases = credentials::easemob_dynamic();
    let mut times: Vec<i64> = cases.iter().map(|case| case.from).collect();
    times.sort_unstable();
    times.dedup();
    assert_eq!(times.len(), 2);
    let mut admitted = 0;
    for time in times {
        let gate = vectors_gate(&backend, time);
        for case in &cases {
            let found = verdict(&gate, &backend, &case.token);
            match &case.subject {
                Some(subject) if case.from == time => {
                    assert!(case.from + WINDOW <= case.until, "it lasts");
                    assert_eq!(&found, subject, "{}", case.id);
                    let head = backend.last().head;
                    assert_eq!(head.header("x-auth-app-id"), Some("easemob-demo#testapp"));
                    admitted += 1;
                }
                // Years before or behind its own time.
                Some(_) => assert!(
                    ["expired", "not_yet_valid"].contains(&&*found),
                    "{}",
                    case.id
                ),
                None => assert!(
                    ["malformed", "bad_signature"].contains(&&*found),
                    "{}: {found}",
                    case.id
                ),
            }
        }
        assert!(!gate.output().contains("ZHQt"), "no token is logged");
    }
    assert_eq!(admitted, 3);
}

#[test]
fn tokens_of_another_implementation() {
    let made: Value =
        serde_json::from_str(include_str!("../../vectors/easemob_dynamic/vectors.json")).unwrap();
    let now = made["now"].as_i64().unwrap();
    let text = |name: &str| made[name].as_str().unwrap();
    let scheme = format!(
        "easemob_dynamic: {{ apps: [{{ app_key: \"{}\", client_id: {}, client_secret: {{ file: secret }} }}], ttls: {} }}",
        text("app_key"),
        text("client_id"),
        made["ttls"],
    );
    let backend = Recorder::ok();
    let gate = Gate::with(&policy(&scheme))
        .file("secret", text("client_secret"))
        .upstream("im", backend.address())
        .clock(now)
        .start();
    // Their times stand where `send_all` does not look.
    let cases: Vec<Value> = made["cases"].as_array().unwrap().clone();
    let is_brief = |case: &&Value| {
        let name = case["case"].as_str().unwrap();
        ["one second left", "made later"].contains(&name)
    };
    let lasting: Vec<Value> = cases
        .iter()
        .filter(|case| !is_brief(case))
        .cloned()
        .collect();
    assert_eq!(cases.len() - lasting.len(), 2);
    let left_out = send_all(&gate, &backend, &lasting, now, |case| {
        let expected = case["subject"]
            .as_str()
            .or_else(|| case["expected"].as_str());
        expected.unwrap().to_owned()
    });
    assert_eq!(left_out, 0);
    assert!(
        !gate.output().contains(text("client_secret")),
        "no secret is logged"
    );
}

/// A gate for two apps, and what makes tokens for them.
fn apps_gate(backend: &Recorder) -> Builder {
    Gate::with(APPS)
        .file("one", "YXA6-the-first-secret")
        .file("two", "YXA6-the-second-secret")
        .upstream("im", backend.address())
}

fn bearer(gate: &Gate, app: &str) -> String {
    let (file, client_id) = match app {
        "other" => ("two", "YXA6-two"),
        _ => ("one", "YXA6-one"),
    };
    let minted = std::process::Command::new(crate::support::gate::binary())
        .args([
            "token",
            "mint",
            "easemob_dynamic",
            "--user",
            "bob",
            "--client-id",
            client_id,
        ])
        .args(["--app-key", &format!("easemob-demo#{app}"), "--secret-file"])
        .arg(gate.path(file))
        .output()
        .unwrap();
    assert!(minted.status.success(), "{minted:?}");
    let token = String::from_utf8(minted.stdout).unwrap();
    format!("Authorization: Bearer {}\r\n", token.trim())
}

#[test]
fn a_path_that_names_an_app_is_for_its_tokens_alone() {
    let backend = Recorder::ok();
    let gate = apps_gate(&backend).start();
    let (one, other) = (bearer(&gate, "testapp"), bearer(&gate, "other"));
    let nothing = String::new();
    let bad = "Authorization: Bearer ZHQtbm90aGluZw\r\n".to_owned();
    for (path, headers, expected) in [
        ("/easemob-demo/testapp/me/x", &one, "200"),
        ("/easemob-demo/other/me", &other, "200"),
        ("/plain", &one, "200"),
        ("/plain", &other, "200"),
        ("/easemob-demo/testapp/me/x", &other, "401 wrong_app"),
        ("/easemob-demo/other/me/x", &one, "401 wrong_app"),
        ("/easemob-demo/testapp/me/x", &nothing, "401 no_credential"),
        ("/easemob-demo/testapp/me/x", &bad, "401 malformed"),
        // Nobody has configured these, whatever is brought.
        ("/easemob-demo/nobody/me/x", &one, "404 wrong_app"),
        ("/easemob-demo/nobody/me/x", &nothing, "404 wrong_app"),
        ("/easemob-demo/nobody/me/x", &bad, "404 wrong_app"),
        ("/testapp/easemob-demo/me/x", &one, "404 wrong_app"),
        ("/easemob-demo/TESTAPP/me/x", &one, "404 wrong_app"),
        ("/easemob-demo/testapp%23x/me/x", &one, "404 wrong_app"),
        ("/easemob-demo/nobody/ws", &one, "404 wrong_app"),
        // No escape makes another app of it, or the same.
        ("/easemob-demo/test%61pp/me/x", &one, "400 syntax"),
        ("/easemob-demo/testapp/ws", &one, "426 upgrade"),
        // No credential of this route belongs to an app that a path can name.
        (
            "/easemob-demo/nobody/partners",
            &"X-App-Key: key-p\r\n".to_owned(),
            "200",
        ),
    ] {
        let answer = gate.get(path, headers);
        let found = match answer.status() {
            200 => "200".to_owned(),
            status => format!("{status} {}", answer.reason()),
        };
        assert_eq!(found, expected, "{path} {headers}");
    }
}

/// Whoever writes a revoked token in another way has written the same token.
#[test]
fn a_revoked_token_is_revoked_however_it_is_written() {
    let backend = Recorder::ok();
    let gate = apps_gate(&backend)
        .admin("address: \"$ADDRESS\", token: { value: an-admin-token }")
        .start();
    let written = bearer(&gate, "testapp");
    let other = bearer(&gate, "other");
    assert!(written.trim_end().ends_with('='), "it is padded: {written}");
    let rewritten = format!("{}\r\n", written.trim_end().trim_end_matches('='));
    for headers in [&written, &rewritten, &other] {
        assert_eq!(gate.get("/plain", headers).status(), 200);
    }
    let token = rewritten.trim_end().rsplit(' ').next().unwrap();
    let body = serde_json::json!({ "token": token }).to_string();
    let address = gate.admin_address();
    let mut client = crate::support::RawClient::connect(address);
    client.send(format!(
        "POST /revocations HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer an-admin-token\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    ));
    assert_eq!(client.answer().status(), 200);
    for headers in [&written, &rewritten] {
        let answer = gate.get("/plain", headers);
        assert_eq!(
            (answer.status(), answer.reason().as_str()),
            (401, "revoked")
        );
    }
    assert_eq!(gate.get("/plain", &other).status(), 200);
}

//! Token04 of ZEGO: one answer to whatever is wrong, and a `+` in an address.

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;

use super::{credentials, policy, send_all, verdict};
use crate::support::gate::handshake;
use crate::support::mint::bearer_subprotocol;
use crate::support::ws_backend::{End, WsBackend};
use crate::support::ws_client::WsClient;
use crate::support::{Gate, Recorder};

fn gate(backend: &Recorder, allow_cbc: bool) -> Gate {
    let scheme = format!(
        "zego_token04: {{ app_id: {}, server_secret: {{ file: secret }}, allow_cbc: {allow_cbc} }}",
        credentials::setting("/zego_token04/app_id"),
    );
    Gate::with(&policy(&scheme))
        .file(
            "secret",
            &credentials::setting("/zego_token04/server_secret"),
        )
        .upstream("im", backend.address())
        .clock(credentials::setting("/zego_token04/ctime").parse().unwrap())
        .start()
}

#[test]
fn the_shared_vectors_are_judged_as_they_say() {
    let backend = Recorder::ok();
    let cases = credentials::zego_token04();
    for allow_cbc in [false, true] {
        let gate = gate(&backend, allow_cbc);
        for case in &cases {
            let found = verdict(&gate, &backend, &case.token);
            let is_old = case.id.contains("CBC");
            let expected = match &case.subject {
                Some(subject) if !is_old || allow_cbc => subject,
                // What nobody can see; the reason why it is off unless it is asked for.
                None if case.id.contains("ATTACK") && allow_cbc => "root",
                Some(_) | None => "malformed",
            };
            assert_eq!(found, expected, "{}, allow_cbc: {allow_cbc}", case.id);
            if case.subject.is_some() && found != "malformed" {
                let head = backend.last().head;
                assert_eq!(head.header("x-auth-app-id"), Some("1234567890"));
            }
        }
        let caveats = gate.status()["caveats"].to_string();
        assert_eq!(caveats.contains("allow_cbc"), allow_cbc, "{caveats}");
    }
}

#[test]
fn tokens_of_another_implementation() {
    let made: Value =
        serde_json::from_str(include_str!("../../vectors/zego_token04/vectors.json")).unwrap();
    let now = made["now"].as_i64().unwrap();
    let backend = Recorder::ok();
    for allow_cbc in [false, true] {
        let scheme = format!(
            "zego_token04: {{ app_id: {}, server_secret: {{ file: secret }}, allow_cbc: {allow_cbc} }}",
            made["app_id"],
        );
        let gate = Gate::with(&policy(&scheme))
            .file("secret", made["server_secret"].as_str().unwrap())
            .upstream("im", backend.address())
            .clock(now)
            .start();
        let cases = made["cases"].as_array().unwrap();
        let is_brief = |case: &&Value| {
            let name = case["case"].as_str().unwrap();
            name.ends_with(": one second left") || name.ends_with(": made later")
        };
        let lasting: Vec<Value> = cases
            .iter()
            .filter(|case| !is_brief(case))
            .cloned()
            .collect();
        assert_eq!(cases.len() - lasting.len(), 4);
        send_all(&gate, &backend, &lasting, now, |case| {
            let is_off = case["mode"] == "cbc" && !allow_cbc;
            let subject = case["subject"].as_str().filter(|_| !is_off);
            subject.map_or_else(
                || "malformed".to_owned(),
                |subject| match subject {
                    "用户-1" => "%E7%94%A8%E6%88%B7-1".to_owned(),
                    other => other.to_owned(),
                },
            )
        });
    }
}

/// Not even the head of the answer says what was wrong.
#[test]
fn one_answer_whatever_is_wrong() {
    let backend = Recorder::ok();
    let gate = gate(&backend, true);
    let cases = credentials::zego_token04();
    let good = |name: &str| {
        let found = cases.iter().find(|case| case.id.starts_with(name));
        found.unwrap().token.clone()
    };
    let (old, new) = (good("z-1 "), good("z-2 "));
    let changed = |token: &str, from_end: usize| {
        let mut bytes = token.as_bytes().to_vec();
        let at = bytes.len() - from_end;
        bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
        String::from_utf8(bytes).unwrap()
    };
    let ended = {
        let made: Value =
            serde_json::from_str(include_str!("../../vectors/zego_token04/vectors.json")).unwrap();
        made["cases"][0]["token"].as_str().unwrap().to_owned()
    };
    let answers: Vec<String> = [
        // Bad padding, a broken block in the middle, a bad tag, another secret, another version, no base64.
        changed(&old, 30),
        changed(&old, 60),
        changed(&new, 10),
        ended,
        old.replacen("04", "05", 1),
        "nonsense".to_owned(),
    ]
    .iter()
    .map(|token| {
        let answer = gate.get("/plain", &format!("Authorization: Bearer {token}\r\n"));
        let mut body: Value = serde_json::from_slice(&answer.body).unwrap();
        body["request_id"] = Value::Null;
        let challenge = answer.header("www-authenticate");
        format!("{} {challenge:?} {body}", answer.status())
    })
    .collect();
    assert!(answers[0].starts_with("401 "), "{}", answers[0]);
    assert!(
        answers.iter().all(|answer| *answer == answers[0]),
        "{answers:#?}"
    );
    assert!(!gate.output().contains("04AAAA"), "no token is logged");
}

#[test]
fn a_plus_in_an_address_may_be_written_as_it_is() {
    let backend = Recorder::ok();
    let scheme = format!(
        "zego_token04: {{ app_id: {}, server_secret: {{ file: secret }} }}",
        credentials::setting("/zego_token04/app_id"),
    );
    let policy = "
authenticators:
  users:
    from: [{ header: token }, { query: token }, { subprotocol: imgate.bearer. }]
    $SCHEME
routes:
  - { name: kept, match: { path: /kept }, require: { any_of: [users] }, upstream: im }
  - { name: moved, match: { path: /moved }, require: { any_of: [users] }, credential: { form: bare, as: { header: token } }, upstream: im }
  - { name: ws, match: { path: /ws }, websocket: true, require: { any_of: [users] }, upstream: im }
"
    .replace("$SCHEME", &scheme);
    let gate = Gate::with(&policy)
        .file(
            "secret",
            &credentials::setting("/zego_token04/server_secret"),
        )
        .upstream("im", backend.address())
        .clock(credentials::setting("/zego_token04/ctime").parse().unwrap())
        .start();
    let cases = credentials::zego_token04();
    let token = &cases
        .iter()
        .find(|case| case.id.starts_with("z-2 "))
        .unwrap()
        .token;
    assert!(token.contains('+') && token.contains('/') && token.ends_with('='));
    let encoded = utf8_percent_encode(token, NON_ALPHANUMERIC).to_string();
    for (written, status) in [
        (token.clone(), 200),
        (encoded.clone(), 200),
        (encoded.replace("%2B", "%20"), 401),
    ] {
        let kept = gate.get(&format!("/kept?token={written}"), "");
        assert_eq!(kept.status(), status, "{written}");
        let moved = gate.get(&format!("/moved?token={written}"), "");
        assert_eq!(moved.status(), status, "{written}");
        if status == 200 {
            let head = backend.last().head;
            assert_eq!(
                head.header("token"),
                Some(token.as_str()),
                "whole, with its plus"
            );
        }
    }
    let both = format!("token: {token}\r\n");
    let answer = gate.get(&format!("/kept?token={token}"), &both);
    assert_eq!(answer.status(), 200, "the same in both places");
    let protocols = format!(
        "Sec-WebSocket-Protocol: chat, {}\r\n",
        bearer_subprotocol(token)
    );
    let answer = gate.send(handshake("/ws", &protocols));
    // The backend speaks no WebSocket, and says so itself.
    assert_eq!(answer.status(), 200, "a page can bring it");
    let head = backend.last().head;
    assert_eq!(head.header("token"), Some(token.as_str()));
}

#[test]
fn a_socket_ends_with_its_token() {
    let (backend, sockets) = (Recorder::ok(), WsBackend::echo());
    let scheme = format!(
        "zego_token04: {{ app_id: {}, server_secret: {{ file: secret }} }}",
        credentials::setting("/zego_token04/app_id"),
    );
    let ws = "  - { name: ws, match: { path: /ws }, websocket: true, require: { any_of: [users] }, upstream: ws }\n";
    let cases = credentials::zego_token04();
    let case = cases
        .iter()
        .find(|case| case.id.starts_with("z-2 "))
        .unwrap();
    let gate = Gate::with(&format!("{}{ws}", policy(&scheme)))
        .file(
            "secret",
            &credentials::setting("/zego_token04/server_secret"),
        )
        .upstream("im", backend.address())
        .upstream("ws", sockets.address())
        .clock(case.until - 4)
        .start();
    let mut client = WsClient::to(gate.address(), "/ws")
        .header("Authorization", &format!("Bearer {}", case.token))
        .connect();
    client.echo("still here");
    assert_eq!(client.expect_close(), 4401);
    assert_eq!(sockets.first_end(), End::Close(4401));
}

//! Upgrades and WebSocket handshakes.

use super::*;

#[test]
fn an_upgrade_is_seen_but_opens_nothing() {
    let asked = |lines: &[&str]| with(lines, |head| check(head).map(|c| c.websocket));
    #[rustfmt::skip]
    let cases = [
        ("none", ["GET / HTTP/1.1", "A: b", "C: d"], Ok(false)),
        ("a WebSocket", ["GET / HTTP/1.1", "Upgrade: WebSocket", "Connection: upgrade"], Ok(true)),
        ("a WebSocket among others", ["GET / HTTP/1.1", "Upgrade: h2c, websocket", "A: b"], Ok(true)),
        ("anything else", ["GET / HTTP/1.1", "Upgrade: x", "A: b"], Ok(false)),
        ("HTTP/2 in clear text", ["POST / HTTP/1.1", "Upgrade: h2c", "Content-Length: 5"], Ok(false)),
        ("another version of it", ["GET / HTTP/1.1", "Upgrade: websocket/13", "A: b"], Ok(false)),
        ("a body of no bytes", ["POST / HTTP/1.1", "Upgrade: websocket", "Content-Length: 0"], Ok(true)),
        ("a body", ["POST / HTTP/1.1", "Upgrade: websocket", "Content-Length: 5"], Err(SyntaxError::UpgradeBody)),
        ("chunks", ["GET / HTTP/1.1", "Upgrade: websocket", "Transfer-Encoding: chunked"], Err(SyntaxError::UpgradeBody)),
    ];
    for (case, [start, first, second], expected) in cases {
        assert_eq!(
            asked(&[start, "Host: a", first, second]),
            expected,
            "{case}"
        );
    }
}

#[test]
fn a_handshake_is_what_the_rfc_says() {
    use HandshakeError::{Malformed, UpgradeRequired};
    const START: &str = "GET /ws HTTP/1.1";
    const UPGRADE: &str = "Upgrade: websocket";
    const CONNECTION: &str = "Connection: Upgrade";
    const VERSION: &str = "Sec-WebSocket-Version: 13";
    const KEY: &str = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==";
    #[rustfmt::skip]
    let cases = [
        ("all there", vec![START, UPGRADE, CONNECTION, VERSION, KEY], Ok(())),
        ("unusual case", vec![START, "upgrade: WebSocket", "connection: keep-alive, UPGRADE", VERSION, KEY], Ok(())),
        ("upgrade in a second line", vec![START, UPGRADE, "Connection: keep-alive", CONNECTION, VERSION, KEY], Ok(())),
        ("a length of zero", vec![START, UPGRADE, CONNECTION, VERSION, KEY, "Content-Length: 0"], Ok(())),
        ("no upgrade", vec![START, CONNECTION, VERSION, KEY], Err(UpgradeRequired)),
        ("another upgrade", vec![START, "Upgrade: h2c", CONNECTION, VERSION, KEY], Err(UpgradeRequired)),
        ("a word that holds it", vec![START, "Upgrade: notwebsocket", CONNECTION, VERSION, KEY], Err(UpgradeRequired)),
        ("version 8", vec![START, UPGRADE, CONNECTION, "Sec-WebSocket-Version: 8", KEY], Err(UpgradeRequired)),
        ("version 1337", vec![START, UPGRADE, CONNECTION, "Sec-WebSocket-Version: 1337", KEY], Err(UpgradeRequired)),
        ("two versions in one", vec![START, UPGRADE, CONNECTION, "Sec-WebSocket-Version: 13, 8", KEY], Err(UpgradeRequired)),
        ("no version", vec![START, UPGRADE, CONNECTION, KEY], Err(UpgradeRequired)),
        ("two upgrades in one", vec![START, "Upgrade: h2c, websocket", CONNECTION, VERSION, KEY], Err(Malformed(Flaw::Upgrade))),
        ("two upgrades", vec![START, UPGRADE, UPGRADE, CONNECTION, VERSION, KEY], Err(Malformed(Flaw::Doubled))),
        ("two keys", vec![START, UPGRADE, CONNECTION, VERSION, KEY, KEY], Err(Malformed(Flaw::Doubled))),
        ("two versions", vec![START, UPGRADE, CONNECTION, VERSION, VERSION, KEY], Err(Malformed(Flaw::Doubled))),
        ("POST", vec!["POST /ws HTTP/1.1", UPGRADE, CONNECTION, VERSION, KEY], Err(Malformed(Flaw::Method))),
        ("HTTP/1.0", vec!["GET /ws HTTP/1.0", UPGRADE, CONNECTION, VERSION, KEY], Err(Malformed(Flaw::HttpVersion))),
        ("no connection", vec![START, UPGRADE, VERSION, KEY], Err(Malformed(Flaw::Connection))),
        ("another connection", vec![START, UPGRADE, "Connection: keep-alive", VERSION, KEY], Err(Malformed(Flaw::Connection))),
        ("a word that holds upgrade", vec![START, UPGRADE, "Connection: xupgrade", VERSION, KEY], Err(Malformed(Flaw::Connection))),
        ("a body", vec![START, UPGRADE, CONNECTION, VERSION, KEY, "Content-Length: 5"], Err(Malformed(Flaw::Body))),
        ("chunks", vec![START, UPGRADE, CONNECTION, VERSION, KEY, "Transfer-Encoding: chunked"], Err(Malformed(Flaw::Body))),
        ("no key", vec![START, UPGRADE, CONNECTION, VERSION], Err(Malformed(Flaw::Key))),
        ("a short key", vec![START, UPGRADE, CONNECTION, VERSION, "Sec-WebSocket-Key: AAAA"], Err(Malformed(Flaw::Key))),
    ];
    for (case, lines, expected) in cases {
        let found = with(&lines, |head| websocket(head).map(|_| ()));
        assert_eq!(found, expected, "{case}");
        if let Err(error) = found {
            let status = if error == UpgradeRequired { 426 } else { 400 };
            assert_eq!(error.status(), status, "{case}");
        }
    }
    with(&[START, UPGRADE, CONNECTION, VERSION, KEY], |head| {
        assert_eq!(
            &websocket(head).unwrap().accept(),
            b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
        );
    });
}

#[test]
fn an_offer_whose_entries_cannot_be_told_apart_is_refused() {
    #[rustfmt::skip]
    let cases = [
        ("tokens", "imgate.bearer.eA, chat", Ok(())),
        ("empty elements", "chat, , json,", Ok(())),
        ("a blank in an entry", "imgate.bearer.eA b, chat", Err(SyntaxError::Subprotocol)),
        ("a quoted entry", "chat, \"imgate.bearer.eA\"", Err(SyntaxError::Subprotocol)),
        ("another separator", "chat; imgate.bearer.eA", Err(SyntaxError::Subprotocol)),
        ("padding", "imgate.bearer.eA==", Err(SyntaxError::Subprotocol)),
    ];
    for (case, offered, expected) in cases {
        let offer = format!("Sec-WebSocket-Protocol: {offered}");
        for start in ["GET / HTTP/1.1", "POST / HTTP/1.1"] {
            assert_eq!(outcome(&[start, "Host: a", &offer]), expected, "{case}");
        }
        let second = [
            "GET / HTTP/1.1",
            "Host: a",
            "Sec-WebSocket-Protocol: chat",
            &offer,
        ];
        assert_eq!(outcome(&second), expected, "{case}, in a second line");
    }
}

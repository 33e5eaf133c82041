//! HTTP/2 in clear text, which is not spoken (A5, A9).

use super::arena::{Arena, Attack, HOST, KEY, attack, smuggled, token};
use crate::support::raw::request;

const SETTINGS: &str = "HTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\n";
/// The preface of HTTP/2 and an empty SETTINGS frame.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";

#[test]
fn an_upgrade_to_cleartext_http2_does_not_reach_a_backend() {
    let arena = Arena::new();
    #[rustfmt::skip]
    let spellings = [
        format!("Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n{SETTINGS}"),
        format!("Connection: upgrade, http2-settings\r\nupgrade: H2C\r\n{SETTINGS}"),
        format!("Connection: Upgrade\r\nUpgrade: h2c\r\n{SETTINGS}"),
        format!("Connection: HTTP2-Settings\r\nUpgrade: h2c\r\n{SETTINGS}"),
        format!("Upgrade: h2c\r\n{SETTINGS}"),
        format!("Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c, h2c\r\n{SETTINGS}{SETTINGS}"),
        "Connection: Upgrade\r\nUpgrade: h2c\r\nHTTP2_Settings: AAMAAABkAARAAAAAAAIAAAAA\r\n".to_owned(),
        "Connection: Upgrade\r\nUpgrade: h2c\r\nhttp2.settings: AAMAAABkAARAAAAAAAIAAAAA\r\n".to_owned(),
    ];
    for lines in &spellings {
        for (target, lines, status) in [
            ("/open/x", lines.clone(), 200),
            ("/openapi/x", format!("{KEY}{lines}"), 200),
            ("/openapi/smuggled", lines.clone(), 401),
            ("/ws", format!("{}{lines}", token()), 426),
        ] {
            assert_eq!(
                arena.gate().get(target, &lines).status(),
                status,
                "{target} {lines}"
            );
            if status != 200 {
                arena.expect_arrived(&[]);
                continue;
            }
            let head = &arena.expect_arrived(&[&format!("GET {target}")])[0].head;
            let text = head.text.to_ascii_lowercase();
            for gone in ["upgrade", "settings", "h2c"] {
                assert!(!text.contains(gone), "{gone} for {lines}:\n{text}");
            }
        }
    }
}

#[test]
fn the_preface_of_http2_is_not_spoken_to() {
    let arena = Arena::new();
    let h2c = format!("Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n{SETTINGS}");
    let bytes = |first: String| [first.as_bytes(), PREFACE, smuggled().as_bytes()].concat();
    let attacks: Vec<Attack> = vec![
        attack("with prior knowledge", bytes(String::new()), 505),
        attack(
            "behind an upgrade",
            bytes(request("GET", "/open/x", &h2c)),
            0,
        )
        .answered(&[200, 505])
        .arriving(&["GET /open/x"]),
        attack(
            "behind a refused upgrade",
            bytes(request("GET", "/openapi/x", &h2c)),
            0,
        )
        .answered(&[401, 505]),
        attack(
            "behind a refused handshake",
            bytes(request("GET", "/ws", &h2c)),
            0,
        )
        .answered(&[426, 505]),
        attack("in lower case", "pri * http/2.0\r\n\r\nsm\r\n\r\n", 400),
        attack("as HTTP/1.1", "PRI * HTTP/1.1\r\n\r\nSM\r\n\r\n", 405),
        attack(
            "an extended CONNECT in the words of HTTP/1.1",
            request("CONNECT", "/ws", ":protocol: websocket\r\n") + &smuggled(),
            400,
        ),
        attack(
            "pseudo headers",
            format!(":method: GET\r\n:path: /open/x\r\n{HOST}\r\n{}", smuggled()),
            400,
        ),
    ];
    arena.check(attacks);
}

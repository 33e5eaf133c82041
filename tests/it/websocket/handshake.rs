//! The handshake: what is refused on either side, and with what.

use std::time::Duration;

use super::super::support::gate::handshake;
use super::super::support::mint::{sa_token, sa_token_mixin, sa_token_signed};
use super::super::support::raw::request;
use super::super::support::wait::pause;
use super::super::support::ws_backend::{WsBackend, accept};
use super::{client, gate_before, good_headers};

const DEVICE_TYPES: [&str; 5] = [
    "im_app_ios",
    "im_app_android",
    "im_web",
    "im_pc_win",
    "im_pc_mac",
];

#[test]
fn what_is_no_websocket_handshake_is_told_so() {
    let backend = WsBackend::echo();
    let gate = gate_before(&backend).start();
    let good = good_headers();
    let upgrade = "Connection: Upgrade\r\nUpgrade: websocket\r\n";
    let key = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
    let version = "Sec-WebSocket-Version: 13\r\n";
    for (case, headers, status) in [
        ("no upgrade", String::new(), 426),
        ("no upgrade, though a key", format!("{key}{version}"), 426),
        (
            "another upgrade",
            format!("Connection: Upgrade\r\nUpgrade: h2c\r\n{key}{version}"),
            426,
        ),
        (
            "another version",
            format!("{upgrade}{key}Sec-WebSocket-Version: 8\r\n"),
            426,
        ),
        ("no version", format!("{upgrade}{key}"), 426),
        ("no key", format!("{upgrade}{version}"), 400),
        (
            "an empty key",
            format!("{upgrade}{version}Sec-WebSocket-Key:\r\n"),
            400,
        ),
        (
            "a short key",
            format!("{upgrade}{version}Sec-WebSocket-Key: c2hvcnQ=\r\n"),
            400,
        ),
        (
            "a key that is no base64",
            format!(
                "{upgrade}{version}Sec-WebSocket-Key: {}\r\n",
                "!".repeat(24)
            ),
            400,
        ),
        (
            "no Connection",
            format!("Upgrade: websocket\r\n{key}{version}"),
            400,
        ),
        (
            "a Connection without upgrade",
            format!("Connection: keep-alive\r\nUpgrade: websocket\r\n{key}{version}"),
            400,
        ),
        (
            "a list of upgrades",
            format!("Connection: Upgrade\r\nUpgrade: h2c, websocket\r\n{key}{version}"),
            400,
        ),
    ] {
        let answer = gate.send(request("GET", "/ws", &format!("{good}{headers}")));
        assert_eq!(answer.status(), status, "{case}");
        if status == 426 {
            assert_eq!(answer.header("upgrade"), Some("websocket"), "{case}");
            assert_eq!(answer.header("sec-websocket-version"), Some("13"), "{case}");
        }
    }
    assert!(backend.handshakes().is_empty());
}

#[test]
fn a_token_that_does_not_count_is_refused() {
    let backend = WsBackend::echo();
    let gate = gate_before(&backend).start();
    let forged = sa_token_signed("im_user:7", "a secret of somebody else, long enough");
    let doubled = format!("Bearer Bearer {}", sa_token("im_user:7"));
    let expired = sa_token_mixin("im_user:7", "im_web", -5);
    for (case, token, status) in [
        ("an empty token", "", 401),
        ("nonsense for a token", "nonsense", 401),
        ("a forged token", &forged, 401),
        ("a doubled prefix", &doubled, 401),
        ("an expired token", &expired, 401),
        ("another type of user", &sa_token("sys_user:1"), 403),
        (
            "a user type that only begins alike",
            &sa_token("im_user_x:1"),
            403,
        ),
    ] {
        let headers = format!("token: {token}\r\ndeviceType: im_web\r\n");
        let answer = gate.send(handshake("/ws", &headers));
        assert_eq!(answer.status(), status, "{case}: {}", answer.text());
        assert_eq!(
            answer.header("www-authenticate").is_some(),
            status == 401,
            "{case}"
        );
    }
    let answer = gate.send(handshake("/ws", "deviceType: im_web\r\n"));
    assert_eq!(
        (answer.status(), answer.reason().as_str()),
        (401, "no_credential")
    );
    assert!(backend.handshakes().is_empty());
}

#[test]
fn a_device_type_that_does_not_count_is_refused_with_those_that_do() {
    let backend = WsBackend::echo();
    let gate = gate_before(&backend).start();
    let token = sa_token("im_user:7");
    let on_ios = sa_token_mixin("im_user:7", "im_app_ios", 60);
    for (case, token, device) in [
        ("none", &token, ""),
        ("empty", &token, "deviceType:\r\n"),
        ("unlisted", &token, "deviceType: toaster\r\n"),
        ("web", &token, "deviceType: web\r\n"),
        ("in capitals", &token, "deviceType: IM_WEB\r\n"),
        ("a list", &token, "deviceType: im_web, im_app_ios\r\n"),
        ("unlike the token's own", &on_ios, "deviceType: im_web\r\n"),
    ] {
        let answer = gate.send(handshake("/ws", &format!("token: {token}\r\n{device}")));
        let seen = (answer.status(), answer.reason());
        assert_eq!(
            seen,
            (403, "device_type".to_owned()),
            "{case}: {}",
            answer.text()
        );
        for allowed in DEVICE_TYPES {
            assert!(
                answer.text().contains(allowed),
                "{case} names {allowed}: {}",
                answer.text()
            );
        }
    }
    let both = format!("token: {token}\r\ndeviceType: im_web\r\n");
    for (case, target, headers) in [
        (
            "two places, two values",
            "/ws?deviceType=im_app_ios",
            both.clone(),
        ),
        (
            "one header twice",
            "/ws",
            format!("{both}deviceType: im_web\r\n"),
        ),
    ] {
        assert_eq!(
            gate.send(handshake(target, &headers)).status(),
            400,
            "{case}"
        );
    }
    assert!(backend.handshakes().is_empty());
}

#[test]
fn every_allowed_device_type_connects() {
    let backend = WsBackend::echo();
    let gate = gate_before(&backend).start();
    for device in DEVICE_TYPES {
        let headers = format!(
            "token: {}\r\ndeviceType: {device}\r\n",
            sa_token("im_user:7")
        );
        assert_eq!(
            gate.send(handshake("/ws", &headers)).status(),
            101,
            "{device}"
        );
        assert_eq!(
            backend.last_handshake().header("x-auth-device-type"),
            Some(device)
        );
    }
}

#[test]
fn the_backend_gets_the_handshake_that_it_wants() {
    let backend = WsBackend::echo();
    let gate = gate_before(&backend).start();
    let token = sa_token("im_user:7");
    // As Firefox sends it.
    let headers = format!(
        "Host: im.example.com\r\nConnection: keep-alive, Upgrade\r\nUpgrade: WebSocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
         Origin: https://chat.example.com\r\ntoken: bearer {token}\r\ndeviceType: im_web\r\n\
         X-Auth-Subject: forged\r\n"
    );
    assert_eq!(
        gate.send(format!("GET /ws?a=1 HTTP/1.1\r\n{headers}\r\n"))
            .status(),
        101
    );
    let received = backend.last_handshake();
    assert_eq!(received.target(), "/ws?a=1");
    assert_eq!(
        received.header("connection"),
        Some("Upgrade"),
        "netty compares the whole value"
    );
    assert!(
        received
            .header("upgrade")
            .unwrap()
            .eq_ignore_ascii_case("websocket")
    );
    assert_eq!(
        received.header("token"),
        Some(token.as_str()),
        "without its prefix"
    );
    assert_eq!(received.header("origin"), Some("https://chat.example.com"));
    assert_eq!(received.header("x-auth-subject"), Some("7"));
    assert_eq!(received.header("x-auth-user-type"), Some("im_user"));
    assert_eq!(received.header("x-auth-authenticator"), Some("im-token"));
    assert!(
        received
            .header("x-auth-session-id")
            .is_some_and(|id| !id.is_empty())
    );
}

#[test]
fn the_client_gets_a_whole_101() {
    let backend = WsBackend::echo();
    let gate = gate_before(&backend).start();
    let answer = gate.send(handshake("/ws", &good_headers()));
    assert_eq!(answer.status(), 101);
    assert_eq!(
        answer.header("sec-websocket-accept"),
        Some("s3pPLMBiTxaQ9kYGzzhZRbK+xOo=")
    );
    assert!(
        answer
            .header("connection")
            .unwrap()
            .eq_ignore_ascii_case("upgrade")
    );
    assert!(answer.header("x-request-id").is_some());
    client(&gate)
        .connect()
        .echo("and a well-behaved client accepts it");
}

#[test]
fn a_101_that_proves_nothing_is_502() {
    for (case, script) in [
        (
            "a wrong Accept",
            (|head| accept(head, "").replace("Sec-WebSocket-Accept: ", "Sec-WebSocket-Accept: x"))
                as fn(&super::super::support::wire::Head) -> String,
        ),
        ("no Accept", |head| {
            accept(head, "").replace("Sec-WebSocket-Accept", "X-Accept")
        }),
        ("no Upgrade", |head| {
            accept(head, "").replace("Upgrade: websocket\r\n", "")
        }),
        ("another Upgrade", |head| {
            accept(head, "").replace("websocket\r\n", "h2c\r\n")
        }),
        ("an extension not offered", |head| {
            accept(head, "Sec-WebSocket-Extensions: permessage-deflate\r\n")
        }),
        ("a protocol not offered", |head| {
            accept(head, "Sec-WebSocket-Protocol: mqtt\r\n")
        }),
    ] {
        let backend = WsBackend::handshaking(script);
        let gate = gate_before(&backend).start();
        let answer = gate.send(handshake("/ws", &good_headers()));
        assert_eq!(answer.status(), 502, "{case}");
    }
}

#[test]
fn a_refusal_of_the_backend_is_relayed() {
    let backend = WsBackend::handshaking(|_| {
        "HTTP/1.1 403 Forbidden\r\nX-Why: banned\r\nContent-Length: 6\r\n\r\nbanned".to_owned()
    });
    let gate = gate_before(&backend).start();
    let answer = gate.send(handshake("/ws", &good_headers()));
    assert_eq!((answer.status(), answer.text().as_str()), (403, "banned"));
    assert_eq!(answer.header("x-why"), Some("banned"));
}

#[test]
fn a_backend_that_takes_too_long_is_504() {
    let backend = WsBackend::handshaking(|head| {
        pause(Duration::from_secs(6));
        accept(head, "")
    });
    let gate = gate_before(&backend).start();
    assert_eq!(gate.send(handshake("/ws", &good_headers())).status(), 504);
}

#[test]
fn hop_by_hop_and_nominated_headers_of_a_101_stay_at_the_gate() {
    let backend = WsBackend::handshaking(|head| {
        accept(
            head,
            "Connection: X-Hop\r\nX-Hop: 1\r\nKeep-Alive: timeout=5\r\nProxy-Connection: a\r\n\
             Proxy-Authenticate: Basic\r\nTrailer: b\r\nX-Kept: 1\r\n",
        )
    });
    let gate = gate_before(&backend).start();
    let answer = gate.send(handshake("/ws", &good_headers()));
    assert_eq!(answer.status(), 101);
    for gone in [
        "x-hop",
        "keep-alive",
        "proxy-connection",
        "proxy-authenticate",
        "trailer",
    ] {
        assert_eq!(answer.header(gone), None, "{gone}");
    }
    assert_eq!(answer.header("x-kept"), Some("1"));
    assert_eq!(answer.header("connection"), Some("Upgrade"));
    assert_eq!(answer.header("upgrade"), Some("websocket"));
}

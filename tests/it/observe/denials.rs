//! Each refusal, carried out and observed; and those that are always carried out.

use jsonwebtoken::{Algorithm, EncodingKey};

use super::super::support::gate::handshake;
use super::super::support::member::{bearer, client, token_with};
use super::super::support::mint::{SA_TOKEN_SECRET, jwt, now, sa_token};
use super::super::support::raw::request;
use super::super::support::ws_client::WsClient;
use super::super::support::{Gate, eventually};
use super::{Scene, observing};

/// What clients make up about themselves.
const FORGED: &str = "X-Auth-Subject: forged\r\nx_auth_user_type: forged\r\nX-User-Id: forged\r\n";
/// The same, and what the route `keys` says to the backend of those whom it lets in.
const BACKEND_KEY: &str = "X-Backend-Key: forged\r\n";

/// Target, credential, and how it is refused.
struct Refused {
    case: &'static str,
    target: &'static str,
    headers: String,
    status: u16,
    route: &'static str,
    reason: &'static str,
}

fn refused() -> Vec<Refused> {
    let row = |case, target: &'static str, headers: String, status, reason| Refused {
        case,
        target,
        headers,
        status,
        route: target.split('?').next().unwrap().trim_start_matches('/'),
        reason,
    };
    let member = |subject, seconds| bearer(&token_with(subject, seconds, &[("name", "canary")]));
    let forged = {
        let key = EncodingKey::from_secret(b"a secret of somebody else, and long enough");
        let claims = serde_json::json!({ "sub": "7", "exp": now() + 600, "name": "canary" });
        bearer(&jwt("h", Algorithm::HS256, &key, &claims))
    };
    vec![
        row("nothing", "/keys", String::new(), 401, "no_credential"),
        row(
            "an unknown key",
            "/keys",
            "X-App-Key: canary-bad\r\n".to_owned(),
            401,
            "unknown_key",
        ),
        row(
            "a key of other routes",
            "/keys",
            "X-App-Key: canary-narrow\r\n".to_owned(),
            403,
            "wrong_app",
        ),
        row(
            "an expired token",
            "/member?userId=7",
            member("7", -60),
            401,
            "expired",
        ),
        row(
            "a forged one",
            "/member?userId=7",
            forged,
            401,
            "bad_signature",
        ),
        row(
            "somebody else",
            "/member?userId=8",
            member("7", 600),
            403,
            "subject",
        ),
        row(
            "no device type",
            "/device",
            member("7", 600),
            403,
            "device_type",
        ),
        row(
            "in the query",
            "/device?token=canary",
            String::new(),
            401,
            "malformed",
        ),
        row(
            "nobody can tell",
            "/away",
            format!("X-Away: {}\r\n", sa_token("im_user:7")),
            503,
            "unavailable",
        ),
        row(
            "a token of nobody's",
            "/guessed",
            "X-Opaque: canary-1\r\n".to_owned(),
            401,
            "expired",
        ),
        row(
            "one guess more",
            "/guessed",
            "X-Opaque: canary-2\r\n".to_owned(),
            429,
            "throttled",
        ),
    ]
}

/// What the backend may not see of a request that is not let in.
fn assert_is_nobodys(head: &str, case: &str) {
    let seen = head.to_ascii_lowercase();
    for hidden in [
        "canary",
        "forged",
        "subject",
        "user-id",
        "user-type",
        "device-type:",
        "app-id",
        "authenticator",
        "backend-key",
        "x-app-key",
        "authorization",
        "x-away",
        "x-opaque",
        "token=",
    ] {
        assert!(!seen.contains(hidden), "{case}: {hidden} in\n{head}");
    }
}

#[test]
fn each_refusal_is_carried_out_or_only_counted() {
    let scene = Scene::new();
    let (strict, lax) = (
        scene.gate("mode: enforce").start(),
        scene.gate(&observing(3600)).start(),
    );
    for one in refused() {
        let case = one.case;
        let vouched = if one.route == "keys" { BACKEND_KEY } else { "" };
        let headers = format!("{FORGED}{vouched}{}", one.headers);
        let answer = strict.get(one.target, &headers);
        assert_eq!(
            (answer.status(), &*answer.reason()),
            (one.status, one.reason),
            "{case}"
        );
        assert!(scene.backend.take().is_empty(), "{case}");

        let answer = lax.get(one.target, &headers);
        assert_eq!(answer.status(), 200, "{case}: {}", answer.text());
        let [received] = &scene.backend.take()[..] else {
            panic!("{case}: one request arrived")
        };
        assert_is_nobodys(&received.head.text, case);
        let labels = [("route", one.route), ("reason", one.reason)];
        lax.wait_for_metric("imgate_observed_denials_total", &labels, |count| {
            count > 0.5
        });
        let decided = [&labels[..], &[("result", "observed")]].concat();
        let metrics = lax.metrics();
        let decisions = metrics.value("imgate_auth_decisions_total", &decided);
        let observed = metrics.value("imgate_observed_denials_total", &labels);
        assert!(
            (decisions - observed).abs() < 0.1,
            "{case}: {decisions} and {observed}"
        );
        let line = eventually("the access line", || {
            let log = lax.output();
            let line = log
                .lines()
                .rev()
                .find(|line| line.contains("\"observed\":"));
            line.filter(|line| line.contains(&format!("\"observed\":\"{}\"", one.reason)))
                .map(str::to_owned)
        });
        assert!(line.contains("\"status\":200"), "{case}: {line}");
        assert!(line.contains("\"reason\":\"ok\""), "{case}: {line}");
    }
    let said = [lax.output(), lax.metrics().text].concat();
    for secret in ["canary", SA_TOKEN_SECRET, "forged"] {
        assert!(!said.contains(secret), "{secret}");
    }
    let strict = strict.metrics();
    assert!(
        strict.value("imgate_observed_denials_total", &[]) < 0.5,
        "{}",
        strict.text
    );
    let refused = [("result", "observed")];
    assert!(strict.value("imgate_auth_decisions_total", &refused) < 0.5);
    let allowed = [("result", "allow")];
    assert!(lax.metrics().value("imgate_auth_decisions_total", &allowed) < 0.5);
}

#[test]
fn whoever_is_known_is_let_in_as_ever() {
    let scene = Scene::new();
    let gate = scene.gate(&observing(3600)).start();
    let headers = format!("{FORGED}{BACKEND_KEY}X-App-Key: canary-good-key\r\n");
    assert_eq!(gate.get("/keys", &headers).status(), 200);
    let head = scene.backend.only().head;
    assert_eq!(head.header("x-auth-app-id"), Some("a"));
    assert_eq!(head.header("x-app-key"), Some("canary-good-key"));
    assert_eq!(head.header("x-backend-key"), Some("canary-backend-key"));
    assert_eq!(head.header("x-auth-subject"), None);
    let token = token_with("7", 600, &[]);
    assert_eq!(gate.get("/member?userId=7", &bearer(&token)).status(), 200);
    let head = scene.backend.last().head;
    assert_eq!(head.header("x-auth-subject"), Some("7"));
    let allowed = [("result", "allow")];
    assert!(
        gate.metrics()
            .value("imgate_auth_decisions_total", &allowed)
            > 1.5
    );
    assert!(gate.metrics().value("imgate_observed_denials_total", &[]) < 0.5);
}

#[test]
fn what_is_wrong_with_the_request_itself_is_refused_as_ever() {
    let scene = Scene::new();
    let gate = scene.gate(&observing(3600)).start();
    let token = token_with("7", 600, &[]);
    let two = "X-App-Key: canary-good-key\r\nX-App-Key: other\r\n";
    for (case, bytes, status, reason) in [
        (
            "two credentials",
            request("GET", "/keys", two),
            400,
            "conflict",
        ),
        (
            "in two places",
            request("GET", "/device?token=a", &bearer(&token)),
            400,
            "conflict",
        ),
        (
            "two device types",
            request("GET", "/device", "deviceType: a\r\ndeviceType: b\r\n"),
            400,
            "conflict",
        ),
        (
            "two users",
            request("GET", "/member?userId=7&userId=8", ""),
            400,
            "conflict",
        ),
        (
            "two lengths",
            request("GET", "/keys", "Content-Length: 1\r\nContent-Length: 2\r\n"),
            400,
            "syntax",
        ),
        (
            "two framings",
            request(
                "GET",
                "/keys",
                "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n",
            ),
            400,
            "syntax",
        ),
        (
            "another path",
            request("GET", "/keys/../strict", ""),
            400,
            "syntax",
        ),
        ("no route", request("GET", "/nowhere", ""), 404, "no_route"),
        ("a look-alike", request("GET", "/KEYS", ""), 404, "no_route"),
        (
            "another method",
            request("POST", "/keys", "Content-Length: 0\r\n"),
            405,
            "method",
        ),
        (
            "plain text",
            request("GET", "/tls", "X-App-Key: canary-good-key\r\n"),
            426,
            "upgrade",
        ),
        ("no handshake", request("GET", "/ws", ""), 426, "upgrade"),
        (
            "half a handshake",
            request(
                "GET",
                "/ws",
                "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n",
            ),
            400,
            "upgrade",
        ),
        (
            "a route that enforces",
            request("GET", "/strict", ""),
            401,
            "no_credential",
        ),
        (
            "a renewal",
            request("POST", "/ws/renew", "Content-Length: 0\r\n"),
            401,
            "no_credential",
        ),
    ] {
        let answer = gate.send(bytes);
        assert_eq!(
            (answer.status(), &*answer.reason()),
            (status, reason),
            "{case}"
        );
    }
    assert!(scene.backend.take().is_empty());
    assert!(scene.sockets.handshakes().is_empty());
    assert!(gate.metrics().value("imgate_observed_denials_total", &[]) < 0.5);
}

#[test]
fn a_limit_holds_for_those_who_are_not_known_by_their_network() {
    let scene = Scene::new();
    let gate = scene.gate(&observing(3600)).start();
    let status = |client: &str, credential: &str| {
        let headers = format!("X-Forwarded-For: {client}\r\n{credential}");
        gate.get("/limited", &headers).status()
    };
    let good = bearer(&token_with("7", 600, &[]));
    assert_eq!(
        [status("192.0.2.1", ""), status("192.0.2.1", &bearer("bad"))],
        [200, 429]
    );
    assert_eq!(
        [status("192.0.2.2", ""), status("192.0.2.2", "")],
        [200, 429]
    );
    assert_eq!(
        [status("192.0.2.1", &good), status("192.0.2.2", &good)],
        [200, 429]
    );
    let denied = [
        ("route", "limited"),
        ("result", "deny"),
        ("reason", "limited"),
    ];
    let denied = gate.metrics().value("imgate_auth_decisions_total", &denied);
    assert!((denied - 3.0).abs() < 0.1, "{denied}");
    let observed = [("route", "limited")];
    let observed = gate
        .metrics()
        .value("imgate_observed_denials_total", &observed);
    assert!((observed - 2.0).abs() < 0.1, "{observed}");
}

#[test]
fn what_was_revoked_is_refused_and_its_sockets_end() {
    let scene = Scene::new();
    let gate = scene.gate(&observing(3600)).start();
    let token = token_with("7", 600, &[("jti", "one")]);
    let mut known = client(&gate, "/ws", &token)
        .header("deviceType", "im_web")
        .connect();
    known.echo("here");
    let mut unknown = WsClient::to(gate.address(), "/ws").connect();
    unknown.echo("here");
    gate.replace_file("revoked.yaml", "- { jti: one }\n- { app_key: a }\n");
    assert_eq!(known.expect_close(), 4403);
    for (case, bytes) in [
        // Without a device type, which would be forgiven.
        ("a socket", handshake("/ws", &bearer(&token))),
        (
            "a request",
            request("GET", "/member?userId=7", &bearer(&token)),
        ),
        (
            "as somebody else",
            request("GET", "/member?userId=8", &bearer(&token)),
        ),
        (
            "a key",
            request("GET", "/keys", "X-App-Key: canary-good-key\r\n"),
        ),
    ] {
        let answer = gate.send(bytes);
        assert_eq!(
            (answer.status(), &*answer.reason()),
            (401, "revoked"),
            "{case}"
        );
    }
    assert!(scene.backend.take().is_empty());
    unknown.echo("still here");
}

#[test]
fn the_credential_goes_on_where_the_operator_says_so() {
    let scene = Scene::new();
    let policy = scene.policy(&observing(3600)).replace(
        "set_headers: { X-Backend-Key: { value: canary-backend-key } }",
        "pass_unverified: [keys]",
    );
    let gate = Gate::with(&policy)
        .upstream("api", scene.backend.address())
        .upstream("ws", scene.sockets.address())
        .file("revoked.yaml", "[]\n")
        .start();
    let headers = format!("{FORGED}X-App-Key: canary-bad\r\nAuthorization: Bearer canary\r\n");
    assert_eq!(gate.get("/keys", &headers).status(), 200);
    let head = scene.backend.only().head;
    assert_eq!(head.header("x-app-key"), Some("canary-bad"));
    assert_eq!(head.header("authorization"), None);
    assert_eq!(head.header("x-auth-subject"), None);
    assert_eq!(head.header("x-auth-app-id"), None);
}

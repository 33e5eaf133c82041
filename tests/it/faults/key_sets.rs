//! Servers that are asked about keys and tokens, and fail while there is something to lose: the last good
//! set goes on, one line tells of it, one of its end.

use std::net::TcpListener;
use std::sync::LazyLock;
use std::time::Duration;

use jsonwebtoken::{Algorithm, EncodingKey};
use serde_json::{Value, json};

use super::super::support::idp::{Idp, Mood, good, json_answer, jwk};
use super::super::support::mint::{self, Pair, claims};
use super::super::support::recorder::Exchange;
use super::super::support::wait::pause;
use super::super::support::{Gate, Recorder, eventually, net};
use super::warnings;

const POLICY: &str = "
authenticators:
  member:
    from: [{ header: Authorization, prefix: Bearer }]
    jwt:
      jwks: { url: \"http://$IDP/jwks.json\", refresh: 1s, timeout: 500ms, max_age: 1h }
      issuer: https://id.example.com
      audience: im
  opaque:
    from: [{ header: Opaque }]
    introspection: { url: \"http://$IDP/introspect\", max_stale: 0s, timeout: 500ms }
routes:
  - { name: api, match: { path: /api/** }, require: { any_of: [member] }, upstream: im }
  - { name: opaque, match: { path: /opaque/** }, require: { any_of: [opaque] }, upstream: im }
  - { name: open, match: { path: /open }, require: public, upstream: im }
";

static PAIR: LazyLock<Pair> =
    LazyLock::new(|| Pair::generate(&["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"]));

fn key(kid: &str) -> Value {
    jwk(kid, &PAIR.public)
}

fn token(kid: &str) -> String {
    let key = EncodingKey::from_ec_pem(PAIR.private.as_bytes()).unwrap();
    mint::jwt(kid, Algorithm::ES256, &key, &claims("7", 3600))
}

fn status(gate: &Gate, kid: &str) -> u16 {
    let header = format!("Authorization: Bearer {}\r\n", token(kid));
    gate.get("/api/me", &header).status()
}

fn gate(idp: std::net::SocketAddr, backend: &Recorder) -> Gate {
    Gate::with(&POLICY.replace("$IDP", &idp.to_string()))
        .upstream("im", backend.address())
        .workers(1)
        .start()
}

const LOST: &str = "the key set cannot be fetched";

#[test]
fn a_set_that_is_no_set_takes_no_key_away() {
    let moods = [
        ("no key at all", json_answer(r#"{"keys":[]}"#)),
        ("nothing", json_answer("")),
        (
            "an object of another kind",
            json_answer(r#"{"keys":{"a":1}}"#),
        ),
        ("a list", json_answer("[]")),
        ("a page", json_answer("<html>Please log in</html>")),
        (
            "keys of another kind",
            json_answer(r#"{"keys":[{"kty":"oct","k":"AAAA","kid":"a"}]}"#),
        ),
        (
            "a megabyte",
            json_answer(&json!({ "keys": [key("a")], "x": "x".repeat(1 << 20) }).to_string()),
        ),
        (
            "not found",
            "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n".to_owned(),
        ),
        (
            "failed",
            "HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n".to_owned(),
        ),
        (
            "elsewhere",
            "HTTP/1.1 302 Found\r\nLocation: /other\r\nContent-Length: 0\r\n\r\n".to_owned(),
        ),
    ];
    let idp = Idp::with_keys(&[key("a")]);
    let backend = Recorder::ok();
    let gate = gate(idp.address(), &backend);
    assert_eq!(status(&gate, "a"), 200);
    for (number, (case, says)) in moods.into_iter().enumerate() {
        idp.is_now(Mood::Says(says));
        let lines = eventually("a line tells of it", || {
            let lines = warnings(&gate, LOST);
            (lines.len() > number).then_some(lines)
        });
        let asked = idp.asked();
        idp.wait_until_asked(asked + 2);
        assert_eq!(status(&gate, "a"), 200, "{case}");
        // Nobody can tell about a key that may be new.
        assert_eq!(status(&gate, "b"), 503, "{case}");
        assert_eq!(gate.get("/open", "").status(), 200, "{case}");
        assert_eq!(
            warnings(&gate, LOST).len(),
            number + 1,
            "{case}: told once: {lines:?}"
        );
        let caveats = gate.status()["caveats"].to_string();
        assert!(caveats.contains("last good one"), "{case}: {caveats}");
        idp.has_now(&[key("a")]);
        eventually("it is told that it is over", || {
            let found = gate.lines("INFO").into_iter();
            let found = found.filter(|line| line.to_string().contains("fetched again"));
            (found.count() > number).then_some(())
        });
        assert_eq!(status(&gate, "b"), 401, "{case}");
    }
}

#[test]
fn a_set_with_the_same_key_twice_is_read_and_one_with_two_of_a_name_has_both() {
    let other = Pair::generate(&["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"]);
    let idp = Idp::with_keys(&[key("a"), key("a")]);
    let backend = Recorder::ok();
    let gate = gate(idp.address(), &backend);
    assert_eq!(status(&gate, "a"), 200);
    idp.has_now(&[jwk("a", &other.public), key("a")]);
    let asked = idp.asked();
    idp.wait_until_asked(asked + 2);
    assert_eq!(status(&gate, "a"), 200);
    let key = EncodingKey::from_ec_pem(other.private.as_bytes()).unwrap();
    let token = mint::jwt("a", Algorithm::ES256, &key, &claims("8", 3600));
    let answer = gate.get("/api/me", &format!("Authorization: Bearer {token}\r\n"));
    assert_eq!(answer.status(), 200);
}

#[test]
fn servers_that_are_not_there_yet_are_found_when_they_come() {
    let address = net::free_address();
    let backend = Recorder::ok();
    let gate = gate(address, &backend);
    let opaque = |token: &str| {
        gate.get("/opaque/x", &format!("Opaque: {token}\r\n"))
            .status()
    };
    assert_eq!(status(&gate, "a"), 503);
    assert_eq!(opaque("abc"), 503);
    // Refused again and again, and told of once.
    let refused = [("authenticator", "member"), ("result", "unreachable")];
    gate.wait_for_metric("imgate_remote_requests_total", &refused, |count| {
        count > 2.5
    });
    assert_eq!(warnings(&gate, LOST).len(), 1);
    let keys = json_answer(&json!({ "keys": [key("a")] }).to_string());
    let (abc, answer) = good("abc", "7");
    let _idp = Recorder::on(
        TcpListener::bind(address).unwrap(),
        move |exchange: &mut Exchange| {
            let body = exchange.read_body();
            let body = String::from_utf8_lossy(&body).into_owned();
            if exchange.head.target() == "/jwks.json" {
                exchange.send(&keys);
            } else if body.contains(&abc) {
                exchange.send(json_answer(&answer));
            } else {
                exchange.send(json_answer(r#"{"active":false}"#));
            }
        },
    );
    eventually("the keys are found", || {
        (status(&gate, "a") == 200).then_some(())
    });
    eventually("the server is found", || {
        (opaque("abc") == 200).then_some(())
    });
    assert_eq!(opaque("xyz"), 401);
}

#[test]
fn servers_that_drip_are_given_up_in_time() {
    let backend = Recorder::ok();
    let idp = Recorder::serving(|exchange| {
        exchange.read_body();
        exchange.send("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n{");
        // Each byte in time, all of them not.
        while exchange.try_send(" ").is_ok() {
            pause(Duration::from_millis(50));
        }
        exchange.close();
    });
    let gate = gate(idp.address(), &backend);
    assert_eq!(status(&gate, "a"), 503);
    assert_eq!(gate.get("/opaque/x", "Opaque: abc\r\n").status(), 503);
    for authenticator in ["member", "opaque"] {
        let labels = [("authenticator", authenticator), ("result", "timeout")];
        gate.wait_for_metric("imgate_remote_requests_total", &labels, |count| count > 0.5);
    }
    assert_eq!(gate.get("/open", "").status(), 200);
}

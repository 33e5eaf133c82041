//! Whatever a server says that is no answer: nobody is let in, nobody is turned away for good.

use super::super::support::idp::{Idp, Mood, good, json_answer};
use super::super::support::{Gate, Recorder};
use super::{bearer, status, wait_for_status};

const POLICY: &str = "
authenticators:
  opaque:
    from: [{ header: Authorization, prefix: Bearer }]
    introspection: { url: \"http://$IDP/introspect\", max_stale: 0s, timeout: 500ms }
  member:
    from: [{ header: Member, prefix: Bearer }]
    jwt: { jwks: { url: \"http://$IDP/jwks\", timeout: 500ms }, issuer: any, audience: any }
routes:
  - { name: api, match: { path: /api/** }, require: { any_of: [opaque] }, upstream: im }
  - { name: jwt, match: { path: /jwt/** }, require: { any_of: [member] }, upstream: im }
";

/// `{"alg":"ES256","kid":"a"}` and nothing behind it.
const TOKEN: &str = "eyJhbGciOiJFUzI1NiIsImtpZCI6ImEifQ.e30.AAAA";

#[test]
fn nothing_but_a_clear_answer_counts() {
    let elsewhere = Recorder::answering(
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 26\r\n\r\n\
         {\"active\":true,\"sub\":\"evil\"}",
    );
    let chunk = format!("8000\r\n{}\r\n", "x".repeat(0x8000));
    let moods = [
        ("a page", json_answer("<html></html>")),
        ("nothing", json_answer("")),
        ("other JSON", json_answer("[]")),
        ("cut off", json_answer(r#"{"active":true,"#)),
        (
            "longer than any answer",
            json_answer(&format!(
                r#"{{"active":true,"sub":"7","x":"{}"}}"#,
                "x".repeat(300_000)
            )),
        ),
        (
            "without end",
            format!(
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{}",
                chunk.repeat(12)
            ),
        ),
        (
            "a length that is not true",
            "HTTP/1.1 200 OK\r\nContent-Length: 90\r\n\r\n{\"active\":true}".to_owned(),
        ),
        (
            "somewhere else",
            format!(
                "HTTP/1.1 307 Temporary Redirect\r\nLocation: http://{}/\r\n\
                 Content-Length: 0\r\n\r\n",
                elsewhere.address()
            ),
        ),
        ("no content", "HTTP/1.1 204 No Content\r\n\r\n".to_owned()),
        (
            "a failure",
            "HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n".to_owned(),
        ),
        ("no HTTP", "SSH-2.0-OpenSSH_9.2\r\n\r\n".to_owned()),
        (
            "two lengths",
            "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n{}".to_owned(),
        ),
    ];
    let idp = Idp::in_mood(Mood::Away);
    let backend = Recorder::ok();
    let gate = Gate::with(&POLICY.replace("$IDP", &idp.address().to_string()))
        .upstream("im", backend.address())
        .start();
    for (case, bytes) in moods {
        idp.is_now(Mood::Says(bytes));
        // Also while the server is left alone; afterwards it is asked again.
        for _ in 0..2 {
            let answer = gate.get("/api/me", &bearer("abc"));
            assert_eq!(
                (answer.status(), answer.reason().as_str()),
                (503, "unavailable"),
                "{case}"
            );
        }
        let member = format!("Member: Bearer {TOKEN}\r\n");
        assert_eq!(gate.get("/jwt/me", &member).status(), 503, "{case}");
        idp.is_now(Mood::Knows(vec![good("abc", "7")]));
        wait_for_status(&gate, "abc", 200);
    }
    assert_eq!(elsewhere.connections(), 0, "a redirect is not followed");
    assert_eq!(status(&gate, "other"), 401);
}

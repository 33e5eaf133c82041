//! Routes that are served over TLS only.

use super::*;

const POLICY: &str = "
authenticators:
  partners: { from: [{ header: X-App-Key }], app_key: { keys: [{ id: a, secret: { value: key-a } }] } }
routes:
  - { name: keys, match: { path: /keys }, require: { any_of: [partners] }, require_tls: true, upstream: im }
  - { name: open, match: { path: /open, methods: [GET] }, require: public, require_tls: true, upstream: im }
  - { name: ws, match: { path: /ws }, websocket: true, require: public, require_tls: true, upstream: im }
  - { name: plain, match: { path: /plain }, require: public, upstream: im }
";

#[test]
fn plain_text_is_refused_before_anything_else_is_looked_at() {
    let policy = policy(POLICY);
    for (request, plain, secure) in [
        ("GET /keys HTTP/1.1\nX-App-Key: key-a", Some(426), None),
        ("GET /keys HTTP/1.1\nX-App-Key: wrong", Some(426), Some(401)),
        (
            "GET /keys HTTP/1.1\nX-App-Key: key-a\nX-App-Key: key-a",
            Some(426),
            Some(400),
        ),
        ("GET /keys HTTP/1.1", Some(426), Some(401)),
        ("GET /open HTTP/1.1", Some(426), None),
        ("GET /ws HTTP/1.1", Some(426), Some(426)),
        // What is no request for the route has its own answer.
        ("POST /open HTTP/1.1", Some(405), Some(405)),
        ("GET /nowhere HTTP/1.1", Some(404), Some(404)),
        ("GET /plain HTTP/1.1", None, None),
    ] {
        for (is_secure, expected) in [(false, plain), (true, secure)] {
            let bytes = testing::bytes(request);
            let head = testing::head(&bytes);
            let request = Request {
                secure: is_secure,
                ..testing::request(&head)
            };
            let now = UnixTime::from_secs(NOW);
            let decided = decide(&policy, &request, Handshake::NotAsked, now);
            let Decision {
                outcome, lookups, ..
            } = testing::block_on(decided);
            let status = outcome.as_ref().err().map(Denial::status);
            assert_eq!(status, expected, "{request:?}, TLS: {is_secure}");
            if outcome.is_err_and(|denial| denial == Denial::TlsRequired) {
                assert!(!is_secure && lookups.is_empty(), "{request:?}");
            }
        }
    }
}

//! Methods that are not served, and requests that claim another one (A8, A19).

use super::arena::{Arena, HOST, KEY, attack, smuggled};
use crate::support::raw::request;

const SERVED: &str = "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS";

#[test]
fn connect_opens_no_tunnel() {
    let arena = Arena::new();
    // The gate keeps a connection to the backend now, on which a tunnel would be an open door.
    assert_eq!(arena.gate().get("/open/x", "").status(), 200);
    arena.expect_arrived(&["GET /open/x"]);
    #[rustfmt::skip]
    let targets = [
        "im.example.com:80", "im.example.com", "127.0.0.1:6379", "[::1]:80", "/open/x", "/openapi/x", "/ws", "*", "/",
        "http://im.example.com/open/x", ":80", "169.254.169.254:80",
    ];
    for lines in [
        "",
        KEY,
        "Content-Length: 0\r\n",
        "Connection: Upgrade\r\nUpgrade: websocket\r\n",
        "Connection: keep-alive\r\n",
    ] {
        arena.check(targets.map(|target| {
            let bytes = request("CONNECT", target, lines) + &smuggled();
            attack(format!("CONNECT {target} with {lines:?}"), bytes, 405)
        }));
    }
    let old = format!(
        "CONNECT im.example.com:80 HTTP/1.0\r\n{HOST}\r\n{}",
        smuggled()
    );
    arena.check([attack("CONNECT in HTTP/1.0", old, 405)]);
}

#[test]
fn trace_does_not_show_what_the_gate_adds() {
    let arena = Arena::new();
    for lines in [
        "",
        KEY,
        "Max-Forwards: 0\r\n",
        "Max-Forwards: 1\r\n",
        "Content-Length: 0\r\n",
    ] {
        arena.check(["TRACE", "TRACK", "DEBUG"].map(|method| {
            let bytes = request(method, "/open/x", lines) + &smuggled();
            attack(format!("{method} with {lines:?}"), bytes, 405)
        }));
    }
    let answer = arena.gate().send(request("TRACE", "/openapi/x", KEY));
    assert!(!answer.text().contains("backend-key"), "{}", answer.text());
    assert_eq!(answer.header("allow"), Some(SERVED));
}

#[test]
fn a_method_that_is_not_served_does_not_reach_the_backend() {
    let arena = Arena::new();
    #[rustfmt::skip]
    let unknown = [
        "get", "Get", "gET", "post", "GETX", "XGET", "GE", "G", "BREW", "PROPFIND", "MKCOL", "MOVE", "COPY", "LOCK", "SEARCH",
        "REPORT", "PURGE", "BAN", "LINK", "QUERY", "M-SEARCH", "SUBSCRIBE", "SOURCE", "PRI", "GET.", "GET-", "GET_", "GET|", "!GET",
        "GET,POST", "GET;", "GET/", "GET:", "\"GET\"", "(GET)", "GET@", "G\u{200b}ET", "\u{ff27}ET", "GET=", "[GET]", "{GET}",
    ];
    let is_token = |method: &str| {
        method
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte))
    };
    arena.check(unknown.into_iter().flat_map(|method| {
        let status = if is_token(method) { 405 } else { 400 };
        ["/open/x", "/openapi/x"].map(|target| {
            let bytes = request(method, target, KEY) + &smuggled();
            attack(format!("{method:?} {target}"), bytes, status)
        })
    }));
    let long = "G".repeat(5_000);
    arena.check([
        attack(
            "5000 letters",
            request(&long, "/open/x", KEY) + &smuggled(),
            405,
        ),
        attack("a NUL", request("GET\0", "/open/x", KEY) + &smuggled(), 400),
        attack(
            "a NUL within",
            request("G\0ET", "/open/x", KEY) + &smuggled(),
            400,
        ),
        attack(
            "a blank within",
            request("GET POST", "/open/x", KEY) + &smuggled(),
            400,
        ),
        attack("no method", request("", "/open/x", KEY) + &smuggled(), 400),
    ]);
}

/// Headers by which some servers let a client name another method than that of its request.
const OVERRIDES: [&str; 6] = [
    "X-HTTP-Method-Override",
    "X-HTTP-Method",
    "X-Method-Override",
    "x_http_method_override",
    "X.HTTP.Method.Override",
    "X-Original-Method",
];

#[test]
fn a_claimed_method_is_not_the_one_that_is_judged() {
    let arena = Arena::new();
    // The route serves GET alone.
    arena.check(OVERRIDES.iter().flat_map(|name| {
        let lines = format!("{name}: GET\r\nX-Forwarded-Method: GET\r\n");
        ["POST", "DELETE", "PUT"].map(|method| {
            let bytes = request(method, "/actuator/health", &lines);
            attack(format!("{method} that claims GET by {name}"), bytes, 405)
        })
    }));
    arena.check(OVERRIDES.map(|name| {
        let bytes = request("POST", "/openapi/smuggled", &format!("{name}: OPTIONS\r\n"));
        attack(format!("POST that claims OPTIONS by {name}"), bytes, 401)
    }));
    arena.check(
        [
            "?_method=GET",
            "?X-HTTP-Method-Override=GET",
            "?httpMethod=GET",
        ]
        .map(|query| {
            let target = format!("/actuator/health{query}");
            attack(format!("POST {target}"), request("POST", &target, ""), 405)
        }),
    );
}

#[test]
fn a_claimed_method_does_not_reach_a_backend_that_would_believe_it() {
    let arena = Arena::new();
    for name in OVERRIDES {
        for method in ["DELETE", "delete", "TRACE"] {
            let lines = format!("{name}: {method}\r\nX-Forwarded-Method: {method}\r\n");
            assert_eq!(
                arena.gate().get("/actuator/health", &lines).status(),
                200,
                "{name}"
            );
            let arrived = arena.expect_arrived(&["GET /actuator/health"]);
            let text = &arrived[0].head.text;
            assert!(
                !text.contains(method),
                "{name}: {method} was passed on:\n{text}"
            );
        }
    }
}

#[test]
fn a_request_that_is_no_preflight_does_not_pass_as_one() {
    const ORIGIN: &str = "Origin: https://chat.example.com\r\n";
    const ASKS: &str = "Access-Control-Request-Method: POST\r\n";
    let arena = Arena::with("cors: { origins: [https://chat.example.com] }\n");
    let to = |method: &str, lines: String| request(method, "/openapi/smuggled", &lines);
    let options = |lines: String| to("OPTIONS", lines);
    #[rustfmt::skip]
    let cases = vec![
        attack("nothing but the method", options(String::new()), 401),
        attack("no question", options(ORIGIN.into()), 401),
        attack("no origin", options(ASKS.into()), 401),
        attack("two questions", options(format!("{ORIGIN}{ASKS}{ASKS}")), 401),
        attack("two origins", options(format!("{ORIGIN}{ORIGIN}{ASKS}")), 400),
        attack("look-alikes", options("Origin_: a\r\nAccess_Control_Request_Method: POST\r\n".into()), 401),
        attack("another method", to("POST", format!("{ORIGIN}{ASKS}")), 401),
        attack("another method still", to("GET", format!("{ORIGIN}{ASKS}")), 401),
        attack("the method in lower case", to("options", format!("{ORIGIN}{ASKS}")), 405),
        attack("a claimed method", to("POST", format!("{ORIGIN}{ASKS}X-HTTP-Method-Override: OPTIONS\r\n")), 401),
        attack("a body", options(format!("{ORIGIN}{ASKS}Content-Length: 5\r\n")) + "hello", 401),
        attack("a body in chunks", options(format!("{ORIGIN}{ASKS}Transfer-Encoding: chunked\r\n")) + "0\r\n\r\n", 401),
        attack("a body of another length", options(format!("{ORIGIN}{ASKS}Content-Length: 05\r\n")) + "hello", 400),
        attack("an upgrade", options(format!("{ORIGIN}Connection: Upgrade\r\nUpgrade: websocket\r\n")), 401),
    ];
    arena.check(cases);
    // A real one is answered by the gate, and what is behind it is judged.
    let behind = || request("POST", "/openapi/smuggled", "");
    let real = options(format!("{ORIGIN}{ASKS}")).replace("smuggled", "x");
    arena.check([
        attack("a real one", real.clone(), 204),
        attack("a request behind a real one", real.clone() + &behind(), 0).answered(&[204, 401]),
        attack(
            "one with an empty body",
            real.replace("\r\n\r\n", "\r\nContent-Length: 0\r\n\r\n") + &behind(),
            0,
        )
        .answered(&[204, 401]),
    ]);
}

#[test]
fn a_client_that_names_itself_a_health_check_does_not_pass() {
    let arena = Arena::new();
    #[rustfmt::skip]
    let agents = [
        "kube-probe/1.30", "GoogleHC/1.0", "ELB-HealthChecker/2.0", "Amazon-Route53-Health-Check-Service", "HealthCheck", "/actuator/health",
    ];
    arena.check(agents.iter().flat_map(|agent| {
        let lines =
            format!("User-Agent: {agent}\r\nReferer: http://im.example.com/actuator/health\r\n");
        [
            attack(*agent, request("GET", "/openapi/smuggled", &lines), 401),
            attack(
                format!("{agent} with OPTIONS"),
                request("OPTIONS", "/openapi/smuggled", &lines),
                401,
            ),
            attack(
                format!("{agent} to nowhere"),
                request("GET", "/smuggled", &lines),
                404,
            ),
        ]
    }));
}

use std::time::Duration;

use super::*;
use crate::config::document::{Combine, LimitBy, Located, OnExposed, Rate};

fn upstream() -> Arc<Upstream> {
    Arc::new(Upstream {
        name: Arc::from("im"),
        address: Arc::from("127.0.0.1:1"),
        connect_timeout: Duration::from_secs(1),
        response_timeout: Duration::from_secs(1),
        handshake_timeout: Duration::from_secs(1),
        on_exposed: OnExposed::Warn,
    })
}

fn guarded_by(id: usize) -> Requirement {
    Requirement::Credentials {
        combine: Combine::AnyOf,
        authenticators: vec![AuthenticatorId(id)],
        device_type: None,
        first_message: None,
        matches: Vec::new(),
    }
}

const ONE_A_MINUTE: Rate = Rate {
    count: 1,
    per: Duration::from_mins(1),
};

/// `pattern`, `host pattern` or `METHOD,METHOD pattern`; the requirement is a number, 0 is public, 8
/// is public with a limit.
fn table(routes: &[(&str, usize)]) -> RouteTable {
    let mut table = RouteTable::default();
    for (text, requirement) in routes {
        let (before, pattern) = text.split_once(' ').unwrap_or(("", text));
        let is_methods = before.chars().all(|c| c.is_ascii_uppercase() || c == ',');
        let methods = (is_methods && !before.is_empty())
            .then(|| before.split(',').map(str::to_owned).collect());
        let route = Route {
            name: Arc::from(*text),
            host: (!is_methods).then(|| before.to_owned()),
            pattern: Arc::from(pattern),
            methods,
            websocket: false,
            require_tls: false,
            require: if matches!(*requirement, 0 | 8) {
                Requirement::Public
            } else {
                guarded_by(*requirement)
            },
            limits_credentials: *requirement == 9,
            credential: CredentialRule::default(),
            pass_unverified: Vec::new(),
            set_headers: Vec::new(),
            session: Arc::default(),
            limit: (*requirement == 8)
                .then(|| Arc::new(Limiter::new(ONE_A_MINUTE, LimitBy::ClientIp))),
            sizes: Sizes::default(),
            renews: None,
            upstream: upstream(),
            errors: None,
            app_in_path: None,
            taught: Vec::new(),
            observe: None,
        };
        table.insert(Arc::new(route)).unwrap();
    }
    table
}

#[track_caller]
fn check(table: &RouteTable, host: &str, path: &str, method: &str, expected: &str) {
    let chosen = match table.choose(host, path, method) {
        Ok(route) => route.name.to_string(),
        Err(Unrouted::NoRoute) => "404".to_owned(),
        Err(Unrouted::Method { allow }) => format!("405 {allow}"),
    };
    assert_eq!(chosen, expected, "{method} {host}{path}");
}

#[test]
fn a_literal_beats_a_parameter_beats_the_rest_from_left_to_right() {
    let table = table(&[
        ("/a/b", 1),
        ("/a/{x}", 1),
        ("/a/**", 1),
        ("/{x}/b/c", 1),
        ("/**", 1),
        ("/a/{x}/c", 1),
    ]);
    for (path, expected) in [
        ("/a/b", "/a/b"),
        ("/a/z", "/a/{x}"),
        ("/a/z/c", "/a/{x}/c"),
        ("/a/b/c", "/a/{x}/c"),
        ("/a/z/d", "/a/**"),
        ("/a/b/d/e", "/a/**"),
        ("/a", "/a/**"),
        ("/z/b/c", "/{x}/b/c"),
        ("/z/b/d", "/**"),
        ("/", "/**"),
    ] {
        check(&table, "h", path, "GET", expected);
    }
}

#[test]
fn the_rest_includes_its_own_prefix_and_nothing_beside_it() {
    let table = table(&[("/openapi/**", 1)]);
    check(&table, "h", "/openapi", "GET", "/openapi/**");
    check(&table, "h", "/openapi/", "GET", "/openapi/**");
    check(&table, "h", "/openapi/v1/x", "GET", "/openapi/**");
    check(&table, "h", "/openapix", "GET", "404");
    check(&table, "h", "/", "GET", "404");
}

#[test]
fn a_parameter_is_never_empty() {
    let table = table(&[("/{org}/{app}/token", 1)]);
    check(&table, "h", "/o/a/token", "GET", "/{org}/{app}/token");
    check(&table, "h", "//a/token", "GET", "404");
    check(&table, "h", "/o/a/", "GET", "404");
}

#[test]
fn a_route_with_the_host_beats_one_without() {
    let table = table(&[("chat.example.com /ws", 1), ("/ws", 2), ("/**", 2)]);
    check(
        &table,
        "chat.example.com",
        "/ws",
        "GET",
        "chat.example.com /ws",
    );
    check(
        &table,
        "CHAT.example.COM",
        "/ws",
        "GET",
        "chat.example.com /ws",
    );
    check(&table, "other", "/ws", "GET", "/ws");
    check(&table, "chat.example.com", "/other", "GET", "/**");
}

#[test]
fn the_method_never_leads_to_another_route() {
    let table = table(&[("GET /a", 1), ("POST,PUT /a", 2), ("/**", 1)]);
    check(&table, "h", "/a", "GET", "GET /a");
    check(&table, "h", "/a", "PUT", "POST,PUT /a");
    check(&table, "h", "/a", "DELETE", "405 GET, POST, PUT");
}

#[test]
fn two_routes_with_a_method_in_common_collide() {
    let mut table = table(&[("GET /a", 1)]);
    let twin = |methods: Option<Vec<String>>| {
        let first = table_entry();
        Arc::new(Route { methods, ..first })
    };
    assert_eq!(table.insert(twin(None)), Err(Arc::from("GET /a")));
    assert_eq!(table.insert(twin(Some(vec!["POST".to_owned()]))), Ok(()));
}

fn table_entry() -> Route {
    Route {
        name: Arc::from("twin"),
        host: None,
        pattern: Arc::from("/a"),
        methods: None,
        websocket: false,
        require_tls: false,
        require: Requirement::Public,
        limits_credentials: false,
        credential: CredentialRule::default(),
        pass_unverified: Vec::new(),
        set_headers: Vec::new(),
        session: Arc::default(),
        limit: None,
        sizes: Sizes::default(),
        renews: None,
        upstream: upstream(),
        errors: None,
        app_in_path: None,
        taught: Vec::new(),
        observe: None,
    }
}

#[test]
fn a_look_alike_in_plain_text_of_a_path_that_requires_tls_is_not_found() {
    for (case, require_tls, expected) in
        [("both are plain", false, "twin"), ("one is", true, "404")]
    {
        let mut table = RouteTable::default();
        let guarded = Route {
            require_tls,
            pattern: Arc::from("/Secret"),
            ..table_entry()
        };
        let laxer = Route {
            pattern: Arc::from("/**"),
            ..table_entry()
        };
        table.insert(Arc::new(guarded)).unwrap();
        table.insert(Arc::new(laxer)).unwrap();
        check(&table, "h", "/Secret", "GET", "twin");
        let chosen = table.choose("h", "/secret", "GET");
        let found = chosen.map_or_else(|_| "404".to_owned(), |route| route.name.to_string());
        assert_eq!(found, expected, "{case}");
    }
}

#[test]
fn look_alikes_of_a_guarded_path_are_not_found() {
    let table = table(&[("/openapi/**", 1), ("/ws", 2), ("/**", 0)]);
    check(&table, "h", "/openapi/x", "GET", "/openapi/**");
    // Another case, or a slash more: a lenient backend would serve the guarded path.
    check(&table, "h", "/OPENAPI/x", "GET", "404");
    check(&table, "h", "/OpenAPI", "GET", "404");
    check(&table, "h", "/ws/", "GET", "404");
    check(&table, "h", "/WS", "GET", "404");
    check(&table, "h", "/WS/", "GET", "404");
    // What is singled out beside a catch-all stays reachable.
    check(&table, "h", "/ws", "GET", "/ws");
    check(&table, "h", "/Other/Path/", "GET", "/**");
}

#[test]
fn twins_of_the_same_kind_with_different_guards_hide_each_other() {
    let table = table(&[("/a", 1), ("/a/", 2)]);
    check(&table, "h", "/a", "GET", "404");
    check(&table, "h", "/a/", "GET", "404");
}

#[test]
fn twins_with_the_same_guard_are_both_served() {
    let table = table(&[("/a", 1), ("/a/", 1)]);
    check(&table, "h", "/a", "GET", "/a");
    check(&table, "h", "/a/", "GET", "/a/");
}

#[test]
fn an_escape_does_not_lead_past_a_route() {
    let table = table(&[("/a@b", 1), ("/你好/**", 2), ("/**", 0)]);
    check(&table, "h", "/a%40b", "GET", "/a@b");
    check(&table, "h", "/A%40b", "GET", "404");
    check(&table, "h", "/%E4%BD%A0%E5%A5%BD/x", "GET", "/你好/**");
}

#[test]
fn an_escape_does_not_lead_into_a_route_for_a_backend_that_keeps_it() {
    let table = table(&[
        ("/mail/a@b", 0),
        ("/mail/**", 1),
        ("/shop/a+b", 2),
        ("/shop/**", 0),
        ("/box/a@b/", 0),
        ("/box/{name}", 1),
        ("/both/a@b", 1),
        ("/both/**", 1),
        ("/**", 0),
    ]);
    for (case, path, expected) in [
        ("as the operator wrote it", "/mail/a@b", "/mail/a@b"),
        ("an escape beside the guard", "/mail/a%40b", "404"),
        ("in another case", "/MAIL/a%40b", "404"),
        (
            "an escape that nobody singled out",
            "/mail/a%40c",
            "/mail/**",
        ),
        ("a guard below what is public", "/shop/a%2Bb", "/shop/a+b"),
        ("with a slash that some ignore", "/box/a%40b/", "404"),
        ("the same without an escape", "/box/a@b/", "/box/a@b/"),
        ("one guard for both", "/both/a%40b", "/both/a@b"),
        ("an escape elsewhere", "/x/a%20b", "/**"),
    ] {
        let chosen = table.choose("h", path, "GET");
        let chosen = chosen.map_or("404", |route| &*route.name);
        assert_eq!(chosen, expected, "{case}: {path}");
    }
}

#[test]
fn a_pattern_in_capitals_has_look_alikes_too() {
    let table = table(&[
        ("/chatHub", 1),
        ("/Admin/**", 2),
        ("/kick/**", 3),
        ("/**", 0),
    ]);
    check(&table, "h", "/chatHub", "GET", "/chatHub");
    check(&table, "h", "/chathub", "GET", "404");
    check(&table, "h", "/CHATHUB/", "GET", "404");
    check(&table, "h", "/admin/x", "GET", "404");
    check(&table, "h", "/ADMIN/x", "GET", "404");
    // KELVIN SIGN is a `k` in lower case.
    check(&table, "h", "/%E2%84%AAick/x", "GET", "404");
}

#[test]
fn a_key_that_is_limited_to_routes_makes_each_route_a_guard_of_its_own() {
    let table = table(&[
        ("/openapi/**", 9),
        ("/openapi/admin", 9),
        ("/openapi/adm2/**", 9),
    ]);
    check(&table, "h", "/openapi/admin", "GET", "/openapi/admin");
    check(&table, "h", "/openapi/x", "GET", "/openapi/**");
    check(&table, "h", "/openapi/admin/", "GET", "404");
    check(&table, "h", "/openapi/ADMIN", "GET", "404");
    check(&table, "h", "/openapi/Adm2/users", "GET", "404");
}

#[test]
fn a_path_names_an_app_where_its_pattern_says_so() {
    let app_key = |pattern: &str, path: &str| AppInPath::of(pattern).map(|at| at.app_key(path));
    for (pattern, path, expected) in [
        (
            "/{org}/{app}/users/**",
            "/demo/test/users/7",
            Some("demo#test"),
        ),
        ("/{org}/{app}/**", "/demo/test", Some("demo#test")),
        ("/v1/{app}/x/{org}", "/v1/test/x/demo", Some("demo#test")),
        ("/{org}/{app}/me", "/demo/te%73t/me", Some("demo#test")),
        ("/{org}/{app}/me", "/Demo/test/me", Some("Demo#test")),
        // No app key has a second mark, so this one is nobody's.
        ("/{org}/{app}/me", "/demo/a%23b/me", Some("demo#a#b")),
        ("/{org}/me", "/demo/me", None),
        ("/{tenant}/{app}/me", "/demo/test/me", None),
        ("/org/app/me", "/org/app/me", None),
    ] {
        assert_eq!(
            app_key(pattern, path).as_deref(),
            expected,
            "{pattern} {path}"
        );
    }
}

#[test]
fn a_look_alike_of_a_path_with_a_limit_is_not_found() {
    let table = table(&[("/login", 8), ("/**", 0)]);
    check(&table, "h", "/login", "GET", "/login");
    check(&table, "h", "/other", "GET", "/**");
    for path in ["/Login", "/login/", "/log%69n/"] {
        check(&table, "h", path, "GET", "404");
    }
}

#[test]
fn a_look_alike_that_refuses_nobody_is_not_found() {
    let at = |seconds| {
        Observe::new(&Located {
            value: UnixTime::from_secs(seconds),
            place: Place {
                file: Arc::from(std::path::Path::new("imgate.yaml")),
                path: String::new(),
                line: None,
            },
        })
    };
    for (case, guarded, laxer, expected) in [
        ("both refuse", None, None, "twin"),
        ("one observes", None, Some(at(1)), "404"),
        ("the other one", Some(at(1)), None, "404"),
        ("until another moment", Some(at(1)), Some(at(2)), "404"),
        ("both observe", Some(at(1)), Some(at(1)), "twin"),
    ] {
        let mut table = RouteTable::default();
        let guarded = Route {
            observe: guarded,
            pattern: Arc::from("/Secret"),
            ..table_entry()
        };
        let laxer = Route {
            observe: laxer,
            pattern: Arc::from("/**"),
            ..table_entry()
        };
        table.insert(Arc::new(guarded)).unwrap();
        table.insert(Arc::new(laxer)).unwrap();
        let chosen = table.choose("h", "/secret", "GET");
        let found = chosen.map_or_else(|_| "404".to_owned(), |route| route.name.to_string());
        assert_eq!(found, expected, "{case}");
    }
}

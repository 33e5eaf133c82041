//! The one table of routes: the gate's policy is made of it, and what the servers answer is looked
//! up in it. Each server has the same routes in its own words, in its own file.

use std::fmt::Write as _;

/// Who may come in; the order is the order of strictness.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Guard {
    Public,
    Key,
    AdminKey,
}

pub(super) struct Route {
    pub(super) name: &'static str,
    pub(super) pattern: &'static str,
    pub(super) guard: Guard,
}

/// In order of precedence: the first that fits is the one that the gate chooses.
///
/// Beside plain ones there is a guarded route below a public one and the other way round, with and
/// without letters that clients like to escape, so that every wrong turn ends at another guard.
pub(super) const ROUTES: [Route; 17] = [
    route("health", "/actuator/health", Guard::Public),
    route("ws", "/ws", Guard::Key),
    route("hub", "/chatHub", Guard::AdminKey),
    route("socket", "/socket.io/", Guard::Key),
    route("openapi-admin", "/openapi/admin/**", Guard::AdminKey),
    route("openapi", "/openapi/**", Guard::Key),
    route("private", "/public/private", Guard::AdminKey),
    route("public", "/public/**", Guard::Public),
    route("meta", "/files/{id}/meta", Guard::AdminKey),
    route("files", "/files/**", Guard::Key),
    route("post-office", "/mail/post@office", Guard::Public),
    route("mail", "/mail/**", Guard::Key),
    route("paid", "/shop/a+b", Guard::AdminKey),
    route("shop", "/shop/**", Guard::Public),
    route("token", "/{org}/{app}/token", Guard::Public),
    route("users", "/{org}/{app}/users/**", Guard::Key),
    route("site", "/**", Guard::Public),
];

const fn route(name: &'static str, pattern: &'static str, guard: Guard) -> Route {
    Route {
        name,
        pattern,
        guard,
    }
}

#[track_caller]
pub(super) fn guard(name: &str) -> Guard {
    let route = ROUTES.iter().find(|route| route.name == name);
    route.unwrap_or_else(|| panic!("no route `{name}`")).guard
}

/// Header lines of a client that has everything that `guard` asks for.
pub(super) const fn credentials(guard: Guard) -> &'static str {
    match guard {
        Guard::Public => "",
        Guard::Key => "X-App-Key: ordinary-key\r\n",
        Guard::AdminKey => "X-App-Key: ordinary-key\r\nX-Admin-Key: administrators-key\r\n",
    }
}

/// All routes once for each server, told apart by the host; the backend learns which one it was.
pub(super) fn policy(servers: &[&str]) -> String {
    let mut text = String::from(
        "
authenticators:
  key: { from: [{ header: X-App-Key }], app_key: { keys: [{ id: a, secret: { value: ordinary-key } }] } }
  admin-key: { from: [{ header: X-Admin-Key }], app_key: { keys: [{ id: b, secret: { value: administrators-key } }] } }
routes:
",
    );
    for server in servers {
        for Route {
            name,
            pattern,
            guard,
        } in &ROUTES
        {
            let require = match guard {
                Guard::Public => "public",
                Guard::Key => "{ any_of: [key] }",
                Guard::AdminKey => "{ any_of: [admin-key] }",
            };
            writeln!(
                text,
                "  - {{ name: {server}-{name}, match: {{ host: {server}.test, path: \"{pattern}\" }}, \
                 require: {require}, set_headers: {{ X-Route: {{ value: {name} }} }}, upstream: {server} }}"
            )
            .unwrap();
        }
    }
    text
}

/// What a gate would choose that takes every target as it stands.
pub(super) fn taken_literally(target: &str) -> &'static str {
    let path = target.split(['?', '#']).next().unwrap_or_default();
    let chosen = ROUTES.iter().find(|route| fits(route.pattern, path));
    chosen.map_or("site", |route| route.name)
}

fn fits(pattern: &str, path: &str) -> bool {
    let (pattern, open) = match pattern.strip_suffix("/**") {
        Some(prefix) => (prefix, true),
        None => (pattern, false),
    };
    let mut path = path.split('/');
    for wanted in pattern.split('/') {
        match path.next() {
            Some(segment) if segment == wanted => {}
            Some(segment) if wanted.starts_with('{') && !segment.is_empty() => {}
            _ => return false,
        }
    }
    open || path.next().is_none()
}

#[test]
fn a_literal_gate_takes_every_pattern_for_its_own_route() {
    for route in &ROUTES {
        let path = route.pattern.replace("**", "x").replace(['{', '}'], "");
        assert_eq!(taken_literally(&path), route.name, "{path}");
    }
    assert_eq!(taken_literally("/openapi/admin?/x"), "openapi-admin");
    assert_eq!(taken_literally("/openapi/../ws"), "openapi");
}

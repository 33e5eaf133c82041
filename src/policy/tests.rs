use std::time::Duration;

use super::requirement::Outcome;
use super::testing::{policy, try_policy, try_policy_after};
use super::*;
use crate::clock::UnixTime;
use crate::credential::Credential;
use crate::scheme::Rejection;
use crate::scheme::sa_token::{Mint, mint};
use crate::secret::Secret;

const KEYS: &str = "app_key: { keys: [{ id: a, secret: { value: key-a } }] }";

#[test]
fn what_only_the_whole_shows_is_a_problem() {
    for (case, yaml, expected) in [
        (
            "two routes for one path",
            "routes:\n  - { name: one, match: { path: /a }, require: public, upstream: im }\n  \
             - { name: two, match: { path: /a }, require: public, upstream: im }"
                .to_owned(),
            "routes[1]: has the same host, path and a method in common with route `one`",
        ),
        (
            "a credential in a header of ours",
            format!(
                "authenticators: {{ k: {{ from: [{{ header: X_Auth_Key }}], {KEYS} }} }}\nroutes: []"
            ),
            "authenticators.k: expected headers in `from` that clients may send, not those of \
             `identity`, hop-by-hop or forwarding headers",
        ),
        (
            "lessons on a path that names no app",
            "authenticators: { e: { from: [{ header: a }], easemob_token: { principal: app, learn: { \
             route: token } } } }\nroutes:\n  - { name: token, match: { path: /token }, require: \
             public, upstream: im }"
                .to_owned(),
            "authenticators.e.easemob_token: expected a route in `learn` with `{org}` and `{app}` in \
             its path: they say whose tokens are given out",
        ),
        (
            "lessons on a WebSocket",
            "authenticators: { s: { from: [{ header: a }], sa_token: { secret: { value: \
             0123456789abcdef0123456789abcdef }, user_types: [u], sessions: { learn: { route: ws, \
             lifetime: 1h } } } } }\nroutes:\n  - { name: ws, match: { path: /ws }, websocket: true, \
             require: public, upstream: im }"
                .to_owned(),
            "authenticators.s.sa_token: expected a route in `learn` that is no WebSocket: its answers \
             are read",
        ),
        (
            "places for those who have no name",
            format!(
                "authenticators: {{ k: {{ from: [{{ header: X-App-Key }}], {KEYS} }} }}\nroutes:\n  - {{ \
                 match: {{ path: /a }}, websocket: true, require: {{ any_of: [k] }}, session: {{ \
                 per_device: 1 }}, upstream: im }}"
            ),
            "routes[0].session: `per_device` needs a user, but `require` admits some who name none",
        ),
        (
            "a renewal for everybody",
            "routes:\n  - { match: { path: /a }, websocket: true, require: public, session: { \
             renew: /r }, upstream: im }"
                .to_owned(),
            "routes[0].session: `renew` needs a user, but `require` admits some who name none",
        ),
        (
            "a renewal where there is a route already",
            format!(
                "authenticators: {{ j: {{ from: [{{ header: token }}], jwt: {{ keys: [{{ kid: a, \
                 algorithm: HS256, secret: {{ value: {} }} }}], issuer: any, audience: any }} }} }}\n\
                 routes:\n  - {{ match: {{ path: /r }}, require: public, upstream: im }}\n  - {{ match: \
                 {{ path: /a }}, websocket: true, require: {{ any_of: [j] }}, session: {{ renew: /r }}, \
                 upstream: im }}",
                "0123456789abcdef0123456789abcdef"
            ),
            "routes[1].session.renew: has the same host, path and a method in common with route `/r`",
        ),
    ] {
        let problems = try_policy(&yaml).unwrap_err();
        assert!(problems.contains(expected), "{case}: {problems}");
    }
}

#[test]
fn a_policy_counts_its_generation_and_shows_no_secret() {
    let policy = policy(&format!(
        "authenticators: {{ k: {{ from: [{{ header: X-App-Key }}], {KEYS} }} }}\n\
         routes:\n  - {{ match: {{ path: /a }}, require: {{ any_of: [k] }}, upstream: im }}"
    ));
    assert_eq!(policy.generation, 1);
    assert!(!format!("{policy:?}").contains("key-a"));
}

#[test]
fn each_header_towards_the_upstream_has_one_owner() {
    const KEY_ROUTE: &str = "require: { any_of: [k] }";
    for (case, route, expected) in [
        (
            "an identity header that is set",
            "require: public, set_headers: { X-Auth-Subject: { value: a } }".to_owned(),
            "expected headers in `set_headers` that the gate does not set itself",
        ),
        (
            "its look-alike",
            "require: public, set_headers: { x_auth_subject: { value: a } }".to_owned(),
            "expected headers in `set_headers` that the gate does not set itself",
        ),
        (
            "a credential as an identity header",
            format!("{KEY_ROUTE}, credential: {{ as: {{ header: X-Auth-Token }} }}"),
            "expected a header in `credential.as` that clients may send",
        ),
        (
            "a credential as a header that is removed",
            format!("{KEY_ROUTE}, credential: {{ as: {{ header: SA-SAME-TOKEN }} }}"),
            "expected a header in `credential.as` that clients may send",
        ),
        (
            "a credential as a header that is set",
            format!(
                "{KEY_ROUTE}, credential: {{ as: {{ header: Authorization }} }}, \
                 set_headers: {{ authorization: {{ value: a }} }}"
            ),
            "`credential.as` and `set_headers` name the same header",
        ),
        (
            "a device type in an identity header",
            "require: { any_of: [k], device_type: { from: [{ header: X-Auth-Device-Type }], \
             one_of: [web] } }"
                .to_owned(),
            "expected headers in `device_type.from` that clients may send",
        ),
    ] {
        let yaml = format!(
            "authenticators: {{ k: {{ from: [{{ header: X-App-Key }}], {KEYS} }} }}\n\
             identity: {{ prefix: X-Auth-, remove: [SA-SAME-TOKEN] }}\n\
             routes:\n  - {{ match: {{ path: /a }}, upstream: im, {route} }}\n"
        );
        let problems = try_policy(&yaml).expect_err(case);
        assert!(problems.contains(expected), "{case}: {problems}");
        assert_eq!(problems.lines().count(), 1, "{case}: {problems}");
    }
}

#[test]
fn a_credential_that_leaves_its_place_has_another_to_arrive_in() {
    const COOKIE: &str = "{ cookie: im, origins: [https://chat.example.com] }";
    const SUBPROTOCOL: &str = "{ subprotocol: im. }";
    let expected = "routes[0]: a credential from a cookie or a subprotocol needs a header in `from`, \
                    or `credential.as`, to arrive in; or `credential: { form: strip }`";
    for (from, credential, is_fine) in [
        (COOKIE.to_owned(), "", false),
        (SUBPROTOCOL.to_owned(), "", false),
        (format!("{COOKIE}, {{ query: im }}"), "", false),
        (COOKIE.to_owned(), ", credential: { form: bare }", false),
        (format!("{COOKIE}, {{ header: im }}"), "", true),
        (
            COOKIE.to_owned(),
            ", credential: { as: { header: im } }",
            true,
        ),
        (
            COOKIE.to_owned(),
            ", credential: { as: { query: im } }",
            true,
        ),
        (COOKIE.to_owned(), ", credential: { form: strip }", true),
    ] {
        let compiled = try_policy(&format!(
            "authenticators: {{ k: {{ from: [{from}], {KEYS} }} }}\n\
             routes:\n  - {{ match: {{ path: /a }}, upstream: im, require: {{ any_of: [k] }}{credential} }}"
        ));
        let problem = compiled.err();
        let wanted = (!is_fine).then_some(expected);
        assert_eq!(problem.as_deref(), wanted, "{from}{credential}");
    }
}

#[test]
fn a_reload_makes_no_token_young_again() {
    const SECRET: &str = "0123456789abcdef0123456789abcdef";
    let yaml = |name: &str, settings: &str| {
        format!(
            "authenticators:\n  {name}:\n    from: [{{ header: token }}]\n    sa_token: \
             {{ secret: {{ value: {SECRET} }}, {settings} }}\nroutes:\n  - {{ match: {{ path: /a }}, \
             require: {{ any_of: [{name}] }}, upstream: im }}\n"
        )
    };
    let token = mint(
        &Secret::new(SECRET),
        &Mint {
            login_type: "login".to_owned(),
            user_type: "im_user".to_owned(),
            separator: ':',
            user: "7".to_owned(),
            random: "r".repeat(32),
            mixin: None,
        },
    );
    let start = UnixTime::from_secs(1_800_000_000);
    let after = |minutes| start.plus(Duration::from_mins(minutes));
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    let ends = |policy: &Policy, now| {
        let credential = Credential::single(token.as_bytes());
        let asker = policy.asker([127, 0, 0, 1].into());
        let judged = policy.authenticators()[0].authenticate(&credential, &asker, now);
        match runtime.block_on(judged).0 {
            Outcome::Verified(proof) => Ok(proof.not_after),
            Outcome::Rejected(rejection) => Err(rejection),
            other @ (Outcome::Absent
            | Outcome::Foreign
            | Outcome::Throttled(_)
            | Outcome::Unavailable(_)) => {
                panic!("{other:?}")
            }
        }
    };
    let hour = "sessions: { none: { max_age: 1h } }";
    let first = policy(&yaml("users", &format!("user_types: [im_user], {hour}")));
    assert_eq!(ends(&first, start), Ok(Some(after(60))));

    for (case, name, settings, end) in [
        (
            "nothing",
            "users",
            format!("user_types: [im_user], {hour}"),
            60,
        ),
        (
            "the user types",
            "users",
            format!("user_types: [im_user, guest], {hour}"),
            60,
        ),
        (
            "the age",
            "users",
            "user_types: [im_user], sessions: { none: { max_age: 2h } }".to_owned(),
            120,
        ),
    ] {
        let second = try_policy_after(Some(&first), &yaml(name, &settings)).unwrap();
        assert_eq!(second.generation, 2);
        assert_eq!(ends(&second, after(30)), Ok(Some(after(end))), "{case}");
        let third = try_policy_after(Some(&second), &yaml(name, &settings)).unwrap();
        assert_eq!(
            ends(&third, after(end)),
            Err(Rejection::Expired),
            "{case}, twice"
        );
    }
    let renamed = yaml("others", &format!("user_types: [im_user], {hour}"));
    let renamed = try_policy_after(Some(&first), &renamed).unwrap();
    assert_eq!(
        ends(&renamed, after(30)),
        Ok(Some(after(90))),
        "another authenticator"
    );
}

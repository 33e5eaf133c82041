use std::sync::Arc;

use crate::policy::Policy;
use crate::policy::testing::{policy, try_policy, try_policy_after};

const AUTHENTICATORS: &str = r#"
authenticators:
  keys: { from: [{ header: X-App-Key }], app_key: { keys: [{ id: demo, secret: { value: k } }] } }
  users:
    from: [{ header: token }]
    jwt: { keys: [{ algorithm: HS256, secret: { value: "0123456789abcdef0123456789abcdef" } }], issuer: any, audience: any }
"#;

fn with(route: &str) -> String {
    format!(
        "{AUTHENTICATORS}routes: [{{ name: r, match: {{ path: \"/{{org}}/r\" }}, {route}, upstream: im }}]"
    )
}

#[test]
fn what_a_limit_counts_by_and_what_is_matched_is_proven_by_everybody() {
    let limit = |by: &str| format!("limit: {{ requests: 5, per: 1s, by: {by} }}");
    let first_message =
        "websocket: true, require: { first_message: { json: { pointer: /t, any_of: [users] } } }";
    for (route, problem) in [
        (format!("require: public, {}", limit("client_ip")), None),
        (
            format!("require: public, {}", limit("app_key")),
            Some("limit: `by: app_key` needs an app key"),
        ),
        (
            format!("require: {{ any_of: [keys] }}, {}", limit("app_key")),
            None,
        ),
        (
            format!("require: {{ any_of: [keys, users] }}, {}", limit("app_key")),
            Some("limit: `by: app_key` needs an app key"),
        ),
        (
            format!("require: {{ all_of: [keys, users] }}, {}", limit("app_key")),
            None,
        ),
        (
            format!("require: {{ any_of: [keys, users] }}, {}", limit("subject")),
            Some("limit: `by: subject` needs a user"),
        ),
        (
            format!("require: {{ all_of: [keys, users] }}, {}", limit("subject")),
            None,
        ),
        (format!("{first_message}, {}", limit("path.org")), None),
        (
            format!("{first_message}, {}", limit("subject")),
            Some("limit: `by: subject` is not known when the socket opens"),
        ),
        (
            "require: { any_of: [users], match: { subject: { path: org } } }".to_owned(),
            None,
        ),
        (
            "require: { any_of: [keys], match: { subject: { query: u } } }".to_owned(),
            Some("`match.subject` needs a user"),
        ),
        (
            "require: { any_of: [keys], match: { app: { query: a } } }".to_owned(),
            None,
        ),
        (
            "require: { any_of: [users], match: { subject: { header: X-Auth-Subject } } }"
                .to_owned(),
            Some("expected headers in `match` that clients may send"),
        ),
    ] {
        let problems = try_policy(&with(&route)).err().unwrap_or_default();
        match problem {
            Some(problem) => assert!(problems.contains(problem), "{route}: {problems}"),
            None => assert_eq!(problems, "", "{route}"),
        }
    }
}

#[test]
fn a_limit_goes_on_as_long_as_its_rule_is_the_same() {
    let limited = |rule: &str| with(&format!("require: public, limit: {{ {rule} }}"));
    let rule = "requests: 5, per: 1s, by: path.org";
    let first = policy(&limited(rule));
    let limiter_of = |policy: &Policy| {
        let route = policy.routes().all().first().cloned();
        Arc::clone(route.unwrap().limit.as_ref().unwrap())
    };
    for (rule, is_same) in [
        (rule, true),
        ("by: path.org, requests: 5, per: 1000ms", true),
        ("requests: 6, per: 1s, by: path.org", false),
        ("requests: 5, per: 2s, by: path.org", false),
        ("requests: 5, per: 1s, by: client_ip", false),
    ] {
        let next = try_policy_after(Some(&first), &limited(rule)).unwrap();
        let same = Arc::ptr_eq(&limiter_of(&first), &limiter_of(&next));
        assert_eq!(same, is_same, "{rule}");
    }
}

//! Easemob's own tokens before a small backend like Easemob's: given out, learned, asked about.

mod answers;
mod backend;
mod living;
mod replicas;
mod shipped;

use super::support::eventually;
use super::support::gate::{Builder, Gate};
use super::support::mint::SOON;
use super::support::raw::{RawClient, post};
use super::support::wire::Answer;
use backend::Backend;

const POLICY: &str = "
authenticators:
  easemob-issued:
    from: [{ header: Authorization, prefix: Bearer }]
    easemob_token:
      principal: user
      learn: { route: token, expires_in_unit: $UNIT }
      $INTROSPECT
  easemob-app: { from: [{ header: Authorization, prefix: Bearer }], easemob_token: { principal: app, learn: { route: token } } }
routes:
  - { name: token, match: { path: \"/{org}/{app}/token\", methods: [POST] }, require: public, upstream: im }
  - { match: { path: \"/{org}/{app}/users/**\" }, require: { any_of: [easemob-app] }, upstream: im }
  - { match: { path: \"/{org}/{app}/me/**\" }, require: { any_of: [easemob-issued] }, upstream: im }
  - { match: { path: \"/{org}/{app}/either/**\" }, require: { any_of: [easemob-issued, easemob-app] }, upstream: im }
  - { match: { path: \"/{org}/{app}/of/{username}\" }, require: { any_of: [easemob-issued] }, upstream: im }
";

const INTROSPECT: &str = "introspect: { url: \"http://$BACKEND/{org}/{app}/users/{username}\", subject: /entities/0/username, \
                          must_equal: { /entities/0/uuid: token.entity }, max_stale: 60s }";

fn policy(backend: &Backend, introspect: &str, unit: &str) -> String {
    POLICY
        .replace("$INTROSPECT", introspect)
        .replace("$BACKEND", &backend.address().to_string())
        .replace("$UNIT", unit)
}

fn builder(backend: &Backend, introspect: &str) -> Builder {
    builder_of(backend, &policy(backend, introspect, "s"))
}

fn builder_of(backend: &Backend, policy: &str) -> Builder {
    Gate::with(policy).upstream("im", backend.address())
}

/// A gate that knows what it has learned, and nothing else.
fn gate(backend: &Backend) -> Gate {
    builder(backend, "").start()
}

/// A gate that asks the backend as well.
fn asking_gate(backend: &Backend) -> Gate {
    builder(backend, INTROSPECT).start()
}

/// Gets a token through the gate.
#[track_caller]
fn token(client: &mut RawClient, body: &str, authorization: Option<&str>) -> String {
    let answer = token_answer(client, "/org/app/token", body, authorization);
    assert_eq!(answer.status(), 200, "{}", answer.text());
    answer.json()["access_token"].as_str().unwrap().to_owned()
}

#[track_caller]
fn token_answer(
    client: &mut RawClient,
    path: &str,
    body: &str,
    authorization: Option<&str>,
) -> Answer {
    let authorization = authorization.map_or_else(String::new, |token| {
        format!("Authorization: Bearer {token}\r\n")
    });
    let headers =
        format!("Content-Type: application/json\r\nAccept-Encoding: gzip\r\n{authorization}");
    client.send(post(path, &headers, body.as_bytes()));
    client.answer()
}

#[track_caller]
fn app_token(gate: &Gate, ttl: u64) -> String {
    let body = format!(
        r#"{{"grant_type":"client_credentials","client_id":"YXA6id","client_secret":"YXA6secret","ttl":{ttl}}}"#
    );
    token(&mut gate.client(), &body, None)
}

/// By the user's name and the app's token, as an app's server does it.
#[track_caller]
fn user_token(gate: &Gate, app_token: &str, name: &str, ttl: u64) -> String {
    let body = format!(r#"{{"grant_type":"inherit","username":"{name}","ttl":{ttl}}}"#);
    token(&mut gate.client(), &body, Some(app_token))
}

fn ask(gate: &Gate, path: &str, token: &str) -> Answer {
    gate.get(path, &format!("Authorization: Bearer {token}\r\n"))
}

/// A gate that has learned nothing itself, and the tokens of an app and of its user Alice that
/// another has seen given out.
#[track_caller]
fn after_a_restart(backend: &Backend) -> (Gate, String, String) {
    let mut before = asking_gate(backend);
    let app = app_token(&before, 600);
    let alice = user_token(&before, &app, "alice", 600);
    before.kill();
    (asking_gate(backend), app, alice)
}

/// Status and reason of a refusal.
fn refusal(gate: &Gate, path: &str, token: &str) -> (u16, String) {
    let answer = ask(gate, path, token);
    (answer.status(), answer.reason())
}

#[test]
fn whoever_got_a_token_may_use_it_at_once() {
    let backend = Backend::start();
    let gate = gate(&backend);
    let app = app_token(&gate, 600);
    let user = user_token(&gate, &app, "alice", 600);
    assert_eq!(ask(&gate, "/org/app/users/bob", &app).status(), 200);
    let received = backend.last();
    assert_eq!(received.header("x-auth-app-id"), Some("org#app"));
    assert_eq!(received.header("x-auth-subject"), None);
    assert_eq!(
        received.header("authorization"),
        Some(&*format!("Bearer {app}"))
    );
    assert_eq!(ask(&gate, "/org/app/me/contacts", &user).status(), 200);
    let received = backend.last();
    assert_eq!(received.header("x-auth-app-id"), Some("org#app"));
    assert_eq!(received.header("x-auth-subject"), Some("alice"));
    // With a password, too, which nobody needs an app's token for.
    let body = r#"{"grant_type":"password","username":"bob","password":"secret"}"#;
    let bob = token(&mut gate.client(), body, None);
    assert_eq!(ask(&gate, "/org/app/me/contacts", &bob).status(), 200);
    assert_eq!(backend.last().header("x-auth-subject"), Some("bob"));
    // One of the two kinds suffices where both may come.
    for token in [&app, &user] {
        assert_eq!(ask(&gate, "/org/app/either/x", token).status(), 200);
    }
    let output = gate.output();
    for token in [&app, &user, &bob] {
        assert!(!output.contains(&token[..40]), "{output}");
    }
}

#[test]
fn a_token_of_the_wrong_kind_or_of_nobody_opens_nothing() {
    let backend = Backend::start();
    let gate = asking_gate(&backend);
    let app = app_token(&gate, 600);
    let user = user_token(&gate, &app, "alice", 600);
    backend.take();
    let wrong = (401, "wrong_principal".to_owned());
    assert_eq!(refusal(&gate, "/org/app/users/bob", &user), wrong);
    assert_eq!(refusal(&gate, "/org/app/me/contacts", &app), wrong);
    // Never given out; it has the form, and nobody is asked about an app's.
    let made_up = backend::written(imgate::scheme::easemob_token::Kind::App, [9; 16], 600);
    assert_eq!(
        refusal(&gate, "/org/app/users/bob", &made_up),
        (401, "unknown_key".to_owned())
    );
    assert_eq!(
        refusal(&gate, "/org/app/users/bob", "junk"),
        (401, "malformed".to_owned())
    );
    assert!(backend.take().is_empty(), "nothing has reached the backend");
}

#[test]
fn a_token_is_good_for_its_own_app() {
    let backend = Backend::start();
    let gate = gate(&backend);
    let app = app_token(&gate, 600);
    let user = user_token(&gate, &app, "alice", 600);
    backend.take();
    for (path, token) in [
        ("/org/other/users/bob", &app),
        ("/other/app/users/bob", &app),
        ("/org/other/me/contacts", &user),
        ("/ORG/app/me/contacts", &user),
    ] {
        assert_eq!(
            refusal(&gate, path, token),
            (401, "wrong_app".to_owned()),
            "{path}"
        );
    }
    assert!(backend.take().is_empty());
}

#[test]
fn an_app_that_nobody_has_configured_is_not_found() {
    let backend = Backend::start();
    let some = policy(&backend, "", "s").replacen(
        "principal: user",
        "principal: user\n      apps: [\"org#app\"]",
        1,
    );
    let gate = builder_of(&backend, &some).start();
    let app = app_token(&gate, 600);
    backend.take();
    for (path, token) in [
        ("/org/other/users/x", &*app),
        ("/org/other/me/x", "junk"),
        ("/org/App/users/x", &*app),
    ] {
        assert_eq!(ask(&gate, path, token).status(), 404, "{path}");
    }
    let nobody = token_answer(&mut gate.client(), "/org/other/token", "{}", None);
    assert_eq!(nobody.status(), 404);
    assert!(backend.take().is_empty());
    assert_eq!(ask(&gate, "/org/app/users/x", &app).status(), 200);
}

#[test]
fn a_token_ends_when_it_says() {
    let backend = Backend::start();
    let gate = gate(&backend);
    let app = app_token(&gate, SOON.unsigned_abs());
    let user = user_token(&gate, &app, "alice", SOON.unsigned_abs());
    assert_eq!(ask(&gate, "/org/app/me/contacts", &user).status(), 200);
    for (path, token) in [
        ("/org/app/users/bob", &app),
        ("/org/app/me/contacts", &user),
    ] {
        eventually("the token has ended", || {
            let answer = ask(&gate, path, token);
            (answer.status() != 200).then(|| assert_eq!(answer.reason(), "expired"))
        });
    }
}

#[test]
fn a_new_gate_asks_about_users() {
    let backend = Backend::start();
    let (gate, app, user) = after_a_restart(&backend);
    backend.take();
    assert_eq!(ask(&gate, "/org/app/me/contacts", &user).status(), 200);
    let requests = backend.take();
    let [question, request] = &requests[..] else {
        panic!("{requests:?}");
    };
    assert!(question.target().starts_with("/org/app/users/"));
    assert_eq!(
        question.header("authorization"),
        Some(&*format!("Bearer {user}"))
    );
    assert_eq!(request.header("x-auth-subject"), Some("alice"));
    // Known from here on.
    assert_eq!(ask(&gate, "/org/app/me/contacts", &user).status(), 200);
    assert_eq!(backend.take().len(), 1);
    // Nobody is asked about an app's token, and without `introspect` about none.
    assert_eq!(
        refusal(&gate, "/org/app/users/bob", &app),
        (401, "unknown_key".to_owned())
    );
    let deaf = self::gate(&backend);
    assert_eq!(
        refusal(&deaf, "/org/app/me/contacts", &user),
        (401, "unknown_key".to_owned())
    );
}

#[test]
fn one_user_s_token_proves_nobody_else() {
    let backend = Backend::start();
    let (gate, _, alice) = after_a_restart(&backend);
    // Bob is in the path, and it is still Alice who asks.
    assert_eq!(ask(&gate, "/org/app/of/bob", &alice).status(), 200);
    assert_eq!(backend.last().header("x-auth-subject"), Some("alice"));
    // What is forged does not prove anybody, whoever is in the path.
    let forged = backend::written(
        imgate::scheme::easemob_token::Kind::User,
        backend::uuid("bob").0,
        600,
    );
    assert_eq!(
        refusal(&gate, "/org/app/of/bob", &forged),
        (401, "expired".to_owned())
    );
    // A user's token that names nobody whom the backend knows.
    backend.take();
    for path in ["/org/app/of/%2E%2E", "/org/app/of/..%2Fx"] {
        assert_eq!(ask(&gate, path, &forged).status(), 400, "{path}");
    }
    assert!(backend.take().is_empty());
}

#[test]
fn a_backend_that_cannot_be_asked_is_no_refusal() {
    let backend = Backend::start();
    let (gate, _, user) = after_a_restart(&backend);
    backend.fail(500);
    assert_eq!(ask(&gate, "/org/app/me/contacts", &user).status(), 503);
    backend.fail(0);
    eventually("the backend is asked again", || {
        (ask(&gate, "/org/app/me/contacts", &user).status() == 200).then_some(())
    });
}

#[test]
fn what_the_upstream_refuses_is_asked_about_again() {
    let backend = Backend::start();
    let introspect = INTROSPECT.replace("max_stale: 60s", "max_stale: 1h");
    let gate = builder(&backend, &introspect).start();
    let app = app_token(&gate, 600);
    let user = user_token(&gate, &app, "alice", 600);
    backend.take();
    assert_eq!(ask(&gate, "/org/app/me/contacts", &user).status(), 200);
    assert_eq!(backend.take().len(), 1, "it is known");
    backend.withdraw(&user);
    let answer = ask(&gate, "/org/app/me/contacts", &user);
    assert_eq!(
        (answer.status(), answer.text().as_str()),
        (401, "withdrawn")
    );
    // From now on it does not get there any more.
    eventually("the gate refuses", || {
        let answer = ask(&gate, "/org/app/me/contacts", &user);
        assert_eq!(answer.status(), 401);
        (answer.text() != "withdrawn").then_some(())
    });
    backend.take();
    let (status, reason) = refusal(&gate, "/org/app/me/contacts", &user);
    assert_eq!((status, reason.as_str()), (401, "expired"));
    assert!(
        backend.take().is_empty(),
        "and nobody is asked at every request"
    );
}

#[test]
fn what_is_known_counts_for_max_stale() {
    let backend = Backend::start();
    let introspect = INTROSPECT.replace("max_stale: 60s", "max_stale: 1s");
    let gate = builder(&backend, &introspect).start();
    let app = app_token(&gate, 600);
    let user = user_token(&gate, &app, "alice", 600);
    assert_eq!(ask(&gate, "/org/app/me/contacts", &user).status(), 200);
    backend.ban("alice");
    eventually("the ban is seen", || {
        let answer = ask(&gate, "/org/app/me/contacts", &user);
        (answer.status() == 401).then(|| assert_eq!(answer.reason(), "banned"))
    });
}

#[test]
fn a_reload_forgets_nothing() {
    let backend = Backend::start();
    let gate = gate(&backend);
    let app = app_token(&gate, 600);
    let user = user_token(&gate, &app, "alice", 600);
    let changed = policy(&backend, INTROSPECT, "s").replace("max_stale: 60s", "max_stale: 1h");
    gate.reload_and_wait(&changed);
    backend.take();
    assert_eq!(ask(&gate, "/org/app/me/contacts", &user).status(), 200);
    assert_eq!(ask(&gate, "/org/app/users/x", &app).status(), 200);
    assert_eq!(backend.take().len(), 2, "nobody was asked");
    // What was read in another unit is worth nothing.
    gate.reload_and_wait(&policy(&backend, "", "ms"));
    assert_eq!(
        refusal(&gate, "/org/app/me/contacts", &user),
        (401, "unknown_key".to_owned())
    );
}

#[test]
fn a_revoked_token_stays_revoked_though_it_is_known() {
    const ADMIN: &str = "0123456789abcdef0123456789abcdef";
    let backend = Backend::start();
    let keys = format!("address: \"$ADDRESS\", token: {{ value: {ADMIN} }}");
    let gate = builder(&backend, "").admin(&keys).start();
    let app = app_token(&gate, 600);
    assert_eq!(ask(&gate, "/org/app/users/x", &app).status(), 200);
    let mut admin = RawClient::connect(gate.admin_address());
    let order = format!(r#"{{"token":"{app}"}}"#);
    let headers = format!("Content-Type: application/json\r\nAuthorization: Bearer {ADMIN}\r\n");
    let order = post("/revocations", &headers, order.as_bytes());
    let host = format!("Host: {}", gate.admin_address());
    admin.send(
        String::from_utf8(order)
            .unwrap()
            .replace("Host: im.example.com", &host),
    );
    assert_eq!(admin.answer().status(), 200);
    assert_eq!(
        refusal(&gate, "/org/app/users/x", &app),
        (401, "revoked".to_owned())
    );
}

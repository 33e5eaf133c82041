//! What one replica has learned holds at the others, and what is in their store is worth nothing
//! without their secret.

use super::super::support::gate::Gate;
use super::super::support::redis::Redis;
use super::backend::Backend;
use super::{app_token, ask, builder_of, policy, refusal, user_token};

const SECRET: &str = "0123456789abcdef0123456789abcdef";

/// A replica that nobody but the store and the backend's answers tells of tokens.
fn replica(redis: &Redis, backend: &Backend, secret: Option<&str>) -> Gate {
    let secret = secret.map_or_else(String::new, |secret| {
        format!(", secret: {{ value: {secret} }}")
    });
    let store = format!(
        "store: {{ redis: {{ address: \"{}\", prefix: \"chat:\"{secret} }} }}\n",
        redis.address()
    );
    let gate = builder_of(backend, &format!("{}{store}", policy(backend, "", "s"))).start();
    gate.wait_for_metric("imgate_store_up", &[], |up| up > 0.5);
    gate
}

#[test]
fn what_one_has_learned_holds_at_all_and_after_a_restart() {
    let (redis, backend) = (Redis::start(), Backend::start());
    let one = replica(&redis, &backend, Some(SECRET));
    let other = replica(&redis, &backend, Some(SECRET));
    let app = app_token(&one, 600);
    // The other one hands it to the backend, and knows it as well.
    let user = user_token(&other, &app, "alice", 600);
    for gate in [&one, &other] {
        assert_eq!(ask(gate, "/org/app/users/x", &app).status(), 200);
        assert_eq!(ask(gate, "/org/app/me/contacts", &user).status(), 200);
        assert_eq!(backend.last().header("x-auth-subject"), Some("alice"));
    }
    drop((one, other));
    let later = replica(&redis, &backend, Some(SECRET));
    assert_eq!(ask(&later, "/org/app/users/x", &app).status(), 200);
    let unknown = super::backend::written(imgate::scheme::easemob_token::Kind::App, [9; 16], 600);
    assert_eq!(
        refusal(&later, "/org/app/users/x", &unknown),
        (401, "unknown_key".to_owned())
    );
    let keys: Vec<String> = redis.run(&["KEYS", "chat:learned:*"]);
    assert_eq!(keys.len(), 2);
    for key in &keys {
        let value: String = redis.run(&["GET", key]);
        for token in [&app, &user] {
            assert!(
                !format!("{key}{value}").contains(&token[..20]),
                "digests only"
            );
        }
        let left: i64 = redis.run(&["TTL", key]);
        assert!((1..=600).contains(&left), "{left}");
    }
}

#[test]
fn what_others_write_into_the_store_opens_nothing() {
    let (redis, backend) = (Redis::start(), Backend::start());
    let stranger = replica(&redis, &backend, Some("another secret of thirty-two bytes"));
    let app = app_token(&stranger, 600);
    let gate = replica(&redis, &backend, Some(SECRET));
    assert_eq!(
        refusal(&gate, "/org/app/users/x", &app),
        (401, "unknown_key".to_owned())
    );
    // The record of one token under the key of another.
    let own = app_token(&gate, 600);
    let keys: Vec<String> = redis.run(&["KEYS", "chat:learned:*"]);
    assert_eq!(keys.len(), 2);
    let (one, other) = (&*keys[0], &*keys[1]);
    for (from, to) in [(one, "aside"), (other, one), ("aside", other)] {
        let _: String = redis.run(&["RENAME", from, to]);
    }
    let again = replica(&redis, &backend, Some(SECRET));
    for token in [&app, &own] {
        assert_eq!(refusal(&again, "/org/app/users/x", token).0, 401);
    }
    // Without a secret it works as well, and says what that means.
    let open = replica(&redis, &backend, None);
    let says_so = |gate: &Gate| {
        gate.status()
            .to_string()
            .contains("set `store.redis.secret`")
    };
    assert!(says_so(&open) && !says_so(&again), "{}", open.status());
}

#[test]
fn what_one_forgets_the_others_ask_for_in_vain() {
    let (redis, backend) = (Redis::start(), Backend::start());
    let one = replica(&redis, &backend, Some(SECRET));
    let app = app_token(&one, 600);
    assert_eq!(ask(&one, "/org/app/users/x", &app).status(), 200);
    backend.withdraw(&app);
    assert_eq!(ask(&one, "/org/app/users/x", &app).status(), 401);
    super::super::support::eventually("the gate refuses", || {
        let (status, reason) = refusal_or_text(&one, &app);
        assert_eq!(status, 401);
        (reason == "unknown_key").then_some(())
    });
    let other = replica(&redis, &backend, Some(SECRET));
    assert_eq!(
        refusal(&other, "/org/app/users/x", &app),
        (401, "unknown_key".to_owned())
    );
}

fn refusal_or_text(gate: &Gate, token: &str) -> (u16, String) {
    let answer = ask(gate, "/org/app/users/x", token);
    let text = answer.text();
    let reason = if text == "withdrawn" {
        text
    } else {
        answer.reason()
    };
    (answer.status(), reason)
}

#[test]
fn an_outage_of_the_store_is_no_refusal() {
    let (mut redis, backend) = (Redis::start(), Backend::start());
    let gate = replica(&redis, &backend, Some(SECRET));
    let app = app_token(&gate, 600);
    redis.stop();
    assert_eq!(
        ask(&gate, "/org/app/users/x", &app).status(),
        200,
        "it is known here"
    );
    let unknown = super::backend::written(imgate::scheme::easemob_token::Kind::App, [9; 16], 600);
    assert_eq!(ask(&gate, "/org/app/users/x", &unknown).status(), 503);
    // A login needs no store.
    let other = app_token(&gate, 600);
    assert_eq!(ask(&gate, "/org/app/users/x", &other).status(), 200);
}

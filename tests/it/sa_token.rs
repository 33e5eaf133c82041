//! Sa-Token as RuoYi issues it, its sessions in a real Redis: the token's signature proves who
//! made it, the key in Redis whether it still counts.

mod hanging;
mod learned;
mod living;

use super::support::gate::Gate;
use super::support::mint::{SA_TOKEN_SECRET, sa_token};
use super::support::redis::Redis;
use super::support::wait::patience;
use super::support::wire::Answer;
use super::support::ws_backend::{End, WsBackend};
use super::support::ws_client::WsClient;
use super::support::{Recorder, eventually};

const POLICY: &str = "
authenticators:
  im-token:
    from: [{ header: token, prefix: Bearer }]
    sa_token:
      secret: { value: \"$SECRET\" }
      user_types: [im_user]
      sessions:
        redis: { address: \"$REDIS\", key: \"global:Authorization:login:token:{token}\" }
        max_stale: 1s
        on_outage: $ON_OUTAGE
routes:
  - { name: api, match: { path: /api/** }, require: { any_of: [im-token] }, upstream: im }
  - { name: ws, match: { path: /ws }, websocket: true, require: { any_of: [im-token] }, upstream: ws }
";

const HOUR: u64 = 3_600_000;

fn gate(redis: &Redis, on_outage: &str, backend: &Recorder, sockets: &WsBackend) -> Gate {
    let policy = POLICY
        .replace("$SECRET", SA_TOKEN_SECRET)
        .replace("$REDIS", &redis.address().to_string())
        .replace("$ON_OUTAGE", on_outage);
    Gate::with(&policy)
        .upstream("im", backend.address())
        .upstream("ws", sockets.address())
        .start()
}

fn redis_key(token: &str) -> String {
    format!("global:Authorization:login:token:{token}")
}

fn ask(gate: &Gate, token: &str) -> Answer {
    gate.get("/api/me", &format!("token: Bearer {token}\r\n"))
}

/// Waits for an answer other than 200.
#[track_caller]
fn refusal(gate: &Gate, token: &str) -> (u16, String) {
    eventually("the token is refused", || {
        let answer = ask(gate, token);
        (answer.status() != 200).then(|| (answer.status(), answer.reason()))
    })
}

#[test]
fn a_session_is_read_in_both_encodings() {
    let (redis, backend, sockets) = (Redis::start(), Recorder::ok(), WsBackend::echo());
    let gate = gate(&redis, "deny", &backend, &sockets);
    for (case, value) in [
        ("as JSON, by redisson", "\"im_user:7\""),
        ("bare", "im_user:7"),
    ] {
        let token = sa_token("im_user:7");
        redis.set(&redis_key(&token), value, HOUR);
        assert_eq!(ask(&gate, &token).status(), 200, "{case}");
        let received = backend.last().head;
        assert_eq!(received.header("x-auth-subject"), Some("7"), "{case}");
        assert_eq!(
            received.header("x-auth-user-type"),
            Some("im_user"),
            "{case}"
        );
    }
}

#[test]
fn a_token_without_a_session_of_its_own_is_refused() {
    let (redis, backend, sockets) = (Redis::start(), Recorder::ok(), WsBackend::echo());
    let gate = gate(&redis, "deny", &backend, &sockets);
    let unknown = sa_token("im_user:7");
    assert_eq!(
        ask(&gate, &unknown).status(),
        401,
        "never issued, or logged out"
    );
    let foreign = sa_token("im_user:7");
    redis.set(&redis_key(&foreign), "\"im_user:8\"", HOUR);
    assert_eq!(
        ask(&gate, &foreign).status(),
        401,
        "the session of somebody else"
    );
    let admin = sa_token("sys_user:1");
    redis.set(&redis_key(&admin), "\"sys_user:1\"", HOUR);
    let answer = ask(&gate, &admin);
    assert_eq!(
        (answer.status(), answer.reason().as_str()),
        (403, "user_type")
    );
    assert!(backend.requests().is_empty());
}

#[test]
fn a_deleted_session_ends_within_max_stale() {
    let (redis, backend, sockets) = (Redis::start(), Recorder::ok(), WsBackend::echo());
    let gate = gate(&redis, "deny", &backend, &sockets);
    let token = sa_token("im_user:7");
    redis.set(&redis_key(&token), "\"im_user:7\"", HOUR);
    assert_eq!(ask(&gate, &token).status(), 200);
    redis.delete(&redis_key(&token));
    let start = std::time::Instant::now();
    assert_eq!(refusal(&gate, &token).0, 401);
    // max_stale is 1 s; the rest is for the machine.
    assert!(
        start.elapsed() < patience() / 2,
        "after {:?}",
        start.elapsed()
    );
}

#[test]
fn a_marked_session_says_why() {
    let (redis, backend, sockets) = (Redis::start(), Recorder::ok(), WsBackend::echo());
    let gate = gate(&redis, "deny", &backend, &sockets);
    for (marker, reason) in [
        ("-4", "replaced"),
        ("\"-4\"", "replaced"),
        ("-5", "kicked_out"),
        ("\"-5\"", "kicked_out"),
    ] {
        let token = sa_token("im_user:7");
        redis.set(&redis_key(&token), "\"im_user:7\"", HOUR);
        assert_eq!(ask(&gate, &token).status(), 200);
        redis.overwrite(&redis_key(&token), marker);
        assert_eq!(refusal(&gate, &token), (401, reason.to_owned()), "{marker}");
    }
}

#[test]
fn the_time_to_live_of_the_session_ends_the_socket() {
    let (redis, backend, sockets) = (Redis::start(), Recorder::ok(), WsBackend::echo());
    let gate = gate(&redis, "deny", &backend, &sockets);
    let token = sa_token("im_user:7");
    redis.set(&redis_key(&token), "\"im_user:7\"", 4_000);
    let mut client = WsClient::to(gate.address(), "/ws")
        .header("token", &token)
        .connect();
    client.echo("still here");
    assert_eq!(client.expect_close(), 4401);
    assert_eq!(sockets.first_end(), End::Close(4401));
}

#[test]
fn an_outage_is_503_and_ends_by_itself() {
    let (mut redis, backend, sockets) = (Redis::start(), Recorder::ok(), WsBackend::echo());
    let gate = gate(&redis, "deny", &backend, &sockets);
    let token = sa_token("im_user:7");
    redis.set(&redis_key(&token), "\"im_user:7\"", HOUR);
    assert_eq!(ask(&gate, &token).status(), 200);
    for _ in 0..2 {
        redis.stop();
        assert_eq!(refusal(&gate, &token), (503, "unavailable".to_owned()));
        let forged = format!("{token}x");
        assert_eq!(
            ask(&gate, &forged).status(),
            401,
            "what is bad offline needs no Redis"
        );
        redis.restart();
        redis.set(&redis_key(&token), "\"im_user:7\"", HOUR);
        eventually("the gate asks Redis again", || {
            (ask(&gate, &token).status() == 200).then_some(())
        });
    }
}

#[test]
fn grace_bridges_an_outage_for_tokens_seen_good() {
    let (mut redis, backend, sockets) = (Redis::start(), Recorder::ok(), WsBackend::echo());
    let gate = gate(&redis, "{ grace: 5s }", &backend, &sockets);
    let (seen, unseen, kicked) = (
        sa_token("im_user:7"),
        sa_token("im_user:8"),
        sa_token("im_user:9"),
    );
    for (token, value) in [
        (&seen, "im_user:7"),
        (&unseen, "im_user:8"),
        (&kicked, "im_user:9"),
    ] {
        redis.set(&redis_key(token), value, HOUR);
    }
    assert_eq!(ask(&gate, &kicked).status(), 200);
    redis.overwrite(&redis_key(&kicked), "-5");
    assert_eq!(refusal(&gate, &kicked), (401, "kicked_out".to_owned()));
    assert_eq!(ask(&gate, &seen).status(), 200);

    redis.stop();
    let start = std::time::Instant::now();
    assert_eq!(ask(&gate, &unseen).status(), 503, "never seen good");
    assert_ne!(
        ask(&gate, &kicked).status(),
        200,
        "grace never revives what was kicked out"
    );
    assert_eq!(refusal(&gate, &seen), (503, "unavailable".to_owned()));
    // Longer than max_stale alone would have carried it.
    assert!(
        start.elapsed().as_secs() >= 2,
        "refused after {:?}",
        start.elapsed()
    );
}

use async_trait::async_trait;
use serde_json::{Value, json};
use tokio::sync::Semaphore;

use super::*;
use crate::credential::Credential;
use crate::scheme::http::testing::{Said, Script};
use crate::scheme::http::{HttpError, Reply};
use crate::scheme::jwt::tests::{NOW, config, text, vectors};
use crate::scheme::jwt::{Config, Jwt, Keys};
use crate::scheme::{Judgement, Verifier as _};

/// Answers as it is told; the last answer holds.
#[derive(Debug)]
struct Idp {
    answers: Script,
    asked: AtomicU64,
    /// How many questions may be answered.
    gate: Semaphore,
}

impl Idp {
    fn answering(answers: impl IntoIterator<Item = Said>) -> Arc<Self> {
        Arc::new(Self {
            answers: Script::new(answers),
            asked: AtomicU64::new(0),
            gate: Semaphore::new(1_000),
        })
    }

    fn now_answers(&self, answer: Said) {
        self.answers.replace(answer);
    }

    fn asked(&self) -> u64 {
        self.asked.load(Ordering::SeqCst)
    }
}

#[async_trait]
impl HttpClient for Idp {
    async fn ask(&self, _: Question) -> Result<Reply, HttpError> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        self.gate.acquire().await.unwrap().forget();
        self.answers.next()
    }
}

/// The public keys of the vectors for these algorithms, each named as its algorithm.
#[expect(
    clippy::unnecessary_wraps,
    reason = "it stands beside answers that fail"
)]
fn set(algorithms: &[&str]) -> Said {
    let vectors = vectors();
    let keys: Vec<_> = algorithms
        .iter()
        .map(|name| {
            let mut jwk = vectors["jwks"][*name].clone();
            jwk["kid"] = json!(name);
            jwk
        })
        .collect();
    Ok(reply(200, &json!({ "keys": keys })))
}

fn reply(status: u16, body: &Value) -> Reply {
    Reply {
        status,
        content_type: None,
        body: body.to_string().into_bytes(),
    }
}

const DOWN: Result<Reply, HttpError> = Err(HttpError::Timeout);

fn jwks() -> Jwks {
    Jwks {
        url: UrlTemplate::parse("https://id.example.com/jwks").unwrap(),
        http: HttpRules {
            timeout: Duration::from_secs(1),
            max_body: MAX_JWKS_BYTES,
            in_flight: 1,
            authorities: None,
        },
        refresh: Duration::from_mins(10),
        cooldown: Duration::from_secs(30),
        max_age: Duration::from_hours(1),
    }
}

fn verifier(idp: &Arc<Idp>) -> Jwt {
    let config = Config {
        keys: Keys::Remote(jwks()),
        ..config(Vec::new())
    };
    Jwt::new(config, None, |_| {
        Arc::<Idp>::clone(idp) as Arc<dyn HttpClient>
    })
    .unwrap()
}

/// A token of the vectors that this algorithm has signed.
fn token(algorithm: &str) -> String {
    let vectors = vectors();
    let cases = vectors["cases"].as_array().unwrap();
    let case = cases.iter().find(|case| case["case"] == algorithm).unwrap();
    text(case, "/token").to_owned()
}

/// The outcome as a request has it.
async fn judge(jwt: &Jwt, token: &str, now: UnixTime) -> &'static str {
    let credential = Credential::single(token.as_bytes());
    let outcome = match jwt.judge(&credential, now) {
        Judgement::Settled(outcome) => outcome.map_err(VerifyError::Rejected),
        Judgement::AskRemote => jwt.ask(&credential, now).await,
    };
    match outcome {
        Ok(_) => "ok",
        Err(VerifyError::Rejected(rejection)) => rejection.as_str(),
        Err(VerifyError::Unavailable { .. }) => "unavailable",
        Err(VerifyError::Throttled { .. }) => "throttled",
    }
}

/// Goes as far as it can without anybody else.
async fn has_begun(judging: &mut (impl Future<Output = &'static str> + Unpin)) {
    tokio::select! {
        biased;
        outcome = judging => panic!("it waits for nobody: {outcome}"),
        () = tokio::task::yield_now() => {}
    }
}

fn after(secs: u64) -> UnixTime {
    NOW.plus(Duration::from_secs(secs))
}

#[tokio::test]
async fn the_first_token_has_the_set_fetched_and_all_who_wait_share_it() {
    let idp = Idp::answering([set(&["RS256", "ES256"])]);
    let jwt = verifier(&idp);
    let (rsa, ec) = (token("RS256"), token("ES256"));
    let all = (0..20).map(|turn| judge(&jwt, if turn % 2 == 0 { &rsa } else { &ec }, NOW));
    let outcomes = futures_util::future::join_all(all).await;
    assert!(
        outcomes.iter().all(|outcome| *outcome == "ok"),
        "{outcomes:?}"
    );
    assert_eq!(idp.asked(), 1);
    assert_eq!(judge(&jwt, &token("HS256"), NOW).await, "wrong_algorithm");
    assert_eq!(idp.asked(), 1, "a set has no secrets");
}

#[tokio::test]
async fn without_a_set_nobody_can_tell_and_one_a_second_asks() {
    let idp = Idp::answering([DOWN]);
    let jwt = verifier(&idp);
    for _ in 0..5 {
        assert_eq!(judge(&jwt, &token("RS256"), NOW).await, "unavailable");
    }
    assert_eq!(idp.asked(), 1);
    assert_eq!(judge(&jwt, "a.b.c", NOW).await, "malformed");
    assert_eq!(judge(&jwt, &token("HS256"), NOW).await, "wrong_algorithm");
    for (status, body) in [
        (500, json!({})),
        (404, json!({ "keys": [] })),
        (302, json!({})),
        (200, json!({ "keys": [] })),
        (200, json!("keys")),
    ] {
        idp.now_answers(Ok(reply(status, &body)));
        let now = after(idp.asked() * 2);
        assert_eq!(
            judge(&jwt, &token("RS256"), now).await,
            "unavailable",
            "{status} {body}"
        );
    }
    idp.now_answers(set(&["RS256"]));
    assert_eq!(judge(&jwt, &token("RS256"), after(60)).await, "ok");
}

#[tokio::test]
async fn an_unknown_key_has_the_set_fetched_once_in_a_while() {
    let idp = Idp::answering([set(&["RS256"])]);
    let jwt = verifier(&idp);
    jwt.remote_keys().unwrap().refresh(NOW).await;
    let unknown = token("ES256");
    for _ in 0..5 {
        assert_eq!(judge(&jwt, &unknown, after(1)).await, "wrong_algorithm");
    }
    assert_eq!(idp.asked(), 2, "once, and not again so soon");
    idp.now_answers(set(&["RS256", "ES256"]));
    assert_eq!(judge(&jwt, &unknown, after(30)).await, "wrong_algorithm");
    assert_eq!(judge(&jwt, &unknown, after(31)).await, "ok");
    assert_eq!(judge(&jwt, &token("RS256"), after(31)).await, "ok");
    assert_eq!(idp.asked(), 3);
    // While the server is away nobody can tell whether a new key is one of its own.
    idp.now_answers(DOWN);
    assert_eq!(judge(&jwt, &token("EdDSA"), after(62)).await, "unavailable");
    assert_eq!(judge(&jwt, &token("EdDSA"), after(63)).await, "unavailable");
    assert_eq!(
        judge(&jwt, &token("RS256"), after(63)).await,
        "ok",
        "a known one"
    );
    assert_eq!(idp.asked(), 4);
}

#[tokio::test]
async fn a_key_that_left_verifies_nothing_any_more() {
    let idp = Idp::answering([set(&["RS256", "ES256"])]);
    let jwt = verifier(&idp);
    let keys = jwt.remote_keys().unwrap();
    keys.refresh(NOW).await;
    assert!(keys.take_change() && !keys.take_change());
    let old = jwt.check(token("RS256").as_bytes(), NOW).unwrap();
    let new = jwt.check(token("ES256").as_bytes(), NOW).unwrap();
    assert!(jwt.holds(&old, NOW) && jwt.uphold(&old, NOW).is_ok());
    // The same keys in another order are no change.
    idp.now_answers(set(&["ES256", "RS256"]));
    keys.refresh(NOW).await;
    assert!(!keys.take_change());
    idp.now_answers(set(&["ES256"]));
    keys.refresh(NOW).await;
    assert!(keys.take_change());
    assert!(!jwt.holds(&old, NOW));
    assert_eq!(jwt.uphold(&old, NOW).unwrap_err(), Rejection::UnknownKey);
    assert!(jwt.holds(&new, NOW) && jwt.uphold(&new, NOW).is_ok());
}

#[tokio::test]
async fn the_last_good_set_serves_until_it_is_too_old() {
    let idp = Idp::answering([set(&["RS256"]), DOWN]);
    let jwt = verifier(&idp);
    let keys = jwt.remote_keys().unwrap();
    assert!(keys.is_due(NOW) && keys.caveat(NOW).is_some());
    keys.refresh(NOW).await;
    assert!(!keys.is_due(after(599)) && keys.is_due(after(600)));
    assert_eq!((keys.caveat(NOW), keys.take_turn()), (None, None));
    let proof = jwt.check(token("RS256").as_bytes(), NOW).unwrap();
    keys.refresh(after(600)).await;
    assert!(matches!(keys.take_turn(), Some(Turn::Lost { .. })));
    assert_eq!(keys.take_turn(), None);
    assert!(
        !keys.is_due(after(600)) && keys.is_due(after(601)),
        "soon again"
    );
    assert_eq!(judge(&jwt, &token("RS256"), after(3599)).await, "ok");
    assert!(jwt.holds(&proof, after(3599)));
    assert_eq!(
        judge(&jwt, &token("RS256"), after(3600)).await,
        "unavailable"
    );
    assert!(!jwt.holds(&proof, after(3600)));
    assert!(
        jwt.uphold(&proof, after(3600)).is_ok(),
        "an outage ends no session"
    );
    idp.now_answers(set(&["RS256"]));
    keys.refresh(after(3700)).await;
    assert_eq!(keys.take_turn(), Some(Turn::Found));
    assert_eq!(judge(&jwt, &token("RS256"), after(3700)).await, "ok");
    assert!(jwt.holds(&proof, after(3700)));
}

#[tokio::test]
async fn a_clock_that_was_set_back_makes_no_set_younger() {
    let idp = Idp::answering([set(&["RS256"]), DOWN]);
    let jwt = verifier(&idp);
    let keys = jwt.remote_keys().unwrap();
    keys.refresh(after(7200)).await;
    let proof = jwt.check(token("RS256").as_bytes(), after(7200)).unwrap();
    keys.refresh(after(7200)).await;
    // A little is a matter of who looked at the clock first.
    assert!(jwt.holds(&proof, after(7190)));
    assert!(
        !jwt.holds(&proof, after(3600)),
        "as old as it may be, or more"
    );
    assert!(keys.is_due(NOW), "it is fetched at once");
    assert_eq!(judge(&jwt, &token("RS256"), NOW).await, "unavailable");
}

#[tokio::test]
async fn a_set_is_taken_over_by_a_verifier_of_the_same_place() {
    let idp = Idp::answering([set(&["RS256"])]);
    let jwt = verifier(&idp);
    let keys = jwt.remote_keys().unwrap();
    keys.refresh(NOW).await;
    let after_reload = |jwks: Jwks| {
        let config = Config {
            keys: Keys::Remote(jwks),
            ..config(Vec::new())
        };
        let known = jwt.remote_keys();
        Jwt::new(config, known, |_| Idp::answering([DOWN])).unwrap()
    };
    let same = after_reload(jwks());
    assert!(Arc::ptr_eq(&keys, &same.remote_keys().unwrap()));
    let url = UrlTemplate::parse("https://other.example.com/jwks").unwrap();
    let other = after_reload(Jwks { url, ..jwks() });
    assert_eq!(judge(&other, &token("RS256"), NOW).await, "unavailable");
    assert_ne!(other.fingerprint(), same.fingerprint());
    // Nobody knows yet whether its keys are still good.
    let proof = jwt.check(token("RS256").as_bytes(), NOW).unwrap();
    assert!(other.uphold(&proof, NOW).is_ok() && !other.holds(&proof, NOW));
}

#[tokio::test]
async fn whoever_gives_up_leaves_the_fetch_to_those_who_wait() {
    let idp = Idp::answering([set(&["RS256"])]);
    idp.gate.forget_permits(1_000);
    let jwt = verifier(&idp);
    let token = token("RS256");
    let mut first = Box::pin(judge(&jwt, &token, NOW));
    has_begun(&mut first).await;
    let mut second = Box::pin(judge(&jwt, &token, after(2)));
    has_begun(&mut second).await;
    drop(first);
    idp.gate.add_permits(1);
    assert_eq!(second.await, "ok");
}

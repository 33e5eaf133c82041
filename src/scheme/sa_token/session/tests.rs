use parking_lot::Mutex;
use proptest::prelude::*;

use super::*;
use crate::credential::Credential;
use crate::scheme::learned::Beginning;
use crate::scheme::sa_token::{
    Config, Mint, Mixin, OnOutage, RedisAddress, SaToken, Sessions, mint,
};
use crate::scheme::{Judgement, Reuse, Verifier as _};
use crate::secret::Secret;

const NOW: UnixTime = UnixTime::from_secs(1_750_000_000);
const MAX_STALE: Duration = Duration::from_secs(1);
const GRACE: Duration = Duration::from_secs(30);
const RECHECK: Recheck = Recheck {
    every: Duration::from_secs(30),
    live_grace: Duration::from_mins(5),
};
const HOUR: Ttl = Ttl::For(Duration::from_hours(1));

/// Answers what it was told to, and notes what it was asked.
#[derive(Debug)]
struct Scripted {
    answer: Mutex<Answer>,
    /// For many keys at once.
    answers: Mutex<Vec<Answer>>,
    asked: Mutex<Vec<Vec<u8>>>,
}

#[async_trait]
impl SessionStore for Scripted {
    async fn value_and_ttl(&self, key: &[u8]) -> Answer {
        self.asked.lock().push(key.to_vec());
        self.answer.lock().clone()
    }

    async fn values_and_ttls(&self, keys: &[Vec<u8>]) -> Vec<Answer> {
        self.asked.lock().extend_from_slice(keys);
        self.answers.lock().clone()
    }
}

struct Scene {
    store: Arc<Scripted>,
    verifier: SaToken,
    token: String,
}

pub(in crate::scheme::sa_token) fn config(on_outage: OnOutage) -> RedisSessions {
    RedisSessions {
        redis: RedisAddress {
            address: "127.0.0.1:6379".to_owned(),
            username: None,
            password: None,
            database: 0,
            timeout: Duration::from_secs(1),
        },
        key: "global:Authorization:login:token:{token}".to_owned(),
        max_stale: MAX_STALE,
        on_outage,
        recheck: Some(RECHECK),
    }
}

impl Scene {
    fn new(on_outage: OnOutage, mixin: Option<Mixin>) -> Self {
        Self::with(config(on_outage), mixin)
    }

    fn with(sessions: RedisSessions, mixin: Option<Mixin>) -> Self {
        let secret = Secret::new("a secret for tests");
        let order = Mint {
            login_type: "login".to_owned(),
            user_type: "im_user".to_owned(),
            separator: ':',
            user: "7".to_owned(),
            random: "r".repeat(32),
            mixin,
        };
        let token = mint(&secret, &order);
        let store = Arc::new(Scripted {
            answer: Mutex::new(Ok(None)),
            answers: Mutex::default(),
            asked: Mutex::default(),
        });
        let config = Config {
            secret,
            previous: Vec::new(),
            user_types: vec!["im_user".into()],
            login_type: "login".to_owned(),
            separator: ':',
            sessions: Sessions::Redis(sessions),
        };
        let opened = Arc::clone(&store);
        let verifier = SaToken::new(config, None, Beginning::default(), |_| opened).unwrap();
        Self {
            store,
            verifier,
            token,
        }
    }

    fn answer(&self, answer: Answer) -> &Self {
        *self.store.answer.lock() = answer;
        self
    }

    fn ask(&self, now: UnixTime) -> Result<Verified, &'static str> {
        let credential = Credential::single(self.token.as_bytes());
        // Nothing here waits, so one poll is enough.
        let asked = futures_util::FutureExt::now_or_never(self.verifier.ask(&credential, now));
        asked.unwrap().map_err(|error| reason(&error))
    }

    fn ask_all(
        &self,
        tokens: &[&str],
        answers: Vec<Answer>,
        now: UnixTime,
    ) -> Vec<Result<Verified, &'static str>> {
        *self.store.answers.lock() = answers;
        let credentials: Vec<_> = tokens
            .iter()
            .map(|token| Credential::single(token.as_bytes()))
            .collect();
        let asked = self.verifier.recheck(&credentials, now);
        let outcomes = futures_util::FutureExt::now_or_never(asked).unwrap();
        let outcomes = outcomes.into_iter();
        outcomes
            .map(|outcome| outcome.map_err(|error| reason(&error)))
            .collect()
    }
}

fn reason(error: &VerifyError) -> &'static str {
    match error {
        VerifyError::Rejected(rejection) => rejection.as_str(),
        VerifyError::Throttled { .. } => "throttled",
        VerifyError::Unavailable { .. } => "unavailable",
    }
}

#[expect(
    clippy::unnecessary_wraps,
    reason = "it stands beside answers that fail"
)]
fn value(value: &str, ttl: Ttl) -> Answer {
    Ok(Some((value.as_bytes().to_vec(), ttl)))
}

fn after(secs: u64) -> UnixTime {
    NOW.plus(Duration::from_secs(secs))
}

#[test]
fn a_good_token_has_to_be_asked_about_and_a_bad_one_has_not() {
    let scene = Scene::new(OnOutage::Deny, None);
    let judge = |token: &str| {
        scene
            .verifier
            .judge(&Credential::single(token.as_bytes()), NOW)
    };
    assert!(matches!(judge(&scene.token), Judgement::AskRemote));
    let forged = format!("{}x", scene.token);
    assert!(matches!(judge(&forged), Judgement::Settled(Err(_))));
    assert!(scene.store.asked.lock().is_empty(), "judging asks nobody");
    assert!(scene.verifier.caveat().is_none());
}

#[test]
fn an_answer_is_understood() {
    let left = Ttl::For(Duration::from_mins(1));
    for (case, answer, expected) in [
        (
            "bare, as Sa-Token writes it",
            value("im_user:7", left),
            Ok(Some(after(60))),
        ),
        (
            "quoted, as RuoYi writes it",
            value("\"im_user:7\"", left),
            Ok(Some(after(60))),
        ),
        (
            "quoted with an escape",
            value("\"im\\u005fuser:7\"", left),
            Ok(Some(after(60))),
        ),
        ("for ever", value("im_user:7", Ttl::Forever), Ok(None)),
        (
            "no time left",
            value("im_user:7", Ttl::For(Duration::ZERO)),
            Err("expired"),
        ),
        ("gone", Ok(None), Err("expired")),
        ("replaced", value("-4", left), Err("replaced")),
        ("replaced, quoted", value("\"-4\"", left), Err("replaced")),
        ("kicked out", value("-5", left), Err("kicked_out")),
        (
            "kicked out, quoted",
            value("\"-5\"", Ttl::Forever),
            Err("kicked_out"),
        ),
        ("timed out", value("-3", left), Err("expired")),
        ("frozen", value("\"-6\"", left), Err("expired")),
        ("another marker", value("-1", left), Err("revoked")),
        ("a marker of the future", value("-42", left), Err("revoked")),
        (
            "another user",
            value("im_user:8", left),
            Err("wrong_principal"),
        ),
        (
            "another type",
            value("sys_user:7", left),
            Err("wrong_principal"),
        ),
        ("the id alone", value("7", left), Err("wrong_principal")),
        (
            "the id and more",
            value("im_user:77", left),
            Err("wrong_principal"),
        ),
        (
            "a broken quote",
            value("\"im_user:7", left),
            Err("wrong_principal"),
        ),
        (
            "quoted twice",
            value("\"\\\"im_user:7\\\"\"", left),
            Err("wrong_principal"),
        ),
        (
            "an object",
            value("[\"SaSession\",{}]", left),
            Err("wrong_principal"),
        ),
        ("nothing in it", value("", left), Err("wrong_principal")),
        (
            "no text",
            Ok(Some((vec![0xff], left))),
            Err("wrong_principal"),
        ),
        ("nobody there", Err(StoreError::Timeout), Err("unavailable")),
    ] {
        let scene = Scene::new(OnOutage::Deny, None);
        let outcome = scene.answer(answer).ask(NOW);
        assert_eq!(outcome.map(|proof| proof.not_after), expected, "{case}");
    }
}

#[test]
fn a_proof_is_kept_no_longer_than_an_answer_may_be_stale() {
    let scene = Scene::new(OnOutage::Deny, None);
    let proof = scene.answer(value("im_user:7", HOUR)).ask(NOW).unwrap();
    assert_eq!(proof.reuse, Reuse::For(MAX_STALE));
    assert_eq!(proof.principal.subject.as_deref(), Some("7"));
}

#[test]
fn the_token_is_put_into_the_key_once() {
    for (template, before, after) in [
        (
            "global:Authorization:login:token:{token}",
            "global:Authorization:login:token:",
            "",
        ),
        ("{token}:x:{token}", "", ":x:{token}"),
    ] {
        let sessions = RedisSessions {
            key: template.to_owned(),
            ..config(OnOutage::Deny)
        };
        let scene = Scene::with(sessions, None);
        scene.ask(NOW).unwrap_err();
        let expected = format!("{before}{}{after}", scene.token).into_bytes();
        assert_eq!(*scene.store.asked.lock(), [expected], "{template}");
    }
}

#[test]
fn an_outage_admits_who_was_seen_valid_and_nobody_for_long() {
    let scene = Scene::new(OnOutage::Grace(GRACE), None);
    let down = || Err(StoreError::Timeout);
    assert_eq!(
        scene.answer(down()).ask(NOW).unwrap_err(),
        "unavailable",
        "never seen"
    );
    scene.answer(value("im_user:7", HOUR)).ask(NOW).unwrap();
    let graced = scene.answer(down()).ask(after(10)).unwrap();
    assert_eq!(
        graced.not_after,
        Some(NOW.plus(GRACE)),
        "counted from the last good answer"
    );
    assert!(scene.ask(after(29)).is_ok(), "a grace does not begin anew");
    assert_eq!(scene.ask(after(30)).unwrap_err(), "unavailable");
    assert_eq!(
        scene.ask(NOW.minus(GRACE)).unwrap_err(),
        "unavailable",
        "a clock set back"
    );
    scene
        .answer(value("im_user:7", HOUR))
        .ask(after(40))
        .unwrap();
    assert!(
        scene.answer(down()).ask(after(69)).is_ok(),
        "a later good answer counts anew"
    );
}

#[test]
fn an_outage_prolongs_neither_token_nor_session() {
    let eff = Mixin {
        device: None,
        expires: Some(after(5)),
    };
    for (case, mixin, ttl) in [
        ("the token's end", Some(eff), HOUR),
        ("the session's end", None, Ttl::For(Duration::from_secs(5))),
    ] {
        let scene = Scene::new(OnOutage::Grace(GRACE), mixin);
        scene.answer(value("im_user:7", ttl)).ask(NOW).unwrap();
        scene.answer(Err(StoreError::Timeout));
        assert_eq!(
            scene.ask(after(4)).unwrap().not_after,
            Some(after(5)),
            "{case}"
        );
        assert!(scene.ask(after(5)).is_err(), "{case}");
    }
}

#[test]
fn an_outage_forgives_nothing_that_was_said_against_a_token() {
    for (case, against) in [
        ("replaced", value("-4", HOUR)),
        ("kicked out", value("-5", HOUR)),
        ("gone", Ok(None)),
        ("somebody else's", value("im_user:8", HOUR)),
    ] {
        let scene = Scene::new(OnOutage::Grace(GRACE), None);
        scene.answer(value("im_user:7", HOUR)).ask(NOW).unwrap();
        scene.answer(against).ask(after(1)).unwrap_err();
        let outcome = scene.answer(Err(StoreError::Timeout)).ask(after(2));
        assert_eq!(outcome.unwrap_err(), "unavailable", "{case}");
    }
}

#[test]
fn a_good_answer_that_arrives_late_brings_no_token_back() {
    let scene = Scene::new(OnOutage::Grace(GRACE), None);
    scene.answer(value("-5", HOUR)).ask(NOW).unwrap_err();
    scene.answer(value("im_user:7", HOUR)).ask(NOW).unwrap();
    let outcome = scene.answer(Err(StoreError::Timeout)).ask(after(1));
    assert_eq!(outcome.unwrap_err(), "unavailable");
}

#[test]
fn a_session_that_was_opened_again_has_its_grace_again() {
    for (case, against) in [
        ("kicked out", value("-5", HOUR)),
        ("replaced", value("-4", HOUR)),
        ("gone", Ok(None)),
    ] {
        let scene = Scene::new(OnOutage::Grace(GRACE), None);
        scene.answer(value("im_user:7", HOUR)).ask(NOW).unwrap();
        scene.answer(against).ask(after(1)).unwrap_err();
        scene
            .answer(value("im_user:7", HOUR))
            .ask(after(5))
            .unwrap();
        scene.answer(Err(StoreError::Timeout));
        let graced = scene.ask(after(10)).map(|proof| proof.not_after);
        assert_eq!(graced, Ok(Some(after(5).plus(GRACE))), "{case}");
    }
}

#[test]
fn many_are_asked_about_at_once_and_each_gets_its_own_answer() {
    let scene = Scene::new(OnOutage::Deny, None);
    let other = Scene::new(OnOutage::Deny, None).token.replace('7', "8");
    let (good, forged) = (scene.token.as_str(), format!("{}x", scene.token));
    let answers = vec![
        value("im_user:7", Ttl::For(Duration::from_mins(1))),
        value("-4", HOUR),
        Err(StoreError::Timeout),
    ];
    let tokens = [good, &forged, good, &other, good];
    let outcomes = scene.ask_all(&tokens, answers.clone(), NOW);
    let ends: Vec<_> = outcomes
        .into_iter()
        .map(|outcome| outcome.map(|proof| proof.not_after))
        .collect();
    let expected = [
        Ok(Some(after(60))),
        Err("bad_signature"),
        Err("replaced"),
        Err("bad_signature"),
        Err("unavailable"),
    ];
    assert_eq!(ends, expected);
    let asked = scene.store.asked.lock().len();
    assert_eq!(asked, 3, "what is bad in itself is not asked about");
    let short = scene.ask_all(&[good; 4], answers, NOW);
    assert_eq!(short.len(), 4);
    assert_eq!(short[3].as_ref().unwrap_err(), &"unavailable");
}

#[test]
fn living_sessions_have_a_grace_of_their_own() {
    let scene = Scene::new(OnOutage::Grace(GRACE), None);
    let ask = |answer, now| {
        let outcome = scene.ask_all(&[scene.token.as_str()], vec![answer], now);
        outcome.into_iter().next().unwrap()
    };
    let down = || Err(StoreError::Timeout);
    ask(value("im_user:7", HOUR), NOW).unwrap();
    assert_eq!(ask(down(), after(1)).unwrap_err(), "unavailable");
    scene.answer(down());
    let graced = scene.ask(after(10)).map(|proof| proof.not_after);
    assert_eq!(graced, Ok(Some(NOW.plus(GRACE))), "yet it tells of a login");
    ask(value("-5", HOUR), after(11)).unwrap_err();
    assert_eq!(scene.ask(after(12)).unwrap_err(), "unavailable");
}

#[test]
fn a_proof_says_when_it_was_asked_for() {
    let scene = Scene::new(OnOutage::Grace(GRACE), None);
    let proof = scene.answer(value("im_user:7", HOUR)).ask(NOW).unwrap();
    let asked = Asked {
        at: NOW,
        not_after: Some(after(3600)),
    };
    assert_eq!(proof.asked, Some(asked));
    let graced = scene.answer(Err(StoreError::Timeout)).ask(after(10));
    assert_eq!(graced.unwrap().asked, Some(asked), "nobody said more");
    assert_eq!(scene.verifier.recheck_rule(), Some(RECHECK));
}

#[test]
fn without_grace_an_outage_admits_nobody() {
    let scene = Scene::new(OnOutage::Deny, None);
    scene.answer(value("im_user:7", HOUR)).ask(NOW).unwrap();
    let outcome = scene.answer(Err(StoreError::Timeout)).ask(after(1));
    assert_eq!(outcome.unwrap_err(), "unavailable");
}

proptest! {
    #[test]
    fn only_the_login_id_is_accepted(bytes in proptest::collection::vec(any::<u8>(), 0..40)) {
        prop_assume!(text(&bytes).as_deref() != Some("im_user:7"));
        let scene = Scene::new(OnOutage::Deny, None);
        prop_assert!(scene.answer(Ok(Some((bytes, HOUR)))).ask(NOW).is_err());
    }

    #[test]
    fn no_proof_outlives_the_key(millis in any::<u64>(), eff in 1_u64..10_000_000) {
        let end = NOW.plus(Duration::from_millis(eff));
        let scene = Scene::new(OnOutage::Deny, Some(Mixin { device: None, expires: Some(end) }));
        let left = Duration::from_millis(millis);
        if let Ok(proof) = scene.answer(value("im_user:7", Ttl::For(left))).ask(NOW) {
            prop_assert_eq!(proof.not_after, Some(NOW.plus(left).min(end)));
        }
    }
}

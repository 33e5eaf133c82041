use std::net::IpAddr;
use std::time::Duration;

use async_trait::async_trait;
use parking_lot::Mutex;
use serde_json::json;

use super::*;
use crate::credential::About;
use crate::request::testing::block_on;
use crate::scheme::http::{HttpError, Question, Reply, UrlTemplate};

pub(super) const NOW: UnixTime = UnixTime::from_secs(1_800_000_000);
const HOUR: Duration = Duration::from_hours(1);
const MINUTE: Duration = Duration::from_mins(1);
pub(super) const ALICE: Uuid = Uuid([0xa1; 16]);
pub(super) const BOB: Uuid = Uuid([0xb0; 16]);
const APPLICATION: Uuid = Uuid([0xaa; 16]);

/// What a backend answers to a path.
type Answers = fn(&str) -> Result<Reply, HttpError>;

/// A backend that answers as the test says, and remembers what it was asked.
#[derive(Debug)]
pub(super) struct Backend {
    answer: Mutex<Answers>,
    asked: Mutex<Vec<String>>,
}

impl Backend {
    pub(super) fn new(answer: Answers) -> Arc<Self> {
        Arc::new(Self {
            answer: Mutex::new(answer),
            asked: Mutex::default(),
        })
    }

    fn answers(&self, answer: Answers) {
        *self.answer.lock() = answer;
    }

    /// The paths that were asked for since this was last asked.
    pub(super) fn asked(&self) -> Vec<String> {
        std::mem::take(&mut self.asked.lock())
    }
}

#[async_trait]
impl HttpClient for Backend {
    async fn ask(&self, question: Question) -> Result<Reply, HttpError> {
        let path = question.url.path().to_owned();
        let answer = *self.answer.lock();
        self.asked.lock().push(path.clone());
        answer(&path)
    }
}

#[expect(
    clippy::unnecessary_wraps,
    reason = "it stands where there may be none"
)]
pub(super) fn reply(status: u16, body: &serde_json::Value) -> Result<Reply, HttpError> {
    Ok(Reply {
        status,
        content_type: Some("application/json".to_owned()),
        body: body.to_string().into_bytes(),
    })
}

/// What the backend says of a user.
pub(super) fn entity(name: &str, uuid: Uuid) -> Result<Reply, HttpError> {
    let user = json!({ "username": name, "uuid": uuid.to_string(), "activated": true });
    reply(200, &json!({ "entities": [user] }))
}

fn users(path: &str) -> Result<Reply, HttpError> {
    match path.rsplit('/').next().unwrap() {
        "alice" => entity("alice", ALICE),
        "bob" => entity("bob", BOB),
        name if name == ALICE.to_string() => entity("alice", ALICE),
        _ => reply(404, &json!({ "error": "entity_not_found" })),
    }
}

pub(super) fn introspect() -> Introspect {
    Introspect {
        url: UrlTemplate::parse("http://127.0.0.1:8080/{org}/{app}/users/{username}").unwrap(),
        subject: "/entities/0/username".to_owned(),
        must_equal: vec![Agreement {
            pointer: "/entities/0/uuid".to_owned(),
            part: TokenPart::Entity,
        }],
        max_stale: MINUTE,
        rules: HttpRules {
            timeout: MINUTE,
            max_body: 1024,
            in_flight: 1,
            authorities: None,
        },
        guesses: None,
        recheck: Some(Recheck {
            every: MINUTE,
            live_grace: HOUR,
        }),
    }
}

fn config(principal: Kind, introspect: Option<Introspect>) -> Config {
    Config {
        principal,
        apps: None,
        learn: Some(Learn {
            route: "token".into(),
            expires_in_unit: Unit::Seconds,
        }),
        introspect,
    }
}

fn verifier(principal: Kind) -> EasemobToken {
    EasemobToken::new(config(principal, None), Beginning::default(), |_| {
        panic!("nobody is asked")
    })
}

fn asking(backend: &Arc<Backend>) -> EasemobToken {
    let client: Arc<dyn HttpClient> = Arc::<Backend>::clone(backend);
    EasemobToken::new(
        config(Kind::User, Some(introspect())),
        Beginning::default(),
        |_| client,
    )
}

/// A token of that lifetime in seconds, 0 for ever.
pub(super) fn token(kind: Kind, entity: Uuid, lifetime: u64) -> String {
    let layout = Layout {
        kind,
        application: (kind == Kind::User).then_some(APPLICATION),
        entity,
        issued: NOW,
        lifetime: (lifetime > 0).then(|| Duration::from_secs(lifetime)),
    };
    layout.write(&[7; 40])
}

fn user_answer(token: &str, expires_in: u64, activated: bool) -> String {
    let user = json!({ "username": "alice", "uuid": ALICE.to_string(), "activated": activated });
    json!({ "access_token": token, "expires_in": expires_in, "user": user }).to_string()
}

fn app_answer(token: &str, expires_in: u64) -> String {
    let application = APPLICATION.to_string();
    json!({ "access_token": token, "expires_in": expires_in, "application": application })
        .to_string()
}

fn learn(verifier: &EasemobToken, body: &str, at: UnixTime) -> Result<bool, Lost> {
    let lesson = Lesson {
        body: body.as_bytes(),
        app: Some("org#app"),
        client: IpAddr::from([10, 0, 0, 1]),
        at,
    };
    verifier.learn(&lesson).map(|told| told.is_some())
}

fn judge(verifier: &EasemobToken, token: &str, now: UnixTime) -> Judgement {
    verifier.judge(&Credential::single(token.as_bytes()), now)
}

fn settled(verifier: &EasemobToken, token: &str, now: UnixTime) -> Result<Verified, Rejection> {
    judge(verifier, token, now).settled()
}

fn ask_as(
    verifier: &EasemobToken,
    token: &str,
    user: Option<&str>,
    now: UnixTime,
) -> Result<Verified, VerifyError> {
    let about = About {
        app: Some("org#app"),
        user,
    };
    let credential = Credential::single(token.as_bytes()).with(about);
    block_on(verifier.ask(&credential, now))
}

#[track_caller]
fn rejected(outcome: Result<Verified, VerifyError>) -> Rejection {
    match outcome {
        Err(VerifyError::Rejected(rejection)) => rejection,
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_was_given_out_is_good_until_its_end() {
    let verifier = verifier(Kind::User);
    // Both say how long: the answer, and the token itself; the shorter counts, and 0 is for ever.
    for (own, said, end) in [
        (600, 300, Some(300)),
        (300, 600, Some(300)),
        (0, 300, Some(300)),
        (300, 0, Some(300)),
        (0, 0, None),
    ] {
        let token = token(Kind::User, ALICE, own);
        assert_eq!(
            learn(&verifier, &user_answer(&token, said, true), NOW),
            Ok(true)
        );
        let proof = settled(&verifier, &token, NOW).unwrap();
        assert_eq!(proof.principal.subject.as_deref(), Some("alice"));
        assert_eq!(proof.principal.app.as_deref(), Some("org#app"));
        assert_eq!(proof.constraints.app_in_path.as_deref(), Some("org#app"));
        assert_eq!(proof.token.as_ref().unwrap().issued_at, Some(NOW));
        let end = end.map(|seconds| NOW.plus(Duration::from_secs(seconds)));
        assert_eq!(proof.not_after, end, "{own} {said}");
        if let Some(end) = end {
            assert!(settled(&verifier, &token, end).is_err(), "{own} {said}");
        } else {
            assert!(settled(&verifier, &token, NOW.plus(HOUR * 100_000)).is_ok());
        }
    }
    let apps = self::verifier(Kind::App);
    let token = token(Kind::App, APPLICATION, 600);
    assert_eq!(learn(&apps, &app_answer(&token, 600), NOW), Ok(true));
    let proof = settled(&apps, &token, NOW).unwrap();
    assert_eq!(proof.principal.subject, None);
    assert_eq!(proof.principal.app.as_deref(), Some("org#app"));
}

#[test]
fn what_nobody_has_seen_given_out_is_refused() {
    let verifier = verifier(Kind::User);
    let token = token(Kind::User, ALICE, 600);
    assert_eq!(
        settled(&verifier, &token, NOW).err(),
        Some(Rejection::UnknownKey)
    );
    let banned = user_answer(&token, 600, false);
    assert_eq!(learn(&verifier, &banned, NOW), Err(Lost::Banned));
    assert!(settled(&verifier, &token, NOW).is_err());
    let answer = user_answer(&token, 600, true);
    let homeless = Lesson {
        body: answer.as_bytes(),
        app: Some("org#app#"),
        client: IpAddr::from([10, 0, 0, 1]),
        at: NOW,
    };
    assert_eq!(verifier.learn(&homeless).err(), Some(Lost::Contradictory));
}

#[test]
fn the_wrong_kind_is_told_without_asking() {
    let backend = Backend::new(users);
    let (users, apps) = (asking(&backend), verifier(Kind::App));
    let (user, app) = (
        token(Kind::User, ALICE, 600),
        token(Kind::App, APPLICATION, 600),
    );
    for (verifier, token, answer) in [
        (&users, &app, app_answer(&app, 600)),
        (&apps, &user, user_answer(&user, 600, true)),
    ] {
        assert_eq!(learn(verifier, &answer, NOW), Ok(false));
        let outcome = settled(verifier, token, NOW);
        assert_eq!(outcome.err(), Some(Rejection::WrongPrincipal));
    }
    assert!(backend.asked().is_empty());
}

#[test]
fn what_says_that_it_has_ended_is_refused_without_asking() {
    let backend = Backend::new(users);
    let verifier = asking(&backend);
    let token = token(Kind::User, ALICE, 600);
    let late = NOW.plus(Duration::from_mins(10));
    assert_eq!(
        settled(&verifier, &token, late).err(),
        Some(Rejection::Expired)
    );
}

#[test]
fn the_backend_says_whose_token_it_is() {
    let backend = Backend::new(users);
    let verifier = asking(&backend);
    let token = token(Kind::User, ALICE, 600);
    assert!(matches!(
        judge(&verifier, &token, NOW),
        Judgement::AskRemote
    ));
    let proof = ask_as(&verifier, &token, None, NOW).unwrap();
    assert_eq!(proof.principal.subject.as_deref(), Some("alice"));
    assert_eq!(backend.asked(), [format!("/org/app/users/{ALICE}")]);
    assert_eq!(proof.not_after, Some(NOW.plus(Duration::from_mins(10))));
    assert_eq!(proof.asked.unwrap().at, NOW);
    // It is known now, for `max_stale`,
    assert!(settled(&verifier, &token, NOW.plus(MINUTE / 2)).is_ok());
    assert!(matches!(
        judge(&verifier, &token, NOW.plus(MINUTE)),
        Judgement::AskRemote
    ));
    // then it is asked about under its user's own name.
    ask_as(&verifier, &token, Some("bob"), NOW.plus(MINUTE)).unwrap();
    assert_eq!(backend.asked(), ["/org/app/users/alice"]);
}

#[test]
fn what_was_learned_is_asked_about_after_a_while() {
    let backend = Backend::new(users);
    let verifier = asking(&backend);
    let token = token(Kind::User, ALICE, 600);
    assert_eq!(
        learn(&verifier, &user_answer(&token, 300, true), NOW),
        Ok(true)
    );
    let proof = settled(&verifier, &token, NOW).unwrap();
    assert_eq!(proof.asked.unwrap().at, NOW);
    let later = NOW.plus(MINUTE);
    assert!(matches!(
        judge(&verifier, &token, later),
        Judgement::AskRemote
    ));
    let proof = ask_as(&verifier, &token, None, later).unwrap();
    // The answer at its issue had an end for it, and that stays.
    assert_eq!(proof.not_after, Some(NOW.plus(Duration::from_mins(5))));
    // A clock that was set back makes nothing fresh.
    assert!(matches!(
        judge(&verifier, &token, NOW),
        Judgement::AskRemote
    ));
}

#[test]
fn one_user_s_token_proves_nobody_else() {
    let backend = Backend::new(users);
    let verifier = asking(&backend);
    let token = token(Kind::User, ALICE, 600);
    let proof = ask_as(&verifier, &token, Some("bob"), NOW).unwrap();
    assert_eq!(proof.principal.subject.as_deref(), Some("alice"));
    assert_eq!(
        backend.asked(),
        [
            "/org/app/users/bob".to_owned(),
            format!("/org/app/users/{ALICE}")
        ]
    );
    // Where the backend knows no UUIDs, nothing is proven at all.
    backend.answers(|path| match path.rsplit('/').next().unwrap() {
        "bob" => entity("bob", BOB),
        _ => reply(404, &json!({})),
    });
    let mallory = self::token(Kind::User, Uuid([0xee; 16]), 600);
    let outcome = ask_as(&verifier, &mallory, Some("bob"), NOW);
    assert_eq!(rejected(outcome), Rejection::WrongPrincipal);
    let opaque = &mallory[..126];
    let outcome = ask_as(&verifier, opaque, Some("bob"), NOW);
    assert_eq!(rejected(outcome), Rejection::WrongPrincipal);
}

#[test]
fn no_name_leads_to_another_place() {
    let backend = Backend::new(users);
    let verifier = asking(&backend);
    let token = token(Kind::User, Uuid([0xee; 16]), 600);
    for (name, asked) in [
        ("..", None),
        (".", None),
        ("", None),
        ("../../admin", Some("..%2F..%2Fadmin")),
        ("a?b#c", Some("a%3Fb%23c")),
        ("%2e%2e", Some("%252e%252e")),
        ("ä;x=y", Some("%C3%A4%3Bx%3Dy")),
    ] {
        let _ = ask_as(&verifier, &token, Some(name), NOW);
        let own = format!("/org/app/users/{}", Uuid([0xee; 16]));
        let asked = asked.map(|asked| format!("/org/app/users/{asked}"));
        let expected: Vec<_> = asked.into_iter().chain([own]).collect();
        assert_eq!(backend.asked(), expected, "{name:?}");
    }
}

#[test]
fn a_refusal_is_remembered_for_a_moment_and_an_outage_is_not() {
    let backend = Backend::new(|_| reply(401, &json!({})));
    let verifier = asking(&backend);
    let token = token(Kind::User, ALICE, 600);
    assert_eq!(
        rejected(ask_as(&verifier, &token, None, NOW)),
        Rejection::Expired
    );
    assert_eq!(
        settled(&verifier, &token, NOW).err(),
        Some(Rejection::Expired)
    );
    let later = NOW.plus(Duration::from_secs(5));
    assert!(matches!(
        judge(&verifier, &token, later),
        Judgement::AskRemote
    ));
    // Who gets the token after all need not wait for that.
    assert_eq!(
        learn(&verifier, &user_answer(&token, 600, true), NOW),
        Ok(true)
    );
    assert!(settled(&verifier, &token, NOW).is_ok());

    let other = self::token(Kind::User, BOB, 600);
    for answer in [
        (|_: &str| Err(HttpError::Timeout)) as Answers,
        |_| reply(500, &json!({})),
        |_| reply(403, &json!({})),
        |_| reply(302, &json!({})),
        |_| reply(204, &json!({})),
        |_| reply(200, &json!([])),
    ] {
        backend.answers(answer);
        let outcome = ask_as(&verifier, &other, None, NOW);
        assert!(
            matches!(outcome, Err(VerifyError::Unavailable { .. })),
            "{outcome:?}"
        );
        assert!(matches!(
            judge(&verifier, &other, NOW),
            Judgement::AskRemote
        ));
    }
}

#[test]
fn a_ban_is_found_by_asking() {
    let backend = Backend::new(|_| {
        let user = json!({ "username": "alice", "uuid": ALICE.to_string(), "activated": false });
        reply(200, &json!({ "entities": [user] }))
    });
    let verifier = asking(&backend);
    let token = token(Kind::User, ALICE, 600);
    assert_eq!(
        learn(&verifier, &user_answer(&token, 600, true), NOW),
        Ok(true)
    );
    let later = NOW.plus(MINUTE);
    assert_eq!(
        rejected(ask_as(&verifier, &token, None, later)),
        Rejection::Banned
    );
    assert_eq!(
        settled(&verifier, &token, later).err(),
        Some(Rejection::Banned)
    );
}

#[test]
fn living_sessions_are_asked_about_by_what_they_proved() {
    let backend = Backend::new(users);
    let verifier = asking(&backend);
    let token = token(Kind::User, ALICE, 600);
    let about = About {
        app: Some("org#app"),
        user: Some("alice"),
    };
    let credential = || Credential::single(token.as_bytes()).with(about);
    let credentials: Vec<_> = (0..40).map(|_| credential()).collect();
    let answers = block_on(verifier.recheck(&credentials, NOW));
    assert_eq!(answers.iter().filter(|answer| answer.is_ok()).count(), 40);
    backend.answers(|_| Err(HttpError::Timeout));
    let answers = block_on(verifier.recheck(&credentials[..1], NOW));
    assert!(matches!(
        answers[..],
        [Err(VerifyError::Unavailable { .. })]
    ));
}

#[test]
fn what_the_upstream_refuses_is_forgotten() {
    let verifier = verifier(Kind::User);
    let token = token(Kind::User, ALICE, 600);
    assert_eq!(
        learn(&verifier, &user_answer(&token, 600, true), NOW),
        Ok(true)
    );
    let credential = Credential::single(token.as_bytes());
    assert!(verifier.doubt(&credential, NOW).is_some());
    assert!(verifier.doubt(&credential, NOW).is_none());
    assert_eq!(
        settled(&verifier, &token, NOW).err(),
        Some(Rejection::UnknownKey)
    );
}

#[test]
fn what_is_known_outlives_a_change_that_does_not_concern_it() {
    let before = verifier(Kind::User);
    let token = token(Kind::User, ALICE, 600);
    assert_eq!(
        learn(&before, &user_answer(&token, 600, true), NOW),
        Ok(true)
    );
    let proof = settled(&before, &token, NOW).unwrap();
    let after = |config| {
        let beginning = Beginning {
            earlier: before.memory(),
            shared: None,
        };
        EasemobToken::new(config, beginning, |_| Backend::new(users))
    };
    let same = Config {
        apps: Some(vec!["org#app".into()]),
        ..config(Kind::User, None)
    };
    let same = after(same);
    assert_ne!(same.fingerprint(), before.fingerprint());
    assert!(settled(&same, &token, NOW).is_ok());
    assert!(same.uphold(&proof, NOW).is_ok());
    // From now on the backend is asked: who came in unasked has to come again.
    let stricter = after(config(Kind::User, Some(introspect())));
    assert!(stricter.uphold(&proof, NOW).is_err());
    let learn = Learn {
        route: "token".into(),
        expires_in_unit: Unit::Millis,
    };
    let other_unit = after(Config {
        learn: Some(learn),
        ..config(Kind::User, None)
    });
    assert!(settled(&other_unit, &token, NOW).is_err());
}

use http::{Method, header};
use parking_lot::Mutex;
use serde_json::{Value, json};

use super::*;
use crate::scheme::Reuse;
use crate::scheme::http::testing::{Said, Script};
use crate::scheme::http::{HttpError, Question, Reply};
use crate::secret::Secret;

const NOW: UnixTime = UnixTime::from_secs(1_750_000_000);

/// Answers as it is told, the last answer for ever, and keeps the questions.
#[derive(Debug)]
struct Server {
    answers: Script,
    questions: Mutex<Vec<Question>>,
}

impl Server {
    fn answering(answers: impl IntoIterator<Item = Said>) -> Arc<Self> {
        Arc::new(Self {
            answers: Script::new(answers),
            questions: Mutex::default(),
        })
    }

    fn now_answers(&self, answer: Said) {
        self.answers.replace(answer);
    }
}

#[async_trait]
impl HttpClient for Server {
    async fn ask(&self, question: Question) -> Result<Reply, HttpError> {
        self.questions.lock().push(question);
        self.answers.next()
    }
}

#[expect(
    clippy::unnecessary_wraps,
    reason = "it stands beside answers that fail"
)]
fn says(body: &Value) -> Said {
    Ok(Reply {
        status: 200,
        content_type: Some("application/json".to_owned()),
        body: body.to_string().into_bytes(),
    })
}

fn yes() -> Said {
    says(&json!({ "active": true, "sub": "7" }))
}

fn no() -> Said {
    says(&json!({ "active": false }))
}

const DOWN: Said = Err(HttpError::Timeout);

fn login(auth: ClientAuth) -> Asking {
    Asking::Standard {
        client: Some(ClientLogin {
            id: "im:gate".to_owned(),
            secret: Secret::new("p\u{e4}ss word"),
            auth,
        }),
        headers: Vec::new(),
    }
}

fn config() -> Config {
    Config {
        url: UrlTemplate::parse("https://id.example.com/introspect").unwrap(),
        http: HttpRules {
            timeout: Duration::from_secs(2),
            max_body: MAX_ANSWER,
            in_flight: 64,
            authorities: None,
        },
        asking: login(ClientAuth::Basic),
        reading: Reading::standard(),
        max_stale: Duration::from_secs(30),
        on_outage: OnOutage::Deny,
        recheck: None,
        opaque_only: false,
        guesses: None,
    }
}

fn verifier(config: Config, server: &Arc<Server>) -> Introspection {
    Introspection::new(config, |_| {
        Arc::<Server>::clone(server) as Arc<dyn HttpClient>
    })
}

async fn ask(verifier: &Introspection, token: &str, now: UnixTime) -> &'static str {
    let credential = Credential::single(token.as_bytes());
    word(&verifier.ask(&credential, now).await)
}

fn word(outcome: &Result<Verified, VerifyError>) -> &'static str {
    match outcome {
        Ok(_) => "ok",
        Err(VerifyError::Rejected(rejection)) => rejection.as_str(),
        Err(VerifyError::Unavailable { .. }) => "unavailable",
        Err(VerifyError::Throttled { .. }) => "throttled",
    }
}

fn after(secs: u64) -> UnixTime {
    NOW.plus(Duration::from_secs(secs))
}

/// A header of a question.
fn sent<'q>(question: &'q Question, name: &header::HeaderName) -> Vec<&'q str> {
    let headers = question.headers.iter().filter(|(one, _)| one == name);
    headers.map(|(_, value)| value.to_str().unwrap()).collect()
}

#[tokio::test]
async fn the_token_is_posted_as_a_form_with_the_gates_own_login() {
    let server = Server::answering([yes()]);
    let basic = verifier(config(), &server);
    let proof = basic
        .ask(&Credential::single(b"a+b/c=&d"), NOW)
        .await
        .unwrap();
    assert_eq!(proof.reuse, Reuse::For(Duration::from_secs(30)));
    let post = Config {
        asking: login(ClientAuth::Post),
        ..config()
    };
    assert_eq!(ask(&verifier(post, &server), "t", NOW).await, "ok");
    let questions = server.questions.lock();
    let (first, second) = (&questions[0], &questions[1]);
    assert_eq!(
        (&first.method, first.url.path()),
        (&Method::POST, "/introspect")
    );
    assert_eq!(
        first.body,
        b"token=a%2Bb%2Fc%3D%26d&token_type_hint=access_token"
    );
    // `im%3Agate:p%C3%A4ss%20word`
    let basic = "Basic aW0lM0FnYXRlOnAlQzMlQTRzcyUyMHdvcmQ=";
    assert_eq!(sent(first, &header::AUTHORIZATION), [basic]);
    assert_eq!(
        sent(first, &header::CONTENT_TYPE),
        ["application/x-www-form-urlencoded"]
    );
    assert_eq!(sent(second, &header::AUTHORIZATION), [""; 0]);
    assert_eq!(
        second.body,
        b"token=t&token_type_hint=access_token&client_id=im%3Agate&client_secret=p%C3%A4ss%20word"
    );
}

#[tokio::test]
async fn a_way_of_its_own_puts_the_token_where_the_server_wants_it() {
    let server = Server::answering([says(&json!({ "id": 7 }))]);
    let asking = Asking::OfItsOwn {
        method: Method::GET,
        headers: vec![
            (
                header::AUTHORIZATION,
                HeaderText::AroundToken("Bearer ".to_owned(), String::new()),
            ),
            (header::FROM, HeaderText::Fixed(Secret::new("gate"))),
        ],
    };
    let config = Config {
        url: UrlTemplate::parse("http://127.0.0.1/users/{token}").unwrap(),
        asking,
        reading: Reading {
            active: Active::Status(200),
            subject: "/id".to_owned(),
            expires: None,
            ..Reading::standard()
        },
        ..config()
    };
    let verifier = verifier(config, &server);
    assert_eq!(ask(&verifier, "a/b", NOW).await, "ok");
    for token in [".", ".."] {
        assert_eq!(ask(&verifier, token, NOW).await, "malformed", "{token}");
        let judged = verifier.judge(&Credential::single(token.as_bytes()), NOW);
        assert!(matches!(
            judged,
            Judgement::Settled(Err(Rejection::Malformed))
        ));
    }
    let questions = server.questions.lock();
    assert_eq!(questions.len(), 1);
    assert_eq!(questions[0].url.path(), "/users/a%2Fb");
    assert_eq!(sent(&questions[0], &header::AUTHORIZATION), ["Bearer a/b"]);
    assert_eq!(sent(&questions[0], &header::FROM), ["gate"]);
}

#[tokio::test]
async fn an_outage_denies_or_graces_what_was_good_a_moment_ago() {
    let server = Server::answering([yes(), DOWN]);
    let deny = verifier(config(), &server);
    assert_eq!(ask(&deny, "t", NOW).await, "ok");
    assert_eq!(ask(&deny, "t", after(1)).await, "unavailable");

    let server = Server::answering([yes(), DOWN]);
    let grace = Config {
        on_outage: OnOutage::Grace(Duration::from_secs(30)),
        ..config()
    };
    let grace = verifier(grace, &server);
    assert_eq!(ask(&grace, "t", NOW).await, "ok");
    assert_eq!(ask(&grace, "t", after(29)).await, "ok");
    assert_eq!(ask(&grace, "other", after(29)).await, "unavailable");
    assert_eq!(ask(&grace, "t", after(30)).await, "unavailable");
    server.now_answers(no());
    assert_eq!(ask(&grace, "t", after(31)).await, "expired");
    server.now_answers(DOWN);
    assert_eq!(
        ask(&grace, "t", after(31)).await,
        "unavailable",
        "a no is remembered"
    );
}

#[tokio::test]
async fn living_sessions_are_asked_about_one_by_one_in_order() {
    let answers = (0..20).map(|turn| if turn % 3 == 0 { no() } else { yes() });
    let server = Server::answering(answers);
    let verifier = verifier(config(), &server);
    let tokens: Vec<_> = (0..20).map(|turn| format!("t{turn}")).collect();
    let credentials: Vec<_> = tokens
        .iter()
        .map(|one| Credential::single(one.as_bytes()))
        .collect();
    let outcomes = verifier.recheck(&credentials, NOW).await;
    let outcomes: Vec<_> = outcomes.iter().map(word).collect();
    let expected: Vec<_> = (0..20)
        .map(|turn| if turn % 3 == 0 { "expired" } else { "ok" })
        .collect();
    assert_eq!(outcomes, expected);
    server.now_answers(DOWN);
    server.questions.lock().clear();
    let outcomes = verifier.recheck(&credentials, NOW).await;
    assert_eq!(outcomes.len(), 20);
    assert!(
        outcomes
            .iter()
            .all(|outcome| word(outcome) == "unavailable")
    );
    assert_eq!(
        server.questions.lock().len(),
        AT_ONCE,
        "the rest need not wait"
    );
}

#[test]
fn what_is_recognised_is_visible_and_signed_tokens_may_be_left_to_others() {
    let server = Server::answering([yes()]);
    let any = verifier(config(), &server);
    let opaque = Config {
        opaque_only: true,
        ..config()
    };
    let opaque = verifier(opaque, &server);
    let signed = "eyJhbGciOiJIUzI1NiJ9.e30.AAAA";
    for (token, by_any, by_opaque) in [
        ("2YotnFZFEjr1zCsicMWpAA", true, true),
        ("a/b+c==", true, true),
        (signed, true, false),
        ("a.b.c", true, true),
        ("", false, false),
        ("a b", false, false),
        ("a\tb", false, false),
        ("\u{e4}", false, false),
    ] {
        let credential = Credential::single(token.as_bytes());
        assert_eq!(any.recognises(&credential), by_any, "{token:?}");
        assert_eq!(opaque.recognises(&credential), by_opaque, "{token:?}");
    }
}

#[test]
fn everything_that_a_verdict_depends_on_is_in_the_fingerprint() {
    let server = Server::answering([yes()]);
    let base = verifier(config(), &server).fingerprint();
    let url = UrlTemplate::parse("https://other.example.com/introspect").unwrap();
    let changes: [fn(&mut Config); 6] = [
        |config| config.asking = login(ClientAuth::Post),
        |config| config.max_stale = Duration::from_secs(1),
        |config| config.reading.subject = "/username".to_owned(),
        |config| config.reading.audience = Some("im".to_owned()),
        |config| config.on_outage = OnOutage::Grace(Duration::from_secs(1)),
        |config| config.opaque_only = true,
    ];
    for change in changes {
        let mut other = config();
        change(&mut other);
        assert_ne!(verifier(other, &server).fingerprint(), base);
    }
    let elsewhere = verifier(Config { url, ..config() }, &server);
    assert_ne!(elsewhere.fingerprint(), base);
    assert_eq!(verifier(config(), &server).fingerprint(), base);
    let shown = format!("{:?}", verifier(config(), &server));
    assert!(
        !shown.contains("word") && !shown.contains("example"),
        "{shown}"
    );
}

#[tokio::test]
async fn a_proof_is_upheld_where_the_same_server_is_read_alike() {
    let server = Server::answering([yes()]);
    let made = verifier(config(), &server);
    let proof = made.ask(&Credential::single(b"t"), NOW).await.unwrap();
    let slower = Config {
        max_stale: Duration::from_secs(1),
        ..config()
    };
    assert!(verifier(slower, &server).uphold(&proof, NOW).is_ok());
    let mut other = config();
    other.reading.subject = "/username".to_owned();
    let refused = verifier(other, &server).uphold(&proof, NOW);
    assert_eq!(refused.unwrap_err(), Rejection::WrongPrincipal);
}

use std::net::IpAddr;

use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::credential::Credential;
use crate::scheme::Verifier as _;
use crate::scheme::learner::Learner as _;
use crate::scheme::sa_token::{Config, Mint, Mixin, SaToken, Sessions, mint};
use crate::secret::Secret;

const NOW: UnixTime = UnixTime::from_millis(1_750_000_000_000);
const HOUR: Duration = Duration::from_hours(1);

fn verifier(lifetime: Duration, earlier: Option<Arc<Learned>>) -> SaToken {
    let config = Config {
        secret: Secret::new("a secret of the backend"),
        previous: Vec::new(),
        user_types: vec!["im_user".into()],
        login_type: "login".to_owned(),
        separator: ':',
        sessions: Sessions::Learn(LoginAnswers {
            route: "login".into(),
            lifetime,
        }),
    };
    let beginning = Beginning {
        earlier,
        shared: None,
    };
    SaToken::new(config, None, beginning, |_| panic!("there is no store")).unwrap()
}

fn minted(secret: &str, mixin: Option<Mixin>) -> String {
    let order = Mint {
        login_type: "login".to_owned(),
        user_type: "im_user".to_owned(),
        separator: ':',
        user: "7".to_owned(),
        random: "0123456789abcdefghijklmnopqrstuv".to_owned(),
        mixin,
    };
    mint(&Secret::new(secret), &order)
}

fn answer(token: &str) -> String {
    json!({ "code": 200, "msg": "操作成功", "data": { "imUserVo": { "id": "7" }, "token": token } })
        .to_string()
}

fn learn(verifier: &SaToken, body: &str) -> Result<bool, Lost> {
    let lesson = Lesson {
        body: body.as_bytes(),
        app: None,
        client: IpAddr::from([10, 0, 0, 1]),
        at: NOW,
    };
    verifier.learn(&lesson).map(|told| told.is_some())
}

fn judge(verifier: &SaToken, token: &str, now: UnixTime) -> Result<Verified, Rejection> {
    let credential = Credential::single(token.as_bytes());
    verifier.judge(&credential, now).settled()
}

#[test]
fn a_login_holds_from_its_answer_on() {
    let verifier = verifier(HOUR, None);
    let token = minted("a secret of the backend", None);
    assert_eq!(
        judge(&verifier, &token, NOW).err(),
        Some(Rejection::Expired)
    );
    assert_eq!(
        learn(&verifier, &answer(&format!("Bearer {token}"))),
        Ok(true)
    );
    let proof = judge(&verifier, &token, NOW).unwrap();
    assert_eq!(proof.principal.subject.as_deref(), Some("7"));
    assert_eq!(proof.not_after, Some(NOW.plus(HOUR)));
    let end = judge(&verifier, &token, NOW.plus(HOUR));
    assert_eq!(end.err(), Some(Rejection::Expired));
}

#[test]
fn the_token_s_own_end_counts_as_well() {
    let verifier = verifier(HOUR, None);
    let mixin = Mixin::new(None, Some(Duration::from_mins(1)), NOW);
    let token = minted("a secret of the backend", Some(mixin));
    assert_eq!(learn(&verifier, &answer(&token)), Ok(true));
    let proof = judge(&verifier, &token, NOW).unwrap();
    assert_eq!(proof.not_after, Some(NOW.plus(Duration::from_mins(1))));
}

#[test]
fn a_reload_forgets_nobody_and_may_be_stricter() {
    let before = verifier(HOUR, None);
    let token = minted("a secret of the backend", None);
    assert_eq!(learn(&before, &answer(&token)), Ok(true));
    let after = verifier(HOUR / 2, before.memory());
    let proof = judge(&after, &token, NOW).unwrap();
    assert_eq!(proof.not_after, Some(NOW.plus(HOUR / 2)));
    assert!(judge(&after, &token, NOW.plus(HOUR / 2)).is_err());
}

#[test]
fn what_is_not_signed_by_the_backend_is_not_learned() {
    let verifier = verifier(HOUR, None);
    let forged = minted("another secret", None);
    assert_eq!(learn(&verifier, &answer(&forged)), Err(Lost::Contradictory));
    assert_eq!(
        judge(&verifier, &forged, NOW).err(),
        Some(Rejection::BadSignature)
    );
}

#[test]
fn only_an_answer_to_a_login_has_a_token() {
    let good = minted("a secret of the backend", None);
    assert_eq!(
        token(answer(&format!("Bearer {good}")).as_bytes()),
        Ok(good.clone())
    );
    assert_eq!(token(answer(&good).as_bytes()), Ok(good.clone()));
    for (case, body) in [
        ("a failure", answer(&good).replace("200", "500")),
        (
            "a code that is a text",
            answer(&good).replace("200", "\"200\""),
        ),
        ("no code", answer(&good).replace("code", "status")),
        ("no data", json!({ "code": 200, "token": good }).to_string()),
        (
            "data that is a list",
            json!({ "code": 200, "data": [good] }).to_string(),
        ),
        ("a doubled prefix", answer(&format!("Bearer Bearer {good}"))),
        ("no token", answer("secret")),
        (
            "a number",
            json!({ "code": 200, "data": { "token": 7 } }).to_string(),
        ),
        (
            "two tokens",
            format!(r#"{{"code":200,"data":{{"token":"{good}","token":"{good}"}}}}"#),
        ),
        ("cut", answer(&good)[..60].to_owned()),
        ("nothing", String::new()),
    ] {
        assert_eq!(token(body.as_bytes()), Err(Lost::Unlike), "{case}");
    }
}

proptest! {
    #[test]
    fn any_bytes_are_survived(bytes in proptest::collection::vec(any::<u8>(), 0..256)) {
        prop_assert_eq!(token(&bytes), Err(Lost::Unlike));
    }
}

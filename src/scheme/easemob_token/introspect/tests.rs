use serde_json::json;

use super::super::tests::{ALICE, BOB, Backend, entity, introspect, reply};
use super::*;
use crate::clock::UnixTime;
use crate::scheme::easemob_token::layout::Kind;
use crate::scheme::http::HttpError;

fn asking(introspect: Introspect) -> Asking {
    Asking::new(introspect, Backend::new(|_| Err(HttpError::Timeout)))
}

fn layout() -> Layout {
    Layout {
        kind: Kind::User,
        application: Some(BOB),
        entity: ALICE,
        issued: UnixTime::from_secs(0),
        lifetime: None,
    }
}

#[test]
fn an_answer_means_one_thing() {
    let asking = asking(introspect());
    let nonsense = |said: &Said| matches!(said, Said::Nonsense(_));
    let of = |value: Value| reply(200, &json!({ "entities": [value] })).unwrap();
    let uuid = ALICE.to_string();
    let good = entity("alice", ALICE).unwrap();
    let judge = |reply: &Reply| asking.judge(reply, Some(&layout()));
    assert_eq!(judge(&good), Said::Good("alice".into()));
    assert_eq!(
        asking.judge(&good, None),
        Said::SomebodyElse,
        "an opaque token"
    );
    assert_eq!(judge(&entity("alice", BOB).unwrap()), Said::SomebodyElse);
    let upper = of(json!({ "username": "alice", "uuid": uuid.to_uppercase() }));
    assert_eq!(judge(&upper), Said::Good("alice".into()));
    let banned = of(json!({ "username": "alice", "uuid": uuid, "activated": false }));
    assert_eq!(judge(&banned), Said::Bad(Rejection::Banned));
    let odd = of(json!({ "username": "alice", "uuid": uuid, "activated": 1 }));
    assert_eq!(judge(&odd), Said::Bad(Rejection::Banned));
    for (case, answer) in [
        ("no name", of(json!({ "uuid": uuid }))),
        ("a number", of(json!({ "uuid": uuid, "username": 7 }))),
        ("an empty name", of(json!({ "uuid": uuid, "username": "" }))),
        ("two lines", of(json!({ "uuid": uuid, "username": "a\nb" }))),
        ("a list", reply(200, &json!([])).unwrap()),
        ("too many requests", reply(429, &json!({})).unwrap()),
        ("a failure", reply(503, &json!({})).unwrap()),
        ("elsewhere", reply(307, &json!({})).unwrap()),
    ] {
        assert!(nonsense(&judge(&answer)), "{case}");
    }
    for (case, uuid) in [
        ("nothing to compare", json!(null)),
        ("a number", json!(7)),
        ("a list", json!([uuid])),
    ] {
        let answer = of(json!({ "username": "alice", "uuid": uuid }));
        assert_eq!(judge(&answer), Said::SomebodyElse, "{case}");
    }
    let twice =
        format!(r#"{{"entities":[{{"username":"alice","username":"bob","uuid":"{uuid}"}}]}}"#);
    let twice = Reply {
        body: twice.into_bytes(),
        ..good
    };
    assert!(nonsense(&judge(&twice)));
    assert_eq!(
        judge(&reply(401, &json!({})).unwrap()),
        Said::Bad(Rejection::Expired)
    );
    assert_eq!(judge(&reply(404, &json!({})).unwrap()), Said::Nobody);
}

#[test]
fn an_address_without_a_name_is_asked_once() {
    let me = Introspect {
        url: UrlTemplate::parse("http://127.0.0.1/{org}/{app}/me").unwrap(),
        ..introspect()
    };
    let layout = layout();
    let about = About {
        token: b"",
        layout: Some(&layout),
        app: Some("org#app"),
        known_user: Some("alice"),
        named_user: Some("bob"),
    };
    let urls = asking(me).urls(Some("org#app"), &about);
    assert_eq!(
        urls.iter().map(Uri::path).collect::<Vec<_>>(),
        ["/org/app/me"]
    );
    let urls = asking(introspect()).urls(Some("org#app"), &about);
    assert_eq!(urls.len(), 3);
    assert!(asking(introspect()).urls(None, &about).is_empty());
    assert!(asking(introspect()).urls(Some("..#app"), &about).is_empty());
}

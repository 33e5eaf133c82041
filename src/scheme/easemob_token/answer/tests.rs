use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::clock::UnixTime;

const APP: &str = "YWMte3bGuOukEeiTkNP4grL7iwAAAAAAAAAAAAAAAAAAAAGL4CTw6XgR6LaXXVmNX4QCAgMAAAFnKdc-ZgBPGgBFTrLhhyK8woMEI005emtrLJFJV6aoxsZSioSIZkr5kw";
const USER: &str = "YWMtrR6ECkz8Eeyx6Y9j1eX9kbsMrFep3U6BvVj7KSnNonWqRx7gTPwR7Kzl-Q_xISNOAwMAAAF9UPZqbQAPoAAtYK9fWgaTNyuWoB3-6nGf_TXBx3Nt3XRZST-elU0x2A";
/// Of a layout that nobody knows.
const OPAQUE: &str = "YWMtmfBQBhq6EeWw3TH3VTDeAgAAAU5YY8fvXJHGxJX4ZzX9";

fn app() -> Value {
    json!({
        "access_token": APP,
        "expires_in": 1_024_000,
        "application": "8be024f0-e978-11e8-b697-5d598d5f8402",
    })
}

fn user() -> Value {
    json!({
        "access_token": USER,
        "expires_in": 1_024_000,
        "user": {
            "uuid": "aa471ee0-4cfc-11ec-ace5-f90ff121234e",
            "type": "user",
            "created": 1_637_740_861_395_i64,
            "modified": 1_637_740_861_395_i64,
            "username": "c",
            "activated": true,
        },
    })
}

/// An answer with something changed at a place; `null` takes it away.
fn with(mut answer: Value, pointer: &str, value: Value) -> Value {
    let (parent, name) = pointer.rsplit_once('/').unwrap();
    let object = answer.pointer_mut(parent).unwrap().as_object_mut().unwrap();
    if value.is_null() {
        object.remove(name);
    } else {
        object.insert(name.to_owned(), value);
    }
    answer
}

fn read_value(answer: &Value) -> Result<Issued, Lost> {
    read(answer.to_string().as_bytes(), Unit::Seconds)
}

#[test]
fn the_answers_of_the_documentation_are_read() {
    let issued = read_value(&app()).ok().unwrap();
    assert_eq!(
        (&*issued.token, issued.holder),
        (APP.as_bytes(), Holder::App)
    );
    assert_eq!(issued.lifetime, Some(Duration::from_secs(1_024_000)));
    // Taken together from two calls: the token itself says another lifetime.
    let ends = issued.layout.and_then(|layout| layout.ends()).unwrap();
    assert_eq!(
        ends,
        UnixTime::from_millis(1_542_595_231_334 + 5_184_000_000)
    );

    let issued = read_value(&user()).ok().unwrap();
    assert_eq!(issued.holder, Holder::User("c".to_owned()));
    assert_eq!(&*issued.token, USER.as_bytes());
    let millis = read(user().to_string().as_bytes(), Unit::Millis);
    assert_eq!(
        millis.ok().unwrap().lifetime,
        Some(Duration::from_secs(1024))
    );
    let permanent = read_value(&with(user(), "/expires_in", json!(0)));
    assert_eq!(permanent.ok().unwrap().lifetime, None);
    let opaque = read_value(&with(user(), "/access_token", json!(OPAQUE)));
    assert_eq!(opaque.ok().unwrap().layout, None);
}

#[test]
#[expect(clippy::too_many_lines, reason = "one table of one kind")]
fn anything_else_teaches_nothing() {
    let other = "aa471ee0-4cfc-11ec-ace5-f90ff121234f";
    for (case, answer, lost) in [
        (
            "no token",
            with(app(), "/access_token", Value::Null),
            Lost::Unlike,
        ),
        (
            "a token that is none",
            with(app(), "/access_token", json!("secret")),
            Lost::Unlike,
        ),
        (
            "a token that is no text",
            with(app(), "/access_token", json!([APP])),
            Lost::Unlike,
        ),
        (
            "a second token inside",
            with(user(), "/user/access_token", json!(OPAQUE)),
            Lost::Unlike,
        ),
        (
            "a second token in a list",
            with(app(), "/entities", json!([{ "access_token": OPAQUE }])),
            Lost::Unlike,
        ),
        (
            "the token inside only",
            json!({ "data": app() }),
            Lost::Unlike,
        ),
        (
            "no lifetime",
            with(app(), "/expires_in", Value::Null),
            Lost::Unlike,
        ),
        (
            "a lifetime in a text",
            with(app(), "/expires_in", json!("600")),
            Lost::Unlike,
        ),
        (
            "a broken lifetime",
            with(app(), "/expires_in", json!(600.5)),
            Lost::Unlike,
        ),
        (
            "a negative lifetime",
            with(app(), "/expires_in", json!(-1)),
            Lost::Unlike,
        ),
        (
            "nobody",
            with(app(), "/application", Value::Null),
            Lost::Unlike,
        ),
        (
            "an app and a user",
            with(user(), "/application", json!(other)),
            Lost::Unlike,
        ),
        (
            "an app that is no UUID",
            with(app(), "/application", json!("testapp")),
            Lost::Unlike,
        ),
        (
            "an app that is no text",
            with(app(), "/application", json!({})),
            Lost::Unlike,
        ),
        (
            "a user that is a text",
            with(user(), "/user", json!("c")),
            Lost::Unlike,
        ),
        (
            "no user name",
            with(user(), "/user/username", Value::Null),
            Lost::Unlike,
        ),
        (
            "an empty user name",
            with(user(), "/user/username", json!("")),
            Lost::Unlike,
        ),
        (
            "a user name of two lines",
            with(user(), "/user/username", json!("a\nb")),
            Lost::Unlike,
        ),
        (
            "a numeric user name",
            with(user(), "/user/username", json!(7)),
            Lost::Unlike,
        ),
        (
            "no UUID",
            with(user(), "/user/uuid", Value::Null),
            Lost::Unlike,
        ),
        (
            "a redacted UUID",
            with(
                user(),
                "/user/uuid",
                json!("aa471ee0-XXXX-XXXX-ace5-f90ff121234e"),
            ),
            Lost::Unlike,
        ),
        (
            "another user's token",
            with(user(), "/user/uuid", json!(other)),
            Lost::Contradictory,
        ),
        (
            "another app's token",
            with(app(), "/application", json!(other)),
            Lost::Contradictory,
        ),
        (
            "a user's token for an app",
            with(app(), "/access_token", json!(USER)),
            Lost::Contradictory,
        ),
        (
            "an app's token for a user",
            with(user(), "/access_token", json!(APP)),
            Lost::Contradictory,
        ),
        (
            "a banned user",
            with(user(), "/user/activated", json!(false)),
            Lost::Banned,
        ),
        (
            "perhaps banned",
            with(user(), "/user/activated", json!("false")),
            Lost::Unlike,
        ),
        ("a list", json!([app()]), Lost::Unlike),
    ] {
        assert_eq!(read_value(&answer).err(), Some(lost), "{case}");
    }
    let twice = format!(r#"{{"access_token":"{OPAQUE}",{}"#, &app().to_string()[1..]);
    for (case, body) in [
        ("two tokens", twice.clone()),
        (
            "a second one by an escape",
            twice.replacen("access", "\\u0061ccess", 1),
        ),
        ("more behind it", format!("{}{{}}", app())),
        ("cut", app().to_string()[..120].to_owned()),
        ("nothing", String::new()),
    ] {
        assert_eq!(
            read(body.as_bytes(), Unit::Seconds).err(),
            Some(Lost::Unlike),
            "{case}"
        );
    }
}

proptest! {
    #[test]
    fn any_bytes_are_survived(bytes in proptest::collection::vec(any::<u8>(), 0..512)) {
        prop_assert!(read(&bytes, Unit::Seconds).is_err());
    }

    /// A change of one bit is no answer, or an answer about the very same token or about another:
    /// never the same token for somebody else.
    #[test]
    fn a_flipped_bit_gives_nobodys_token_away(is_user in any::<bool>(), at in 0_usize..4096) {
        let answer = if is_user { user() } else { app() }.to_string();
        let good = read(answer.as_bytes(), Unit::Seconds).ok().unwrap();
        let mut bytes = answer.into_bytes();
        let bit = at % (bytes.len() * 8);
        bytes[bit / 8] ^= 1 << (bit % 8);
        if let Ok(other) = read(&bytes, Unit::Seconds) && other.token == good.token {
            prop_assert_eq!(other.holder.kind(), good.holder.kind());
            prop_assert_eq!(other.layout, good.layout);
        }
    }
}

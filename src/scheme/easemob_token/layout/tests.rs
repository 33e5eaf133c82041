use proptest::prelude::*;

use super::*;

/// The samples of Easemob's own documentation.
const PASSWORD: &str = "YWMtrR6ECkz8Eeyx6Y9j1eX9kbsMrFep3U6BvVj7KSnNonWqRx7gTPwR7Kzl-Q_xISNOAwMAAAF9UPZqbQAPoAAtYK9fWgaTNyuWoB3-6nGf_TXBx3Nt3XRZST-elU0x2A";
const INHERIT: &str = "YWMthyeiFhbyEe2eMGeYZSLlT7sMrFep3U6BvVj7KSnNonUiDB-wFvIR7a5Ttx2-01MYAwMAAAGCfIeryQAPoAAsuveDfkUrePkEM2Hgy6SaOTeTx3ETgh5cnXcP_HfBPg";
const APP: &str = "YWMte3bGuOukEeiTkNP4grL7iwAAAAAAAAAAAAAAAAAAAAGL4CTw6XgR6LaXXVmNX4QCAgMAAAFnKdc-ZgBPGgBFTrLhhyK8woMEI005emtrLJFJV6aoxsZSioSIZkr5kw";

fn uuid(text: &str) -> Uuid {
    Uuid::parse(text).unwrap()
}

#[test]
fn the_samples_of_the_documentation_are_read() {
    let application = Some(uuid("bb0cac57-a9dd-4e81-bd58-fb2929cda275"));
    for (token, kind, application, entity, issued, lifetime) in [
        (
            PASSWORD,
            Kind::User,
            application,
            "aa471ee0-4cfc-11ec-ace5-f90ff121234e",
            1_637_740_866_157,
            1_024_000,
        ),
        (
            INHERIT,
            Kind::User,
            application,
            "220c1fb0-16f2-11ed-ae53-b71dbed35318",
            1_659_946_642_377,
            1_024_000,
        ),
        (
            APP,
            Kind::App,
            None,
            "8be024f0-e978-11e8-b697-5d598d5f8402",
            1_542_595_231_334,
            5_184_000,
        ),
    ] {
        assert!(recognises(token.as_bytes()));
        assert_eq!(
            Layout::read(token.as_bytes()),
            Some(Layout {
                kind,
                application,
                entity: uuid(entity),
                issued: UnixTime::from_millis(issued),
                lifetime: Some(Duration::from_secs(lifetime)),
            })
        );
        assert_eq!(uuid(entity).to_string(), entity);
    }
}

#[test]
fn tokens_of_another_implementation_are_read_alike() {
    let vectors = include_str!("../../../../tests/vectors/easemob_token/vectors.json");
    let vectors: serde_json::Value = serde_json::from_str(vectors).unwrap();
    let cases = vectors["cases"].as_array().unwrap();
    assert!(cases.len() >= 20, "{}", cases.len());
    for case in cases {
        let name = case["case"].as_str().unwrap();
        let read = Layout::read(case["token"].as_str().unwrap().as_bytes());
        let expected = &case["read"];
        let read = read.map(|layout| {
            let lifetime = layout.lifetime.map_or(0, |lifetime| lifetime.as_secs());
            serde_json::json!({
                "kind": if layout.kind == Kind::User { "user" } else { "app" },
                "application": layout.application.map(|uuid| uuid.to_string()),
                "entity": layout.entity.to_string(),
                "issued": layout.issued.as_millis(),
                "ttl": lifetime,
            })
        });
        assert_eq!(read.unwrap_or_default(), *expected, "{name}");
    }
}

/// A sample with some of its bytes changed.
fn with(token: &str, at: usize, bytes: &[u8]) -> String {
    let mut decoded = URL_SAFE_NO_PAD.decode(token).unwrap();
    decoded[at..at + bytes.len()].copy_from_slice(bytes);
    URL_SAFE_NO_PAD.encode(decoded)
}

#[test]
fn what_is_otherwise_is_opaque() {
    for (case, token) in [
        ("another category", with(PASSWORD, 0, b"ad-")),
        ("an unknown kind", with(PASSWORD, 51, &[1])),
        ("an app's kind in a user's token", with(PASSWORD, 51, &[2])),
        ("a user's kind in an app's token", with(APP, 51, &[3])),
        ("another version", with(PASSWORD, 52, &[4])),
        ("another time of issue", with(PASSWORD, 53, &[1])),
        ("a UUID of version 4", with(PASSWORD, 9, &[0x41])),
        ("a UUID of another variant", with(PASSWORD, 11, &[0xc0])),
        ("shorter", PASSWORD[..126].to_owned()),
        ("longer", format!("{PASSWORD}AAAA")),
        ("padded", format!("{}==", &PASSWORD[..128])),
        (
            "the other alphabet",
            PASSWORD.replace('-', "+").replace('_', "/"),
        ),
        ("bits beyond the end", format!("{}B", &PASSWORD[..129])),
    ] {
        assert_eq!(Layout::read(token.as_bytes()), None, "{case}");
    }
}

#[test]
fn a_permanent_token_has_no_end() {
    let layout = Layout::read(with(APP, 61, &[0; 4]).as_bytes()).unwrap();
    assert_eq!((layout.lifetime, layout.ends()), (None, None));
    let longest = Layout::read(with(APP, 61, &[0xff; 4]).as_bytes()).unwrap();
    assert_eq!(
        longest.ends(),
        Some(longest.issued.plus(Duration::from_secs(u32::MAX.into())))
    );
}

#[test]
fn only_what_looks_like_one_is_recognised() {
    let old = "YWMtmfBQBhq6EeWw3TH3VTDeAgAAAU5YY8fvXJHGxJX4ZzX9-xW3L0Q8nVbVn5Y";
    for (case, token, is_one) in [
        ("of the first generation", old.to_owned(), true),
        ("the longest", format!("YWMt{}", "A".repeat(1020)), true),
        ("too long", format!("YWMt{}", "A".repeat(1021)), false),
        ("too short", "YWMtAAAA".to_owned(), false),
        (
            "a dynamic token",
            "ZHQteyJzaWduYXR1cmUiOiJlOTJhMTI0N2Rm".to_owned(),
            false,
        ),
        (
            "another alphabet",
            format!("{}+{}", &PASSWORD[..60], &PASSWORD[61..]),
            false,
        ),
        (
            "a JWT",
            "YWMteyJhbGciOiJIUzI1NiJ9.eyJhIjoxfQ.AAAA".to_owned(),
            false,
        ),
        ("not ASCII", format!("{}ä", &PASSWORD[..60]), false),
        ("nothing", String::new(), false),
    ] {
        assert_eq!(recognises(token.as_bytes()), is_one, "{case}");
    }
}

#[test]
fn a_uuid_has_one_form() {
    let text = "bb0cac57-a9dd-4e81-bd58-fb2929cda275";
    assert_eq!(Uuid::parse(&text.to_uppercase()), Uuid::parse(text));
    for other in [
        "",
        "bb0cac57a9dd4e81bd58fb2929cda275",
        "bb0cac57-a9dd-4e81-bd58-fb2929cda27",
        "bb0cac57-a9dd-4e81-bd58-fb2929cda2755",
        "bb0cac57-XXXX-XXXX-bd58-fb2929cda275",
        "{bb0cac57-a9dd-4e81-bd58-fb2929cda27}",
        "bb0cac57-a9dd-4e81-bd58-fb2929cda2é",
    ] {
        assert_eq!(Uuid::parse(other), None, "{other:?}");
    }
}

proptest! {
    #[test]
    fn any_bytes_are_survived(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = recognises(&bytes);
        prop_assert_eq!(Layout::read(&bytes), None);
    }

    #[test]
    fn what_is_written_is_read(
        is_user in any::<bool>(),
        application in any::<[u8; 16]>(),
        entity in any::<[u8; 16]>(),
        millis in 0_i64..4_102_444_800_000,
        seconds in any::<u32>(),
        random in any::<[u8; 40]>(),
    ) {
        prop_assume!(Uuid(application) != NO_APPLICATION);
        let layout = Layout {
            kind: if is_user { Kind::User } else { Kind::App },
            application: is_user.then_some(Uuid(application)),
            entity: Uuid(entity),
            issued: UnixTime::from_millis(millis),
            lifetime: (seconds > 0).then(|| Duration::from_secs(seconds.into())),
        };
        let token = layout.write(&random);
        prop_assert!(recognises(token.as_bytes()));
        prop_assert_eq!(Layout::read(token.as_bytes()), Some(layout));
    }
}

//! Sessions on tokens that customers' servers make: Easemob's and ZEGO's.

use super::*;
use crate::scheme::{easemob_dynamic, zego_token04};

const VENDORS: &str = r#"
authenticators:
  easemob:
    from: [{ header: Authorization, prefix: Bearer }]
    easemob_dynamic:
      apps:
        - { app_key: "demo#one", client_id: YXA6-one, client_secret: { value: the-first } }
        - { app_key: "demo#two", client_id: YXA6-two, client_secret: { value: the-second } }
      ttls: [600, 900]
  zego:
    from: [{ header: token }]
    zego_token04: { app_id: 12, server_secret: { value: 0f8c2e94b7a35d61c0f8e2b49a7d3651 }, max_lifetime: 24d }
routes:
  - { match: { path: "/{org}/{app}/ws" }, websocket: true, require: { any_of: [easemob] }, upstream: im }
  - { match: { path: /zego }, websocket: true, require: { any_of: [zego] }, upstream: im }
"#;

fn decided(policy: &Policy, target: &str, headers: &str) -> Result<Standing, &'static str> {
    let bytes = testing::bytes(&format!("GET {target} HTTP/1.1\n{headers}"));
    let head = testing::head(&bytes);
    let request = testing::request(&head);
    let deciding = gate::decide(policy, &request, Handshake::Valid, NOW);
    match testing::block_on(deciding).outcome {
        Ok(ruling) => Ok(Standing::of(&ruling.permit(), policy, &request)),
        Err(denial) => Err(denial.reason()),
    }
}

fn easemob() -> Standing {
    let order = easemob_dynamic::Mint {
        app_key: "demo#one".to_owned(),
        client_id: "YXA6-one".to_owned(),
        user: "bob".to_owned(),
        ttl: 600,
    };
    let token = easemob_dynamic::mint(&Secret::new("the-first"), &order, NOW);
    let headers = format!("Authorization: Bearer {token}");
    let policy = policy(VENDORS);
    let elsewhere = decided(&policy, "/demo/two/ws", &headers);
    assert_eq!(elsewhere.map(drop), Err("wrong_app"));
    decided(&policy, "/demo/one/ws", &headers).unwrap()
}

fn zego() -> Standing {
    let order = zego_token04::Mint {
        app_id: 12,
        user: "bob".to_owned(),
        expires_in: Duration::from_mins(10),
        payload: String::new(),
        number: 1,
        iv: [1; 12],
    };
    let secret = Secret::new("0f8c2e94b7a35d61c0f8e2b49a7d3651");
    let token = zego_token04::mint(&secret, &order, NOW).unwrap();
    decided(&policy(VENDORS), "/zego", &format!("token: {token}")).unwrap()
}

fn under(standing: &Standing, from: &str, to: &str) -> Result<Option<UnixTime>, &'static str> {
    assert!(VENDORS.contains(from), "nothing to replace");
    let policy = policy(&VENDORS.replace(from, to));
    let judged = standing.judge_again(&policy, NOW);
    judged.map_err(|denial| denial.reason())
}

#[test]
fn a_session_stands_as_long_as_its_app_its_secret_and_its_rules_do() {
    let end = Ok(Some(NOW.plus(Duration::from_mins(10))));
    let easemob = easemob();
    for (case, from, to, expected) in [
        ("nothing", "a", "a", end),
        ("the other app is gone", "YXA6-two", "YXA6-other", end),
        ("a ttl less", "[600, 900]", "[600]", end),
        (
            "its ttl is gone",
            "[600, 900]",
            "[900]",
            Err("wrong_principal"),
        ),
        (
            "another secret",
            "the-first",
            "the-third",
            Err("unknown_key"),
        ),
        (
            "another client id",
            "YXA6-one",
            "YXA6-1",
            Err("unknown_key"),
        ),
        (
            "its app is gone",
            "demo#one",
            "demo#three",
            Err("unknown_key"),
        ),
        (
            "the path names it otherwise",
            "/{org}/{app}/ws",
            "/{app}/{org}/ws",
            Err("wrong_app"),
        ),
        ("the path names none", "/{org}/{app}/ws", "/{a}/{b}/ws", end),
    ] {
        assert_eq!(under(&easemob, from, to), expected, "Easemob: {case}");
    }
    let zego = zego();
    for (case, from, to, expected) in [
        ("nothing", "a", "a", end),
        (
            "another app",
            "app_id: 12",
            "app_id: 13",
            Err("unknown_key"),
        ),
        ("another secret", "0f8c2e94", "1f8c2e94", Err("unknown_key")),
        ("shorter lives", "24d", "9m", Err("wrong_principal")),
    ] {
        assert_eq!(under(&zego, from, to), expected, "ZEGO: {case}");
    }
}

#[test]
fn another_replica_judges_alike() {
    let standing = easemob();
    let written = serde_json::to_string(&Proofs::of(&standing)).unwrap();
    let read: Proofs = serde_json::from_str(&written).unwrap();
    let mut elsewhere = standing;
    elsewhere.take_over(&read.standing().unwrap());
    let end = Ok(Some(NOW.plus(Duration::from_mins(10))));
    assert_eq!(under(&elsewhere, "a", "a"), end);
    let swapped = under(&elsewhere, "/{org}/{app}/ws", "/{app}/{org}/ws");
    assert_eq!(
        swapped,
        Err("wrong_app"),
        "what its path must name is known again"
    );
}

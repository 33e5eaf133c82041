//! `conf/easemob.yaml` as it is shipped, with the keys that its script makes; only the addresses are
//! other ones.

use std::fs;
use std::process::Command;

use imgate::clock::UnixTime;
use imgate::scheme::easemob_dynamic::{Mint, mint};
use imgate::secret::Secret;
use serde_json::Value;

use super::super::support::gate::binary;
use super::super::support::mint::now;
use super::super::support::process::Process;
use super::super::support::raw::{RawClient, post};
use super::super::support::{conf, eventually, net};
use super::backend::Backend;

const ORDER: &str =
    r#"{"grant_type":"client_credentials","client_id":"YXA6id","client_secret":"YXA6secret"}"#;

#[test]
fn users_come_with_tokens_of_both_kinds() {
    let backend = Backend::start();
    let directory = tempfile::tempdir().unwrap();
    let keys = directory.path().join("keys");
    conf::make_keys(&keys);
    let address = net::free_address();
    let addresses = [
        ("127.0.0.1:9688", address),
        ("127.0.0.1:8080", backend.address()),
    ];
    let text = conf::text("easemob.yaml", &addresses);
    let path = directory.path().join("imgate.yaml");
    fs::write(&path, text).unwrap();
    let _gate = Process::start(Command::new(binary()).arg("run").arg("-c").arg(&path));
    eventually("the gate listens", || {
        std::net::TcpStream::connect(address).ok()
    });

    let send = |path: &str, token: Option<&str>, body: Option<&str>| {
        let token = token.map_or_else(String::new, |token| {
            format!("Authorization: Bearer {token}\r\n")
        });
        let mut client = RawClient::connect(address);
        match body {
            Some(body) => {
                let headers = format!("{token}Content-Type: application/json\r\n");
                client.send(post(path, &headers, body.as_bytes()));
            }
            None => return client.get(path, &token),
        }
        client.answer()
    };
    let get = |path: &str, token: &str| send(path, Some(token), None).status();
    let token_of = |answer: &Value| answer["access_token"].as_str().unwrap().to_owned();
    let app = send("/easemob-demo/testapp/token", None, Some(ORDER)).json();
    let app = token_of(&app);
    let order = r#"{"grant_type":"inherit","username":"alice"}"#;
    let user = send("/easemob-demo/testapp/token", Some(&app), Some(order)).json();
    let user = token_of(&user);
    assert_eq!(get("/easemob-demo/testapp/users/bob", &app), 200);
    assert_eq!(get("/easemob-demo/testapp/me/contacts", &user), 200);
    assert_eq!(get("/easemob-demo/testapp/users/bob", &user), 401);
    assert_eq!(get("/easemob-demo/testapp/me/contacts", &app), 401);
    assert_eq!(get("/easemob-demo/other/me/contacts", &user), 404);

    let secret = Secret::new(fs::read(keys.join("easemob")).unwrap());
    let order = Mint {
        app_key: "easemob-demo#testapp".to_owned(),
        client_id: "YXA6i-Ak8Ol4Eei2l11ZjV-EAg".to_owned(),
        user: "bob".to_owned(),
        ttl: 600,
    };
    let dynamic = mint(&secret, &order, UnixTime::from_secs(now()));
    let answer = send("/easemob-demo/testapp/me/contacts", Some(&dynamic), None);
    // The gate knows it; this backend does not.
    assert_eq!(answer.text(), "withdrawn");
    assert_eq!(backend.last().header("x-auth-subject"), Some("bob"));
}

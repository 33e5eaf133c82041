use crate::policy::testing::try_whole;

const TEXT: &str = r#"
listeners: [{ address: 127.0.0.1:9688 }]
upstreams:
  im: { addresses: [127.0.0.1:1, 127.0.0.1:2], balance: $BALANCE }
  other: { address: 127.0.0.1:3 }
authenticators:
  keys: { from: [{ header: key }], app_key: { keys: [{ id: a, secret: { value: key-a } }] } }
  users:
    from: [{ header: token }]
    jwt: { keys: [{ kid: u, algorithm: HS256, secret: { value: "0123456789abcdef0123456789abcdef" } }], issuer: any, audience: any }
  client:
    from: [{ header: IM-CLIENT-KEY }]
    imkit_client_key: { apps: [{ id: shop, client_key: { value: client-key }, domains: [shop.example.com] }] }
  shop-users:
    from: [{ header: IM-Authorization }]
    jwt: { keys: [{ kid: u, algorithm: HS256, secret: { value: "0123456789abcdef0123456789abcdef" } }], issuer: any, audience: any }
routes:
  - { match: { path: /elsewhere }, require: { any_of: [users] }, upstream: other }
  $ROUTES
"#;

fn problems(balance: &str, routes: &[&str]) -> String {
    let text = TEXT
        .replace("$BALANCE", balance)
        .replace("$ROUTES", &routes.join("\n  "));
    match try_whole(&text) {
        Ok(policy) => {
            let names: Vec<&str> = policy.upstreams().iter().map(|one| &*one.name).collect();
            assert_eq!(names, ["im", "other"]);
            String::new()
        }
        Err(problems) => problems,
    }
}

const PUBLIC: &str = "- { match: { path: /health }, require: public, upstream: im }";
const KEYS: &str = "- { match: { path: /keys }, require: { any_of: [keys] }, upstream: im }";
const USERS: &str = "- { match: { path: /users }, require: { any_of: [users] }, upstream: im }";
const EITHER: &str =
    "- { match: { path: /either }, require: { any_of: [keys, users] }, upstream: im }";
const JSON: &str = "- { match: { path: /json }, websocket: true, \
     require: { first_message: { json: { pointer: /token, any_of: [users] } } }, upstream: im }";
const SOCKETIO: &str = "- { match: { path: /socket.io/ }, websocket: true, \
     require: { first_message: { socketio_auth2: { all_of: [client, shop-users] } } }, upstream: im }";

#[test]
fn users_can_be_hashed_where_somebody_is_one() {
    for (case, routes, is_good) in [
        ("everybody", &[PUBLIC][..], false),
        ("app keys have no user", &[PUBLIC, KEYS], false),
        (
            "who they are comes after the connection",
            &[SOCKETIO],
            false,
        ),
        ("users", &[USERS], true),
        ("users beside others", &[PUBLIC, KEYS, USERS], true),
        ("users among others", &[EITHER], true),
        ("a message before the connection", &[JSON], true),
        ("nobody at all", &[], true),
    ] {
        let found = problems("{ hash: subject }", routes);
        assert_eq!(found.is_empty(), is_good, "{case}: {found}");
        let is_the_one = found.starts_with("upstreams.im.balance: `hash: subject` needs a user");
        assert!(is_good || is_the_one, "{case}: {found}");
        assert_eq!(problems("round_robin", routes), "", "{case}");
    }
}

#[test]
fn a_mistake_elsewhere_is_not_held_against_the_balance() {
    let unknown = "- { match: { path: /users }, require: { any_of: [usres] }, upstream: im }";
    let found = problems("{ hash: subject }", &[unknown]);
    assert!(!found.contains("hash"), "{found}");
    assert!(!found.is_empty());
}

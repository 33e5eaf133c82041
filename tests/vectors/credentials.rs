//! `credentials.json`: credentials of every system that the gate was made for, good ones, bad ones and
//! attacks, with documentation samples, published defaults or made-up values for secrets.
//!
//! Both the unit tests of the schemes and the tests of the running gate read it through this module.
//! `others` holds systems that no scheme is for; one of them, `OpenIM`, has ordinary JWTs.

use serde_json::Value;

/// One credential.
#[derive(Debug)]
pub(crate) struct Case {
    /// Begins with a short name such as `em-1`.
    pub(crate) id: String,
    pub(crate) token: String,
    /// Who is named; `None` where it has to be refused.
    pub(crate) subject: Option<String>,
    /// When it is good, in seconds since 1970, the end excluded; for a bad one a moment when it would be.
    pub(crate) from: i64,
    pub(crate) until: i64,
}

/// The whole file.
pub(crate) fn all() -> Value {
    serde_json::from_str(include_str!("credentials.json")).expect("JSON")
}

/// Settings of a system, such as `/easemob_dynamic/clientId`.
pub(crate) fn setting(pointer: &str) -> String {
    match all().pointer(pointer) {
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
        None => panic!("no {pointer} in the file"),
    }
}

/// Dynamic tokens of Easemob. Two of them have user ids that nobody can have: they show an alphabet.
pub(crate) fn easemob_dynamic() -> Vec<Case> {
    let issued = number("/easemob_dynamic/curTime");
    let ttl = number("/easemob_dynamic/ttl");
    let nobody = ["em-4", "em-5"];
    cases("easemob_dynamic", |id, case| {
        let is_nobody = nobody.iter().any(|name| id.starts_with(name));
        let user = case["userId"].as_str().filter(|_| !is_nobody);
        let at = |position| case["valid_at"].get(position).and_then(Value::as_i64);
        (
            user.map(str::to_owned),
            at(0).unwrap_or(issued),
            at(1).unwrap_or(issued + ttl),
        )
    })
}

/// Tokens of ZEGO. `z-1` is of the old mode and `z-5` is one that was changed, which nobody can see.
pub(crate) fn zego_token04() -> Vec<Case> {
    let (from, until) = (
        number("/zego_token04/ctime"),
        number("/zego_token04/expire"),
    );
    cases("zego_token04", |_, case| {
        let inside: Option<Value> = case["plaintext"]
            .as_str()
            .and_then(|text| serde_json::from_str(text).ok());
        let user = inside.and_then(|inside| Some(inside["user_id"].as_str()?.to_owned()));
        (user, from, until)
    })
}

/// Sa-Token JWTs of RuoYi, all made under its published default secret.
pub(crate) fn sa_token() -> Vec<Case> {
    cases("sa_token_jwt", |id, _| {
        let user = match id.split(' ').next() {
            Some("s-1") => Some("398120364340178"),
            Some("s-3") => Some("7"),
            _ => None,
        };
        // `s-5` has ended in 2023; nothing else ends before 2100.
        (user.map(str::to_owned), 1_750_000_000, 4_102_444_800)
    })
}

/// A user's token of `OpenIM`.
pub(crate) fn openim() -> Case {
    let all = all();
    let others = all["others"].as_array().expect("a list");
    let case = others
        .iter()
        .find(|case| case["id"] == "openim user token")
        .expect("it is there");
    Case {
        id: "openim".to_owned(),
        token: case["token"].as_str().expect("a text").to_owned(),
        subject: Some("u1".to_owned()),
        from: 1_700_000_000,
        until: 4_102_444_800,
    }
}

fn number(pointer: &str) -> i64 {
    setting(pointer).parse().expect("a number")
}

/// Everything that a system has. What is called negative or an attack has no subject.
fn cases(system: &str, read: impl Fn(&str, &Value) -> (Option<String>, i64, i64)) -> Vec<Case> {
    let all = all();
    let cases = all[system]["cases"].as_array().expect("a list");
    cases
        .iter()
        .map(|case| {
            let id = case["id"].as_str().expect("a text");
            let is_bad = ["NEGATIVE", "ATTACK"].iter().any(|word| id.contains(word));
            let (subject, from, until) = read(id, case);
            Case {
                id: id.to_owned(),
                token: case["token"].as_str().expect("a text").to_owned(),
                subject: subject.filter(|_| !is_bad),
                from,
                until,
            }
        })
        .collect()
}

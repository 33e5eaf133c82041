//! An operator, who gives orders to the admin listener over TCP.

use serde_json::Value;

use super::gate::{Builder, Gate};
use super::raw::RawClient;
use super::wire::Answer;

const TOKEN: &str = "canary-admin-token";

/// Lets the gate take orders.
pub(crate) fn obeyed_by(gate: Builder) -> Builder {
    gate.file("keys/admin", TOKEN)
        .admin("address: \"$ADDRESS\", token: { file: keys/admin }")
}

/// Asks the admin listener.
pub(crate) fn ask(gate: &Gate, method: &str, target: &str, body: Option<&Value>) -> Answer {
    let body = body.map_or_else(String::new, Value::to_string);
    let kind = if body.is_empty() {
        ""
    } else {
        "Content-Type: application/json\r\n"
    };
    let mut client = RawClient::connect(gate.admin_address());
    client.send(format!(
        "{method} {target} HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {TOKEN}\r\n{kind}\
         Content-Length: {}\r\n\r\n{body}",
        gate.admin_address(),
        body.len()
    ));
    client.answer()
}

/// The same of an order that is carried out.
#[track_caller]
pub(crate) fn order(gate: &Gate, method: &str, target: &str, body: Option<&Value>) -> Value {
    let answer = ask(gate, method, target, body);
    assert_eq!(answer.status(), 200, "{}", answer.text());
    answer.json()
}

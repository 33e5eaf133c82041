//! What an operator asks, in a form that has one reading.

use percent_encoding::percent_decode_str;

use crate::admin::Reply;
use crate::scheme::json::{self, Object};

/// A request that passed every protection and fits its endpoint.
#[derive(Debug)]
pub struct Asked {
    /// What stands in the place of each `{}` of the endpoint's path.
    pub segments: Vec<String>,
    /// Only what the endpoint knows, each once.
    pub query: Vec<(String, String)>,
    /// Only what the endpoint knows; `None` without a body.
    pub body: Option<Object>,
}

impl Asked {
    /// The value of a parameter of the query.
    pub fn parameter(&self, name: &str) -> Option<&str> {
        let found = self.query.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str())
    }
}

/// Reads a query of which only these parameters are known.
pub(super) fn query(query: &str, known: &[&str]) -> Result<Vec<(String, String)>, Reply> {
    let mut read: Vec<(String, String)> = Vec::new();
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        // A plus sign is a space to some.
        let (name, value) = pair
            .split_once('=')
            .filter(|_| !pair.contains(['+', ';']))
            .ok_or_else(|| {
                Reply::syntax("expected `name=value` with `+` and `;` as `%2B`, `%3B`")
            })?;
        let (Some(name), Some(value)) = (decode(name), decode(value)) else {
            return Err(Reply::syntax("expected percent-encoded UTF-8 in the query"));
        };
        if !known.contains(&name.as_str()) {
            return Err(Reply::syntax(unknown("parameter", known)));
        }
        if read.iter().any(|(other, _)| *other == name) {
            return Err(Reply::syntax("a parameter stands twice"));
        }
        read.push((name, value));
    }
    Ok(read)
}

/// Reads a body of which only these keys are known.
pub(super) fn body(bytes: &[u8], known: &[&str]) -> Result<Object, Reply> {
    let object = json::object(bytes)
        .map_err(|_| Reply::syntax("expected a JSON object that names no key twice"))?;
    if object.keys().any(|key| !known.contains(&key.as_str())) {
        return Err(Reply::syntax(unknown("key", known)));
    }
    Ok(object)
}

/// A percent-encoded text; `None` if it is none in UTF-8 without control characters.
pub(super) fn decode(text: &str) -> Option<String> {
    let decoded = percent_decode_str(text).decode_utf8().ok()?;
    (!decoded.contains(char::is_control)).then(|| decoded.into_owned())
}

fn unknown(what: &str, known: &[&str]) -> String {
    if known.is_empty() {
        return format!("unknown {what}, expected none");
    }
    let known: Vec<String> = known.iter().map(|name| format!("`{name}`")).collect();
    format!("unknown {what}, expected {}", known.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_has_one_reading() {
        let known = ["user", "device_type"];
        let pairs = |text| query(text, &known).ok();
        let expected = [("user", "a b&c"), ("device_type", "")];
        let expected = expected.map(|(name, value)| (name.to_owned(), value.to_owned()));
        assert_eq!(
            pairs("user=a%20b%26c&device_type="),
            Some(expected.to_vec())
        );
        assert_eq!(pairs(""), Some(Vec::new()));
        for (case, text) in [
            ("a parameter twice", "user=7&user=8"),
            ("one under an escape", "user=7&%75ser=8"),
            ("an unknown one", "users=7"),
            ("no value", "user"),
            ("a plus sign", "user=a+b"),
            ("a semicolon", "user=7;device_type=x"),
            ("no UTF-8", "user=%ff"),
            ("a control character", "user=%0a"),
        ] {
            assert!(pairs(text).is_none(), "{case}");
        }
    }

    #[test]
    fn a_body_is_one_object_with_known_keys() {
        let accepted = |text: &str| body(text.as_bytes(), &["jti", "for"]).is_ok();
        for (case, text, expected) in [
            ("nothing in it", "{}", true),
            ("known keys", r#"{"jti":"a","for":"1d"}"#, true),
            ("an unknown key", r#"{"jti":"a","until":1}"#, false),
            ("a key twice", r#"{"jti":"a","jti":"b"}"#, false),
            ("a list", "[]", false),
            ("no JSON", "jti=a", false),
            ("something behind it", "{} {}", false),
            ("nothing", "", false),
        ] {
            assert_eq!(accepted(text), expected, "{case}");
        }
    }
}

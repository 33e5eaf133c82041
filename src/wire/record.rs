//! Records that replicas leave each other: JSON that can be written in one way only.
//!
//! A record is read only if writing what was read gives the same bytes again. So nothing is
//! accepted that another replica would not have written: no unknown or doubled key, no other
//! spelling of a number, no blank.

use serde::Serialize;
use serde::de::DeserializeOwned;

/// Nothing that is said of one credential is longer.
const LONGEST: usize = 64 * 1024;

/// `None` only for what cannot be written as JSON, which no record of ours is.
pub fn write(record: &impl Serialize) -> Option<String> {
    serde_json::to_string(record).ok()
}

pub fn read<T: Serialize + DeserializeOwned>(bytes: &[u8]) -> Option<T> {
    if bytes.len() > LONGEST {
        return None;
    }
    let record = serde_json::from_slice(bytes).ok()?;
    (write(&record)?.as_bytes() == bytes).then_some(record)
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Sample {
        name: String,
        end: Option<i64>,
    }

    #[test]
    fn only_what_would_have_been_written_is_read() {
        let sample = |text: &str| read::<Sample>(text.as_bytes());
        let expected = Sample {
            name: "ä".to_owned(),
            end: Some(7),
        };
        let text = write(&expected).unwrap();
        assert_eq!(text, r#"{"name":"ä","end":7}"#);
        assert_eq!(sample(&text), Some(expected));
        for other in [
            "",
            "{}",
            r#"{"name":"ä","end":7} "#,
            r#"{ "name":"ä","end":7}"#,
            r#"{"end":7,"name":"ä"}"#,
            r#"{"name":"\u00e4","end":7}"#,
            r#"{"name":"ä","end":7.0}"#,
            r#"{"name":"ä","end":7,"end":7}"#,
            r#"{"name":"ä","end":7,"more":1}"#,
            r#"{"name":"ä"}"#,
            r#"["ä",7]"#,
            r#"{"name":"ä","end":9223372036854775808}"#,
        ] {
            assert_eq!(sample(other), None, "{other}");
        }
        assert_eq!(read::<Sample>(b"{\"name\":\"\xff\",\"end\":7}"), None);
        let long = format!(r#"{{"name":"{}","end":7}}"#, "x".repeat(LONGEST));
        assert_eq!(sample(&long), None);
    }
}

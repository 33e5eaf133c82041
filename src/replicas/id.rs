//! The names by which replicas tell processes, questions and sessions apart.

use std::fmt;

use crate::request_id;

/// One run of one replica. A replica that starts again is another process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ProcessId(u128);

/// Something that a process wants to hear of all others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct QuestionId(u128);

impl ProcessId {
    pub(super) fn fresh() -> Self {
        Self(request_id::unique())
    }

    pub(super) fn parse(text: &[u8]) -> Option<Self> {
        number(text).map(Self)
    }
}

impl QuestionId {
    pub(super) fn fresh() -> Self {
        Self(request_id::unique())
    }

    pub(super) fn parse(text: &[u8]) -> Option<Self> {
        number(text).map(Self)
    }
}

impl fmt::Display for ProcessId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl fmt::Display for QuestionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

/// 32 digits in lower case, as all ids are written.
pub(super) fn number(text: &[u8]) -> Option<u128> {
    let is_digit = |byte: &u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    if text.len() != 32 || !text.iter().all(is_digit) {
        return None;
    }
    u128::from_str_radix(str::from_utf8(text).ok()?, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_read_as_it_is_written_and_in_no_other_way() {
        let id = ProcessId::fresh();
        let text = id.to_string();
        assert_eq!(ProcessId::parse(text.as_bytes()), Some(id));
        for other in [
            "",
            &text[1..],
            &format!("{text}0"),
            &format!("+{}", &text[1..]),
        ] {
            assert_eq!(ProcessId::parse(other.as_bytes()), None, "{other}");
        }
        assert_eq!(number("00000000000000000000000000000ABC".as_bytes()), None);
    }
}

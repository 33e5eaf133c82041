//! `mode` and `until`: whether refusals are carried out, for the gate as a whole or one route.

use super::cursor::{Cursor, Fields};
use super::document::Mode;

/// Words that stand for a [`Mode`] before its `until` is there.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Word {
    Enforce,
    Observe,
}

/// `None` where neither key is there, or what is there is wrong.
pub(super) fn mode(fields: &Fields<'_>) -> Option<Mode> {
    let words = [("enforce", Word::Enforce), ("observe", Word::Observe)];
    let word = fields.get("mode").map(|mode| mode.word(&words, &[]));
    if word == Some(Some(Word::Observe)) {
        let until = fields.required("until")?;
        return Some(Mode::Observe {
            until: until.locate(Cursor::timestamp(&until)?),
        });
    }
    // Beside a misspelt word it is perhaps right.
    if word != Some(None)
        && let Some(until) = fields.get("until")
    {
        until.problem("expected only beside `mode: observe`");
    }
    (word == Some(Some(Word::Enforce))).then_some(Mode::Enforce)
}

//! `shutdown`: how long the gate takes to leave.

use std::time::Duration;

use super::cursor::{Cursor, Keys};
use super::document::ShutdownRule;

pub(super) fn shutdown(cursor: &Cursor<'_>) -> Option<ShutdownRule> {
    let fields = cursor.map(&SHUTDOWN)?;
    let ShutdownRule {
        lame_duck,
        drain,
        deadline,
    } = ShutdownRule::default();
    let time = |key, default| match fields.get(key) {
        Some(time) => time.duration(Duration::ZERO..=LONGEST),
        None => Some(default),
    };
    let times = [
        time("lame_duck", lame_duck),
        time("drain", drain),
        time("deadline", deadline),
    ];
    let [Some(lame_duck), Some(drain), Some(deadline)] = times else {
        return None;
    };
    // Sessions whose turn comes after the deadline would all be closed at once.
    if lame_duck + drain > deadline {
        let place = fields.get("deadline");
        place.as_ref().unwrap_or(cursor).problem(
            "expected a `deadline` of at least `lame_duck` and `drain` together (25s, 5s and 15s \
             unless set)",
        );
        return None;
    }
    Some(ShutdownRule {
        lame_duck,
        drain,
        deadline,
    })
}

const SHUTDOWN: Keys = Keys {
    known: &["deadline", "drain", "lame_duck"],
    later: &[],
};

/// A platform that waits longer than that does not exist.
pub(super) const LONGEST: Duration = Duration::from_hours(24);

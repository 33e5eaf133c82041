//! What schemes have in common whose proofs a remote side can withdraw: asking again about living
//! sessions, and what to do in an outage.

use std::time::Duration;

use crate::config::cursor::{Cursor, Fields, Keys};
use crate::config::notation;
use crate::scheme::Recheck;
use crate::scheme::grace::OnOutage;

const GRACE: Keys = Keys {
    known: &["grace"],
    later: &[],
};

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_mins(1);
const HOUR: Duration = Duration::from_hours(1);
const DAY: Duration = Duration::from_hours(24);

/// Whether, how often, and with what grace living sessions are asked about again.
pub(super) fn recheck(sessions: &Fields<'_>) -> Option<Recheck> {
    let live_grace = sessions.get("live_grace");
    let every = match sessions.get("recheck") {
        None => Some(SECOND * 30),
        Some(every) if every.is_word("off") => {
            if let Some(misplaced) = live_grace {
                misplaced.problem("expected only where sessions are asked about again");
            }
            return None;
        }
        Some(every) if every.as_text().and_then(notation::duration).is_none() => {
            every.problem("expected `off`, or a duration such as `30s` or `5m`");
            None
        }
        Some(every) => every.duration(SECOND..=HOUR),
    };
    let Some(written) = live_grace else {
        let every = every?;
        let live_grace = (MINUTE * 5).max(every * 2);
        return Some(Recheck { every, live_grace });
    };
    let live_grace = written.duration(SECOND..=DAY);
    let (every, live_grace) = (every?, live_grace?);
    if live_grace <= every {
        written.problem("expected more than `recheck`, or one lost answer would end every session");
    }
    Some(Recheck { every, live_grace })
}

/// `deny`, or a grace.
pub(super) fn on_outage(cursor: &Cursor<'_>) -> Option<OnOutage> {
    if cursor.is_word("deny") {
        return Some(OnOutage::Deny);
    }
    let Some(mut grace) = cursor.as_map() else {
        cursor.problem("expected `deny` or `{ grace: 30s }`");
        return None;
    };
    grace.refuse_unknown(&GRACE);
    Some(OnOutage::Grace(
        grace.required("grace")?.duration(SECOND..=DAY)?,
    ))
}

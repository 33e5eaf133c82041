//! `sa_token`: Sa-Token's JWTs, and where their sessions are kept.

use std::time::Duration;

use crate::config::cursor::{Cursor, Fields, Keys};
use crate::config::{notation, redis, strength};
use crate::scheme::Recheck;
use crate::scheme::sa_token::{Config, OnOutage, Previous, RedisSessions, Sessions};

pub(super) fn decode(cursor: &Cursor<'_>) -> Option<Config> {
    let fields = cursor.map(&SA_TOKEN)?;
    let secrets = strength::rotating_hmac(&fields, "secret");
    let user_types = fields
        .required("user_types")
        .and_then(|types| types.names());
    let login_type = fields
        .or_default("login_type", "login", Cursor::non_empty_text)
        .to_owned();
    let separator = fields.or_default("separator", ':', |separator| {
        separator.parsed("a single character", |text| {
            let mut characters = text.chars();
            characters.next().filter(|_| characters.next().is_none())
        })
    });
    let sessions = fields
        .required("sessions")
        .and_then(|place| sessions(&place));
    let secrets = secrets?;
    let previous = secrets.previous.into_iter();
    Some(Config {
        secret: secrets.current,
        previous: previous
            .map(|(secret, not_after)| Previous { secret, not_after })
            .collect(),
        user_types: user_types?,
        login_type,
        separator,
        sessions: sessions?,
    })
}

const SA_TOKEN: Keys = Keys {
    known: &[
        "allow_weak_secret",
        "login_type",
        "previous",
        "secret",
        "separator",
        "sessions",
        "user_types",
    ],
    later: &[],
};

const SESSIONS: Keys = Keys {
    known: &[
        "live_grace",
        "max_stale",
        "none",
        "on_outage",
        "recheck",
        "redis",
    ],
    later: &[],
};

const NONE: Keys = Keys {
    known: &["max_age"],
    later: &[],
};

const GRACE: Keys = Keys {
    known: &["grace"],
    later: &[],
};

const REDIS: Keys = Keys {
    known: &[
        "address", "database", "key", "password", "timeout", "username",
    ],
    later: &["learn", "sentinel", "tls"],
};

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_mins(1);
const HOUR: Duration = Duration::from_hours(1);
const DAY: Duration = Duration::from_hours(24);

fn sessions(cursor: &Cursor<'_>) -> Option<Sessions> {
    let fields = cursor.map(&SESSIONS)?;
    match (fields.get("none"), fields.get("redis")) {
        (Some(none), None) => {
            for key in ["max_stale", "on_outage", "recheck", "live_grace"] {
                if let Some(misplaced) = fields.get(key) {
                    misplaced.problem("expected only beside `redis`");
                }
            }
            let max_age = none.map(&NONE)?.required("max_age")?;
            Some(Sessions::None {
                max_age: max_age.duration(SECOND..=DAY * 365)?,
            })
        }
        (None, Some(place)) => in_redis(&fields, &place).map(Sessions::Redis),
        (none, _) => {
            let found = if none.is_some() { 2 } else { 0 };
            fields.choose(found, "exactly one of `redis` and `none`")
        }
    }
}

fn in_redis(sessions: &Fields<'_>, place: &Cursor<'_>) -> Option<RedisSessions> {
    let max_stale = sessions.or_default("max_stale", SECOND, |stale| {
        stale.duration(Duration::ZERO..=MINUTE)
    });
    let on_outage = sessions.or_default("on_outage", OnOutage::Deny, on_outage);
    let recheck = recheck(sessions);
    let fields = place.map(&REDIS)?;
    let key = fields.required("key").and_then(|key| {
        key.parsed("a key with `{token}` in it, exactly once", |text| {
            (text.matches("{token}").count() == 1).then(|| text.to_owned())
        })
    });
    let redis = redis::address(&fields);
    Some(RedisSessions {
        redis: redis?,
        key: key?,
        max_stale,
        on_outage,
        recheck,
    })
}

/// Whether, how often, and with what grace living sessions are asked about again.
fn recheck(sessions: &Fields<'_>) -> Option<Recheck> {
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

fn on_outage(cursor: &Cursor<'_>) -> Option<OnOutage> {
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

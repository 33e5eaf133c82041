//! `session`: how long a socket or an open answer may live, and how many sockets one user may have on
//! one device type.

use std::sync::Arc;
use std::time::Duration;

use super::{first_message, path};
use crate::config::cursor::{Cursor, Fields, Keys};
use crate::config::document::{
    AtExpiry, Located, Notice, OnConflict, PerDevice, Rate, Renew, SessionRule,
};
use crate::config::notation;

const SESSION: Keys = Keys {
    known: &[
        "at_expiry",
        "grace",
        "idle_timeout",
        "jitter",
        "max_message",
        "max_session",
        "notice",
        "on_conflict",
        "per_device",
        "ping",
        "renew",
        "replace_limit",
    ],
    later: &[],
};

const NOTICE: Keys = Keys {
    known: &["before", "text"],
    later: &[],
};

const RENEW: Keys = Keys {
    known: &["message", "path"],
    later: &[],
};

const MESSAGE: Keys = Keys {
    known: &["pointer"],
    later: &[],
};

const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_hours(1);
const DAY: Duration = Duration::from_hours(24);

/// Longer texts would hold up the backend's own messages.
const LONGEST_NOTICE: usize = 4096;
/// More connections of one device than this are no limit.
const MOST_PER_DEVICE: u32 = 1000;

/// Keys that an HTTP answer has no use for.
const WEBSOCKET_ONLY: [&str; 8] = [
    "idle_timeout",
    "max_message",
    "notice",
    "on_conflict",
    "per_device",
    "ping",
    "renew",
    "replace_limit",
];

pub(super) fn session(cursor: &Cursor<'_>, websocket: bool) -> Option<SessionRule> {
    let fields = cursor.map(&SESSION)?;
    if !websocket {
        for key in WEBSOCKET_ONLY {
            if let Some(misplaced) = fields.get(key) {
                misplaced.problem("expected only beside `websocket: true`");
            }
        }
    }
    let defaults = SessionRule::default();
    let duration =
        |key, default, from, to| fields.or_default(key, default, |value| value.duration(from..=to));
    let at_expiry = fields.or_default("at_expiry", defaults.at_expiry, |word| {
        let words = [("close", AtExpiry::Close), ("keep", AtExpiry::Keep)];
        word.word(&words, &[])
    });
    let max_session = fields.optional("max_session", |value| value.duration(SECOND..=DAY * 365));
    if at_expiry == AtExpiry::Keep && max_session.is_none() {
        for key in ["grace", "notice"] {
            if let Some(misplaced) = fields.get(key) {
                misplaced
                    .problem("with `at_expiry: keep` and no `max_session` a session has no end");
            }
        }
    }
    let idle_timeout = duration("idle_timeout", defaults.idle_timeout, SECOND, DAY);
    let ping = fields.optional("ping", |ping| {
        let every = ping.duration(SECOND..=HOUR)?;
        if every >= idle_timeout {
            ping.problem(
                "expected less than `idle_timeout`, so that a silent client is asked first",
            );
            return None;
        }
        Some(every)
    });
    Some(SessionRule {
        at_expiry,
        grace: duration("grace", defaults.grace, Duration::ZERO, DAY),
        idle_timeout,
        jitter: duration("jitter", defaults.jitter, Duration::ZERO, HOUR),
        max_message: fields.optional("max_message", super::body_size),
        max_session,
        notice: fields.optional("notice", notice),
        per_device: per_device(&fields),
        ping,
        renew: fields.optional("renew", renew),
        place: Some(cursor.place()),
    })
}

fn notice(cursor: &Cursor<'_>) -> Option<Notice> {
    let fields = cursor.map(&NOTICE)?;
    let before = fields
        .required("before")
        .and_then(|before| before.duration(SECOND..=DAY));
    let text = fields.required("text").and_then(|text| {
        text.parsed("a text of at most 4096 bytes", |text| {
            (1..=LONGEST_NOTICE)
                .contains(&text.len())
                .then(|| Arc::from(text))
        })
    });
    Some(Notice {
        before: before?,
        text: text?,
    })
}

fn per_device(fields: &Fields<'_>) -> Option<PerDevice> {
    let on_conflict = fields.or_default("on_conflict", OnConflict::Replace, |word| {
        let words = [
            ("reject", OnConflict::Reject),
            ("replace", OnConflict::Replace),
        ];
        word.word(&words, &[])
    });
    let replace_limit = fields.or_default("replace_limit", PerDevice::REPLACE_LIMIT, rate);
    let Some(limit) = fields.get("per_device") else {
        for key in ["on_conflict", "replace_limit"] {
            if let Some(misplaced) = fields.get(key) {
                misplaced.problem("expected only beside `per_device`");
            }
        }
        return None;
    };
    if on_conflict == OnConflict::Reject
        && let Some(misplaced) = fields.get("replace_limit")
    {
        misplaced.problem("expected only with `on_conflict: replace`");
    }
    Some(PerDevice {
        limit: limit.integer(1..=MOST_PER_DEVICE)?,
        on_conflict,
        replace_limit,
    })
}

fn rate(cursor: &Cursor<'_>) -> Option<Rate> {
    cursor.parsed("a rate such as `5 per 1m`", |text| {
        let (count, per) = notation::rate(text)?;
        let is_sensible = (1..=1000).contains(&count) && (SECOND..=DAY).contains(&per);
        is_sensible.then_some(Rate { count, per })
    })
}

/// A path, or a map of the ways in which a new credential may come.
fn renew(cursor: &Cursor<'_>) -> Option<Renew> {
    let Some(mut fields) = cursor.as_map() else {
        return Some(Renew {
            path: Some(renewal_path(cursor)?),
            pointer: None,
        });
    };
    fields.refuse_unknown(&RENEW);
    let (path, message) = (fields.get("path"), fields.get("message"));
    if path.is_none() && message.is_none() {
        return fields.choose(0, "`path`, `message` or both");
    }
    let pointer = message.and_then(|message| {
        let fields = message.map(&MESSAGE)?;
        fields
            .required("pointer")
            .and_then(|place| first_message::pointer(&place))
    });
    Some(Renew {
        path: path.and_then(|path| renewal_path(&path)),
        pointer: pointer.map(Arc::from),
    })
}

fn renewal_path(cursor: &Cursor<'_>) -> Option<Located<String>> {
    let path = path::pattern(cursor)?;
    if path.ends_with("/**") {
        cursor.problem("expected one path, without `/**`");
        return None;
    }
    Some(cursor.locate(path))
}

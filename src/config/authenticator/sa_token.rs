//! `sa_token`: Sa-Token's JWTs, and where their sessions are kept.

use std::time::Duration;

use super::withdrawal;
use crate::config::cursor::{Cursor, Fields, Keys};
use crate::config::names::{self, Names};
use crate::config::{redis, strength};
use crate::scheme::sa_token::{Config, LoginAnswers, OnOutage, Previous, RedisSessions, Sessions};

pub(super) fn decode(cursor: &Cursor<'_>, names: &Names<'_>) -> Option<Config> {
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
        .and_then(|place| sessions(&place, names));
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
        "learn",
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

const LEARN: Keys = Keys {
    known: &["lifetime", "route"],
    later: &[],
};

const REDIS: Keys = Keys {
    known: &[
        "address", "database", "key", "password", "timeout", "username",
    ],
    later: &["sentinel", "tls"],
};

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_mins(1);
const DAY: Duration = Duration::from_hours(24);

fn sessions(cursor: &Cursor<'_>, names: &Names<'_>) -> Option<Sessions> {
    let fields = cursor.map(&SESSIONS)?;
    let kinds = fields.among(&["learn", "none", "redis"]);
    let [kind] = kinds.as_slice() else {
        let expected = "exactly one of `redis`, `learn` and `none`";
        return fields.choose(kinds.len(), expected);
    };
    let place = fields.get(kind)?;
    if *kind == "redis" {
        return in_redis(&fields, &place).map(Sessions::Redis);
    }
    for key in ["max_stale", "on_outage", "recheck", "live_grace"] {
        if let Some(misplaced) = fields.get(key) {
            misplaced.problem("expected only beside `redis`");
        }
    }
    if *kind == "learn" {
        return learn(&place, names).map(Sessions::Learn);
    }
    let max_age = place.map(&NONE)?.required("max_age")?;
    Some(Sessions::None {
        max_age: max_age.duration(SECOND..=DAY * 365)?,
    })
}

fn learn(cursor: &Cursor<'_>, names: &Names<'_>) -> Option<LoginAnswers> {
    let fields = cursor.map(&LEARN)?;
    let lifetime = fields
        .required("lifetime")
        .and_then(|lifetime| lifetime.duration(SECOND..=DAY * 365));
    let route = fields.required("route")?;
    let route = names::reference(&route, "route", names.routes.as_ref())?;
    Some(LoginAnswers {
        route: route.value,
        lifetime: lifetime?,
    })
}

fn in_redis(sessions: &Fields<'_>, place: &Cursor<'_>) -> Option<RedisSessions> {
    let max_stale = sessions.or_default("max_stale", SECOND, |stale| {
        stale.duration(Duration::ZERO..=MINUTE)
    });
    let on_outage = sessions.or_default("on_outage", OnOutage::Deny, withdrawal::on_outage);
    let recheck = withdrawal::recheck(sessions);
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

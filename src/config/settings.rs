//! The sections that hold for the gate as a whole: `errors`, `identity`, `cors`, `metrics`,
//! `limits`, `cache`, `reload`.

use std::net::SocketAddr;
use std::time::Duration;

use super::cursor::{Cursor, Keys};
use super::document::{
    CacheLimits, Cors, ErrorFormat, Identity, Limits, Listener, Reload, Sign, Unauthenticated,
};
use super::{header, notation, origin, source, strength};
use crate::wire::head::MOST_HEADERS;

pub(super) fn error_format(cursor: &Cursor<'_>) -> Option<ErrorFormat> {
    let formats = [
        ("json", ErrorFormat::Json),
        ("easemob", ErrorFormat::Easemob),
        ("imkit", ErrorFormat::Imkit),
        ("problem", ErrorFormat::Problem),
        ("ruoyi", ErrorFormat::Ruoyi),
        ("text", ErrorFormat::Text),
    ];
    cursor.word(&formats, &[])
}

pub(super) fn identity(cursor: &Cursor<'_>) -> Option<Identity> {
    let fields = cursor.map(&IDENTITY)?;
    let Identity {
        prefix,
        remove,
        sign: _,
    } = Identity::default();
    let prefix = fields.or_default("prefix", prefix, |prefix| {
        prefix.parsed(
            "the beginning of a header name of your own, such as `X-Auth-`",
            |text| {
                let usable = notation::is_token(text) && text.len() <= 64;
                (usable && !header::begins_reserved(text)).then(|| text.to_owned())
            },
        )
    });
    let remove = fields.or_default("remove", remove, |list| {
        Some(list.list()?.iter().filter_map(header::name).collect())
    });
    let sign = match fields.get("sign") {
        Some(place) => Some(sign(&place)?),
        None => None,
    };
    Some(Identity {
        prefix,
        remove,
        sign,
    })
}

fn sign(cursor: &Cursor<'_>) -> Option<Sign> {
    let fields = cursor.map(&SIGN)?;
    let ttl = fields.or_default("ttl", SECOND * 30, |ttl| ttl.duration(SECOND..=MINUTE * 10));
    let weak_is_allowed = fields.or_default("allow_weak_secret", false, Cursor::boolean);
    let place = fields.required("secret")?;
    let secret = source::secret(&place)?;
    strength::is_strong(&place, &secret, weak_is_allowed).then_some(Sign { secret, ttl })
}

pub(super) fn cors(cursor: &Cursor<'_>) -> Option<Cors> {
    let fields = cursor.map(&CORS)?;
    let origins = origin::origins(&fields.required("origins")?);
    let headers = fields.or_default("headers", Vec::new(), |list| {
        Some(list.list()?.iter().filter_map(allowed_header).collect())
    });
    let max_age = fields.or_default("max_age", MINUTE * 10, |age| age.duration(SECOND..=DAY));
    Some(Cors {
        origins: origins?,
        headers,
        max_age,
    })
}

pub(super) fn metrics(cursor: &Cursor<'_>, listeners: &[Listener]) -> Option<SocketAddr> {
    let cursor = cursor.map(&METRICS)?.required("address")?;
    let address = cursor.socket_address()?;
    if address.port() != 0 && listeners.iter().any(|listener| listener.address == address) {
        cursor.problem("a listener has the same address");
        return None;
    }
    Some(address)
}

pub(super) fn limits(cursor: &Cursor<'_>) -> Option<Limits> {
    let fields = cursor.map(&LIMITS)?;
    let Limits {
        head_bytes,
        headers,
        target_bytes,
        credential_bytes,
        head_timeout,
        keepalive_idle,
        connections_per_client: _,
        unauthenticated: sockets,
    } = Limits::default();
    let size =
        |key, default| fields.or_default(key, default, |size| size.size(SMALLEST..=LARGEST_HEAD));
    let time = |key, default| fields.or_default(key, default, |time| time.duration(SECOND..=DAY));
    let limits = Limits {
        head_bytes: size("head_bytes", head_bytes),
        headers: fields.or_default("headers", headers, |count| count.integer(1..=MAX_HEADERS)),
        target_bytes: size("target_bytes", target_bytes),
        credential_bytes: size("credential_bytes", credential_bytes),
        head_timeout: time("head_timeout", head_timeout),
        keepalive_idle: time("keepalive_idle", keepalive_idle),
        connections_per_client: fields.optional("connections_per_client", |count| {
            count.integer(1..=MAX_SOCKETS)
        }),
        unauthenticated: fields.or_default("unauthenticated", sockets, |place| {
            unauthenticated(place, sockets)
        }),
    };
    for key in ["target_bytes", "credential_bytes"] {
        if let Some(part) = fields.get(key)
            && part.as_text().and_then(notation::size) > Some(limits.head_bytes)
        {
            part.problem("expected at most `head_bytes`, of which it is a part");
        }
    }
    // A default gives way to a smaller head.
    Some(Limits {
        target_bytes: limits.target_bytes.min(limits.head_bytes),
        credential_bytes: limits.credential_bytes.min(limits.head_bytes),
        ..limits
    })
}

fn unauthenticated(cursor: &Cursor<'_>, default: Unauthenticated) -> Option<Unauthenticated> {
    let fields = cursor.map(&UNAUTHENTICATED)?;
    let count =
        |key, default| fields.or_default(key, default, |count| count.integer(1..=MAX_SOCKETS));
    let limits = Unauthenticated {
        total: count("total", default.total),
        per_client: count("per_client", default.per_client),
    };
    // A default gives way to a smaller total.
    Some(Unauthenticated {
        per_client: limits.per_client.min(limits.total),
        ..limits
    })
}

pub(super) fn cache(cursor: &Cursor<'_>) -> Option<CacheLimits> {
    let fields = cursor.map(&CACHE)?;
    let CacheLimits {
        max_entries,
        max_age,
    } = CacheLimits::default();
    Some(CacheLimits {
        max_entries: fields.or_default("max_entries", max_entries, |count| {
            count.integer(0..=MAX_ENTRIES)
        }),
        max_age: fields.or_default("max_age", max_age, |age| age.duration(Duration::ZERO..=DAY)),
    })
}

pub(super) fn reload(cursor: &Cursor<'_>) -> Option<Reload> {
    let fields = cursor.map(&RELOAD)?;
    let Reload {
        watch,
        poll,
        debounce,
    } = Reload::default();
    Some(Reload {
        watch: fields.or_default("watch", watch, Cursor::boolean),
        poll: fields.or_default("poll", poll, |poll| poll.duration(SECOND..=DAY)),
        debounce: fields.or_default("debounce", debounce, |quiet| {
            quiet.duration(SHORTEST_DEBOUNCE..=SECOND * 10)
        }),
    })
}

const IDENTITY: Keys = Keys {
    known: &["prefix", "remove", "sign"],
    later: &[],
};
const SIGN: Keys = Keys {
    known: &["allow_weak_secret", "secret", "ttl"],
    later: &[],
};
const CORS: Keys = Keys {
    known: &["headers", "max_age", "origins"],
    later: &[],
};
const METRICS: Keys = Keys {
    known: &["address"],
    later: &[],
};
const CACHE: Keys = Keys {
    known: &["max_age", "max_entries"],
    later: &[],
};
const RELOAD: Keys = Keys {
    known: &["debounce", "poll", "watch"],
    later: &[],
};
const LIMITS: Keys = Keys {
    known: &[
        "connections_per_client",
        "credential_bytes",
        "head_bytes",
        "head_timeout",
        "headers",
        "keepalive_idle",
        "target_bytes",
        "unauthenticated",
    ],
    later: &[],
};
const UNAUTHENTICATED: Keys = Keys {
    known: &["per_client", "total"],
    later: &[],
};

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_mins(1);
const DAY: Duration = Duration::from_hours(24);

/// A swap of several files takes a moment.
const SHORTEST_DEBOUNCE: Duration = Duration::from_millis(10);
/// Smaller limits would refuse ordinary requests.
const SMALLEST: usize = 64;
/// Every open connection may hold this much.
const LARGEST_HEAD: usize = 1024 * 1024;
const MAX_HEADERS: usize = MOST_HEADERS;
/// Each is a socket with a few KiB, and nobody knows whose.
const MAX_SOCKETS: usize = 1_000_000;
/// A verdict takes some hundred bytes.
const MAX_ENTRIES: u64 = 100_000_000;

fn allowed_header(cursor: &Cursor<'_>) -> Option<String> {
    // `*` is a token as well, but with credentials it stands for a header of that name (Fetch
    // standard, section 4.9).
    cursor.parsed("the name of a header", |text| {
        (notation::is_token(text) && text != "*").then(|| text.to_owned())
    })
}

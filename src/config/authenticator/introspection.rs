//! `introspection`: which server to ask about tokens, how, and how to read its answer.

use std::time::Duration;

use ::http::{HeaderName, Method, header as names};
use serde_json::Value;

use super::withdrawal;
use crate::config::cursor::{Cursor, Fields, Keys};
use crate::config::{http, source};
use crate::scheme::grace::OnOutage;
use crate::scheme::introspection::{
    Active, Asking, ClientAuth, ClientLogin, Config, Expiry, HeaderText, MAX_ANSWER, Reading, Unit,
};
use crate::secret::Secret;
use crate::wire::json;

pub(super) fn decode(cursor: &Cursor<'_>) -> Option<Config> {
    let fields = cursor.map(&INTROSPECTION)?;
    let is_standard = !fields.has("method");
    let remote = fields.or_default("remote", http::Remote::default(), http::remote);
    let defaults = http::Defaults {
        timeout: SECOND * 2,
        max_body: MAX_ANSWER,
        in_flight: remote.in_flight,
    };
    let variables: &[&str] = if is_standard { &[] } else { &["token"] };
    let endpoint = http::endpoint(&fields, &defaults, variables);
    let headers = fields.or_default("headers", Some(Vec::new()), |list| {
        Some(headers(list, !is_standard))
    });
    let asking = if is_standard {
        standard(&fields, headers)
    } else {
        of_its_own(&fields, headers)
    };
    let reading = reading(&fields, is_standard);
    let max_stale = fields.or_default("max_stale", SECOND * 30, |stale| {
        stale.duration(Duration::ZERO..=HOUR)
    });
    let on_outage = fields.or_default("on_outage", OnOutage::Deny, withdrawal::on_outage);
    let recheck = withdrawal::recheck(&fields);
    let opaque_only = fields.or_default("opaque_only", false, Cursor::boolean);
    let ((url, http), asking) = (endpoint?, asking?);
    if !asking.sends_the_token(&url) {
        fields.problem("expected `{token}` in `url` or in one of `headers`");
        return None;
    }
    Some(Config {
        url,
        http,
        asking,
        reading: reading?,
        max_stale,
        on_outage,
        recheck,
        opaque_only,
        guesses: remote.guesses,
    })
}

const INTROSPECTION: Keys = Keys {
    known: &[
        "active",
        "allow_http",
        "app",
        "audience",
        "ca",
        "client_auth",
        "client_id",
        "client_secret",
        "device_type",
        "expires",
        "headers",
        "issuer",
        "live_grace",
        "max_stale",
        "method",
        "on_outage",
        "opaque_only",
        "recheck",
        "remote",
        "subject",
        "timeout",
        "url",
        "user_type",
    ],
    later: &[],
};

const ACTIVE: Keys = Keys {
    known: &["inactive", "pointer", "status", "value"],
    later: &[],
};

const EXPIRES: Keys = Keys {
    known: &["pointer", "unit"],
    later: &[],
};

/// What only a form of RFC 7662, or only a way of its own, has.
const OF_STANDARD: [&str; 5] = [
    "audience",
    "client_auth",
    "client_id",
    "client_secret",
    "issuer",
];

const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_hours(1);

type Headers = Option<Vec<(HeaderName, HeaderText)>>;

fn standard(fields: &Fields<'_>, headers: Headers) -> Option<Asking> {
    if let Some(active) = fields.get("active") {
        active.problem("expected only beside `method`: RFC 7662 says what means active");
    }
    let auth = fields.or_default("client_auth", ClientAuth::Basic, |auth| {
        auth.word(
            &[("basic", ClientAuth::Basic), ("post", ClientAuth::Post)],
            &[],
        )
    });
    let id = fields.optional("client_id", Cursor::non_empty_text);
    let secret = fields.optional("client_secret", source::secret);
    if fields.has("client_id") != fields.has("client_secret") {
        fields.problem("expected `client_id` and `client_secret` together");
        return None;
    }
    let client = match (id, secret) {
        (Some(id), Some(secret)) => Some(ClientLogin {
            id: id.to_owned(),
            secret,
            auth,
        }),
        _ if fields.has("client_id") => return None,
        _ => None,
    };
    let headers = headers?;
    let is_basic = client.is_some() && auth == ClientAuth::Basic;
    if is_basic
        && headers
            .iter()
            .any(|(name, _)| *name == names::AUTHORIZATION)
    {
        fields.problem("`client_id` and `headers` both say what `Authorization` is");
        return None;
    }
    Some(Asking::Standard { client, headers })
}

fn of_its_own(fields: &Fields<'_>, headers: Headers) -> Option<Asking> {
    for key in fields.among(&OF_STANDARD) {
        if let Some(misplaced) = fields.get(key) {
            misplaced.problem("expected only without `method`, in the way of RFC 7662");
        }
    }
    let is_get = fields
        .get("method")?
        .word(&[("GET", true), ("POST", false)], &[])?;
    Some(Asking::OfItsOwn {
        method: if is_get { Method::GET } else { Method::POST },
        headers: headers?,
    })
}

/// A text, with the variable `{token}` where it may be, or a secret.
fn headers(cursor: &Cursor<'_>, may_have_token: bool) -> Headers {
    let mut headers = Vec::new();
    for (name, value) in cursor.entries()? {
        let parsed = HeaderName::try_from(name).ok();
        let Some(name) = parsed.filter(|name| !OURS.contains(name)) else {
            value.problem("expected a header of your own, not one that every request has");
            continue;
        };
        let text = if value.as_map().is_some() {
            source::secret(&value).map(HeaderText::Fixed)
        } else {
            value.parsed(
                if may_have_token {
                    "a text of visible characters, with `{token}` at most once, or a secret"
                } else {
                    "a text of visible characters, or a secret"
                },
                |text| header_text(text, may_have_token),
            )
        };
        headers.extend(text.map(|text| (name, text)));
    }
    Some(headers)
}

const OURS: [HeaderName; 7] = [
    names::CONNECTION,
    names::CONTENT_LENGTH,
    names::CONTENT_TYPE,
    names::HOST,
    names::TRANSFER_ENCODING,
    names::UPGRADE,
    names::EXPECT,
];

fn header_text(text: &str, may_have_token: bool) -> Option<HeaderText> {
    let is_visible = |text: &str| {
        text.bytes()
            .all(|byte| byte == b' ' || byte.is_ascii_graphic())
    };
    let (before, after) = match text.split_once("{token}") {
        Some(parts) if may_have_token => parts,
        Some(_) => return None,
        None => {
            let fixed = || HeaderText::Fixed(Secret::new(text));
            return (is_visible(text) && !text.contains(['{', '}'])).then(fixed);
        }
    };
    let is_fit = is_visible(text) && ![before, after].iter().any(|part| part.contains(['{', '}']));
    is_fit.then(|| HeaderText::AroundToken(before.to_owned(), after.to_owned()))
}

fn reading(fields: &Fields<'_>, is_standard: bool) -> Option<Reading> {
    let standard = Reading::standard();
    let place = |key| fields.optional(key, pointer);
    let text = |key| {
        fields
            .optional(key, Cursor::non_empty_text)
            .map(str::to_owned)
    };
    let subject = if is_standard {
        fields.or_default("subject", Some(standard.subject), |subject| {
            Some(pointer(subject))
        })
    } else {
        fields
            .required("subject")
            .and_then(|subject| pointer(&subject))
    };
    let active = match fields.get("active") {
        Some(active) if !is_standard => self::active(&active),
        _ if is_standard => Some(standard.active),
        _ => Some(Active::Status(200)),
    };
    let expires = match fields.get("expires") {
        Some(written) => Some(expires(&written)?),
        None => standard.expires.filter(|_| is_standard),
    };
    Some(Reading {
        active: active?,
        subject: subject?,
        user_type: place("user_type"),
        device_type: place("device_type"),
        app: place("app"),
        expires,
        issuer: text("issuer"),
        audience: text("audience"),
    })
}

fn pointer(cursor: &Cursor<'_>) -> Option<String> {
    cursor.parsed("a JSON Pointer, such as `/data/userId`", |text| {
        (!text.is_empty() && json::is_pointer(text)).then(|| text.to_owned())
    })
}

fn active(cursor: &Cursor<'_>) -> Option<Active> {
    let fields = cursor.map(&ACTIVE)?;
    match (fields.get("status"), fields.get("pointer")) {
        (Some(status), None) => {
            for key in fields.among(&["inactive", "value"]) {
                if let Some(misplaced) = fields.get(key) {
                    misplaced.problem("expected only beside `pointer`");
                }
            }
            status.integer(200..=299).map(Active::Status)
        }
        (None, Some(place)) => {
            let pointer = pointer(&place);
            let active = fields.required("value").and_then(|value| values(&value));
            let inactive =
                fields.or_default("inactive", Some(Vec::new()), |value| Some(values(value)));
            Some(Active::Value {
                pointer: pointer?,
                active: active?,
                inactive: inactive?,
            })
        }
        (status, _) => {
            let found = if status.is_some() { 2 } else { 0 };
            fields.choose(found, "either `pointer` and `value`, or `status`")
        }
    }
}

/// One value, or a list of them.
fn values(cursor: &Cursor<'_>) -> Option<Vec<Value>> {
    if cursor.as_list().is_some() {
        return cursor.non_empty_list()?.iter().map(value).collect();
    }
    Some(vec![value(cursor)?])
}

fn value(cursor: &Cursor<'_>) -> Option<Value> {
    cursor.scalar("a text, a whole number, `true` or `false`, or a list of such")
}

fn expires(cursor: &Cursor<'_>) -> Option<Expiry> {
    if cursor.as_map().is_none() {
        let unit = Unit::Seconds;
        return pointer(cursor).map(|pointer| Expiry { pointer, unit });
    }
    let fields = cursor.map(&EXPIRES)?;
    let unit = fields.or_default("unit", Unit::Seconds, |unit| {
        unit.word(&[("s", Unit::Seconds), ("ms", Unit::Milliseconds)], &[])
    });
    let pointer = fields.required("pointer").and_then(|place| pointer(&place));
    Some(Expiry {
        pointer: pointer?,
        unit,
    })
}

//! Where a server is that is asked over HTTP, and within what limits: the keys that every section
//! with one has.

use std::time::Duration;

use super::cursor::{Cursor, Fields, Keys};
use super::{notation, spelling, tls};
use crate::scheme::Guesses;
use crate::scheme::http::{HttpRules, UrlTemplate};

/// What holds unless it is configured.
pub(super) struct Defaults {
    pub(super) timeout: Duration,
    pub(super) max_body: usize,
    pub(super) in_flight: usize,
}

/// Reads `url`, `allow_http`, `ca` and `timeout`. The URL may have these variables.
pub(super) fn endpoint(
    fields: &Fields<'_>,
    defaults: &Defaults,
    variables: &[&str],
) -> Option<(UrlTemplate, HttpRules)> {
    let url = fields
        .required("url")
        .and_then(|url| template(&url, variables));
    let plain_is_allowed = fields.or_default("allow_http", false, Cursor::boolean);
    if let (Some(template), Some(place)) = (&url, fields.get("url"))
        && !template.is_protected()
    {
        if plain_is_allowed {
            place.warn("over plain HTTP everybody on the way can answer in its place");
        } else {
            place.problem(
                "expected `https`: over plain HTTP everybody on the way can answer in its place \
                 (`allow_http: true` accepts it nevertheless; on this machine it is fine)",
            );
        }
    }
    let authorities = match fields.get("ca") {
        Some(ca) => Some(tls::server_authorities(&ca)?),
        None => None,
    };
    let timeout = fields.or_default("timeout", defaults.timeout, |timeout| {
        timeout.duration(Duration::from_millis(10)..=Duration::from_mins(1))
    });
    let http = HttpRules {
        timeout,
        max_body: defaults.max_body,
        in_flight: defaults.in_flight,
        authorities,
    };
    Some((url?, http))
}

fn template(cursor: &Cursor<'_>, variables: &[&str]) -> Option<UrlTemplate> {
    let template = match UrlTemplate::parse(cursor.non_empty_text()?) {
        Ok(template) => template,
        Err(problem) => {
            cursor.problem(problem.to_string());
            return None;
        }
    };
    if template.variables().all(|name| variables.contains(&name)) {
        return Some(template);
    }
    cursor.problem(if variables.is_empty() {
        "expected a URL without variables".to_owned()
    } else {
        format!(
            "expected no other variables than {}",
            spelling::list(variables)
        )
    });
    None
}

/// How much a server is asked at most.
pub(super) struct Remote {
    /// Questions under way at once.
    pub(super) in_flight: usize,
    /// Unknown credentials that a client may have asked about; `None` is without limit.
    pub(super) guesses: Option<Guesses>,
}

impl Default for Remote {
    fn default() -> Self {
        Self {
            in_flight: 64,
            guesses: Some(Guesses {
                count: 10,
                per: Duration::from_secs(1),
            }),
        }
    }
}

const REMOTE: Keys = Keys {
    known: &["in_flight", "unknown_per_client"],
    later: &[],
};

/// Reads `remote`.
pub(super) fn remote(cursor: &Cursor<'_>) -> Option<Remote> {
    let fields = cursor.map(&REMOTE)?;
    let Remote { in_flight, guesses } = Remote::default();
    Some(Remote {
        in_flight: fields.or_default("in_flight", in_flight, |count| count.integer(1..=10_000)),
        guesses: fields.or_default("unknown_per_client", guesses, |rate| {
            rate.parsed("`off`, or a rate such as `10/s` or `5 per 1m`", |text| {
                if text == "off" {
                    return Some(None);
                }
                let (count, per) = notation::rate(text)?;
                let is_one = (1..=1_000_000).contains(&count) && !per.is_zero();
                is_one.then_some(Some(Guesses { count, per }))
            })
        }),
    })
}

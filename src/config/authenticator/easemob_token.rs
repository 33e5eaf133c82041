//! `easemob_token`: Easemob's own tokens, and whence the gate knows of them.

use std::sync::Arc;
use std::time::Duration;

use super::withdrawal;
use crate::config::cursor::{Cursor, Keys};
use crate::config::http;
use crate::config::names::{self, Names};
use crate::scheme::easemob_dynamic::is_app_key;
use crate::scheme::easemob_token::{Agreement, Config, Introspect, Kind, Learn, TokenPart, Unit};
use crate::scheme::http::UrlTemplate;
use crate::wire::json;

const EASEMOB_TOKEN: Keys = Keys {
    known: &["apps", "introspect", "learn", "principal"],
    later: &[],
};

const LEARN: Keys = Keys {
    known: &["expires_in_unit", "route"],
    later: &[],
};

const INTROSPECT: Keys = Keys {
    known: &[
        "allow_http",
        "ca",
        "live_grace",
        "max_stale",
        "must_equal",
        "recheck",
        "remote",
        "subject",
        "timeout",
        "url",
    ],
    later: &[],
};

/// Of an answer; what Easemob says of a user has less than one of these.
const MAX_BODY: usize = 64 * 1024;
const SECOND: Duration = Duration::from_secs(1);

pub(super) fn decode(cursor: &Cursor<'_>, names: &Names<'_>) -> Option<Config> {
    let fields = cursor.map(&EASEMOB_TOKEN)?;
    let principal = fields
        .required("principal")
        .and_then(|kind| kind.word(&[("app", Kind::App), ("user", Kind::User)], &[]));
    let apps = fields.optional("apps", apps);
    let (lessons, introspection) = (fields.get("learn"), fields.get("introspect"));
    if lessons.is_none() && introspection.is_none() {
        fields.choose(
            0,
            "`learn`, `introspect` or both: nobody else knows the tokens",
        )?;
    }
    let learn = lessons.map(|place| learn(&place, names));
    let introspect = introspection.map(|place| {
        if principal == Some(Kind::App) {
            place.problem("expected only with `principal: user`: an app is asked about by nobody");
        }
        introspect(&place)
    });
    // What is there must be whole.
    let learn = match learn {
        Some(learn) => Some(learn?),
        None => None,
    };
    let introspect = match introspect {
        Some(introspect) => Some(introspect?),
        None => None,
    };
    Some(Config {
        principal: principal?,
        apps,
        learn,
        introspect,
    })
}

fn apps(cursor: &Cursor<'_>) -> Option<Vec<Arc<str>>> {
    let mut apps: Vec<Arc<str>> = Vec::new();
    for element in cursor.non_empty_list()? {
        let expected = "an app key such as `org#app`, in quotes";
        let app = element.parsed(expected, |text| is_app_key(text).then(|| Arc::from(text)));
        let Some(app) = app else { continue };
        if apps.contains(&app) {
            element.problem("already listed above");
            continue;
        }
        apps.push(app);
    }
    (!apps.is_empty()).then_some(apps)
}

fn learn(cursor: &Cursor<'_>, names: &Names<'_>) -> Option<Learn> {
    let fields = cursor.map(&LEARN)?;
    let expires_in_unit = fields.or_default("expires_in_unit", Unit::Seconds, |unit| {
        unit.word(&[("ms", Unit::Millis), ("s", Unit::Seconds)], &[])
    });
    let route = fields.required("route")?;
    let route = names::reference(&route, "route", names.routes.as_ref())?;
    Some(Learn {
        route: route.value,
        expires_in_unit,
    })
}

fn introspect(cursor: &Cursor<'_>) -> Option<Introspect> {
    let fields = cursor.map(&INTROSPECT)?;
    let remote = fields.or_default("remote", http::Remote::default(), http::remote);
    let defaults = http::Defaults {
        timeout: SECOND * 2,
        max_body: MAX_BODY,
        in_flight: remote.in_flight,
    };
    let endpoint = http::endpoint(&fields, &defaults, &["org", "app", "username"]);
    let subject = fields
        .required("subject")
        .and_then(|subject| pointer(&subject));
    let must_equal = fields.or_default("must_equal", Vec::new(), must_equal);
    let max_stale = fields.or_default("max_stale", SECOND * 60, |stale| {
        stale.duration(Duration::ZERO..=SECOND * 3600)
    });
    let recheck = withdrawal::recheck(&fields);
    let asks_by_name = |url: &UrlTemplate| url.variables().any(|name| name == "username");
    let url = endpoint.as_ref().map(|(url, _)| url);
    if url.is_some_and(asks_by_name) && !fields.has("must_equal") {
        fields.problem(
            "`{username}` in `url` needs `must_equal: { /place/of/the/uuid: token.entity }`: whom \
             the request names need not be whose token it is",
        );
    }
    let (url, rules) = endpoint?;
    Some(Introspect {
        url,
        subject: subject?,
        must_equal,
        max_stale,
        rules,
        guesses: remote.guesses,
        recheck,
    })
}

fn must_equal(cursor: &Cursor<'_>) -> Option<Vec<Agreement>> {
    let fields = cursor.open_map()?;
    let mut agreements = Vec::new();
    let mut has_mistakes = false;
    for place in fields.keys() {
        let parts = [
            ("token.application", TokenPart::Application),
            ("token.entity", TokenPart::Entity),
        ];
        let part = fields.get(place).filter(|_| is_place(place));
        match part.map(|part| part.word(&parts, &[])) {
            Some(Some(part)) => agreements.push(Agreement {
                pointer: place.to_owned(),
                part,
            }),
            Some(None) => has_mistakes = true,
            None => {
                cursor.problem("expected JSON pointers such as `/entities/0/uuid` as keys");
                has_mistakes = true;
            }
        }
    }
    let is_entity = |agreement: &Agreement| agreement.part == TokenPart::Entity;
    if !has_mistakes && !agreements.iter().any(is_entity) {
        cursor.problem("expected a place that equals `token.entity`");
    }
    Some(agreements)
}

fn pointer(cursor: &Cursor<'_>) -> Option<String> {
    cursor.parsed("a JSON pointer such as `/entities/0/username`", |text| {
        is_place(text).then(|| text.to_owned())
    })
}

fn is_place(text: &str) -> bool {
    !text.is_empty() && json::is_pointer(text)
}

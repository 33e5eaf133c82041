//! `routes`: what is matched, what it requires, and where it goes.

mod first_message;
mod limit;
mod path;
mod requirement;
mod session;

use std::sync::Arc;

use super::cursor::{Cursor, Fields, Keys};
use super::document::{CredentialForm, CredentialRule, Mode, Route, SessionRule, Sizes};
use super::names::{self, Names};
use super::{carrier, header, mode, notation, settings, source};
use crate::config::document::Located;
use crate::request::METHODS;
use crate::secret::Secret;

pub(super) fn routes(section: &Cursor<'_>, names: &Names<'_>) -> Vec<Route> {
    let elements = section.non_empty_list().unwrap_or_default();
    let mut taken: Vec<Arc<str>> = Vec::new();
    for name in elements
        .iter()
        .filter_map(|route| route.as_map()?.get("name"))
    {
        let Some(text) = name.as_text() else { continue };
        if taken.iter().any(|known| **known == *text) {
            name.problem("another route above has the same name");
        }
        taken.push(Arc::from(text));
    }
    elements
        .iter()
        .filter_map(|element| route(element, names))
        .collect()
}

const ROUTE: Keys = Keys {
    known: &[
        "credential",
        "errors",
        "limit",
        "match",
        "max_request",
        "max_response",
        "mode",
        "name",
        "pass_unverified",
        "require",
        "require_tls",
        "session",
        "set_headers",
        "until",
        "upstream",
        "websocket",
    ],
    later: &[],
};

const MATCH: Keys = Keys {
    known: &["host", "methods", "path"],
    later: &[],
};

const CREDENTIAL: Keys = Keys {
    known: &["as", "form"],
    later: &[],
};

/// More than any body that a gate has to bound.
const LARGEST_BODY: usize = 1 << 40;

fn route(cursor: &Cursor<'_>, names: &Names<'_>) -> Option<Route> {
    let fields = cursor.map(&ROUTE)?;
    let name = fields.optional("name", Cursor::name);
    let websocket = fields.or_default("websocket", false, Cursor::boolean);
    let require_tls = fields.or_default("require_tls", false, Cursor::boolean);
    let matched = fields
        .required("match")
        .and_then(|place| matched(&place, websocket));
    let pattern = matched.as_ref().map(|matched| matched.path.value.as_str());
    let require = fields
        .required("require")
        .and_then(|place| requirement::requirement(&place, names, pattern));
    let limit = fields.optional("limit", |limit| {
        limit::limit(limit, names, pattern, websocket)
    });
    let upstream = fields
        .required("upstream")
        .and_then(|upstream| names::reference(&upstream, "upstream", names.upstreams.as_ref()));
    let credential = fields.or_default("credential", CredentialRule::default(), credential);
    let session = fields.or_default("session", SessionRule::default(), |session| {
        session::session(session, websocket)
    });
    let pass_unverified = fields.or_default("pass_unverified", Vec::new(), |list| {
        requirement::authenticators(list, names)
    });
    let set_headers = fields.or_default("set_headers", Vec::new(), set_headers);
    let errors = fields.optional("errors", settings::error_format);
    let mode = mode::mode(&fields);
    let sizes = Sizes {
        request: fields.optional("max_request", body_size),
        response: fields.optional("max_response", body_size),
    };
    if websocket {
        for key in ["max_request", "max_response"] {
            misplaced(
                &fields,
                key,
                "expected only without `websocket: true`; there it is `session.max_message`",
            );
        }
    }

    if fields
        .get("require")
        .is_some_and(|require| require.is_word("public"))
    {
        misplaced(
            &fields,
            "credential",
            "a public route verifies no credential",
        );
        if let (Some(Mode::Observe { .. }), Some(place)) = (&mode, fields.get("mode")) {
            place.problem("a public route refuses nobody, expected no `mode: observe`");
        }
    }
    if let Some(require) = &require {
        first_message::check(&fields, require, &credential, websocket);
    }
    let Match {
        host,
        path,
        methods,
    } = matched?;
    Some(Route {
        name: name.unwrap_or_else(|| Arc::from(path.value.as_str())),
        host,
        path,
        methods,
        websocket,
        require_tls,
        require: require?,
        credential,
        pass_unverified,
        set_headers,
        session,
        limit,
        sizes,
        upstream: upstream?,
        errors,
        mode,
        place: cursor.place(),
    })
}

/// How long a body or a message may be.
fn body_size(cursor: &Cursor<'_>) -> Option<u64> {
    let bytes = cursor.size(1..=LARGEST_BODY)?;
    u64::try_from(bytes).ok()
}

fn misplaced(fields: &Fields<'_>, key: &str, message: &str) {
    if let Some(value) = fields.get(key) {
        value.problem(message);
    }
}

struct Match {
    host: Option<String>,
    path: Located<String>,
    methods: Option<Vec<String>>,
}

fn matched(cursor: &Cursor<'_>, websocket: bool) -> Option<Match> {
    let fields = cursor.map(&MATCH)?;
    let host = fields.optional("host", |host| {
        host.parsed("a host name without a port", |text| {
            notation::is_host(text).then(|| text.to_ascii_lowercase())
        })
    });
    let methods = fields.get("methods").and_then(|list| {
        if websocket {
            list.problem("a WebSocket handshake is always GET, expected no `methods`");
            return None;
        }
        methods(&list)
    });
    let path = fields.required("path")?;
    Some(Match {
        host,
        path: path.locate(path::pattern(&path)?),
        methods,
    })
}

fn methods(cursor: &Cursor<'_>) -> Option<Vec<String>> {
    let mut methods: Vec<String> = Vec::new();
    for element in cursor.non_empty_list()? {
        let expected = "GET, HEAD, POST, PUT, PATCH, DELETE or OPTIONS, in upper case";
        let method = element.parsed(expected, |text| {
            METHODS.contains(&text).then(|| text.to_owned())
        });
        let Some(method) = method else { continue };
        if methods.contains(&method) {
            element.problem("already listed above");
            continue;
        }
        methods.push(method);
    }
    Some(methods)
}

fn credential(cursor: &Cursor<'_>) -> Option<CredentialRule> {
    let fields = cursor.map(&CREDENTIAL)?;
    let form = fields.or_default("form", CredentialForm::default(), |form| {
        let forms = [
            ("bare", CredentialForm::Bare),
            ("bearer", CredentialForm::Bearer),
            ("keep", CredentialForm::Keep),
            ("strip", CredentialForm::Strip),
        ];
        form.word(&forms, &[])
    });
    let carried_as = fields.optional("as", carrier::destination);
    if form == CredentialForm::Strip {
        misplaced(
            &fields,
            "as",
            "with `form: strip` the credential arrives nowhere",
        );
    }
    Some(CredentialRule { form, carried_as })
}

fn set_headers(cursor: &Cursor<'_>) -> Option<Vec<(String, Secret)>> {
    let mut headers: Vec<(String, Secret)> = Vec::new();
    for (name, value) in cursor.entries()? {
        if header::check(&value, name).is_none() {
            continue;
        }
        if headers
            .iter()
            .any(|(known, _)| known.eq_ignore_ascii_case(name))
        {
            value.problem("another entry above sets the same header");
            continue;
        }
        let Some(secret) = source::secret(&value) else {
            continue;
        };
        if !is_header_value(secret.expose()) {
            value.problem("expected visible ASCII characters, as a header value has");
            continue;
        }
        headers.push((name.to_owned(), secret));
    }
    Some(headers)
}

/// RFC 9110, section 5.5, without its obsolete parts.
fn is_header_value(value: &[u8]) -> bool {
    value
        .iter()
        .all(|byte| byte.is_ascii_graphic() || *byte == b' ')
        && !value.starts_with(b" ")
        && !value.ends_with(b" ")
}

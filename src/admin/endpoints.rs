//! The table of endpoints: exact paths, exact methods, and what each may be asked.

use std::collections::BTreeSet;
use std::pin::Pin;

use http::StatusCode;

use crate::admin::asked::decode;
use crate::admin::{Asked, Desk, Reply, drain, revocations, sessions, status};

/// One thing that can be asked.
pub(super) struct Endpoint {
    pub(super) method: &'static str,
    /// `{}` stands for one segment.
    pub(super) path: &'static str,
    /// The parameters that the query may have.
    pub(super) query: &'static [&'static str],
    /// The keys that the body may have; `None` if there must be none.
    pub(super) body: Option<&'static [&'static str]>,
    pub(super) answer: Handler,
}

pub(super) type Handler =
    for<'a> fn(&'a Desk, &'a Asked) -> Pin<Box<dyn Future<Output = Reply> + Send + 'a>>;

static ENDPOINTS: [Endpoint; 7] = [
    Endpoint {
        method: "POST",
        path: "/drain",
        query: &[],
        body: Some(&[]),
        answer: |desk, _| Box::pin(async { drain::start(desk) }),
    },
    Endpoint {
        method: "POST",
        path: "/revocations",
        query: &[],
        body: Some(revocations::KEYS),
        answer: |desk, asked| Box::pin(revocations::add(desk, asked)),
    },
    Endpoint {
        method: "DELETE",
        path: "/revocations/{}",
        query: &[],
        body: None,
        answer: |desk, asked| Box::pin(revocations::lift(desk, asked)),
    },
    Endpoint {
        method: "GET",
        path: "/sessions",
        query: sessions::FILTERS,
        body: None,
        answer: |desk, asked| Box::pin(sessions::show(desk, asked)),
    },
    Endpoint {
        method: "DELETE",
        path: "/sessions",
        query: sessions::FILTERS,
        body: None,
        answer: |desk, asked| Box::pin(sessions::end_many(desk, asked)),
    },
    Endpoint {
        method: "DELETE",
        path: "/sessions/{}",
        query: &[],
        body: None,
        answer: |desk, asked| Box::pin(sessions::end_one(desk, asked)),
    },
    Endpoint {
        method: "GET",
        path: "/status",
        query: &[],
        body: None,
        answer: |desk, _| Box::pin(async { status::show(desk) }),
    },
];

/// The endpoint, and what stands in the place of each `{}`.
pub(super) fn find(method: &str, path: &str) -> Result<(&'static Endpoint, Vec<String>), Reply> {
    choose(&ENDPOINTS, method, path)
}

/// The header line that names every method of every endpoint.
pub(super) fn allow() -> String {
    let methods: BTreeSet<&str> = ENDPOINTS.iter().map(|one| one.method).collect();
    allow_line(&Vec::from_iter(methods).join(", "))
}

fn allow_line(methods: &str) -> String {
    format!("Allow: {methods}")
}

fn choose<'e>(
    endpoints: &'e [Endpoint],
    method: &str,
    path: &str,
) -> Result<(&'e Endpoint, Vec<String>), Reply> {
    let mut allowed = Vec::new();
    for endpoint in endpoints {
        if let Some(segments) = endpoint.matches(path) {
            if endpoint.method == method {
                return Ok((endpoint, segments));
            }
            allowed.push(endpoint.method);
        }
    }
    if allowed.is_empty() {
        return Err(Reply::refused(
            StatusCode::NOT_FOUND,
            "no_route",
            "there is no such endpoint",
        ));
    }
    let allowed = allowed.join(", ");
    let refusal = Reply::refused(
        StatusCode::METHOD_NOT_ALLOWED,
        "method",
        format!("expected {allowed}"),
    );
    Err(refusal.with_header(allow_line(&allowed)))
}

impl Endpoint {
    fn matches(&self, path: &str) -> Option<Vec<String>> {
        let (mut pattern, mut segments) = (self.path.split('/'), path.split('/'));
        let mut found = Vec::new();
        loop {
            match (pattern.next(), segments.next()) {
                (None, None) => return Some(found),
                (Some("{}"), Some(segment)) if !segment.is_empty() => found.push(decode(segment)?),
                (Some(expected), Some(segment)) if expected == segment && expected != "{}" => {}
                _ => return None,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn endpoint(method: &'static str, path: &'static str) -> Endpoint {
        Endpoint {
            method,
            path,
            query: &[],
            body: None,
            answer: |_, _| Box::pin(async { Reply::syntax("not asked here") }),
        }
    }

    #[test]
    fn paths_and_methods_are_exact() {
        let table = [
            endpoint("GET", "/sessions"),
            endpoint("DELETE", "/sessions"),
            endpoint("DELETE", "/sessions/{}"),
        ];
        for (method, path, expected) in [
            ("GET", "/sessions", Ok(vec![])),
            ("DELETE", "/sessions", Ok(vec![])),
            ("DELETE", "/sessions/ab%2Fc", Ok(vec!["ab/c".to_owned()])),
            ("DELETE", "/sessions/{}", Ok(vec!["{}".to_owned()])),
            ("HEAD", "/sessions", Err(405)),
            ("get", "/sessions", Err(405)),
            ("GET", "/sessions/a", Err(405)),
            ("GET", "/sessions/", Err(404)),
            ("DELETE", "/sessions/", Err(404)),
            ("DELETE", "/sessions/a/b", Err(404)),
            ("DELETE", "/sessions/%ff", Err(404)),
            ("GET", "/Sessions", Err(404)),
            ("GET", "/sessions%2f", Err(404)),
            ("GET", "//sessions", Err(404)),
            ("GET", "/", Err(404)),
        ] {
            let chosen = choose(&table, method, path)
                .map(|(_, segments)| segments)
                .map_err(|reply| reply.status.as_u16());
            assert_eq!(chosen, expected, "{method} {path}");
        }
        let Err(refused) = choose(&table, "PUT", "/sessions") else {
            panic!("not allowed");
        };
        let text = String::from_utf8(refused.bytes()).unwrap();
        assert!(text.contains("\r\nAllow: GET, DELETE\r\n"), "{text}");
    }

    #[test]
    fn no_endpoint_is_there_twice() {
        for (position, endpoint) in ENDPOINTS.iter().enumerate() {
            let same =
                |other: &&Endpoint| (other.method, other.path) == (endpoint.method, endpoint.path);
            assert_eq!(
                ENDPOINTS.iter().position(|other| same(&other)),
                Some(position)
            );
        }
    }
}

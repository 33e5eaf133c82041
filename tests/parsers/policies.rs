//! What holds for configurations, and for the routes that they name.

use std::fs;
use std::sync::LazyLock;

use imgate::policy::Policy;
use imgate::policy::route::Unrouted;
use imgate::problem::LoadError;
use imgate::reload;
use tempfile::TempDir;

/// Whatever is written in a configuration, it loads or says where it does not.
pub(crate) fn configuration(bytes: &[u8]) {
    thread_local! {
        static DIRECTORY: TempDir = tempfile::tempdir().expect("a directory");
    }
    // What some version of YAML breaks lines at; the end may stand behind the last one.
    let breaks = ['\n', '\r', '\u{85}', '\u{2028}', '\u{2029}'];
    let lines = String::from_utf8_lossy(bytes).split(breaks).count() + 1;
    let loaded = DIRECTORY.with(|directory| {
        let path = directory.path().join("imgate.yaml");
        fs::write(&path, bytes).expect("the file can be written");
        reload::load(&path, None)
    });
    match loaded {
        Ok(loaded) => assert!(!loaded.policy.listeners.is_empty()),
        Err(LoadError::Problems { problems }) => {
            assert!(!problems.is_empty());
            for problem in problems {
                assert!(problem.place.line <= Some(lines), "{problem}");
                assert!(!problem.message.is_empty());
            }
        }
        Err(error @ (LoadError::Unreadable { .. } | LoadError::Unsettled { .. })) => {
            panic!("{error}")
        }
    }
}

/// Routes that lie across each other. All are public, so nobody's twin is stricter.
const PATTERNS: [&str; 17] = [
    "/",
    "/a",
    "/a/b",
    "/a/{x}",
    "/a/**",
    "/a/b/**",
    "/a/{x}/c",
    "/{x}/b/c",
    "/{x}/{y}",
    "/a/b/",
    "/{org}/{app}/token",
    "/{org}/{app}/users/**",
    "/openapi/**",
    "/openapi/v1/x",
    "/a@b",
    "/{x}/{y}/{z}/d",
    "/b/{x}/**",
];

static ROUTES: LazyLock<Policy> = LazyLock::new(|| {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("imgate.yaml");
    let route = |pattern: &&str| {
        format!("  - {{ match: {{ path: \"{pattern}\" }}, require: public, upstream: im }}\n")
    };
    let routes: String = PATTERNS.iter().map(route).collect();
    let text = format!(
        "listeners: [{{ address: 127.0.0.1:1 }}]\nupstreams: {{ im: {{ address: 127.0.0.1:2 }} }}\nroutes:\n{routes}"
    );
    fs::write(&path, text).expect("the file can be written");
    reload::load(&path, None).expect("it loads").policy
});

/// The table chooses what comes out when all patterns are looked at one by one.
pub(crate) fn routes(bytes: &[u8]) {
    let Ok(path) = std::str::from_utf8(bytes) else {
        return;
    };
    let chosen = match ROUTES.routes().choose("h", path, "GET") {
        Ok(route) => Some(route.pattern.to_string()),
        Err(Unrouted::NoRoute) => None,
        Err(Unrouted::Method { allow }) => panic!("all methods are allowed, not {allow}"),
    };
    let unescaped = percent_encoding::percent_decode_str(path).decode_utf8_lossy();
    let best = PATTERNS
        .iter()
        .filter_map(|pattern| Some((fit(pattern, &unescaped)?, *pattern)))
        .min();
    assert_eq!(
        chosen.as_deref(),
        best.map(|(_, pattern)| pattern),
        "{path:?}"
    );
}

/// How well a pattern fits at each segment, less is better; or that it does not.
fn fit(pattern: &str, path: &str) -> Option<Vec<u8>> {
    const LITERAL: u8 = 0;
    const PARAMETER: u8 = 1;
    const REST: u8 = 2;
    let path: Vec<_> = path.strip_prefix('/')?.split('/').collect();
    let mut left = path.as_slice();
    let mut fits = Vec::new();
    for part in pattern[1..].split('/') {
        if part == "**" {
            fits.push(REST);
            return Some(fits);
        }
        let (segment, rest) = left.split_first()?;
        left = rest;
        if part.starts_with('{') {
            if segment.is_empty() {
                return None;
            }
            fits.push(PARAMETER);
        } else if part == *segment {
            fits.push(LITERAL);
        } else {
            return None;
        }
    }
    left.is_empty().then_some(fits)
}

//! Tricks that have worked against respected proxies, each as the raw bytes of its attacker.
//!
//! `README.md` beside this file lists them. A test is named after what must not happen; what did
//! arrive is read from the backend's side, byte by byte, and never inferred from the answer.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

mod arena;
mod forge;

/// Algorithms and signatures that prove nothing.
mod algorithms;
/// Requests in and behind the bodies of others.
mod bodies;
/// Credentials that are sent twice.
mod credentials;
/// Where the client says it comes from, and where it says it goes.
mod forwarding;
/// Lengths, codings and chunks that hide a second request.
mod framing;
/// What answers tell those who guess.
mod guessing;
/// WebSocket handshakes that are none, and what comes behind them.
mod handshakes;
/// HTTP/2 in clear text.
mod http2;
/// Forged and misspelt identities.
mod identity;
/// Keys that a token would choose itself.
mod keys;
/// Heads that are too large.
mod limits;
/// Bytes that are no line of a head.
mod lines;
/// Where the gate listens, and what it takes orders from.
mod listeners;
/// What the gate remembers of a credential, and for whom.
mod memory;
/// Methods that are not served, and requests that claim another one.
mod methods;
/// Headers that `Connection` names.
mod nominations;
/// One path, spelled as another.
mod paths;
/// Servers that are asked, and what they say and hear.
mod remote;
/// Heads that never end.
mod slow;
/// Credentials of others.
mod strangers;
/// Settings that turn something off.
mod switches;
/// Targets that are more, or less, than a path and a query.
mod targets;
/// Tokens of another form, size, type or spelling.
mod tokens;
/// Upgrades that are none.
mod upgrade;

/// The table in `README.md` is of use only while it names the tests that are there.
#[test]
fn the_readme_names_every_test_and_no_other() {
    let sources = [
        ("algorithms", include_str!("algorithms.rs")),
        ("bodies", include_str!("bodies.rs")),
        ("credentials", include_str!("credentials.rs")),
        ("forwarding", include_str!("forwarding.rs")),
        ("framing", include_str!("framing.rs")),
        ("guessing", include_str!("guessing.rs")),
        ("handshakes", include_str!("handshakes.rs")),
        ("http2", include_str!("http2.rs")),
        ("identity", include_str!("identity.rs")),
        ("keys", include_str!("keys.rs")),
        ("limits", include_str!("limits.rs")),
        ("lines", include_str!("lines.rs")),
        ("listeners", include_str!("listeners.rs")),
        ("memory", include_str!("memory.rs")),
        ("methods", include_str!("methods.rs")),
        ("nominations", include_str!("nominations.rs")),
        ("paths", include_str!("paths.rs")),
        ("remote", include_str!("remote.rs")),
        ("slow", include_str!("slow.rs")),
        ("strangers", include_str!("strangers.rs")),
        ("switches", include_str!("switches.rs")),
        ("targets", include_str!("targets.rs")),
        ("tokens", include_str!("tokens.rs")),
        ("upgrade", include_str!("upgrade.rs")),
    ];
    let tests: BTreeSet<String> = sources
        .iter()
        .flat_map(|(module, source)| {
            source.split("#[test]\nfn ").skip(1).map(move |rest| {
                let name = rest.split('(').next().unwrap_or_default();
                format!("{module}::{name}")
            })
        })
        .collect();
    let named: BTreeSet<String> = include_str!("README.md")
        .split('`')
        .skip(1)
        .step_by(2)
        .filter(|code| {
            let module = code.split("::").next().unwrap_or_default();
            code.contains("::") && sources.iter().any(|(known, _)| *known == module)
        })
        .map(str::to_owned)
        .collect();
    assert!(tests.len() > 40, "{}", tests.len());
    assert_eq!(tests, named);
}

/// What is proven elsewhere is named by its file: `tests/it/jwt.rs::a_test`.
#[test]
fn the_readme_names_tests_of_other_files_that_are_there() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut seen = 0;
    for code in include_str!("README.md").split('`').skip(1).step_by(2) {
        let Some((file, name)) = code.split_once(".rs::") else {
            continue;
        };
        let source = fs::read_to_string(root.join(format!("{file}.rs"))).expect(file);
        assert!(source.contains(&format!("fn {name}(")), "{code}");
        seen += 1;
    }
    assert!(seen > 10, "{seen}");
}

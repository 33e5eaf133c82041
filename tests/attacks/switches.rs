//! Settings that turn something off (A36). Each is refused, or told of wherever an operator looks;
//! and a secret that cannot be had is never taken for one that is not wanted.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use crate::support::gate::{Builder, binary};
use crate::support::sources::rust_files;
use crate::support::{Gate, Recorder, eventually};

const SECRET: &str = "a secret of the switches, made up for the tests";

/// What `imgate check` says of a policy. `run` loads by the same code, and would stay if it liked it.
fn imgate(policy: &str, directory: &Path) -> Output {
    let text = format!(
        "listeners: [{{ address: 127.0.0.1:9688 }}]\n\
         upstreams: {{ im: {{ address: 127.0.0.1:19688 }} }}\n{policy}"
    );
    fs::write(directory.join("imgate.yaml"), text).unwrap();
    Command::new(binary())
        .args(["check", "-c", "imgate.yaml"])
        .current_dir(directory)
        .output()
        .unwrap()
}

fn printed(output: &Output) -> String {
    let streams = [output.stdout.as_slice(), &output.stderr].concat();
    String::from_utf8(streams).unwrap()
}

/// A policy with one authenticator, which everything requires.
fn with(authenticator: &str) -> String {
    format!(
        "authenticators:\n  a: {{ {authenticator} }}\n\
         routes:\n  - {{ match: {{ path: /** }}, require: {{ any_of: [a] }}, upstream: im }}\n"
    )
}

const BEARER: &str = "from: [{ header: Authorization, prefix: Bearer }]";
const EXPECTED_ANY: &str = "issuer: any, audience: any";

/// What would admit anybody, or whoever says so, without a word that it is meant.
fn refused() -> Vec<(&'static str, String, &'static str)> {
    let jwt = |text: &str| with(&format!("{BEARER}, jwt: {{ {text} }}"));
    let key = "keys: [{ kid: h, algorithm: HS256, secret: { file: strong } }]";
    #[rustfmt::skip]
    let cases = vec![
        ("no issuer", jwt(&format!("{key}, audience: any")), "issuer"),
        ("no audience", jwt(&format!("{key}, issuer: any")), "audience"),
        ("an empty issuer", jwt(&format!("{key}, issuer: \"\", audience: any")), "issuer"),
        ("an issuer that is null", jwt(&format!("{key}, issuer: null, audience: any")), "issuer"),
        ("no keys", jwt(&format!("keys: [], {EXPECTED_ANY}")), "keys"),
        ("no source of keys", jwt(EXPECTED_ANY), "keys"),
        ("the algorithm none", jwt(&format!("keys: [{{ kid: h, algorithm: none, secret: {{ file: strong }} }}], {EXPECTED_ANY}")), "algorithm"),
        ("any algorithm", jwt(&format!("keys: [{{ kid: h, algorithm: any, secret: {{ file: strong }} }}], {EXPECTED_ANY}")), "algorithm"),
        ("a weak secret", jwt(&format!("keys: [{{ kid: h, algorithm: HS256, secret: {{ file: weak }} }}], {EXPECTED_ANY}")), "secret"),
        ("an empty secret, however weak it may be", jwt(&format!("keys: [{{ kid: h, algorithm: HS256, secret: {{ file: empty }}, allow_weak_secret: true }}], {EXPECTED_ANY}")), "secret"),
        ("a day of leeway", jwt(&format!("{key}, {EXPECTED_ANY}, leeway: 1d")), "leeway"),
        ("keys over plain HTTP", jwt(&format!("jwks: {{ url: \"http://id.example.com/jwks\" }}, {EXPECTED_ANY}")), "https"),
        ("keys of a place that tokens choose", jwt(&format!("jwks: {{ url: \"https://id.example.com/{{kid}}\" }}, {EXPECTED_ANY}")), "variables"),
        ("a switch that there is not", jwt(&format!("{key}, {EXPECTED_ANY}, verify: false")), "unknown key"),
        ("another", jwt(&format!("{key}, {EXPECTED_ANY}, insecure_skip_verify: true")), "unknown key"),
        ("no client keys", with("from: [{ header: X-App-Key }], app_key: { keys: [] }"), "allow_empty"),
        ("an empty app key", with("from: [{ header: X-App-Key }], app_key: { keys: [{ id: a, secret: { file: empty } }] }"), "secret"),
        ("an app key of a line end", with("from: [{ header: X-App-Key }], app_key: { keys: [{ id: a, secret: { file: blank } }] }"), "secret"),
        ("an empty value", with("from: [{ header: X-App-Key }], app_key: { keys: [{ id: a, secret: { value: \"\" } }] }"), "not empty"),
        ("sessions that are not named", with(&format!("{BEARER}, sa_token: {{ secret: {{ file: strong }}, user_types: [im_user] }}")), "sessions"),
        ("user types that are not named", with(&format!("{BEARER}, sa_token: {{ secret: {{ file: strong }}, sessions: {{ none: {{ max_age: 12h }} }} }}")), "user_types"),
        ("no user type", with(&format!("{BEARER}, sa_token: {{ secret: {{ file: strong }}, user_types: [], sessions: {{ none: {{ max_age: 12h }} }} }}")), "user_types"),
        ("introspection over plain HTTP", with(&format!("{BEARER}, introspection: {{ url: \"http://id.example.com/\" }}")), "https"),
        ("a cookie for every page", with("from: [{ cookie: im }], app_key: { keys: [{ id: a, secret: { file: strong } }] }"), "origins"),
        ("a cookie for any page", with("from: [{ cookie: im, origins: [\"*\"] }], app_key: { keys: [{ id: a, secret: { file: strong } }] }"), "origins"),
        ("nobody to require", "routes:\n  - { match: { path: /** }, require: { any_of: [] }, upstream: im }\n".to_owned(), "any_of"),
        ("all of nobody", "routes:\n  - { match: { path: /** }, require: { all_of: [] }, upstream: im }\n".to_owned(), "all_of"),
        ("nothing required", "routes:\n  - { match: { path: /** }, upstream: im }\n".to_owned(), "require"),
        ("null required", "routes:\n  - { match: { path: /** }, require: null, upstream: im }\n".to_owned(), "require"),
        ("a route for observing", with(&format!("{BEARER}, app_key: {{ keys: [{{ id: a, secret: {{ file: strong }} }}] }}")).replace("upstream: im }", "upstream: im, enforce: false }"), "unknown key"),
        ("every page may read", format!("cors: {{ origins: [\"*\"] }}\n{}", with("from: [{ header: X }], app_key: { keys: [{ id: a, secret: { file: strong } }] }")), "origins"),
        ("orders without a token", format!("admin: {{ address: 127.0.0.1:9699 }}\n{}", with("from: [{ header: X }], app_key: { keys: [{ id: a, secret: { file: strong } }] }")), "token"),
        ("orders with an empty token", format!("admin: {{ address: 127.0.0.1:9699, token: {{ file: empty }} }}\n{}", with("from: [{ header: X }], app_key: { keys: [{ id: a, secret: { file: strong } }] }")), "token"),
    ];
    cases
}

fn directory() -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    for (name, contents) in [
        ("strong", SECRET),
        ("weak", "weak"),
        ("empty", ""),
        ("blank", "\n"),
    ] {
        fs::write(directory.path().join(name), contents).unwrap();
    }
    directory
}

#[test]
fn a_gate_that_would_not_verify_is_not_started() {
    let directory = directory();
    for (case, policy, expected) in refused() {
        let output = imgate(&policy, directory.path());
        let text = printed(&output);
        assert_eq!(output.status.code(), Some(64), "{case}: {text}");
        assert!(text.contains(expected), "{case}: {text}");
    }
    // An everybody that is believed.
    let policy =
        with("from: [{ header: X }], app_key: { keys: [{ id: a, secret: { file: strong } }] }");
    for network in ["0.0.0.0/0", "::/0"] {
        let text = format!(
            "listeners: [{{ address: 127.0.0.1:9688, trusted_proxies: [\"{network}\"] }}]\n\
             upstreams: {{ im: {{ address: 127.0.0.1:19688 }} }}\n{policy}"
        );
        fs::write(directory.path().join("imgate.yaml"), text).unwrap();
        let output = Command::new(binary())
            .args(["check", "-c", "imgate.yaml"])
            .current_dir(directory.path())
            .output()
            .unwrap();
        assert_eq!(
            output.status.code(),
            Some(64),
            "{network}: {}",
            printed(&output)
        );
    }
}

/// Every key by which something may be weaker than it should, what it is written as, and what is
/// said of it.
fn loud() -> Vec<(&'static str, String, &'static str)> {
    let jwt = |text: &str| with(&format!("{BEARER}, jwt: {{ {text} }}"));
    vec![
        (
            "allow_weak_secret",
            jwt(&format!(
                "keys: [{{ kid: h, algorithm: HS256, secret: {{ file: weak }}, allow_weak_secret: true }}], {EXPECTED_ANY}"
            )),
            "too short",
        ),
        (
            "allow_http",
            jwt(&format!(
                "jwks: {{ url: \"http://jwks.invalid/\", allow_http: true }}, {EXPECTED_ANY}"
            )),
            "plain HTTP",
        ),
        (
            "allow_cbc",
            with(
                "from: [{ header: token }], zego_token04: { app_id: 1, server_secret: { file: zego }, max_lifetime: 1d, allow_cbc: true }",
            ),
            "old mode",
        ),
        (
            "sessions: none",
            with(
                "from: [{ header: token }], sa_token: { secret: { file: strong }, user_types: [im_user], sessions: { none: { max_age: 12h } } }",
            ),
            "logout",
        ),
        (
            "value",
            with(
                "from: [{ header: X-App-Key }], app_key: { keys: [{ id: a, secret: { value: key-in-the-file } }] }",
            ),
            "in the configuration itself",
        ),
    ]
}

#[test]
fn a_switch_that_weakens_something_is_not_silent() {
    let backend = Recorder::ok();
    for (switch, policy, expected) in loud() {
        let gate = Gate::with(&policy)
            .file("strong", SECRET)
            .file("weak", "weak")
            .file("zego", "0123456789abcdef0123456789abcdef")
            .upstream("im", backend.address())
            .start();
        let status = gate.status();
        let caveats = format!("{}{}", status["caveats"], status["warnings"]);
        assert!(
            caveats.contains(expected),
            "{switch} in /readyz?verbose: {caveats}"
        );
        assert!(!caveats.contains("key-in-the-file"), "{caveats}");
    }
}

/// Whoever adds a switch says here what it does.
#[test]
fn no_switch_is_missing_here() {
    let mut switches = BTreeSet::new();
    for path in rust_files("src/config") {
        let source = fs::read_to_string(&path).unwrap();
        let words = source.split('"').skip(1).step_by(2);
        for word in words.filter(|word| {
            [
                "allow_",
                "skip_",
                "disable_",
                "insecure",
                "unsafe",
                "no_verify",
            ]
            .iter()
            .any(|start| word.starts_with(start))
        }) {
            let key = word
                .split(|c: char| !c.is_ascii_alphanumeric() && c != '_')
                .next();
            switches.extend(key.map(str::to_owned));
        }
    }
    let told: BTreeSet<String> = loud()
        .iter()
        .map(|(switch, ..)| (*switch).to_owned())
        .collect();
    // Nobody comes in by it.
    switches.remove("allow_empty");
    let missing: Vec<_> = switches.difference(&told).collect();
    assert!(missing.is_empty(), "{missing:?}");
    assert!(switches.len() >= 3, "{switches:?}");
}

/// Traefik's CVE-2026-54762: an auth secret that could not be had was no reason to ask for it.
#[test]
fn a_secret_that_cannot_be_had_is_not_done_without() {
    let directory = directory();
    fs::create_dir(directory.path().join("a-directory")).unwrap();
    fs::write(
        directory.path().join("application.yml"),
        "im:\n  app-key: ''\n  other: x\n  list: [a]\n",
    )
    .unwrap();
    fs::write(directory.path().join("broken.yml"), "im: [\n").unwrap();
    fs::write(directory.path().join("large"), "x".repeat(70_000)).unwrap();
    #[rustfmt::skip]
    let sources = [
        "{ file: missing }", "{ file: a-directory }", "{ file: empty }", "{ file: blank }", "{ file: large }", "{ file: \"\" }", "{ file: \"strong\\0\" }",
        "{ file: /proc/self/mem }", "{ env: IMGATE_TEST_NO_SUCH_VARIABLE }", "{ env: \"\" }", "{ env: IMGATE_TEST_EMPTY }", "{ value: \"\" }", "{ value: null }",
        "{ yaml: missing.yml, key: im.app-key }", "{ yaml: application.yml, key: im.app-key }", "{ yaml: application.yml, key: im.nothing }",
        "{ yaml: application.yml, key: im }", "{ yaml: application.yml, key: im.list }", "{ yaml: application.yml }", "{ yaml: broken.yml, key: im.app-key }",
        "{}", "null", "\"\"", "text", "[]", "{ file: strong, env: HOME }",
    ];
    let places = [
        (
            "app_key",
            "from: [{ header: X-App-Key }], app_key: { keys: [{ id: a, secret: $ }] }",
        ),
        (
            "jwt",
            "from: [{ header: Authorization }], jwt: { keys: [{ kid: h, algorithm: HS256, secret: $ }], issuer: any, audience: any }",
        ),
        (
            "sa_token",
            "from: [{ header: token }], sa_token: { secret: $, user_types: [im_user], sessions: { none: { max_age: 12h } } }",
        ),
        (
            "introspection",
            "from: [{ header: token }], introspection: { url: \"https://id.example.com/\", client_id: a, client_secret: $ }",
        ),
    ];
    for (place, authenticator) in places {
        for source in sources {
            let policy = with(&authenticator.replace('$', source));
            let output = imgate(&policy, directory.path());
            let text = printed(&output);
            assert_eq!(
                output.status.code(),
                Some(64),
                "{place} of {source}: {text}"
            );
            assert!(
                text.contains("authenticators.a"),
                "{place} of {source}: {text}"
            );
        }
    }
    // A digest is no way around it.
    for digest in [
        "\"\"",
        "e3b0",
        "0",
        "null",
        "\"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b85\"",
    ] {
        let policy = with(&format!(
            "from: [{{ header: X-App-Key }}], app_key: {{ keys: [{{ id: a, sha256: {digest} }}] }}"
        ));
        let output = imgate(&policy, directory.path());
        assert_eq!(
            output.status.code(),
            Some(64),
            "{digest}: {}",
            printed(&output)
        );
    }
}

fn gate_with_files(backend: &Recorder) -> Builder {
    Gate::with(&with(
        "from: [{ header: X-App-Key }], app_key: { keys: [{ id: a, secret: { file: keys/a } }] }",
    ))
    .file("keys/a", "key-of-a")
    .upstream("im", backend.address())
}

#[test]
fn a_secret_that_is_lost_while_the_gate_runs_does_not_open_it() {
    let backend = Recorder::ok();
    let gate = gate_with_files(&backend).start();
    let status = |key: &str| {
        let lines = if key.is_empty() {
            String::new()
        } else {
            format!("X-App-Key: {key}\r\n")
        };
        gate.get("/x", &lines).status()
    };
    let path = gate.path("keys/a");
    let problem = || gate.status()["reload_problem"].as_str().map(str::to_owned);
    for (case, lose) in [
        (
            "emptied",
            (|path| fs::write(path, "").unwrap()) as fn(&Path),
        ),
        ("a line end", |path| fs::write(path, "\n").unwrap()),
        ("removed", |path| fs::remove_file(path).unwrap()),
        ("a directory", |path| fs::create_dir(path).unwrap()),
    ] {
        if path.is_file() {
            fs::write(&path, "key-of-a").unwrap();
            eventually("the secret is there again", || {
                problem().is_none().then_some(())
            });
        }
        lose(&path);
        eventually(case, || {
            // All the while.
            assert_eq!(
                (status(""), status("x"), status("key-of-a")),
                (401, 401, 200),
                "{case}"
            );
            problem()?.contains("keys[0].secret").then_some(())
        });
        assert_eq!(
            (status(""), status("x"), status("key-of-a")),
            (401, 401, 200),
            "{case}"
        );
    }
    gate.wait_for_metric("imgate_config_last_reload_successful", &[], |value| {
        value < 0.5
    });
}

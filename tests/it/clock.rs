//! The clock for tests: a debug build obeys it and says so, a release build does not know of it.

use std::path::Path;
use std::process::Command;

use super::support::gate::{TEST_CLOCK, binary, has_test_clock};
use super::support::mint::now;
use super::support::{Gate, net};

const POLICY: &str = "
authenticators:
  keys:
    from: [{ header: X-App-Key }]
    app_key: { keys: [{ id: a, secret: { value: key-a }, not_before: 2023-06-08T06:59:17Z, not_after: 2023-06-08T07:00:00Z }] }
routes:
  - { match: { path: /openapi/** }, require: { any_of: [keys] }, upstream: im }
";

/// 2023-06-08T06:59:17Z.
const THEN: i64 = 1_686_207_557;

/// What a gate with this environment makes of a key of then, and what it says of its clock.
fn ask(environment: &[(&str, &str)]) -> (u16, Option<String>, String) {
    let builder = Gate::with(POLICY).upstream("im", net::free_address());
    let gate = environment
        .iter()
        .fold(builder, |builder, (name, value)| {
            builder.environment(name, value)
        })
        .start();
    let status = gate.get("/openapi/x", "X-App-Key: key-a\r\n").status();
    let caveats = gate.status()["caveats"].clone();
    let about_clock = caveats
        .as_array()
        .unwrap()
        .iter()
        .find(|one| one["clock"].is_string());
    let caveat = about_clock.map(|one| one["caveat"].as_str().unwrap().to_owned());
    (status, caveat, gate.output())
}

#[test]
fn a_debug_build_obeys_and_says_so_and_a_release_build_knows_nothing_of_it() {
    let knows = has_test_clock(Path::new(&binary()));
    if std::env::var_os("IMGATE_TEST_BINARY").is_none() {
        assert_eq!(
            knows,
            cfg!(debug_assertions),
            "the binary is built as its tests are"
        );
    }
    // Nothing listens behind the gate: whoever is let in is told 502.
    let (status, caveat, log) = ask(&[]);
    assert_eq!((status, caveat), (401, None), "the key ended years ago");
    assert!(!log.contains("NOT FOR PRODUCTION"), "{log}");

    let (status, caveat, log) = ask(&[(TEST_CLOCK, &THEN.to_string())]);
    assert_eq!(status, if knows { 502 } else { 401 });
    assert_eq!(caveat.is_some_and(|text| text.contains("made up")), knows);
    let warning = log.lines().find(|line| line.contains("NOT FOR PRODUCTION"));
    assert_eq!(
        warning.is_some_and(|line| line.contains(TEST_CLOCK)),
        knows,
        "{log}"
    );
}

#[test]
fn the_clock_runs_on() {
    if !has_test_clock(Path::new(&binary())) {
        return;
    }
    // It is the key's last but two seconds.
    let gate = Gate::with(POLICY)
        .upstream("im", net::free_address())
        .clock(THEN + 41)
        .start();
    super::support::eventually("the key ends", || {
        (gate.get("/openapi/x", "X-App-Key: key-a\r\n").status() == 401).then_some(())
    });
    assert!(now() > THEN + 43, "the clock of the tests is the system's");
}

#[test]
fn a_time_that_is_none_ends_the_gate() {
    if !has_test_clock(Path::new(&binary())) {
        return;
    }
    let output = Command::new(binary())
        .args(["run", "-c", "/nowhere.yaml"])
        .env(TEST_CLOCK, "yesterday")
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(64));
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        said.contains("seconds since 1970") && !said.contains("yesterday"),
        "{said}"
    );
}

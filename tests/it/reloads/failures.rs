//! A file with a mistake changes nothing, is told of in three places, and is forgotten when it is
//! repaired.

use std::time::Duration;

use super::super::support::mint::{SA_TOKEN_SECRET, sa_token};
use super::super::support::wait::pause;
use super::super::support::{Gate, Recorder, eventually};

const POLICY: &str = "
reload: { poll: 1s }
authenticators:
  im-token:
    from: [{ header: token }]
    sa_token:
      secret: { file: keys/sa-token }
      user_types: [im_user]
      sessions: { none: { max_age: 12h } }
routes:
  - { match: { path: /api/** }, require: { any_of: [im-token] }, upstream: im }
";

const NOT_RELOADED: &str = "configuration not reloaded";

/// Whether the metric and the status say the same, and what.
fn says(gate: &Gate) -> Option<bool> {
    let metric = gate
        .metrics()
        .value("imgate_config_last_reload_successful", &[]);
    let status = gate.status()["reload_problem"].is_null();
    ((metric > 0.5) == status).then_some(status)
}

#[track_caller]
fn wait_until_it_says(gate: &Gate, what: &str, good: bool) {
    eventually(what, || (says(gate)? == good).then_some(()));
}

#[test]
fn a_broken_file_is_told_of_and_forgotten_when_it_is_repaired() {
    let backend = Recorder::ok();
    let gate = Gate::with(POLICY)
        .file("keys/sa-token", SA_TOKEN_SECRET)
        .upstream("im", backend.address())
        .start();
    let token = format!("token: {}\r\n", sa_token("im_user:7"));
    let hits = || gate.metrics().value("imgate_verdict_cache_hits_total", &[]);
    assert_eq!(gate.get("/api/x", &token).status(), 200);
    assert_eq!(says(&gate), Some(true));

    for (case, break_it, problem) in [
        (
            "the configuration",
            &(|| gate.replace_file("imgate.yaml", "routes: [")) as &dyn Fn(),
            "imgate.yaml:",
        ),
        (
            "a secret",
            &|| gate.replace_file("keys/sa-token", "too short"),
            "sa_token.secret",
        ),
        (
            "no secret",
            &|| std::fs::remove_file(gate.path("keys/sa-token")).unwrap(),
            "does not exist",
        ),
        (
            "what needs a restart",
            &|| gate.replace_policy(&format!("{POLICY}workers: 7\n")),
            "needs a restart",
        ),
    ] {
        let before = (gate.generation(), hits(), errors(&gate), logged(&gate));
        break_it();
        wait_until_it_says(&gate, case, false);
        let status = gate.status();
        let told = status["reload_problem"].as_str().unwrap();
        assert!(told.contains(problem), "{case}: {told}");
        // Two polls and more: they find nothing new.
        pause(Duration::from_millis(2500));
        eventually("it is logged", || (logged(&gate) > before.3).then_some(()));
        assert_eq!(logged(&gate) - before.3, 1, "{case}");
        assert!((errors(&gate) - before.2 - 1.0).abs() < 0.5, "{case}");
        assert_eq!(gate.generation(), before.0, "{case}");
        assert_eq!(gate.get("/api/x", &token).status(), 200, "{case}");

        gate.replace_file("keys/sa-token", SA_TOKEN_SECRET);
        gate.replace_policy(POLICY);
        wait_until_it_says(&gate, "all is good again", true);
        assert_eq!(gate.generation(), before.0 + 1, "{case}");
        assert_eq!(gate.get("/api/x", &token).status(), 200, "{case}");
        assert!((hits() - before.1 - 2.0).abs() < 0.5, "{case}: still warm");
    }
}

fn errors(gate: &Gate) -> f64 {
    super::reloads(gate, "error")
}

fn logged(gate: &Gate) -> usize {
    gate.output().matches(NOT_RELOADED).count()
}

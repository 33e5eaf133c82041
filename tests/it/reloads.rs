//! Files that change while traffic flows: what is noticed, what takes force, and what must not
//! happen to anybody meanwhile.

mod changes;
mod failures;
mod load;
mod means;

use super::support::Gate;
use super::support::gate::Builder;

/// One key, kept in a file. `$RELOAD` is the section of that name.
const POLICY: &str = "
reload: $RELOAD
authenticators:
  keys:
    from: [{ header: X-App-Key }]
    app_key: { keys: [{ id: demo, secret: { file: $FILE } }] }
routes:
  - { match: { path: /openapi/** }, require: { any_of: [keys] }, upstream: im }
";

fn policy(reload: &str, file: &str) -> String {
    POLICY.replace("$RELOAD", reload).replace("$FILE", file)
}

/// With the backend out of the question: what is let in is answered with 502.
fn gate(policy: &str) -> Builder {
    let nobody = super::support::net::free_address();
    Gate::with(policy).upstream("im", nobody)
}

/// Whether this key is let in.
#[track_caller]
fn opens(gate: &Gate, key: &str) -> bool {
    let answer = gate.get("/openapi/x", &format!("X-App-Key: {key}\r\n"));
    match answer.status() {
        401 => false,
        502 => true,
        other => panic!("neither let in nor refused: {other}"),
    }
}

#[track_caller]
fn reloads(gate: &Gate, result: &str) -> f64 {
    gate.metrics()
        .value("imgate_config_reloads_total", &[("result", result)])
}

/// How many directories the gate watches, as the kernel counts them.
fn watched(gate: &Gate) -> usize {
    let descriptors = std::fs::read_dir(format!("/proc/{}/fdinfo", gate.pid())).unwrap();
    descriptors
        // One that was closed meanwhile watches nothing.
        .filter_map(|entry| std::fs::read_to_string(entry.unwrap().path()).ok())
        .map(|text| {
            text.lines()
                .filter(|line| line.starts_with("inotify wd:"))
                .count()
        })
        .sum()
}

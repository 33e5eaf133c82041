//! What an operator may ask for, and the command that asks.

use std::time::{Duration, Instant};

use super::super::support::command::{imgate, printed};
use super::super::support::crowd::{Crowd, CrowdBackend};
use super::super::support::mint::{SA_TOKEN_SECRET, sa_token};
use super::super::support::process::Signal;
use super::super::support::{Gate, Recorder, eventually, net};
use super::{POLICY, TOKEN, ask, gate_with_address, gate_with_file, send};

const SOCKETS: &str = "
authenticators:
  im-token:
    from: [{ header: token }]
    sa_token: { secret: { value: \"$SECRET\" }, user_types: [im_user], sessions: { none: { max_age: 12h } } }
routes:
  - name: ws
    match: { path: /ws }
    websocket: true
    require:
      any_of: [im-token]
      device_type: { from: [{ query: deviceType }], one_of: [im_web, im_app_ios] }
    upstream: im
";

fn gate_with_sockets(backend: &CrowdBackend) -> super::Builder {
    Gate::with(&SOCKETS.replace("$SECRET", SA_TOKEN_SECRET))
        .file("keys/admin", TOKEN)
        .upstream("im", backend.address())
        .admin("address: \"$ADDRESS\", token: { file: keys/admin }")
}

fn crowd(gate: &Gate, device: &str, count: usize) -> Crowd {
    let target = format!("/ws?deviceType={device}");
    Crowd::connect(gate.address(), &target, &sa_token("im_user:7"), count)
}

#[test]
fn the_status_says_how_the_gate_is() {
    let backend = CrowdBackend::start();
    let gate = gate_with_sockets(&backend).start();
    let _one = crowd(&gate, "im_web", 3);
    let _other = crowd(&gate, "im_app_ios", 2);
    gate.reload("routes: [");
    gate.wait_for_metric("imgate_config_last_reload_successful", &[], |value| {
        value < 0.5
    });
    let status = ask(&gate, "GET", "/status").json();
    let expected = serde_json::json!({
        "version": env!("CARGO_PKG_VERSION"),
        "ready": true,
        "draining": false,
        "stage": "serving",
        "generation": 1,
        "store": "memory",
        "connections": 5,
        "sessions": 5,
    });
    for (key, expected) in expected.as_object().unwrap() {
        assert_eq!(&status[key], expected, "{key} in {status:#}");
    }
    let groups = serde_json::json!([
        { "route": "ws", "device_type": "im_app_ios", "open": 2 },
        { "route": "ws", "device_type": "im_web", "open": 3 },
    ]);
    assert_eq!(status["sessions_by"], groups);
    assert!(status["uptime_seconds"].as_f64() > Some(0.0), "{status:#}");
    let problem = status["reload_problem"].as_str().expect("a problem");
    assert!(problem.contains("imgate.yaml"), "{problem}");
    assert_eq!(status["caveats"][0]["authenticator"], "im-token");
}

#[test]
fn an_order_to_drain_is_answered_with_what_will_happen() {
    let backend = CrowdBackend::start();
    let mut gate = gate_with_sockets(&backend)
        .shutdown("lame_duck: 0s, drain: 2s, deadline: 1m")
        .start();
    let crowd = crowd(&gate, "im_web", 20);
    let answer = ask(&gate, "POST", "/drain");
    assert_eq!(answer.status(), 202);
    assert_eq!(
        gate.admin("/readyz").status(),
        503,
        "when the answer is there"
    );
    let plan = answer.json();
    for (key, expected) in [
        ("sessions", 20.0),
        ("lame_duck_seconds", 0.0),
        ("drain_seconds", 2.0),
        ("deadline_seconds", 60.0),
    ] {
        assert_eq!(plan[key].as_f64(), Some(expected), "{key} in {plan:#}");
    }
    let within = plan["gone_within_seconds"].as_f64().expect("a number");
    assert!((60.0..=65.0).contains(&within), "{plan:#}");
    for end in crowd.ends(Duration::from_secs(2)) {
        assert_eq!((end.code, end.error), (Some(1001), None));
    }
    assert_eq!(gate.exit_code(), Some(0));
}

#[test]
fn what_follows_an_order_to_drain_does_not_hurry_it() {
    let backend = CrowdBackend::start();
    let mut gate = gate_with_sockets(&backend)
        .shutdown("lame_duck: 0s, drain: 3s, deadline: 1m")
        .start();
    let crowd = crowd(&gate, "im_web", 30);
    let start = Instant::now();
    assert_eq!(ask(&gate, "POST", "/drain").status(), 202);
    // A hook that asks twice, and the SIGTERM that Kubernetes sends when the hook is done.
    assert_eq!(ask(&gate, "POST", "/drain").status(), 202);
    gate.signal(Signal::Term);
    let ends = crowd.ends(Duration::from_secs(3));
    let last = ends.iter().map(|end| end.at).max().unwrap() - start;
    assert!(last.as_millis() > 2000, "the last was told after {last:?}");
    assert_eq!(gate.exit_code(), Some(0));
}

#[test]
fn times_and_the_token_are_those_of_the_last_reload_and_the_place_is_not() {
    let backend = Recorder::ok();
    let mut gate = gate_with_address(&backend).start();
    gate.write("keys/admin", "canary-new-token");
    gate.amend("lame_duck: 0s, drain: 0s", "lame_duck: 7s, drain: 0s");
    gate.reload_and_wait(POLICY);
    assert_eq!(ask(&gate, "GET", "/status").status(), 401, "the old token");
    let with_new = |method: &str, target: &str| {
        let host = gate.admin_address();
        send(
            &gate,
            format!(
                "{method} {target} HTTP/1.1\r\nHost: {host}\r\n\
                 Authorization: Bearer canary-new-token\r\n\r\n"
            ),
        )
    };
    assert_eq!(with_new("GET", "/status").status(), 200);

    let admin = gate.admin_address().to_string();
    let configuration = gate.configuration(POLICY);
    gate.replace_file("imgate.yaml", &configuration.replace(&admin, "127.0.0.1:1"));
    gate.signal(Signal::Hup);
    eventually("the reload is refused", || {
        let problem = gate.status()["reload_problem"].as_str()?.to_owned();
        problem.contains("admin: cannot change").then_some(())
    });
    let plan = with_new("POST", "/drain").json();
    assert_eq!(plan["lame_duck_seconds"].as_f64(), Some(7.0));
}

#[test]
fn the_command_drains_over_either_place_and_waits() {
    let backend = Recorder::ok();
    for builder in [gate_with_file(&backend), gate_with_address(&backend)] {
        let mut gate = builder.shutdown("lame_duck: 1s, drain: 0s").start();
        let start = Instant::now();
        let output = imgate(&gate.path("."), &["drain", "-c", "imgate.yaml", "--wait"]);
        assert_eq!(output.status.code(), Some(0), "{}", printed(&output));
        assert!(start.elapsed().as_millis() >= 1000, "{}", printed(&output));
        // It may not have been waited for yet, but it is about to end.
        assert_eq!(gate.exit_code(), Some(0));
    }
}

#[test]
fn the_command_without_waiting_returns_while_the_gate_drains() {
    let backend = Recorder::ok();
    let mut gate = gate_with_file(&backend)
        .shutdown("lame_duck: 10m, drain: 0s, deadline: 10m")
        .start();
    // Found as `run` finds it.
    let output = imgate(&gate.path("."), &["drain"]);
    assert_eq!(output.status.code(), Some(0), "{}", printed(&output));
    assert!(
        printed(&output).contains("draining 0 sessions"),
        "{}",
        printed(&output)
    );
    assert_eq!(gate.admin("/readyz").status(), 503);
    gate.signal(Signal::Int);
    assert_eq!(gate.exit_code(), Some(0));
}

#[test]
fn the_command_needs_nothing_of_the_file_but_where_to_ask() {
    let backend = Recorder::ok();
    let mut gate = gate_with_file(&backend).start();
    gate.replace_policy("routes: [{ match: {}, upstream: nowhere }]\n");
    let output = imgate(&gate.path("."), &["drain", "--wait"]);
    assert_eq!(output.status.code(), Some(0), "{}", printed(&output));
    assert_eq!(gate.exit_code(), Some(0));
}

#[test]
fn the_command_says_what_is_in_its_way() {
    let backend = Recorder::ok();
    let gate = gate_with_address(&backend).start();
    gate.write("good.yaml", &gate.configuration(POLICY));
    let address = gate.admin_address().to_string();
    let nobody = net::free_address().to_string();
    let with = |from: &str, to: &str| gate.configuration(POLICY).replace(from, to);
    gate.write("nobody.yaml", &with(&address, &nobody));
    gate.write(
        "wrong.yaml",
        &with("file: keys/admin", "value: canary-guess"),
    );
    gate.write("broken.yaml", &with("file: keys/admin", "file: keys/none"));
    gate.write("none.yaml", POLICY);
    gate.write("gone.yaml", "admin: { unix: run/gone.sock }\n");
    for (file, code, expected) in [
        ("nobody.yaml", 1, &*format!("nobody listens on `{nobody}`")),
        ("gone.yaml", 1, "nobody listens on `run/gone.sock`"),
        ("wrong.yaml", 1, "does not take the token"),
        ("broken.yaml", 64, "admin.token.file"),
        ("none.yaml", 64, "has no `admin`"),
        ("missing.yaml", 64, "missing.yaml"),
    ] {
        let output = imgate(&gate.path("."), &["drain", "-c", file]);
        let text = printed(&output);
        assert_eq!(output.status.code(), Some(code), "{file}: {text}");
        assert!(text.contains(expected), "{file}: {text}");
        assert!(!text.contains("canary"), "{file}: {text}");
    }
    assert_eq!(gate.admin("/readyz").status(), 200, "nobody has drained it");
}

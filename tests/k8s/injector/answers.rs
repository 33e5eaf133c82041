//! What the webhook answers, to reviews and to anything else.

use serde_json::json;

use super::webhook::{Webhook, ask, patched, pod};
use crate::support::wait::eventually;

#[test]
fn a_pod_gets_the_gate_and_the_second_time_nothing() {
    let webhook = Webhook::start();
    let response = webhook.review(&pod());
    assert_eq!(response.get("warnings"), None, "{response}");
    let after = patched(&pod(), &response);
    let gate = &after["spec"]["initContainers"][0];
    assert_eq!(gate["name"], "imgate");
    assert_eq!(gate["image"], "ghcr.io/imgate/imgate:0.1.0");
    assert_eq!(gate["restartPolicy"], "Always");

    let again = webhook.review(&after);
    assert_eq!(again["allowed"], true);
    assert_eq!(again.get("patch"), None);
    let requests = "imgate_injector_admission_requests_total";
    assert_eq!(
        webhook.metric(&format!(
            "{requests}{{reason=\"native\",result=\"injected\"}}"
        )),
        1
    );
    assert_eq!(
        webhook.metric(&format!(
            "{requests}{{reason=\"already_injected\",result=\"skipped\"}}"
        )),
        1
    );
    assert_eq!(
        webhook.metric("imgate_injector_admission_duration_seconds_count"),
        2
    );
}

#[test]
fn a_refusal_says_why_to_the_client_and_in_the_log() {
    let webhook = Webhook::start();
    let mut pod = pod();
    pod["metadata"]["annotations"]["imgate.dev/prot"] = "80".into();
    let response = webhook.review(&pod);
    assert_eq!(response["allowed"], false);
    let message = "annotation `imgate.dev/prot`: unknown, did you mean `imgate.dev/port`?";
    assert_eq!(response["status"]["message"], message);
    let logged = eventually("a line in the log", || {
        webhook
            .log()
            .into_iter()
            .find(|line| line["result"] == "denied")
    });
    assert_eq!(logged["message_to_client"], message);
    assert_eq!(
        (&logged["namespace"], &logged["name"]),
        (&json!("chat"), &json!("im-7db5df76d9-"))
    );
    let denied =
        "imgate_injector_admission_requests_total{reason=\"annotation\",result=\"denied\"}";
    assert_eq!(webhook.metric(denied), 1);
}

#[test]
fn what_is_no_review_harms_nobody() {
    let webhook = Webhook::start();
    let mut connection = webhook.connect();
    for (path, body, expected) in [
        ("/inject", "", 400),
        ("/inject", "{", 400),
        ("/inject", "[]", 400),
        (
            "/inject",
            r#"{"apiVersion":"admission.k8s.io/v1beta1","kind":"AdmissionReview"}"#,
            400,
        ),
    ] {
        let (status, _) = connection.post(path, body.as_bytes()).unwrap();
        assert_eq!(status, expected, "{path} {body}");
    }
    connection
        .send(b"GET /inject HTTP/1.1\r\nHost: x\r\n\r\n")
        .unwrap();
    assert_eq!(connection.answer().unwrap().0, 405);
    for path in ["/", "/metrics"] {
        // Whose body is not read is not kept.
        let (status, _) = webhook.connect().post(path, b"{}").unwrap();
        assert_eq!(status, 404, "{path}");
    }
    // The first connection is still good.
    assert_eq!(ask(&mut connection, &pod())["allowed"], true);

    webhook.plain(b"POST /inject HTTP/1.1\r\nHost: x\r\n\r\n");
    webhook.plain(&vec![0; 100_000]);
    let mut nonsense = webhook.connect();
    nonsense.send(b"\0\0\0\0 this is no HTTP\r\n\r\n").unwrap();
    let mut deep = webhook.connect();
    assert_eq!(
        deep.post("/inject", "[".repeat(1 << 20).as_bytes())
            .unwrap()
            .0,
        400
    );
    assert_eq!(webhook.review(&pod())["allowed"], true);
    let errors = "imgate_injector_admission_requests_total{reason=\"malformed\",result=\"error\"}";
    assert_eq!(webhook.metric(errors), 5);
}

#[test]
fn a_large_pod_is_taken_and_a_huge_one_is_not() {
    let webhook = Webhook::start();
    let mut large = pod();
    large["metadata"]["annotations"]["note"] = "x".repeat(3 << 20).into();
    assert_eq!(webhook.review(&large)["allowed"], true);
    let mut connection = webhook.connect();
    connection.begin("/inject", 9 << 20).unwrap();
    // It may be refused while the rest is still on its way, and a reset may overtake the answer.
    let sent = connection.send(&vec![b' '; 9 << 20]);
    if let Ok((status, _)) = sent.and_then(|()| connection.answer()) {
        assert_eq!(status, 413);
    }
    let errors = "imgate_injector_admission_requests_total{reason=\"too_large\",result=\"error\"}";
    assert_eq!(webhook.metric(errors), 1);
}

#[test]
fn whoever_begins_and_does_not_go_on_is_not_waited_for() {
    let webhook = Webhook::start();
    let mut head = webhook.connect();
    head.send(b"POST /inject HTTP/1.1\r\nHost:").unwrap();
    let mut body = webhook.connect();
    body.begin("/inject", 100).unwrap();
    let mut waiting = webhook.connect();
    assert_eq!(body.answer().unwrap().0, 408);
    assert!(head.is_closed());
    // One that has not begun may wait longer than both.
    assert_eq!(ask(&mut waiting, &pod())["allowed"], true);
    let errors = "imgate_injector_admission_requests_total{reason=\"timeout\",result=\"error\"}";
    assert_eq!(webhook.metric(errors), 1);
}

#[test]
fn the_platform_is_told_how_it_goes() {
    let webhook = Webhook::start();
    assert_eq!(webhook.get("/livez"), (200, "ok\n".to_owned()));
    assert_eq!(webhook.get("/nothing").0, 404);
    let (_, text) = webhook.get("/metrics");
    for family in [
        "imgate_injector_admission_requests_total",
        "imgate_injector_admission_duration_seconds",
        "imgate_injector_certificate_expiry_timestamp_seconds",
        "imgate_injector_certificate_last_check_successful",
        "imgate_injector_template_last_reload_successful",
        "imgate_injector_build_info",
        "process_open_fds",
    ] {
        assert!(
            text.contains(&format!("\n# TYPE {family} "))
                || text.starts_with(&format!("# HELP {family} ")),
            "{family} in {text}"
        );
    }
}

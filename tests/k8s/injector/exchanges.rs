//! Certificates and templates that change while the webhook runs, and its end.

use super::https::Authority;
use super::webhook::{Webhook, ask, patched, pod, response, review_of};
use crate::support::process::Signal;
use crate::support::wait::eventually;

#[test]
fn without_a_certificate_it_waits_for_one() {
    let webhook = Webhook::start_without_certificate(&[]);
    let (status, why) = webhook.get("/readyz");
    assert_eq!((status, why.as_str()), (503, "not ready: no certificate\n"));
    assert_eq!(webhook.get("/livez").0, 200);
    webhook.show(&webhook.authority.issue());
    eventually("it is ready", || {
        (webhook.get("/readyz").0 == 200).then_some(())
    });
    assert_eq!(webhook.review(&pod())["allowed"], true);
}

#[test]
fn a_new_certificate_is_shown_and_open_connections_go_on() {
    let webhook = Webhook::start();
    let mut open = webhook.connect();
    let before = open.certificate();
    webhook.show(&webhook.authority.issue());
    eventually("the new certificate is shown", || {
        (webhook.connect().certificate() != before).then_some(())
    });
    assert_eq!(ask(&mut open, &pod())["allowed"], true);

    // Another authority: whoever trusts only the old one is not served any more.
    let other = Authority::new();
    webhook.show(&other.issue());
    eventually("it is shown", || {
        webhook.try_connect().is_err().then_some(())
    });
    assert_eq!(webhook.get("/readyz").0, 200);
}

#[test]
fn a_pair_that_does_not_match_changes_nothing() {
    let webhook = Webhook::start();
    let before = webhook.connect().certificate();
    let (one, two) = (webhook.authority.issue(), webhook.authority.issue());
    webhook
        .certificates
        .swap(&[("tls.crt", &one.certificate), ("tls.key", &two.key)]);
    let check = "imgate_injector_certificate_last_check_successful";
    eventually("it is noticed", || {
        (webhook.metric(check) == 0).then_some(())
    });
    let line = eventually("it is told", || {
        webhook
            .log()
            .into_iter()
            .find(|line| line["message"] == "certificate not used")
    });
    assert_eq!(line["error"], "expected the key of the certificate");
    assert_eq!(webhook.connect().certificate(), before);
    webhook.show(&two);
    eventually("the next pair is good", || {
        (webhook.metric(check) == 1).then_some(())
    });
    assert_ne!(webhook.connect().certificate(), before);
}

#[test]
fn a_new_template_takes_force_and_a_broken_one_does_not() {
    let webhook = Webhook::start();
    let image = || {
        let after = patched(&pod(), &webhook.review(&pod()));
        after["spec"]["initContainers"][0]["image"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    let reloaded = "imgate_injector_template_last_reload_successful";
    webhook.write_template("image: other:2\nconfig: gate\n");
    eventually("the new image", || (image() == "other:2").then_some(()));
    webhook.write_template("image: broken:3\nconfig: gate\nprot: 80\n");
    eventually("it is noticed", || {
        (webhook.metric(reloaded) == 0).then_some(())
    });
    assert_eq!(image(), "other:2");
    let line = eventually("it is told", || {
        webhook
            .log()
            .into_iter()
            .find(|line| line["level"] == "ERROR")
    });
    let error = line["error"].as_str().unwrap();
    assert!(
        error.contains("sidecar.yaml:3: unknown key, did you mean `port`?"),
        "{error}"
    );
    webhook.write_template("image: good:4\nconfig: gate\n");
    eventually("the next one is good", || {
        (image() == "good:4").then_some(())
    });
    assert_eq!(webhook.metric(reloaded), 1);
}

#[test]
fn at_its_end_it_answers_for_a_while() {
    // Longer than any test: only the second signal ends it.
    let mut webhook = Webhook::start_with(&["--lame-duck", "10m"]);
    webhook.signal(Signal::Term);
    eventually("it is not ready any more", || {
        (webhook.get("/readyz") == (503, "not ready: leaving\n".to_owned())).then_some(())
    });
    let response = webhook.review(&pod());
    assert_eq!(
        response["allowed"], true,
        "whoever has not heard of it is answered"
    );
    assert_eq!(webhook.has_ended(), None);
    webhook.signal(Signal::Term);
    assert_eq!(webhook.exit_code(), Some(0));
}

#[test]
fn at_its_end_it_finishes_what_is_under_way() {
    // A body has 4 s, which a busy machine can miss; so it may try again.
    let is_finished = (0..5).any(|_| {
        let mut webhook = Webhook::start_with(&["--lame-duck", "0s"]);
        let mut under_way = webhook.connect();
        let body = review_of(&pod());
        under_way.begin_heard("/inject", body.len()).unwrap();
        webhook.signal(Signal::Term);
        eventually("it listens no more", || {
            webhook.try_connect().is_err().then_some(())
        });
        let answer = under_way.send(&body).and_then(|()| under_way.answer());
        assert_eq!(webhook.exit_code(), Some(0));
        match answer {
            Ok((408, _)) | Err(_) => false,
            Ok((status, body)) => response(status, &body)["allowed"] == true,
        }
    });
    assert!(is_finished);
}

#[test]
fn asked_to_end_at_once_it_does() {
    let mut webhook = Webhook::start_with(&["--lame-duck", "10m"]);
    let _idle = webhook.connect();
    webhook.signal(Signal::Int);
    assert_eq!(webhook.exit_code(), Some(0));
}

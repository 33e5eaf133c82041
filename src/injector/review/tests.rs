use super::super::testing::{apply, pod, situation, template, with};
use super::*;

fn review(object: &Value) -> Value {
    json!({
        "apiVersion": API_VERSION, "kind": KIND,
        "request": {
            "uid": "the-uid", "operation": "CREATE", "namespace": "chat",
            "kind": { "group": "", "version": "v1", "kind": "Pod" }, "object": object,
        },
    })
}

fn response(review: &Value) -> Value {
    let template = template();
    let answer = answer(review.to_string().as_bytes(), situation(&template)).unwrap();
    let body: Value = serde_json::from_slice(&answer.body).unwrap();
    assert_eq!(
        (&body["apiVersion"], &body["kind"]),
        (&json!(API_VERSION), &json!(KIND))
    );
    assert_eq!(body["response"]["uid"], "the-uid");
    body["response"].clone()
}

#[test]
fn a_pod_gets_a_patch() {
    let mut pod = pod();
    pod["metadata"]["annotations"]
        .as_object_mut()
        .unwrap()
        .clear();
    let response = response(&review(&pod));
    assert_eq!(response["allowed"], true);
    assert_eq!(response["patchType"], "JSONPatch");
    assert!(
        response["warnings"][0]
            .as_str()
            .unwrap()
            .contains("upstream-port")
    );
    let patch = STANDARD
        .decode(response["patch"].as_str().unwrap())
        .unwrap();
    let operations: json_patch::Patch = serde_json::from_slice(&patch).unwrap();
    let mut after = pod;
    json_patch::patch(&mut after, &operations).unwrap();
    assert_eq!(after["spec"]["initContainers"][0]["name"], "imgate");
}

#[test]
fn a_refusal_says_why() {
    let response = response(&review(&with(pod(), "/spec/hostNetwork", true.into())));
    assert_eq!(response["allowed"], false);
    assert_eq!(response["status"]["code"], 403);
    assert!(
        response["status"]["message"]
            .as_str()
            .unwrap()
            .starts_with("spec.hostNetwork")
    );
    assert_eq!(response.get("patch"), None);
}

#[test]
fn what_is_none_of_our_business_is_allowed_without_a_word() {
    let template = template();
    let situation = situation(&template);
    let done = super::super::testing::injection(&pod(), situation);
    let injected = apply(&pod(), &done.patch);
    for (case, review) in [
        ("injected", review(&injected)),
        (
            "an update",
            with(review(&pod()), "/request/operation", "UPDATE".into()),
        ),
        (
            "an eviction",
            with(review(&pod()), "/request/subResource", "eviction".into()),
        ),
        (
            "a service",
            with(review(&pod()), "/request/kind/kind", "Service".into()),
        ),
        (
            "somebody's pod",
            with(review(&pod()), "/request/kind/group", "example.com".into()),
        ),
    ] {
        let response = response(&review);
        assert_eq!(
            response,
            json!({ "uid": "the-uid", "allowed": true }),
            "{case}"
        );
    }
}

#[test]
fn what_is_no_question_is_none() {
    let template = template();
    let good = review(&pod());
    for (body, expected) in [
        (String::new(), Unreadable::NotJson),
        ("{".to_owned(), Unreadable::NotJson),
        ("[".repeat(200_000), Unreadable::NotJson),
        ("[]".to_owned(), Unreadable::NotAReview),
        ("null".to_owned(), Unreadable::NotAReview),
        (
            with(
                good.clone(),
                "/apiVersion",
                "admission.k8s.io/v1beta1".into(),
            )
            .to_string(),
            Unreadable::NotAReview,
        ),
        (
            with(good.clone(), "/kind", "Pod".into()).to_string(),
            Unreadable::NotAReview,
        ),
        (
            with(good.clone(), "/request", Value::Null).to_string(),
            Unreadable::NotAReview,
        ),
        (
            with(good.clone(), "/request/uid", 7.into()).to_string(),
            Unreadable::NotAReview,
        ),
    ] {
        let found = answer(body.as_bytes(), situation(&template)).unwrap_err();
        assert_eq!(
            found,
            expected,
            "{}",
            body.chars().take(40).collect::<String>()
        );
    }
    // Readable, so it gets an answer, though its pod is none.
    let response = response(&with(good, "/request/object", Value::Null));
    assert_eq!(response["allowed"], false);
}

//! The question of the API server, and the answer: `AdmissionReview` of `admission.k8s.io/v1`.
//!
//! A question that can be read gets an answer with its `uid`, whatever becomes of the pod; anything
//! else is an error of HTTP, and the webhook's `failurePolicy` says what follows.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::{Outcome, Refusal, Situation, Skip, inject, object};

/// What can be asked.
const API_VERSION: &str = "admission.k8s.io/v1";
const KIND: &str = "AdmissionReview";

/// An answer, and what it is about.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) body: Vec<u8>,
    pub(super) outcome: Outcome,
    pub(super) namespace: String,
    /// Mostly the beginning of one; the API server makes the rest up later.
    pub(super) name: String,
    pub(super) is_dry_run: bool,
}

/// A body that is no question.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Unreadable {
    #[error("expected an AdmissionReview of admission.k8s.io/v1 with a request and its uid")]
    NotAReview,
    #[error("expected JSON")]
    NotJson,
}

/// Answers one question.
pub(super) fn answer(body: &[u8], situation: Situation<'_>) -> Result<Answer, Unreadable> {
    let review: Value = serde_json::from_slice(body).map_err(|_| Unreadable::NotJson)?;
    let text = |value: &Value, pointer: &str| value.pointer(pointer)?.as_str().map(str::to_owned);
    let is_ours = text(&review, "/apiVersion").as_deref() == Some(API_VERSION)
        && text(&review, "/kind").as_deref() == Some(KIND);
    let request = review.get("request").filter(|_| is_ours);
    let (request, uid) = request
        .and_then(|request| Some((request, text(request, "/uid")?)))
        .ok_or(Unreadable::NotAReview)?;
    let outcome = judge(request, situation);
    let name = text(request, "/name")
        .filter(|name| !name.is_empty())
        .or_else(|| text(request, "/object/metadata/generateName"));
    Ok(Answer {
        body: response(&uid, &outcome).to_string().into_bytes(),
        outcome,
        namespace: text(request, "/namespace").unwrap_or_default(),
        name: name.unwrap_or_default(),
        is_dry_run: request.get("dryRun") == Some(&Value::Bool(true)),
    })
}

fn judge(request: &Value, situation: Situation<'_>) -> Outcome {
    let is = |pointer: &str, expected: &str| {
        let found = request.pointer(pointer).and_then(Value::as_str);
        found.unwrap_or_default() == expected
    };
    if !is("/kind/group", "") || !is("/kind/kind", "Pod") || !is("/subResource", "") {
        return Outcome::Skipped(Skip::NotAPod);
    }
    if !is("/operation", "CREATE") {
        return Outcome::Skipped(Skip::NotACreation);
    }
    inject(request.get("object").unwrap_or(&Value::Null), situation)
}

fn response(uid: &str, outcome: &Outcome) -> Value {
    let mut status = None;
    let (mut patch_type, mut patch, mut warnings) = (None, None, None);
    match outcome {
        Outcome::Denied(Refusal { message, .. }) => {
            status = Some(json!({ "code": 403, "reason": "Forbidden", "message": message }));
        }
        Outcome::Injected(injection) => {
            patch_type = Some("JSONPatch".into());
            patch = Some(STANDARD.encode(json!(injection.patch).to_string()).into());
            // Only here: the API server asks again, and would print them again.
            warnings = (!injection.warnings.is_empty()).then(|| json!(injection.warnings));
        }
        Outcome::Skipped(_) => {}
    }
    let response = object([
        ("uid", Some(uid.into())),
        ("allowed", Some(status.is_none().into())),
        ("status", status),
        ("patchType", patch_type),
        ("patch", patch),
        ("warnings", warnings),
    ]);
    json!({ "apiVersion": API_VERSION, "kind": KIND, "response": response })
}

#[cfg(test)]
mod tests {
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
}

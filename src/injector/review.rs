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
mod tests;

//! What a refusal says in each format. The status is the real one in all of them.

use serde_json::{Value, json};

use crate::config::document::ErrorFormat;
use crate::proxy::answer::{Answer, easemob, imkit, phrase};

/// The media type of a format's bodies.
pub(super) const fn content_type(format: ErrorFormat) -> &'static str {
    match format {
        ErrorFormat::Easemob | ErrorFormat::Imkit | ErrorFormat::Json | ErrorFormat::Ruoyi => {
            "application/json"
        }
        ErrorFormat::Problem => "application/problem+json",
        ErrorFormat::Text => "text/plain; charset=utf-8",
    }
}

pub(super) fn body(answer: &Answer<'_>) -> String {
    match answer.format {
        ErrorFormat::Easemob => easemob::body(answer),
        ErrorFormat::Imkit => imkit::body(answer),
        ErrorFormat::Json => json!({
            "error": answer.reason,
            "message": answer.message,
            "request_id": answer.request_id,
        })
        .to_string(),
        ErrorFormat::Problem => problem(answer),
        // In the order in which RuoYi writes it.
        ErrorFormat::Ruoyi => format!(
            r#"{{"code":{},"msg":{},"data":null}}"#,
            answer.status,
            text(answer.message),
        ),
        ErrorFormat::Text => format!("{}: {}\n", answer.reason, answer.message),
    }
}

/// RFC 9457. What the problem is has no page of its own, so the type is that of the status, whose
/// title is the status's phrase (§4.2.1); the reason is an extension (§3.2).
fn problem(answer: &Answer<'_>) -> String {
    format!(
        r#"{{"type":"about:blank","title":{},"status":{},"detail":{},"reason":{},"request_id":{}}}"#,
        text(phrase(answer.status)),
        answer.status,
        text(answer.message),
        text(answer.reason),
        text(answer.request_id),
    )
}

/// A JSON string.
pub(super) fn text(text: &str) -> Value {
    Value::from(text)
}

//! Refusals as the platform interface of IMKIT words them.
//!
//! `error` and `message` are those of its pages on client keys, API keys and tokens, wherever
//! these know the case; what its SDKs look at is the status. Which of the three is to blame is
//! told by the authenticator that has to be satisfied.

use std::fmt::Write as _;

use crate::proxy::answer::bodies::text;
use crate::proxy::answer::{Answer, Blamed, phrase};

pub(super) fn body(answer: &Answer<'_>) -> String {
    let phrase;
    let (error, message) = match (answer.status, answer.reason, answer.blamed) {
        (400, ..) => ("INVALID_REQUEST", answer.message),
        (401, "no_credential", Some(Blamed::ApiKey)) => {
            ("MISSING_API_KEY", "IM-API-KEY header is required")
        }
        (401, _, Some(Blamed::ApiKey)) => (
            "INVALID_API_KEY",
            "The provided API key is invalid or expired",
        ),
        (401, "no_credential", Some(Blamed::ClientKey)) => (
            "MISSING_CLIENT_KEY",
            "Client key is required for SDK initialization",
        ),
        (401, _, Some(Blamed::ClientKey)) => (
            "INVALID_CLIENT_KEY",
            "The provided client key is invalid or expired",
        ),
        (401, "no_credential", Some(Blamed::Token) | None) => {
            ("UNAUTHORIZED", "IM-Authorization header is required")
        }
        (401, _, Some(Blamed::Token) | None) => ("INVALID_TOKEN", "Invalid or expired token"),
        (403, "wrong_app", Some(Blamed::ClientKey)) => (
            "CLIENT_KEY_MISMATCH",
            "Client key does not match the specified domain",
        ),
        (403, "wrong_app", _) => (
            "INSUFFICIENT_PERMISSIONS",
            "API key does not have permission for this operation",
        ),
        (403, "wrong_principal", _) => (
            "INSUFFICIENT_PERMISSIONS",
            "Client key does not have permission for this operation",
        ),
        (403, ..) => ("INSUFFICIENT_PERMISSIONS", answer.message),
        (429, ..) => (
            "RATE_LIMIT_EXCEEDED",
            "Too many requests, please try again later",
        ),
        (status, ..) => {
            phrase = self::phrase(status).to_ascii_uppercase().replace(' ', "_");
            (phrase.as_str(), answer.message)
        }
    };
    let mut body = format!(r#"{{"error":{},"message":{}"#, text(error), text(message));
    if let (429, Some(seconds)) = (answer.status, answer.retry_after()) {
        // Writing to a `String` cannot fail.
        let _ = write!(body, r#","retryAfter":{seconds}"#);
    }
    body.push('}');
    body
}

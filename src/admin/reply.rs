//! What the desk answers: always JSON, always the last word on its connection.

use std::fmt::Write as _;

use http::StatusCode;
use serde_json::{Value, json};

use crate::admin::Trespass;

/// A status and a JSON document.
#[derive(Clone, Debug, PartialEq)]
pub struct Reply {
    pub status: StatusCode,
    pub json: Value,
    /// A header line without its CRLF that belongs to the status.
    header: Option<String>,
    /// It answers a `HEAD`, so the document stays here.
    head_only: bool,
    /// It was refused by a protection.
    pub(super) trespass: Option<Trespass>,
}

impl Reply {
    pub fn new(status: StatusCode, json: Value) -> Self {
        Self {
            status,
            json,
            header: None,
            head_only: false,
            trespass: None,
        }
    }

    /// A refusal: a word for programs and a sentence for people, with nothing that was sent.
    pub fn refused(status: StatusCode, reason: &str, message: impl Into<String>) -> Self {
        let message: String = message.into();
        Self::new(status, json!({ "error": reason, "message": message }))
    }

    /// A request that cannot be understood.
    pub fn syntax(message: impl Into<String>) -> Self {
        Self::refused(StatusCode::BAD_REQUEST, "syntax", message)
    }

    pub(super) fn with_header(self, header: String) -> Self {
        Self {
            header: Some(header),
            ..self
        }
    }

    /// The answer to a request of this method.
    pub(super) fn to(self, method: &str) -> Self {
        Self {
            head_only: method == "HEAD",
            ..self
        }
    }

    /// The whole message.
    pub(super) fn bytes(&self) -> Vec<u8> {
        let body = format!("{}\n", self.json);
        let mut text = String::with_capacity(256 + body.len());
        // Writing to a `String` cannot fail.
        let _ = write!(
            text,
            "HTTP/1.1 {} {}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\
             Cache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\nConnection: close\r\n",
            self.status.as_str(),
            self.status.canonical_reason().unwrap_or_default(),
            body.len(),
        );
        if let Some(header) = &self.header {
            text.extend([header, "\r\n"]);
        }
        text.push_str("\r\n");
        if !self.head_only {
            text.push_str(&body);
        }
        text.into_bytes()
    }
}

impl From<Trespass> for Reply {
    fn from(trespass: Trespass) -> Self {
        let status = match trespass {
            Trespass::ForeignHost | Trespass::Origin => StatusCode::FORBIDDEN,
            Trespass::NoToken | Trespass::WrongToken => StatusCode::UNAUTHORIZED,
        };
        let mut reply = Self::refused(status, trespass.as_str(), trespass.message());
        if status == StatusCode::UNAUTHORIZED {
            reply = reply.with_header("WWW-Authenticate: Bearer realm=\"imgate admin\"".to_owned());
        }
        Self {
            trespass: Some(trespass),
            ..reply
        }
    }
}

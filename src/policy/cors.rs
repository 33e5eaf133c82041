//! Cross-origin rules: which web pages may talk to the gate.

use std::fmt::Write as _;

use crate::config::document;

/// Compiled `cors` rules, with the header values that never change made once.
#[derive(Debug)]
pub struct Cors {
    origins: Vec<String>,
    /// The value of `Access-Control-Allow-Headers`.
    pub allow_headers: String,
    /// The value of `Access-Control-Max-Age`, in seconds.
    pub max_age: String,
}

impl Cors {
    pub fn new(document: document::Cors) -> Self {
        let mut max_age = String::new();
        // Writing to a `String` cannot fail.
        let _ = write!(max_age, "{}", document.max_age.as_secs());
        Self {
            origins: document.origins,
            allow_headers: document.headers.join(", "),
            max_age,
        }
    }

    /// Whether a page of this origin may read our answers. Compared whole, case-insensitively.
    pub fn allows(&self, origin: &[u8]) -> bool {
        self.origins
            .iter()
            .any(|known| known.as_bytes().eq_ignore_ascii_case(origin))
    }
}

//! Questions to other servers over HTTP: the words for them, and the trait of whoever asks.
//!
//! A scheme fills a [`Question`] and reads a [`Reply`]; what came instead of one is an
//! [`HttpError`], and never a rejection. Nothing here shows a URL, a header or a body in `Debug`:
//! each of them may hold a credential.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use http::{HeaderName, HeaderValue, Method, Uri};
use rustls::RootCertStore;

use crate::scheme::fingerprint::Fingerprint;
use crate::secret::Digest;

#[cfg(test)]
pub(crate) mod testing;
mod url;

pub(super) use url::ENCODED as FORM_ENCODED;
pub use url::{UrlProblem, UrlTemplate};

/// Asks over HTTP. An implementation answers within the time limit of its rules, follows no
/// redirect, obeys no proxy of the environment and reads no longer body than it may.
#[async_trait]
pub trait HttpClient: fmt::Debug + Send + Sync {
    async fn ask(&self, question: Question) -> Result<Reply, HttpError>;

    /// What came of the questions so far; `None` where nobody counts.
    fn traffic(&self) -> Option<&Traffic> {
        None
    }
}

/// What whoever asks has to keep to.
#[derive(Clone, Debug)]
pub struct HttpRules {
    /// For a whole exchange: waiting for a turn, connecting, and the last byte of the answer.
    pub timeout: Duration,
    /// Bytes of an answer's body. A longer one is no answer.
    pub max_body: usize,
    /// Questions under way at once; others wait for their turn.
    pub in_flight: usize,
    /// Who must have certified the server; `None`: whom the system trusts.
    pub authorities: Option<Authorities>,
}

/// Certificate authorities of the configuration's own.
#[derive(Clone)]
pub struct Authorities {
    pub roots: Arc<RootCertStore>,
    /// Of all their certificates.
    pub digest: Digest,
}

impl HttpRules {
    /// Adds what an answer may depend on.
    pub(super) fn print(&self, print: Fingerprint) -> Fingerprint {
        let Self {
            timeout,
            max_body,
            in_flight,
            authorities,
        } = self;
        print
            .duration(*timeout)
            .bytes(&max_body.to_be_bytes())
            .bytes(&in_flight.to_be_bytes())
            .option(authorities.as_ref(), |print, one| print.digest(&one.digest))
    }
}

impl fmt::Debug for Authorities {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Authorities")
            .field("digest", &self.digest)
            .finish_non_exhaustive()
    }
}

/// One request. `Host`, `Content-Length` and `User-Agent` come of themselves.
#[derive(Clone)]
pub struct Question {
    pub method: Method,
    /// Absolute; see [`UrlTemplate`].
    pub url: Uri,
    pub headers: Vec<(HeaderName, HeaderValue)>,
    pub body: Vec<u8>,
}

impl Question {
    /// A plain `GET`.
    pub fn get(url: Uri) -> Self {
        Self {
            method: Method::GET,
            url,
            headers: Vec::new(),
            body: Vec::new(),
        }
    }
}

/// Shows nothing that could be a credential.
impl fmt::Debug for Question {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Question")
            .field("method", &self.method)
            .finish_non_exhaustive()
    }
}

/// An answer, whatever its status.
#[derive(Clone, PartialEq, Eq)]
pub struct Reply {
    pub status: u16,
    pub content_type: Option<String>,
    pub body: Vec<u8>,
}

impl Reply {
    /// Whether the body says of itself that it is JSON (RFC 6839 §3.1 included).
    pub fn is_json(&self) -> bool {
        let media_type = self.content_type.as_deref().unwrap_or_default();
        let media_type = media_type.split(';').next().unwrap_or_default().trim();
        let media_type = media_type.to_ascii_lowercase();
        media_type == "application/json"
            || (media_type.starts_with("application/") && media_type.ends_with("+json"))
    }
}

impl fmt::Debug for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reply")
            .field("status", &self.status)
            .finish_non_exhaustive()
    }
}

/// Why there is no answer. It holds nothing that the other side wrote.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HttpError {
    /// Nobody asked: the last attempts have failed.
    #[error("the server has failed several times in a row and is left alone for a moment")]
    LeftAlone,
    #[error("the server gave an answer that was not understood")]
    Garbled,
    #[error("no secure connection to the server can be made")]
    Insecure,
    #[error("the server did not answer in time")]
    Timeout,
    #[error("the server's answer is too long")]
    TooLong,
    #[error("the server cannot be reached: {kind}")]
    Unreachable { kind: io::ErrorKind },
}

/// What can come of a question, as metrics name it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// An answer with a status below 400.
    Answered,
    /// Any other.
    Refused,
    Garbled,
    Insecure,
    LeftAlone,
    Timeout,
    TooLong,
    Unreachable,
}

impl Fate {
    pub const ALL: [Self; 8] = [
        Self::Answered,
        Self::Refused,
        Self::Garbled,
        Self::Insecure,
        Self::LeftAlone,
        Self::Timeout,
        Self::TooLong,
        Self::Unreachable,
    ];

    /// The word for metric labels.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Answered => "answered",
            Self::Refused => "refused",
            Self::Garbled => "garbled",
            Self::Insecure => "insecure",
            Self::LeftAlone => "left_alone",
            Self::Timeout => "timeout",
            Self::TooLong => "too_long",
            Self::Unreachable => "unreachable",
        }
    }

    pub fn of(outcome: &Result<Reply, HttpError>) -> Self {
        match outcome {
            Ok(reply) if reply.status < 400 => Self::Answered,
            Ok(_) => Self::Refused,
            Err(HttpError::Garbled) => Self::Garbled,
            Err(HttpError::Insecure) => Self::Insecure,
            Err(HttpError::LeftAlone) => Self::LeftAlone,
            Err(HttpError::Timeout) => Self::Timeout,
            Err(HttpError::TooLong) => Self::TooLong,
            Err(HttpError::Unreachable { .. }) => Self::Unreachable,
        }
    }
}

/// Counts questions by what came of them.
#[derive(Debug, Default)]
pub struct Traffic {
    counts: [AtomicU64; Fate::ALL.len()],
    open: AtomicU64,
}

/// A question without an answer; it counts as long as it lives.
#[derive(Debug)]
pub struct Open<'a>(&'a AtomicU64);

impl Drop for Open<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Traffic {
    pub fn count(&self, fate: Fate) {
        let position = Fate::ALL.iter().position(|one| *one == fate);
        if let Some(count) = position.and_then(|position| self.counts.get(position)) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Counts a question as long as this lives.
    pub fn begin(&self) -> Open<'_> {
        self.open.fetch_add(1, Ordering::Relaxed);
        Open(&self.open)
    }

    /// How many questions are under way or wait for their turn.
    pub fn open(&self) -> u64 {
        self.open.load(Ordering::Relaxed)
    }

    /// How many questions met each fate.
    pub fn totals(&self) -> impl Iterator<Item = (Fate, u64)> {
        let totals = self.counts.iter().map(|one| one.load(Ordering::Relaxed));
        Fate::ALL.into_iter().zip(totals)
    }
}

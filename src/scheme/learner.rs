//! Learning tokens from the answers by which a backend gives them out.

use std::fmt;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;

use crate::clock::UnixTime;
use crate::credential::Credential;
use crate::scheme::learned::Learned;

/// A scheme whose tokens are learned.
pub trait Learner: Send + Sync {
    /// The name of the route whose answers give tokens out; `None` if none does.
    fn route(&self) -> Option<&Arc<str>>;

    /// Whether the backend needs to see this scheme's tokens there before the gate can judge them.
    fn passes_unverified(&self) -> bool {
        false
    }

    /// Whether the path of an answer's request has to name the app.
    fn needs_app(&self) -> bool {
        false
    }

    /// What is known, for the next verifier that learns in the same way.
    fn memory(&self) -> Option<Arc<Learned>>;

    /// Learns from a whole answer with status 200; `None` if there was nothing for it.
    fn learn(&self, lesson: &Lesson<'_>) -> Result<Option<Told>, Lost>;

    /// Hears that somebody behind the gate has refused a token that was known; `None` if it is not
    /// forgotten for that.
    fn doubt(&self, credential: &Credential<'_>, now: UnixTime) -> Option<Told>;
}

/// Ready when others know as well, or when it is no use to wait any longer.
pub type Told = Pin<Box<dyn Future<Output = ()> + Send>>;

/// An answer, and what else is known of it.
#[derive(Clone, Copy)]
pub struct Lesson<'l> {
    /// Whole. It holds a credential.
    pub body: &'l [u8],
    /// The app that the request's path names.
    pub app: Option<&'l str>,
    /// Who gets the token.
    pub client: IpAddr,
    /// When the request was made. Lifetimes count from it, so that none is too long.
    pub at: UnixTime,
}

/// Shows no credential.
impl fmt::Debug for Lesson<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lesson")
            .field("at", &self.at)
            .finish_non_exhaustive()
    }
}

/// Why an answer teaches nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Lost {
    /// The user is banned.
    Banned,
    /// The token is another than the answer says.
    Contradictory,
    /// It is no answer that gives a token out.
    Unlike,
}

impl Lost {
    /// The word for logs and metric labels.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Banned => "banned",
            Self::Contradictory => "contradictory",
            Self::Unlike => "unlike",
        }
    }
}

//! What a client presents, before anybody believes it.

use std::fmt;

use smallvec::SmallVec;

use crate::secret::Digest;

/// The raw bytes of one credential: one part, or several that are judged together.
///
/// It borrows from the request buffer, the only place where raw credentials live.
#[derive(Clone, PartialEq, Eq)]
pub struct Credential<'r> {
    parts: SmallVec<[&'r [u8]; 2]>,
    /// What else the request says that may help to ask about it.
    pub about: About<'r>,
}

/// Whom a request is about. A claim: nothing is proven by it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct About<'r> {
    /// The app in its path.
    pub app: Option<&'r str>,
    /// The user in its path.
    pub user: Option<&'r str>,
}

impl<'r> Credential<'r> {
    pub fn single(part: &'r [u8]) -> Self {
        Self {
            parts: SmallVec::from_slice(&[part]),
            about: About::default(),
        }
    }

    #[must_use]
    pub fn with(self, about: About<'r>) -> Self {
        Self { about, ..self }
    }

    /// The first part; schemes with a single part read only this.
    pub fn bytes(&self) -> &'r [u8] {
        self.parts.first().copied().unwrap_or_default()
    }

    /// The key under which a verdict on this credential is kept: the authenticator's compiled
    /// fingerprint and every part, each with its length.
    pub fn digest(&self, fingerprint: &Digest) -> Digest {
        Digest::of_parts(
            std::iter::once(fingerprint.as_bytes().as_slice()).chain(self.parts.iter().copied()),
        )
    }

    /// The same for a question whose answer depends on what the request is about as well.
    pub fn question_digest(&self, fingerprint: &Digest) -> Digest {
        let About { app, user } = self.about;
        let [app, user] = [app, user].map(|part| match part {
            // Absent is not empty.
            None => Digest::of(b"-"),
            Some(part) => Digest::of_parts([b"+".as_slice(), part.as_bytes()]),
        });
        let own = self.digest(fingerprint);
        Digest::of_parts([&own, &app, &user].map(|digest| digest.as_bytes().as_slice()))
    }
}

impl fmt::Debug for Credential<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Credential([redacted])")
    }
}

/// A place in a request where a credential, or a claim about one, can be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Carrier {
    /// A cookie of exactly this name. Browsers send it unasked, whichever page makes the request, so it
    /// counts only in requests from pages of these origins.
    Cookie { name: String, origins: Vec<String> },
    /// A header. The name is as written, compared in any case; `prefix` is a word such as `Bearer` that may stand
    /// before the value, in any case.
    Header {
        name: String,
        prefix: Option<String>,
    },
    /// A query parameter, compared after percent-decoding its name.
    Query { name: String },
    /// An entry of `Sec-WebSocket-Protocol` that begins with `prefix`; the rest is the unpadded
    /// base64url of the value.
    Subprotocol { prefix: String },
}

impl Carrier {
    /// The name of the cookie, if it is one.
    pub fn cookie_name(&self) -> Option<&str> {
        match self {
            Self::Cookie { name, .. } => Some(name),
            Self::Header { .. } | Self::Query { .. } | Self::Subprotocol { .. } => None,
        }
    }

    /// The name of the header, if it is one.
    pub fn header_name(&self) -> Option<&str> {
        match self {
            Self::Header { name, .. } => Some(name),
            Self::Cookie { .. } | Self::Query { .. } | Self::Subprotocol { .. } => None,
        }
    }

    /// The name of the query parameter, if it is one.
    pub fn query_name(&self) -> Option<&str> {
        match self {
            Self::Query { name } => Some(name),
            Self::Cookie { .. } | Self::Header { .. } | Self::Subprotocol { .. } => None,
        }
    }

    /// Whether a verified credential leaves this place: it goes upstream in another, or not at all.
    pub const fn is_for_the_gate_alone(&self) -> bool {
        matches!(self, Self::Cookie { .. } | Self::Subprotocol { .. })
    }

    /// Whether what stands here counts in a request from a page of this origin. Compared whole, in
    /// any case.
    pub fn counts_from(&self, origin: Option<&[u8]>) -> bool {
        match self {
            Self::Cookie { origins, .. } => origin.is_some_and(|origin| {
                let mut listed = origins.iter();
                listed.any(|listed| listed.as_bytes().eq_ignore_ascii_case(origin))
            }),
            Self::Header { .. } | Self::Query { .. } | Self::Subprotocol { .. } => true,
        }
    }

    /// Whether both are the same place.
    pub fn is_same_place(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Header { name: one, .. }, Self::Header { name: two, .. }) => {
                one.eq_ignore_ascii_case(two)
            }
            (Self::Cookie { name: one, .. }, Self::Cookie { name: two, .. })
            | (Self::Query { name: one }, Self::Query { name: two })
            | (Self::Subprotocol { prefix: one }, Self::Subprotocol { prefix: two }) => one == two,
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_shows_nothing() {
        assert!(!format!("{:?}", Credential::single(b"s3cret")).contains("s3cret"));
    }

    #[test]
    fn questions_that_differ_in_anything_are_two() {
        let about = |app, user| {
            Credential::single(b"token")
                .with(About { app, user })
                .question_digest(&Digest::of(b"one"))
        };
        let all = [
            about(None, None),
            about(Some(""), None),
            about(Some("a"), None),
            about(None, Some("a")),
            about(Some("a"), Some("a")),
        ];
        for (position, one) in all.iter().enumerate() {
            assert!(!all[..position].contains(one), "{position}");
        }
    }

    #[test]
    fn two_authenticators_never_share_a_verdict() {
        let credential = Credential::single(b"token");
        assert_ne!(
            credential.digest(&Digest::of(b"one")),
            credential.digest(&Digest::of(b"two"))
        );
    }
}

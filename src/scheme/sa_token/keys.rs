//! The secrets of one authenticator: the present one, and older ones until their end.

use std::fmt;

use aws_lc_rs::hmac;

use crate::clock::UnixTime;
use crate::scheme::compact::Compact;
use crate::scheme::sa_token::Previous;
use crate::scheme::{KeyProblem, Rejection, WhichKey, latest_end};
use crate::secret::{Digest, Secret};

/// The only algorithm that Sa-Token signs with.
pub(super) const ALGORITHM: &str = "HS256";

#[derive(Debug)]
pub(super) struct Secrets {
    /// The present one first.
    keys: Vec<HmacKey>,
}

/// An HMAC key that has been prepared once.
pub(super) struct HmacKey {
    pub(super) not_after: Option<UnixTime>,
    pub(super) digest: Digest,
    key: hmac::Key,
}

impl Secrets {
    pub(super) fn new(secret: &Secret, previous: &[Previous]) -> Result<Self, KeyProblem> {
        let present = HmacKey::new(secret, None, WhichKey::Secret);
        let older = previous.iter().enumerate().map(|(index, old)| {
            HmacKey::new(
                &old.secret,
                Some(old.not_after),
                WhichKey::Previous { index },
            )
        });
        let keys = std::iter::once(present)
            .chain(older)
            .collect::<Result<_, _>>()?;
        Ok(Self { keys })
    }

    /// The end of a key that verified something earlier, if it is still here and in date.
    pub(super) fn uphold(
        &self,
        digest: &Digest,
        now: UnixTime,
    ) -> Result<Option<UnixTime>, Rejection> {
        let same = self.keys.iter().filter(|key| key.digest == *digest);
        latest_end(same.map(|key| key.not_after), now)
    }

    /// The key that signed the token.
    pub(super) fn verify(&self, token: &Compact<'_>, now: UnixTime) -> Result<&HmacKey, Rejection> {
        if token.header.alg != ALGORITHM {
            return Err(Rejection::WrongAlgorithm);
        }
        self.keys
            .iter()
            .filter(|key| key.not_after.is_none_or(|end| now < end))
            .find(|key| hmac::verify(&key.key, token.signing_input, &token.signature).is_ok())
            .ok_or(Rejection::BadSignature)
    }
}

impl HmacKey {
    fn new(
        secret: &Secret,
        not_after: Option<UnixTime>,
        which: WhichKey,
    ) -> Result<Self, KeyProblem> {
        if secret.is_empty() {
            return Err(KeyProblem {
                which,
                expected: "expected a secret that is not empty",
            });
        }
        let digest =
            Digest::of_parts([ALGORITHM.as_bytes(), Digest::of(secret.expose()).as_bytes()]);
        Ok(Self {
            not_after,
            digest,
            key: hmac::Key::new(hmac::HMAC_SHA256, secret.expose()),
        })
    }
}

impl fmt::Debug for HmacKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HmacKey")
            .field("not_after", &self.not_after)
            .finish_non_exhaustive()
    }
}

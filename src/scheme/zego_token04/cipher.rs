//! The server secrets, and what they open.

use std::fmt;

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::cipher::{AES_256, DecryptingKey, DecryptionContext, UnboundCipherKey};
use aws_lc_rs::iv::FixedLength;
use subtle::{Choice, ConstantTimeEq as _, ConstantTimeLess as _};
use zeroize::Zeroizing;

use crate::clock::UnixTime;
use crate::scheme::zego_token04::Previous;
use crate::scheme::zego_token04::envelope::{BLOCK, Envelope, Mode, NONCE};
use crate::scheme::{KeyProblem, Rejection, SchemeName, WhichKey, latest_end};
use crate::secret::{Digest, Secret};

/// Every generator insists on it.
pub const SECRET_BYTES: usize = 32;

/// The present secret first.
#[derive(Debug)]
pub(super) struct Secrets(Vec<SecretKey>);

/// A secret that has been prepared once, for both modes.
pub(crate) struct SecretKey {
    pub(super) not_after: Option<UnixTime>,
    pub(super) digest: Digest,
    gcm: LessSafeKey,
    cbc: DecryptingKey,
}

/// What was in a token.
pub(crate) struct Opened {
    pub(crate) text: Zeroizing<Vec<u8>>,
    /// Whether that is all of it: the padding was good. Where the mode authenticates, it is.
    pub(crate) is_whole: bool,
}

impl Secrets {
    pub(super) fn new(
        app_id: u32,
        secret: &Secret,
        previous: &[Previous],
    ) -> Result<Self, KeyProblem> {
        let unfit = |which| {
            let expected = "expected a server secret of 32 characters, as the console shows it";
            move || KeyProblem { which, expected }
        };
        let present = SecretKey::new(app_id, secret, None).ok_or_else(unfit(WhichKey::Secret));
        let older = previous.iter().enumerate().map(|(index, old)| {
            SecretKey::new(app_id, &old.server_secret, Some(old.not_after))
                .ok_or_else(unfit(WhichKey::Previous { index }))
        });
        Ok(Self(
            std::iter::once(present)
                .chain(older)
                .collect::<Result<_, _>>()?,
        ))
    }

    pub(super) fn in_date(&self, now: UnixTime) -> impl Iterator<Item = &SecretKey> {
        let is_in_date = move |key: &&SecretKey| key.not_after.is_none_or(|end| now < end);
        self.0.iter().filter(is_in_date)
    }

    /// The end of a secret that verified something earlier, if it is still here and in date.
    pub(super) fn uphold(
        &self,
        digest: &Digest,
        now: UnixTime,
    ) -> Result<Option<UnixTime>, Rejection> {
        let same = self.0.iter().filter(|key| key.digest == *digest);
        latest_end(same.map(|key| key.not_after), now)
    }
}

impl SecretKey {
    /// `None` if the secret is not of [`SECRET_BYTES`].
    pub(crate) fn new(app_id: u32, secret: &Secret, not_after: Option<UnixTime>) -> Option<Self> {
        let bytes = secret.expose();
        let digest = Digest::of_parts([
            SchemeName::ZegoToken04.as_str().as_bytes(),
            app_id.to_be_bytes().as_slice(),
            Digest::of(bytes).as_bytes(),
        ]);
        Some(Self {
            not_after,
            digest,
            gcm: LessSafeKey::new(UnboundKey::new(&AES_256_GCM, bytes).ok()?),
            cbc: DecryptingKey::cbc(UnboundCipherKey::new(&AES_256, bytes).ok()?).ok()?,
        })
    }

    /// `None` where the mode authenticates and this secret has not made the token.
    pub(crate) fn open(&self, envelope: &Envelope) -> Option<Opened> {
        let mut text = Zeroizing::new(envelope.ciphertext.clone());
        let (length, is_whole) = match envelope.mode {
            Mode::Cbc => {
                let iv: &[u8; BLOCK] = envelope.iv.as_slice().try_into().ok()?;
                let context = DecryptionContext::Iv128(FixedLength::from(iv));
                let length = self.cbc.decrypt(&mut text, context).ok()?.len();
                let (count, is_good) = padding(&text)?;
                (length.checked_sub(count.into())?, bool::from(is_good))
            }
            Mode::Gcm => {
                let nonce: [u8; NONCE] = envelope.iv.as_slice().try_into().ok()?;
                let nonce = Nonce::assume_unique_for_key(nonce);
                let opened = self.gcm.open_in_place(nonce, Aad::empty(), &mut text);
                (opened.ok()?.len(), true)
            }
        };
        text.truncate(length);
        Some(Opened { text, is_whole })
    }
}

impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SecretKey")
            .field("not_after", &self.not_after)
            .finish_non_exhaustive()
    }
}

/// How many bytes of padding there are (RFC 5652 §6.3), and whether they are right, in time that
/// depends on the length alone. One byte where they are wrong, so that there is a text to be read.
fn padding(text: &[u8]) -> Option<(u8, Choice)> {
    let (_, block) = text.split_last_chunk::<BLOCK>()?;
    let claimed = *block.last()?;
    let is_in_range = !claimed.ct_eq(&0) & claimed.ct_lt(&17);
    let is_good = (0_u8..)
        .zip(block.iter().rev())
        .fold(is_in_range, |is_good, (position, byte)| {
            is_good & (byte.ct_eq(&claimed) | !position.ct_lt(&claimed))
        });
    let count = subtle::ConditionallySelectable::conditional_select(&1, &claimed, is_good);
    Some((count, is_good))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn padding_is_of_one_to_sixteen_equal_bytes() {
        let block = |end: &[u8]| [&[b'x'; 32][end.len()..], end].concat();
        let sixteen = [16_u8; 16];
        for (case, text, expected) in [
            ("one", block(&[1]), Some(1)),
            ("two", block(&[2, 2]), Some(2)),
            ("fifteen", block(&[15; 15]), Some(15)),
            ("a whole block", block(&sixteen), Some(16)),
            ("none", block(&[0]), None),
            ("seventeen", block(&[17; 17]), None),
            ("255", block(&[255; 32]), None),
            ("two of which one is wrong", block(&[1, 2]), None),
            ("the first of three is wrong", block(&[2, 3, 3]), None),
            (
                "the first of sixteen is wrong",
                block(&[&[15][..], &sixteen[1..]].concat()),
                None,
            ),
            ("text alone", block(&[]), None),
        ] {
            let (count, is_good) = padding(&text).unwrap();
            let found = bool::from(is_good).then_some(count);
            assert_eq!(found, expected, "{case}");
        }
        assert!(padding(b"short").is_none());
    }
}

//! What can be read in an Easemob token without Easemob's key (`YWMt…`, 130 characters).
//!
//! Nobody documents this layout; it was found by taking tokens apart. `YWMt` is `ac-`, the category
//! of access tokens in Apache Usergrid, of which the kinds of principal are as well.
//!
//! ```text
//! offset  size
//!      0     3  "ac-"
//!      3    16  the token's own UUID, version 1: its time is the time of issue
//!     19    16  the application's UUID; 00000000-0000-0000-0000-000000000001 in an app token
//!     35    16  the entity's UUID: the user's, or the application's in an app token
//!     51     1  the kind of principal: 2 application, 3 user of an application
//!     52     1  3
//!     53     8  time of issue, in milliseconds
//!     61     4  lifetime in seconds, 0 for ever
//!     65    32  a tag by a key that only Easemob has
//! ```
//!
//! All of it is a hint. It can refuse a token early and never admits one; a token of which anything
//! is otherwise is opaque.

use std::fmt;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::clock::UnixTime;

/// How every token begins.
pub const PREFIX: &[u8] = b"YWMt";
const CHARACTERS: usize = 130;
const BYTES: usize = 97;
/// No token is longer, of whatever generation.
pub const LONGEST: usize = 1024;
/// What stands for the application in an app token.
const NO_APPLICATION: Uuid = Uuid([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]);
const VERSION: u8 = 3;
/// From the beginning of the Gregorian calendar, from which UUIDs count, to that of Unix time.
const GREGORIAN_MILLIS: i64 = 12_219_292_800_000;

/// Whose token it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    App,
    User,
}

/// 16 bytes, written as RFC 9562 has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Uuid(pub [u8; 16]);

/// What a token says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layout {
    pub kind: Kind,
    /// `None` in an app token, whose entity is the application.
    pub application: Option<Uuid>,
    pub entity: Uuid,
    pub issued: UnixTime,
    /// `None` for a permanent one.
    pub lifetime: Option<Duration>,
}

/// Whether a text may be such a token, of whatever layout.
pub fn recognises(token: &[u8]) -> bool {
    let is_letter = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    token.starts_with(PREFIX)
        && (PREFIX.len() + 16..=LONGEST).contains(&token.len())
        && token.iter().all(is_letter)
}

impl Layout {
    /// Reads a token of this layout; `None` if anything in it is otherwise.
    pub fn read(token: &[u8]) -> Option<Self> {
        if token.len() != CHARACTERS {
            return None;
        }
        // Strict: no padding, and no bits beyond the last byte.
        let decoded = URL_SAFE_NO_PAD.decode(token).ok()?;
        let bytes: &[u8; BYTES] = decoded.as_slice().try_into().ok()?;
        let mut rest = Bytes(bytes.strip_prefix(b"ac-")?);
        let own = Uuid(rest.take()?);
        let application = Uuid(rest.take()?);
        let entity = Uuid(rest.take()?);
        let [kind, version] = rest.take()?;
        let issued = i64::from_be_bytes(rest.take()?);
        let lifetime = u32::from_be_bytes(rest.take()?);
        let kind = match kind {
            2 if application == NO_APPLICATION => Kind::App,
            3 if application != NO_APPLICATION => Kind::User,
            _ => return None,
        };
        if version != VERSION || own.millis()? != issued {
            return None;
        }
        Some(Self {
            kind,
            application: (kind == Kind::User).then_some(application),
            entity,
            issued: UnixTime::from_millis(issued),
            lifetime: (lifetime > 0).then(|| Duration::from_secs(lifetime.into())),
        })
    }

    /// When it ends by its own word.
    pub fn ends(&self) -> Option<UnixTime> {
        Some(self.issued.plus(self.lifetime?))
    }

    /// Writes a token of this layout with a tag that nobody vouches for. `random` makes it another
    /// than every other.
    pub fn write(&self, random: &[u8; 40]) -> String {
        let millis = self.issued.as_millis();
        let lifetime = self.lifetime.map_or(0, |lifetime| lifetime.as_secs());
        let lifetime = u32::try_from(lifetime).unwrap_or(u32::MAX);
        let (own, tag) = random.split_at(8);
        let mut bytes = b"ac-".to_vec();
        bytes.extend(Uuid::of_time(millis, own).0);
        bytes.extend(self.application.unwrap_or(NO_APPLICATION).0);
        bytes.extend(self.entity.0);
        bytes.extend(match self.kind {
            Kind::App => [2, VERSION],
            Kind::User => [3, VERSION],
        });
        bytes.extend(millis.to_be_bytes());
        bytes.extend(lifetime.to_be_bytes());
        bytes.extend(tag);
        URL_SAFE_NO_PAD.encode(bytes)
    }
}

impl Uuid {
    /// Reads the usual form, 8-4-4-4-12 digits in any case.
    pub fn parse(text: &str) -> Option<Self> {
        let mut digits = Vec::with_capacity(32);
        for (position, byte) in text.bytes().enumerate() {
            match (position, byte) {
                (8 | 13 | 18 | 23, b'-') => {}
                (8 | 13 | 18 | 23, _) => return None,
                (_, digit) => digits.push(u8::try_from(char::from(digit).to_digit(16)?).ok()?),
            }
        }
        let mut bytes = [0; 16];
        if digits.len() != 2 * bytes.len() {
            return None;
        }
        let (pairs, _) = digits.as_chunks::<2>();
        for (byte, [high, low]) in bytes.iter_mut().zip(pairs) {
            *byte = high << 4 | low;
        }
        Some(Self(bytes))
    }

    /// The time in a UUID of version 1.
    fn millis(&self) -> Option<i64> {
        let mut rest = Bytes(&self.0);
        let low = u32::from_be_bytes(rest.take()?);
        let middle = u16::from_be_bytes(rest.take()?);
        let high = u16::from_be_bytes(rest.take()?);
        let [variant] = rest.take()?;
        if high >> 12 != 1 || variant >> 6 != 0b10 {
            return None;
        }
        let ticks = i64::from(high & 0x0fff) << 48 | i64::from(middle) << 32 | i64::from(low);
        Some(ticks / 10_000 - GREGORIAN_MILLIS)
    }

    fn of_time(millis: i64, random: &[u8]) -> Self {
        let ticks = millis
            .saturating_add(GREGORIAN_MILLIS)
            .saturating_mul(10_000)
            .to_be_bytes();
        let [t0, t1, t2, t3, t4, t5, t6, t7] = ticks;
        let mut bytes = [
            t4,
            t5,
            t6,
            t7,
            t2,
            t3,
            0x10 | t0 & 0x0f,
            t1,
            0,
            0,
            0,
            0,
            0,
            0,
            0,
            0,
        ];
        for (to, from) in bytes.iter_mut().skip(8).zip(random) {
            *to = *from;
        }
        if let Some(variant) = bytes.get_mut(8) {
            *variant = 0x80 | *variant & 0x3f;
        }
        Self(bytes)
    }
}

impl fmt::Display for Uuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, byte) in self.0.iter().enumerate() {
            if matches!(position, 4 | 6 | 8 | 10) {
                f.write_str("-")?;
            }
            write!(f, "{byte:02x}")?;
        }
        Ok(())
    }
}

/// Bytes, taken from the front.
struct Bytes<'b>(&'b [u8]);

impl Bytes<'_> {
    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (taken, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*taken)
    }
}

#[cfg(test)]
mod tests;

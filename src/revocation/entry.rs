//! What replicas tell each other about a revocation: that it is in force, or that it was lifted.
//!
//! An id is never used twice, and what was lifted is never in force again. So replicas that heard of
//! entries in any order, or twice, agree in the end. A lifted one is remembered until the revocation
//! would have ended by itself: somebody may not have heard of it yet.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::clock::UnixTime;
use crate::revocation::{Revocation, Target};
use crate::secret::Digest;
use crate::wire::record;

/// The last word on one id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Entry {
    InForce(Revocation),
    Lifted { until: UnixTime },
}

/// How every lifted entry begins, and no other.
pub const LIFTED: &str = "lifted ";

impl Entry {
    /// When nobody needs to know of it any more.
    pub fn until(&self) -> UnixTime {
        match self {
            Self::InForce(revocation) => revocation.expires_at,
            Self::Lifted { until } => *until,
        }
    }

    pub fn encode(&self) -> String {
        match self {
            Self::InForce(revocation) => {
                record::write(&Written::of(revocation)).unwrap_or_default()
            }
            Self::Lifted { until } => format!("{LIFTED}{}", until.as_millis()),
        }
    }

    /// Reads what [`Self::encode`] writes, and nothing else.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let entry = if let Some(until) = bytes.strip_prefix(LIFTED.as_bytes()) {
            let until = str::from_utf8(until).ok()?.parse().ok()?;
            Self::Lifted {
                until: UnixTime::from_millis(until),
            }
        } else {
            Self::InForce(record::read::<Written>(bytes)?.revocation()?)
        };
        (entry.encode().as_bytes() == bytes).then_some(entry)
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    target: WrittenTarget,
    /// In milliseconds, as all times.
    issued_before: i64,
    expires_at: i64,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "snake_case")]
enum WrittenTarget {
    App(String),
    /// A digest.
    Token(String),
    TokenId(String),
    User {
        subject: String,
        user_type: Option<String>,
        device_type: Option<String>,
    },
}

impl Written {
    fn of(revocation: &Revocation) -> Self {
        let target = match &revocation.target {
            Target::App(app) => WrittenTarget::App(app.to_string()),
            Target::Token(digest) => WrittenTarget::Token(digest.to_hex()),
            Target::TokenId(id) => WrittenTarget::TokenId(id.to_string()),
            Target::User {
                subject,
                user_type,
                device_type,
            } => WrittenTarget::User {
                subject: subject.to_string(),
                user_type: user_type.as_deref().map(str::to_owned),
                device_type: device_type.as_deref().map(str::to_owned),
            },
        };
        Self {
            target,
            issued_before: revocation.issued_before.as_millis(),
            expires_at: revocation.expires_at.as_millis(),
        }
    }

    fn revocation(self) -> Option<Revocation> {
        let target = match self.target {
            WrittenTarget::App(app) => Target::App(app.into()),
            WrittenTarget::Token(digest) => Target::Token(Digest::from_hex(&digest)?),
            WrittenTarget::TokenId(id) => Target::TokenId(id.into()),
            WrittenTarget::User {
                subject,
                user_type,
                device_type,
            } => Target::User {
                subject: subject.into(),
                user_type: user_type.map(Arc::from),
                device_type: device_type.map(Arc::from),
            },
        };
        Some(Revocation {
            target,
            issued_before: UnixTime::from_millis(self.issued_before),
            expires_at: UnixTime::from_millis(self.expires_at),
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn target() -> impl Strategy<Value = Target> {
        let text = || any::<String>().prop_map(|text| Arc::<str>::from(text.as_str()));
        prop_oneof![
            text().prop_map(Target::App),
            text().prop_map(Target::TokenId),
            any::<[u8; 32]>().prop_map(|bytes| Target::Token(Digest::from_bytes(bytes))),
            (
                text(),
                proptest::option::of(text()),
                proptest::option::of(text())
            )
                .prop_map(|(subject, user_type, device_type)| Target::User {
                    subject,
                    user_type,
                    device_type,
                }),
        ]
    }

    fn entry() -> impl Strategy<Value = Entry> {
        let time = || any::<i64>().prop_map(UnixTime::from_millis);
        prop_oneof![
            time().prop_map(|until| Entry::Lifted { until }),
            (target(), time(), time()).prop_map(|(target, issued_before, expires_at)| {
                Entry::InForce(Revocation {
                    target,
                    issued_before,
                    expires_at,
                })
            }),
        ]
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(entry in entry()) {
            prop_assert_eq!(Entry::decode(entry.encode().as_bytes()), Some(entry));
        }

        #[test]
        fn whatever_is_read_would_be_written_so(bytes in any::<Vec<u8>>()) {
            if let Some(entry) = Entry::decode(&bytes) {
                let text = entry.encode();
                prop_assert_eq!(text.as_bytes(), bytes);
            }
        }

        #[test]
        fn a_changed_byte_never_gives_the_same_entry(
            entry in entry(),
            position in any::<prop::sample::Index>(),
            byte in any::<u8>(),
        ) {
            let mut bytes = entry.encode().into_bytes();
            let position = position.index(bytes.len());
            prop_assume!(bytes[position] != byte);
            bytes[position] = byte;
            prop_assert_ne!(Entry::decode(&bytes), Some(entry));
        }
    }

    #[test]
    fn what_was_cut_off_is_not_read() {
        let entry = Entry::InForce(Revocation {
            target: Target::User {
                subject: Arc::from("7"),
                user_type: None,
                device_type: Some(Arc::from("im_web")),
            },
            issued_before: UnixTime::from_secs(1),
            expires_at: UnixTime::NEVER,
        });
        let text = entry.encode();
        assert_eq!(
            text,
            "{\"target\":{\"user\":{\"subject\":\"7\",\"user_type\":null,\"device_type\":\"im_web\"}},\
             \"issued_before\":1000,\"expires_at\":9223372036854775807}"
        );
        for end in 0..text.len() {
            assert_eq!(Entry::decode(&text.as_bytes()[..end]), None, "{end}");
        }
        for other in ["lifted", "lifted ", "lifted 07", "lifted +7", "lifted 7 "] {
            assert_eq!(Entry::decode(other.as_bytes()), None, "{other}");
        }
        let digest = "{\"target\":{\"token\":\"XY\"},\"issued_before\":1,\"expires_at\":2}";
        assert_eq!(Entry::decode(digest.as_bytes()), None);
    }
}

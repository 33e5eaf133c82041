//! `store`: where the state is that the replicas of the gate share.

use crate::revocation::Revocations;
use crate::scheme::sa_token::RedisAddress;
use crate::secret::Secret;

#[derive(Clone, Debug, Default)]
pub enum Store {
    /// Each process has its own.
    #[default]
    Memory,
    Redis(RedisStore),
}

#[derive(Clone, Debug)]
pub struct RedisStore {
    pub address: RedisAddress,
    /// Every key begins with it.
    pub prefix: String,
    /// Seals what replicas tell each other about tokens.
    pub secret: Option<Secret>,
}

impl Store {
    /// The word for operators.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Memory => "memory",
            Self::Redis(_) => "redis",
        }
    }

    /// The revocations as they are known before anybody was asked.
    pub fn revocations(&self) -> Revocations {
        match self {
            Self::Memory => Revocations::default(),
            Self::Redis(_) => Revocations::incomplete(),
        }
    }

    /// Whether both lead to the same place, by the same login.
    pub fn is_same_as(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Memory, Self::Memory) => true,
            (Self::Redis(one), Self::Redis(other)) => {
                let same_secret = match (&one.secret, &other.secret) {
                    (Some(one), Some(other)) => one.matches(other.expose()),
                    (None, None) => true,
                    (Some(_), None) | (None, Some(_)) => false,
                };
                same_secret && one.prefix == other.prefix && one.address.is_same_as(&other.address)
            }
            (Self::Memory | Self::Redis(_), _) => false,
        }
    }
}

//! A renewal reaches its session wherever that lives.
//!
//! The replica that was asked judges the credential; the one that has the session judges the proofs
//! once more, by its own policy and revocations, before the session stands on them.

use crate::clock::{self, UnixTime};
use crate::principal::ClaimKey;
use crate::proxy::Shared;
use crate::replicas::event::{Renewing, Said, kind};
use crate::session::live::Renewal;
use crate::session::registry::Renewed;

/// What came of a renewal among all replicas.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Prolonged {
    pub renewed: Renewed,
    /// Everybody was asked and has answered: there is no further session that fits.
    pub is_certain: bool,
}

impl Prolonged {
    /// Nobody is named whose sessions could be prolonged.
    pub const NOTHING: Self = Self {
        renewed: Renewed {
            sessions: 0,
            expires_at: None,
        },
        is_certain: true,
    };
}

/// Prolongs the sessions of a user and device type on a route, here and everywhere.
pub async fn renew(shared: &Shared, key: ClaimKey, route: &str, renewal: &Renewal) -> Prolonged {
    let renewed = shared.registry.renew(key, route, renewal);
    let Some(replicas) = &shared.replicas else {
        return Prolonged {
            renewed,
            is_certain: true,
        };
    };
    let body = Renewing::encode(key, route, renewal);
    match replicas.ask(kind::RENEWAL, &body).await {
        Ok(heard) => {
            let said = heard.said.and(said(renewed));
            Prolonged {
                renewed: Renewed {
                    sessions: said.sessions,
                    expires_at: Some(UnixTime::from_millis(said.end))
                        .filter(|end| *end < UnixTime::NEVER),
                },
                is_certain: heard.is_whole,
            }
        }
        Err(_) => Prolonged {
            renewed,
            is_certain: false,
        },
    }
}

/// Does what another replica wants to be done.
pub(super) fn renewed(shared: &Shared, renewing: &Renewing) -> Said {
    let Renewing {
        key,
        route,
        renewal,
    } = renewing;
    let (policy, now) = (shared.policy(), clock::now());
    let registry = &shared.registry;
    said(registry.renew_if_good(*key, route, renewal, &policy, now))
}

fn said(renewed: Renewed) -> Said {
    if renewed.sessions == 0 {
        return Said::NOTHING;
    }
    Said {
        sessions: renewed.sessions,
        verdicts: 0,
        end: renewed.expires_at.unwrap_or(UnixTime::NEVER).as_millis(),
    }
}

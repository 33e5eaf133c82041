//! Placeholder until the shared store lands: revocations of this process alone.

use crate::clock;
use crate::proxy::Shared;
use crate::request_id;
use crate::revocation::{Full, Revocation, RevocationId, Suspect};
use crate::session::CloseReason;

/// What came of a revocation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Revoked {
    pub id: RevocationId,
    pub sessions_closed: usize,
    pub verdicts_evicted: usize,
    pub durable: bool,
}

/// What came of lifting a revocation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lifted {
    pub was_there: bool,
    pub durable: bool,
}

pub async fn revoke(shared: &Shared, revocation: Revocation) -> Result<Revoked, Full> {
    let id = RevocationId(request_id::session_id().0);
    let policy = shared.policy();
    policy.revocations.add(id, revocation)?;
    let now = clock::now();
    let sessions_closed = shared
        .registry
        .end_all(CloseReason::Revoked, |live| live.is_revoked(&policy, now));
    let mut verdicts_evicted = 0;
    for authenticator in policy.authenticators() {
        let is_revoked = |verified: &_| {
            let suspect = Suspect {
                verified,
                device_type: None,
            };
            policy.is_revoked(&suspect, now)
        };
        verdicts_evicted += authenticator.evict(is_revoked).await;
    }
    Ok(Revoked {
        id,
        sessions_closed,
        verdicts_evicted,
        durable: false,
    })
}

pub async fn lift(shared: &Shared, id: RevocationId) -> Lifted {
    Lifted {
        was_there: shared.policy().revocations.lift(id),
        durable: false,
    }
}

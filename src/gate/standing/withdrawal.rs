//! Proofs that whoever made them can withdraw, and the credentials that are kept to ask about them.
//!
//! Only a session with such a proof keeps a credential. It is wiped when dropped, and neither `Debug`
//! nor anything else shows it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use smallvec::SmallVec;

use crate::clock::{Steady, UnixTime};
use crate::credential::{About, Credential};
use crate::gate::standing::{Proof, Standing};
use crate::principal::Principal;
use crate::scheme::{Rejection, Verified};
use crate::secret::Secret;

/// A kept credential, and the times that the asking goes by. It is one and the same for as long as
/// the session stands on it.
#[derive(Debug)]
pub struct Kept {
    secret: Secret,
    /// Whom it was proven for: a remote side may have to be asked by name.
    app: Option<Arc<str>>,
    subject: Option<Arc<str>>,
    confirmed: AtomicU64,
    /// 0 until it has a turn.
    due: AtomicU64,
}

/// A proof that can be withdrawn.
#[derive(Debug)]
pub struct Withdrawable {
    /// Who is to be asked.
    pub authenticator: Arc<str>,
    pub kept: Arc<Kept>,
    pub verified: Arc<Verified>,
}

impl Kept {
    pub(super) fn new(token: &[u8], principal: &Principal) -> Self {
        Self {
            secret: Secret::new(token),
            app: principal.app.clone(),
            subject: principal.subject.clone(),
            confirmed: AtomicU64::new(0),
            due: AtomicU64::new(0),
        }
    }

    /// The same for another session.
    pub(super) fn again(&self) -> Self {
        Self {
            secret: Secret::new(self.secret.expose()),
            app: self.app.clone(),
            subject: self.subject.clone(),
            confirmed: AtomicU64::new(0),
            due: AtomicU64::new(0),
        }
    }

    pub fn credential(&self) -> Credential<'_> {
        Credential::single(self.secret.expose()).with(About {
            app: self.app.as_deref(),
            user: self.subject.as_deref(),
        })
    }

    /// When the last question was asked that had a good answer.
    pub fn confirmed(&self) -> Steady {
        Steady::from_millis(self.confirmed.load(Ordering::Relaxed))
    }

    pub fn confirm(&self, asked: Steady) {
        self.confirmed.store(asked.as_millis(), Ordering::Relaxed);
    }

    /// When it is to be asked about next, if it has a turn already.
    pub fn due(&self) -> Option<Steady> {
        let due = self.due.load(Ordering::Relaxed);
        (due > 0).then(|| Steady::from_millis(due))
    }

    pub fn put_off(&self, due: Steady) {
        self.due.store(due.as_millis(), Ordering::Relaxed);
    }
}

impl Standing {
    /// The proofs that can be withdrawn.
    pub fn withdrawable(&self) -> SmallVec<[Withdrawable; 1]> {
        self.proofs.iter().filter_map(Proof::withdrawable).collect()
    }

    /// The proof of this authenticator, if it can be withdrawn.
    pub fn withdrawable_by(&self, authenticator: &str) -> Option<Withdrawable> {
        let mut proofs = self.proofs.iter();
        proofs
            .find(|proof| *proof.authenticator == *authenticator)?
            .withdrawable()
    }

    /// Takes in what was said of a kept credential at the time `now`: a newer proof, or why the old
    /// one holds no more. `false` if that changes nothing, as when it stands on another credential by
    /// now.
    pub fn settle(
        &mut self,
        kept: &Arc<Kept>,
        verdict: Result<Arc<Verified>, Rejection>,
        now: UnixTime,
    ) -> bool {
        let rests_on_it = |proof: &&mut Proof| {
            proof
                .kept
                .as_ref()
                .is_some_and(|own| Arc::ptr_eq(own, kept))
        };
        let Some(proof) = self.proofs.iter_mut().find(rests_on_it) else {
            return false;
        };
        let rejection = match verdict {
            Ok(verified) => {
                proof.verified = verified;
                return true;
            }
            Err(rejection) => rejection,
        };
        // Nobody brings it back.
        proof.kept = None;
        // Its time is over, as was known. How long the session may stay after that is said elsewhere.
        let is_at_its_end = proof.verified.not_after.is_some_and(|end| end <= now);
        if is_at_its_end && !rejection.is_withdrawal() {
            return false;
        }
        proof.withdrawn = Some(rejection);
        true
    }

    /// Takes over what another keeps of the same credentials.
    pub fn keep_asking_as(&mut self, other: &Self) {
        for proof in self.proofs.iter_mut().filter(|proof| proof.kept.is_none()) {
            let mut others = other.proofs.iter();
            let same = others.find(|other| other.is_of_the_same_token(proof));
            proof.kept = same.and_then(|same| same.kept.clone());
        }
    }

    /// The authenticators whose proofs nobody can ask about.
    pub fn not_asked_about(&self) -> impl Iterator<Item = &str> {
        let unkept = self.proofs.iter().filter(|proof| proof.kept.is_none());
        unkept.map(|proof| &*proof.authenticator)
    }

    /// Wipes what was kept to ask this authenticator about.
    pub fn let_go(&mut self, authenticator: &str) {
        for proof in &mut self.proofs {
            if *proof.authenticator == *authenticator {
                proof.kept = None;
            }
        }
    }
}

impl Proof {
    fn is_of_the_same_token(&self, other: &Self) -> bool {
        let digest = |proof: &Self| proof.verified.token.as_ref().map(|token| token.digest);
        self.authenticator == other.authenticator
            && digest(self).is_some()
            && digest(self) == digest(other)
    }

    fn withdrawable(&self) -> Option<Withdrawable> {
        Some(Withdrawable {
            authenticator: Arc::clone(&self.authenticator),
            kept: Arc::clone(self.kept.as_ref()?),
            verified: Arc::clone(&self.verified),
        })
    }
}

/// The proof with the end that the remote side gave it. One that was admitted in an outage has an
/// earlier end; but it will be asked about again, and until then has the grace of a living session.
pub(super) fn without_grace(verified: &Arc<Verified>) -> Arc<Verified> {
    match verified.asked {
        Some(asked) if asked.not_after != verified.not_after => Arc::new(Verified {
            not_after: asked.not_after,
            ..Verified::clone(verified)
        }),
        Some(_) | None => Arc::clone(verified),
    }
}

//! What a request says of who asks, beside its credential: `match` of its route. It is read before
//! anybody is known and compared when somebody is, on every request.
//!
//! Whoever says nothing where the route expects a claim is refused: what the upstream would make of
//! that, nobody has judged. What could be read in two ways is refused as well.

use std::fmt;
use std::sync::Arc;

use crate::config::document::{ClaimPlace, ClaimRule};
use crate::credential::Carrier;
use crate::gate::denial::{Denial, Refusal};
use crate::gate::extract::{self, Ambiguous, Found, Plus};
use crate::policy::requirement::Admitted;
use crate::principal::Claim;
use crate::request::{Request, fold_byte};

/// What a request has claimed, each by the rule that asked for it. It outlives the request.
#[derive(Clone, Default)]
pub struct Claims(Box<[Said]>);

#[derive(Clone)]
struct Said {
    rule: ClaimRule,
    /// `None` if the request says nothing there.
    value: Option<Box<[u8]>>,
}

impl Claims {
    /// Reads what the rules ask for.
    pub(super) fn read(rules: &[ClaimRule], request: &Request<'_>) -> Result<Self, Denial> {
        let said = rules.iter().map(|rule| {
            let value = match &rule.place {
                ClaimPlace::Carrier(carrier) => in_carrier(carrier, request)?,
                ClaimPlace::Path { segment } => request.segment(*segment).map(Box::from),
            };
            let rule = rule.clone();
            Ok(Said { rule, value })
        });
        Ok(Self(
            said.collect::<Result<_, Ambiguous>>()
                .map_err(|Ambiguous| Denial::Ambiguous)?,
        ))
    }

    /// Whether something is claimed wherever the route wants it.
    pub(super) fn check_presence(&self, rules: &[ClaimRule]) -> Result<(), Denial> {
        let missing = rules.iter().find(|rule| self.value(rule).is_none());
        missing.map_or(Ok(()), |rule| Err(refused(rule.claim)))
    }

    /// Whether every claim that these rules ask for is what was proven: by the principal, and by
    /// whatever else was proven.
    pub(super) fn check(&self, rules: &[ClaimRule], admitted: &Admitted) -> Result<(), Denial> {
        for rule in rules {
            let holds = self.value(rule).is_some_and(|said| {
                let is_said = |proven: &Arc<str>| proven.as_bytes() == said;
                let mut proofs = admitted.verified.iter();
                rule.claim.of(&admitted.principal).is_some_and(is_said)
                    && proofs.all(|(_, proof)| rule.claim.of(&proof.principal).is_none_or(is_said))
            });
            if !holds {
                return Err(refused(rule.claim));
            }
        }
        Ok(())
    }

    /// `None` also where nobody has asked by this rule: another policy has another one.
    fn value(&self, rule: &ClaimRule) -> Option<&[u8]> {
        let said = self.0.iter().find(|said| said.rule == *rule)?;
        said.value.as_deref()
    }
}

const fn refused(claim: Claim) -> Denial {
    Denial::Forbidden(Refusal::Claim(claim))
}

fn in_carrier(carrier: &Carrier, request: &Request<'_>) -> Result<Option<Box<[u8]>>, Ambiguous> {
    if has_look_alike(carrier, request) {
        return Err(Ambiguous);
    }
    Ok(
        match extract::credential(std::slice::from_ref(carrier), Plus::Space, request)? {
            Found::Present(claimed) => Some(claimed.token.into_owned().into()),
            Found::Absent | Found::OfAnotherPage | Found::Unusable(_) => None,
        },
    )
}

/// Whether the request also has what some upstream would take for the same place: a header with
/// other marks, or a parameter in another case, or as an element of a list.
fn has_look_alike(carrier: &Carrier, request: &Request<'_>) -> bool {
    match carrier {
        Carrier::Header { name, .. } => request.head.headers.iter().any(|header| {
            let folded = |name: &str| name.bytes().map(fold_byte).collect::<Vec<_>>();
            header.name.len() == name.len()
                && !header.name.eq_ignore_ascii_case(name)
                && folded(header.name) == folded(name)
        }),
        Carrier::Query { name } => request.has_query_like(name),
        Carrier::Cookie { .. } | Carrier::Subprotocol { .. } => false,
    }
}

/// Says what was asked, and not what was said.
impl fmt::Debug for Claims {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list()
            .entries(self.0.iter().map(|said| said.rule.claim))
            .finish()
    }
}

#[cfg(test)]
mod tests;

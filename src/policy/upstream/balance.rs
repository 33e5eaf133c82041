//! Which address a request goes to, and which one after that.

use std::sync::Arc;

use smallvec::SmallVec;

use crate::config::document::Balance;
use crate::policy::upstream::target::{Load, Target};

/// The addresses of an upstream in the order in which a request tries them. The one that it stands at
/// counts the request.
#[derive(Debug)]
pub struct Choice<'u> {
    targets: &'u [Arc<Target>],
    preference: Preference,
    /// One bit for each address, by its position.
    tried: u64,
    load: Load,
}

/// Which of several is preferred.
#[derive(Clone, Copy, Debug)]
enum Preference {
    /// The one whose turn it is.
    InTurn(usize),
    /// The one with the least to do; among equals the one whose turn it is.
    Idlest(usize),
    /// The one that draws the highest lot for this user.
    Lot(u64),
}

impl<'u> Choice<'u> {
    /// `targets` are not empty, as the configuration has made sure.
    pub(super) fn new(
        targets: &'u [Arc<Target>],
        balance: Balance,
        subject: Option<&str>,
        turn: usize,
    ) -> Self {
        let preference = match (balance, subject) {
            (Balance::HashSubject, Some(subject)) => Preference::Lot(hash(subject)),
            (Balance::HashSubject, None) | (Balance::RoundRobin, _) => Preference::InTurn(turn),
            (Balance::LeastConn, _) => Preference::Idlest(turn),
        };
        let mut tried = 0;
        let load = preference
            .pick(targets, &mut tried)
            .map_or_else(Load::nowhere, |target| Load::on(Arc::clone(target)));
        Self {
            targets,
            preference,
            tried,
            load,
        }
    }

    /// The address that the request goes to now.
    pub fn target(&self) -> &Arc<Target> {
        self.load.target()
    }

    /// Whether there is no further address.
    pub fn is_last(&self) -> bool {
        (0..self.targets.len()).all(|position| is_tried(self.tried, position))
    }

    /// Goes on to the next address, unless all were tried.
    pub fn go_on(&mut self) -> bool {
        let next = self.preference.pick(self.targets, &mut self.tried);
        let Some(target) = next else { return false };
        self.load = Load::on(Arc::clone(target));
        true
    }

    /// Stays at this address.
    pub fn settle(self) -> Load {
        self.load
    }
}

fn is_tried(tried: u64, position: usize) -> bool {
    // The configuration has no more addresses than there are bits.
    tried
        .checked_shr(u32::try_from(position).unwrap_or(u32::MAX))
        .is_none_or(|bits| bits & 1 == 1)
}

impl Preference {
    /// The next address, and notes it. Those that are left out come when nothing else is left: if
    /// none is well, all are tried.
    fn pick<'t>(self, targets: &'t [Arc<Target>], tried: &mut u64) -> Option<&'t Arc<Target>> {
        let mut well: SmallVec<[(usize, &Arc<Target>); 8]> = SmallVec::new();
        let mut left_out: SmallVec<[(usize, &Arc<Target>); 8]> = SmallVec::new();
        for (position, target) in targets.iter().enumerate() {
            if is_tried(*tried, position) {
                continue;
            }
            let list = if target.is_up() {
                &mut well
            } else {
                &mut left_out
            };
            list.push((position, target));
        }
        let candidates = if well.is_empty() { left_out } else { well };
        let (position, target) = self.among(&candidates)?;
        *tried |= 1u64.checked_shl(u32::try_from(position).ok()?)?;
        Some(target)
    }

    fn among<'t>(
        self,
        candidates: &[(usize, &'t Arc<Target>)],
    ) -> Option<(usize, &'t Arc<Target>)> {
        match self {
            Self::InTurn(turn) => in_turn(candidates, turn),
            Self::Idlest(turn) => {
                let loads: SmallVec<[usize; 8]> = candidates
                    .iter()
                    .map(|(_, target)| target.in_flight())
                    .collect();
                let least = loads.iter().min()?;
                let idlest: SmallVec<[(usize, &Arc<Target>); 8]> = candidates
                    .iter()
                    .zip(&loads)
                    .filter_map(|(candidate, load)| (load == least).then_some(*candidate))
                    .collect();
                in_turn(&idlest, turn)
            }
            Self::Lot(subject) => {
                let lots = candidates.iter();
                lots.max_by_key(|(_, target)| lot(subject, &target.address))
                    .copied()
            }
        }
    }
}

/// Turns are taken among those there are: the turns of one that is left out, or busy, do not all fall to
/// its neighbour.
fn in_turn<'t>(
    candidates: &[(usize, &'t Arc<Target>)],
    turn: usize,
) -> Option<(usize, &'t Arc<Target>)> {
    let position = turn.checked_rem(candidates.len())?;
    candidates.get(position).copied()
}

/// The lot that an address draws for a user (rendezvous hashing): whoever has the highest gets the user. If
/// one is taken away, only its users move, and if it comes back, it gets them back.
///
/// The same in every process, so that all replicas of the gate send a user to the same address.
fn lot(subject: u64, address: &str) -> u64 {
    mix(mix(hash(address)) ^ subject)
}

/// FNV-1a.
fn hash(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

/// Spreads the differences of few bits over all (the finalizer of `SplitMix64`).
fn mix(mut bits: u64) -> u64 {
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}

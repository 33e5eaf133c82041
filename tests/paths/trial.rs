//! One server's trial: each target goes through the gate with all, with few and without
//! credentials, and what the server says is compared with what the gate judged.

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;

use super::asking::{Asked, Connection, Saw};
use super::routes::{Guard, ROUTES, credentials, guard, taken_literally};
use super::servers::Server;

pub(super) struct Trial<'s> {
    server: &'s Server,
    through_gate: Connection,
    direct: Connection,
}

/// What came of all targets.
#[derive(Debug, Default)]
pub(super) struct Tally {
    refused: BTreeMap<u16, usize>,
    unserved: BTreeMap<Option<u16>, usize>,
    /// How often the server chose each route.
    resolved: BTreeMap<String, usize>,
    /// Another route, but the same people may enter it.
    alike: usize,
    /// A public route where the gate asked for a credential: what is written there is for all.
    laxer: usize,
    /// Refused targets that a gate without syntax and twins would have let into a stricter route.
    prevented: usize,
    /// What must not be, each with the shortest target that shows it.
    pub(super) differences: Vec<String>,
}

/// With all credentials routing alone decides; the others show who comes in with less.
const PASSES: [Guard; 3] = [Guard::AdminKey, Guard::Key, Guard::Public];

impl<'s> Trial<'s> {
    pub(super) fn new(server: &'s Server, gate: SocketAddr) -> Self {
        Self {
            server,
            through_gate: Connection::to(gate, server.name),
            direct: Connection::to(server.address, server.name),
        }
    }

    pub(super) fn run(mut self, targets: &[Vec<u8>]) -> Tally {
        let mut tally = Tally::default();
        for target in targets {
            for pass in PASSES {
                let asked = self.through_gate.ask(target, credentials(pass));
                if self.difference(target, pass, &asked).is_some() {
                    tally.differences.push(self.shortest(target, pass));
                    break;
                }
                if pass == Guard::AdminKey {
                    let prevented = matches!(asked, Asked::Refused(_)) && self.prevented(target);
                    tally.prevented += usize::from(prevented);
                    tally.add(asked);
                }
            }
        }
        tally
    }

    /// What is wrong with this outcome, if anything is.
    fn difference(&self, target: &[u8], pass: Guard, asked: &Asked) -> Option<&'static str> {
        match asked {
            Asked::Refused(502..=504) => Some("the gate blames the server"),
            Asked::Refused(_) | Asked::Unserved(_) => None,
            Asked::Resolved(saw) => {
                if saw.target.as_bytes() != target {
                    Some("the target changed on its way")
                } else if guard(&saw.judged) > pass {
                    Some("the gate let somebody in without the credential")
                } else if guard(&saw.route) > pass {
                    Some("the server let somebody into a stricter route")
                } else if self.server.exact && saw.route != saw.judged {
                    Some("the server chose another route")
                } else if saw.is_under_another_guard() && !saw.is_for_everybody() {
                    Some("the server chose a route with another guard")
                } else {
                    None
                }
            }
        }
    }

    /// Whether a gate that takes the target as it stands would have been fooled.
    fn prevented(&mut self, target: &[u8]) -> bool {
        let visible = target.iter().all(u8::is_ascii_graphic);
        let Some(text) = str::from_utf8(target).ok().filter(|_| visible) else {
            return false;
        };
        match self.direct.ask(target, "") {
            Asked::Resolved(saw) => guard(&saw.route) > guard(taken_literally(text)),
            Asked::Refused(_) | Asked::Unserved(_) => false,
        }
    }

    /// Takes away what is not needed for a difference, and describes what is left.
    fn shortest(&mut self, target: &[u8], pass: Guard) -> String {
        let mut shortest = target.to_vec();
        let mut length = shortest.len() / 2;
        while length > 0 {
            let mut at = 0;
            while at + length <= shortest.len() {
                let mut shorter = shortest.clone();
                shorter.drain(at..at + length);
                let asked = self.through_gate.ask(&shorter, credentials(pass));
                if self.difference(&shorter, pass, &asked).is_some() {
                    shortest = shorter;
                } else {
                    at += 1;
                }
            }
            length /= 2;
        }
        let asked = self.through_gate.ask(&shortest, credentials(pass));
        let what = self.difference(&shortest, pass, &asked);
        let what = what.unwrap_or("a difference that did not come again");
        format!(
            "{}, {pass:?}: {what}\n  {asked:?}\n  for {}\n  found as {}",
            self.server.name,
            shortest.escape_ascii(),
            target.escape_ascii()
        )
    }
}

impl Saw {
    fn is_under_another_guard(&self) -> bool {
        guard(&self.route) != guard(&self.judged)
    }

    fn is_for_everybody(&self) -> bool {
        guard(&self.route) == Guard::Public
    }
}

impl Tally {
    fn add(&mut self, asked: Asked) {
        match asked {
            Asked::Refused(status) => *self.refused.entry(status).or_default() += 1,
            Asked::Unserved(status) => *self.unserved.entry(status).or_default() += 1,
            Asked::Resolved(saw) => {
                let laxer = saw.is_under_another_guard();
                self.laxer += usize::from(laxer);
                self.alike += usize::from(saw.route != saw.judged && !laxer);
                *self.resolved.entry(saw.route).or_default() += 1;
            }
        }
    }

    /// A comparison of nothing would find nothing.
    #[track_caller]
    pub(super) fn expect_meaning(&self, server: &str, targets: usize) {
        let refused: usize = self.refused.values().sum();
        let resolved: usize = self.resolved.values().sum();
        assert!(refused * 5 >= targets, "{server}: a fifth is refused");
        assert!(resolved * 5 >= targets, "{server}: a fifth is served");
        assert!(self.prevented > 0, "{server}: some targets are dangerous");
        for route in &ROUTES {
            let reached = self.resolved.contains_key(route.name);
            assert!(reached, "{server}: some target reaches {}", route.name);
        }
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "refused {:?}, unserved {:?}, served {} ({} on a route alike, {} on a laxer one), prevented {}",
            self.refused,
            self.unserved,
            self.resolved.values().sum::<usize>(),
            self.alike,
            self.laxer,
            self.prevented,
        )
    }
}

//! Upstreams: the servers behind the gate, each at one or several addresses.
//!
//! Whoever is to be forwarded makes a [`Choice`], which prefers the addresses that are well and goes
//! on from one to the next until all were tried. What is known of an address ([`Target`]) is the
//! process's, shared by its workers, and outlives a reload. A request takes no lock as long as its
//! address can be reached.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use crate::config::document::{self, Balance, HealthRule};

mod balance;
mod health;
mod target;

pub use balance::Choice;
pub use health::Turn;
pub use target::{Load, Target};

/// One server that permitted requests go to.
#[derive(Debug)]
pub struct Upstream {
    pub name: Arc<str>,
    /// Never empty.
    targets: Vec<Arc<Target>>,
    balance: Balance,
    /// Whose turn it is, as far as turns are taken.
    turn: AtomicUsize,
    /// How addresses are asked whether they are well; `None` asks only those that could not be
    /// reached.
    pub health: Option<HealthRule>,
    /// For resolving and connecting together, and for all addresses that are tried.
    pub connect_timeout: Duration,
    /// From the last byte of the request to the last of the answer's head.
    pub response_timeout: Duration,
    /// From connecting to the answer, for a WebSocket handshake.
    pub handshake_timeout: Duration,
}

impl Upstream {
    /// Addresses that `old` has as well keep what is known of them.
    pub fn new(document: document::Upstream, old: Option<&Self>) -> Self {
        let known = |address: &str| {
            let mut known = old?.targets.iter();
            known.find(|target| *target.address == *address)
        };
        let targets = document.addresses.into_iter().map(|address| {
            let address = address.value;
            known(&address).map_or_else(|| Arc::new(Target::new(address.into())), Arc::clone)
        });
        Self {
            name: document.name.value,
            targets: targets.collect(),
            balance: document.balance.value,
            turn: AtomicUsize::new(first_turn()),
            health: document.health,
            connect_timeout: document.connect_timeout,
            response_timeout: document.response_timeout,
            handshake_timeout: document.handshake_timeout,
        }
    }

    /// Chooses an address for a request of this user, or of nobody in particular.
    pub fn choose(&self, subject: Option<&str>) -> Choice<'_> {
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        Choice::new(&self.targets, self.balance, subject, turn)
    }

    /// Each address and what is known of it, in file order.
    pub fn targets(&self) -> &[Arc<Target>] {
        &self.targets
    }

    /// The addresses as configured (`host:port`), in file order. A host name is resolved whenever a
    /// connection is opened.
    pub fn addresses(&self) -> impl Iterator<Item = &Arc<str>> {
        self.targets.iter().map(|target| &target.address)
    }

    pub fn balance(&self) -> Balance {
        self.balance
    }

    /// All addresses in one text, and how requests are spread over several.
    pub fn place(&self) -> String {
        let addresses: Vec<&str> = self.addresses().map(|address| &**address).collect();
        match addresses.as_slice() {
            [address] => (*address).to_owned(),
            several => format!("{}; {}", several.join(", "), self.balance.as_str()),
        }
    }
}

/// Gates that start together need not all begin with the same address.
fn first_turn() -> usize {
    let mut bytes = [0; 2];
    // Without randomness they do.
    let _ = getrandom::fill(&mut bytes);
    usize::from(u16::from_ne_bytes(bytes))
}

#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;

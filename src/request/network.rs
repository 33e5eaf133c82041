//! How far one client may reach: what is counted by client is counted by this.

use std::collections::HashMap;
use std::net::IpAddr;

/// An IPv4 address, or the 64 bits of IPv6 that one client commands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Network {
    V4(u32),
    V6(u128),
}

impl Network {
    pub fn of(client: IpAddr) -> Self {
        match client.to_canonical() {
            IpAddr::V4(address) => Self::V4(address.to_bits()),
            IpAddr::V6(address) => Self::V6(address.to_bits() >> 64),
        }
    }
}

/// How many of something each client has at this moment. Only those who have some are in it, so it is
/// no larger than what is counted.
#[derive(Debug, Default)]
pub struct Census(HashMap<Network, usize>);

impl Census {
    pub fn of(&self, client: Network) -> usize {
        self.0.get(&client).copied().unwrap_or_default()
    }

    pub fn add(&mut self, client: Network) {
        *self.0.entry(client).or_default() += 1;
    }

    /// Takes back one [`Self::add`].
    pub fn remove(&mut self, client: Network) {
        if let Some(count) = self.0.get_mut(&client) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                self.0.remove(&client);
            }
        }
    }

    /// How many clients have some.
    pub fn clients(&self) -> usize {
        self.0.len()
    }
}

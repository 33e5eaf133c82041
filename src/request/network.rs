//! How far one client may reach: what is counted by client is counted by this.

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

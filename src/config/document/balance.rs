//! How requests are spread over the addresses of an upstream, and how their health is asked.

use std::time::Duration;

/// `balance`: which address gets the next request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Balance {
    /// That of its user; where nobody is known, as [`Balance::RoundRobin`].
    HashSubject,
    /// The one with the fewest requests and sockets of this process.
    LeastConn,
    #[default]
    RoundRobin,
}

impl Balance {
    /// As the configuration writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::HashSubject => "hash: subject",
            Self::LeastConn => "least_conn",
            Self::RoundRobin => "round_robin",
        }
    }
}

/// `health`: how each address is asked whether it is well.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HealthRule {
    /// What is asked for with `GET`; `None` only connects.
    pub path: Option<String>,
    /// From one question to the next.
    pub interval: Duration,
    /// For connecting and the head of the answer together.
    pub timeout: Duration,
    /// Failures in a row that make an address one to be left out.
    pub unhealthy_after: u32,
    /// Successes in a row that make it one to be used again.
    pub healthy_after: u32,
}

impl Default for HealthRule {
    fn default() -> Self {
        Self {
            path: None,
            interval: Duration::from_secs(5),
            timeout: Duration::from_secs(2),
            unhealthy_after: 3,
            healthy_after: 2,
        }
    }
}

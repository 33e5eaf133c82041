//! Upstreams: the servers behind the gate.

use std::sync::Arc;
use std::time::Duration;

use crate::config::document::{self, OnExposed};
use crate::config::loopback;

/// One server that permitted requests go to.
#[derive(Debug)]
pub struct Upstream {
    pub name: Arc<str>,
    /// `host:port`; a host name is resolved whenever a connection is opened.
    pub address: Arc<str>,
    /// For resolving and connecting together.
    pub connect_timeout: Duration,
    /// From the last byte of the request to the last of the answer's head.
    pub response_timeout: Duration,
    /// From connecting to the answer, for a WebSocket handshake.
    pub handshake_timeout: Duration,
    pub on_exposed: OnExposed,
}

impl Upstream {
    pub fn new(document: document::Upstream) -> Self {
        Self {
            name: document.name.value,
            address: document.address.value.into(),
            connect_timeout: document.connect_timeout,
            response_timeout: document.response_timeout,
            handshake_timeout: document.handshake_timeout,
            on_exposed: document.on_exposed,
        }
    }

    /// The port, if the gate reaches it at loopback. Then nobody else has to.
    pub fn loopback_port(&self) -> Option<u16> {
        loopback::port(&self.address)
    }
}

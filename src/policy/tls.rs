//! TLS on a listener, ready for handshakes: versions, protocols, client certificates, tickets.

use std::fmt;
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs::{Ticketer, default_provider};
use rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use rustls::sign::SingleCertAndKey;
use rustls::version::{TLS12, TLS13};

use crate::clock::UnixTime;
use crate::config::document;
use crate::problem::{Place, Problem};
use crate::secret::Digest;

/// The one protocol that is spoken. A client that offers others only is told so by an alert; one
/// that offers none is served.
const ALPN: &[u8] = b"http/1.1";

/// Compiled `tls` of a listener.
#[derive(Clone)]
pub struct Tls {
    config: Arc<ServerConfig>,
    /// Of everything that a handshake depends on.
    fingerprint: Digest,
    asks_clients: bool,
    not_before: UnixTime,
    not_after: UnixTime,
    certificate: Place,
}

impl Tls {
    /// Compiles. What is unchanged since one of `old` goes on with the same tickets; anything else
    /// begins with new keys for them, so that no ticket opens what has changed since.
    ///
    /// # Errors
    ///
    /// Only what rustls refuses although every part of it was found good.
    pub fn new(document: document::Tls, old: &[&Self]) -> Result<Self, Problem> {
        let known = old
            .iter()
            .find(|old| old.fingerprint == document.fingerprint);
        let config =
            match known {
                Some(old) => Arc::clone(&old.config),
                None => Arc::new(config(&document).map_err(|unusable| {
                    Problem::new(document.place.clone(), unusable.to_string())
                })?),
            };
        Ok(Self {
            config,
            fingerprint: document.fingerprint,
            asks_clients: document.client_ca.is_some(),
            not_before: document.not_before,
            not_after: document.not_after,
            certificate: document.place,
        })
    }

    /// What a handshake needs.
    pub fn config(&self) -> &Arc<ServerConfig> {
        &self.config
    }

    /// When the certificate ends.
    pub fn not_after(&self) -> UnixTime {
        self.not_after
    }

    /// What an operator should know about the certificate: clients will refuse it.
    pub fn caveat(&self, now: UnixTime) -> Option<&'static str> {
        if now > self.not_after {
            Some("the certificate has expired")
        } else if now < self.not_before {
            Some("the certificate is not valid yet")
        } else {
            None
        }
    }

    /// The same, with the place in the configuration.
    pub fn warning(&self, now: UnixTime) -> Option<Problem> {
        let caveat = self.caveat(now)?;
        Some(Problem::new(self.certificate.clone(), caveat))
    }

    /// For a line about the listener.
    pub fn summary(&self) -> &'static str {
        if self.asks_clients {
            " (TLS, client certificates)"
        } else {
            " (TLS)"
        }
    }
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls")
            .field("asks_clients", &self.asks_clients)
            .field("not_after", &self.not_after)
            .finish_non_exhaustive()
    }
}

/// Should not happen; the words of rustls stay out of it all the same.
#[derive(Debug, thiserror::Error)]
enum Unusable {
    #[error("cannot be used to ask clients for certificates")]
    Verifier,
    #[error("cannot be used for TLS 1.2 and 1.3")]
    Versions,
    #[error("no keys for session tickets can be made")]
    Tickets,
}

fn config(document: &document::Tls) -> Result<ServerConfig, Unusable> {
    let provider = Arc::new(default_provider());
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(&[&TLS13, &TLS12])
        .map_err(|_| Unusable::Versions)?;
    let builder = match &document.client_ca {
        Some(roots) => builder.with_client_cert_verifier(
            WebPkiClientVerifier::builder_with_provider(Arc::clone(roots), provider)
                .build()
                .map_err(|_| Unusable::Verifier)?,
        ),
        None => builder.with_no_client_auth(),
    };
    let identity = SingleCertAndKey::from(Arc::clone(&document.identity));
    let mut config = builder.with_cert_resolver(Arc::new(identity));
    config.alpn_protocols = vec![ALPN.to_vec()];
    config.session_storage = Arc::new(NoServerSessionStorage {});
    if document.client_ca.is_some() {
        // A resumed session would not show its certificate again, which may have ended since.
        config.send_tls13_tickets = 0;
    } else {
        // All workers share the keys of the tickets; nothing is kept for a session.
        config.ticketer = Ticketer::new().map_err(|_| Unusable::Tickets)?;
    }
    Ok(config)
}

#[cfg(test)]
mod tests;

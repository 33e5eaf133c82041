//! The certificate that the webhook shows, exchanged while connections go on.

use std::fmt;
use std::sync::Arc;

use arc_swap::ArcSwapOption;
use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::version::{TLS12, TLS13};

use crate::clock::UnixTime;
use crate::secret::Secret;

/// A chain and its key, which belong together.
#[derive(Clone)]
pub(super) struct Identity {
    key: Arc<CertifiedKey>,
    pub(super) not_before: UnixTime,
    pub(super) not_after: UnixTime,
}

/// Why a certificate cannot be used. Without the libraries' words, which could show what they read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Unusable {
    #[error("expected certificates in PEM, the server's own first")]
    Certificate,
    #[error("expected a private key in PEM")]
    Key,
    #[error("expected the key of the certificate")]
    Pair,
}

impl Identity {
    pub(super) fn from_pem(chain: &[u8], key: &Secret) -> Result<Self, Unusable> {
        let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_slice_iter(chain)
            .collect::<Result<_, _>>()
            .map_err(|_| Unusable::Certificate)?;
        let first = chain.first().ok_or(Unusable::Certificate)?;
        let (not_before, not_after) = validity(first).ok_or(Unusable::Certificate)?;
        let key = PrivateKeyDer::from_pem_slice(key.expose()).map_err(|_| Unusable::Key)?;
        let key =
            CertifiedKey::from_der(chain, key, &default_provider()).map_err(|_| Unusable::Pair)?;
        Ok(Self {
            key: Arc::new(key),
            not_before,
            not_after,
        })
    }

    pub(super) fn chain(&self) -> &[CertificateDer<'static>] {
        &self.key.cert
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identity")
            .field("not_after", &self.not_after)
            .finish_non_exhaustive()
    }
}

/// From when and until when a certificate holds.
pub(super) fn validity(certificate: &CertificateDer<'_>) -> Option<(UnixTime, UnixTime)> {
    let (_, certificate) = x509_parser::parse_x509_certificate(certificate).ok()?;
    let validity = certificate.validity();
    let time = |time: x509_parser::time::ASN1Time| UnixTime::from_secs(time.timestamp());
    Some((time(validity.not_before), time(validity.not_after)))
}

/// What handshakes show from now on.
#[derive(Default)]
pub(super) struct Shown(ArcSwapOption<Identity>);

impl Shown {
    pub(super) fn show(&self, identity: Identity) {
        self.0.store(Some(Arc::new(identity)));
    }

    pub(super) fn is_there(&self) -> bool {
        self.0.load().is_some()
    }
}

impl ResolvesServerCert for Shown {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let shown = self.0.load();
        shown.as_ref().map(|identity| Arc::clone(&identity.key))
    }
}

impl fmt::Debug for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shown").finish_non_exhaustive()
    }
}

/// How the API server is spoken to. No tickets: a resumed session would not see a new certificate.
pub(super) fn server(shown: Arc<Shown>) -> Result<Arc<ServerConfig>, rustls::Error> {
    let mut config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
        .with_protocol_versions(&[&TLS13, &TLS12])?
        .with_no_client_auth()
        .with_cert_resolver(shown);
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    config.send_tls13_tickets = 0;
    config.session_storage = Arc::new(rustls::server::NoServerSessionStorage {});
    Ok(Arc::new(config))
}

//! Certificates, and clients that speak TLS.
//!
//! The certificates are made by the openssl program at test time, so none is ever out of date.

use std::fs;
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, SupportedProtocolVersion};
use tempfile::TempDir;

use super::net;
use super::raw::RawClient;

/// The name that all certificates of servers are for.
pub(crate) const NAME: &str = "im.example.com";

/// An authority that issues certificates.
#[derive(Debug)]
pub(crate) struct Authority {
    directory: TempDir,
    pub(crate) certificate: String,
}

/// A certificate and its key, in PEM.
#[derive(Clone, Debug)]
pub(crate) struct Identity {
    pub(crate) certificate: String,
    pub(crate) key: String,
}

impl Authority {
    pub(crate) fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let at = directory.path();
        openssl(at, "ecparam -name prime256v1 -genkey -noout -out ca.key");
        openssl(
            at,
            "req -x509 -new -key ca.key -subj /CN=authority -days 2 -out ca.crt",
        );
        let certificate = fs::read_to_string(at.join("ca.crt")).unwrap();
        Self {
            directory,
            certificate,
        }
    }

    /// Issues a certificate for [`NAME`].
    pub(crate) fn server(&self) -> Identity {
        self.issue(&format!("subjectAltName=DNS:{NAME}"), "-days 2")
    }

    /// Issues a certificate for a server at the loopback address of this run.
    pub(crate) fn local_server(&self) -> Identity {
        let name = format!("subjectAltName=IP:{}", net::loopback());
        self.issue(&name, "-days 2")
    }

    /// Issues a certificate for a client.
    pub(crate) fn client(&self) -> Identity {
        self.issue("extendedKeyUsage=clientAuth", "-days 2")
    }

    /// Issues a certificate with this extension; `period` is what openssl says of time.
    pub(crate) fn issue(&self, extension: &str, period: &str) -> Identity {
        let at = self.directory.path();
        fs::write(at.join("extensions"), extension).unwrap();
        openssl(at, "ecparam -name prime256v1 -genkey -noout -out one.key");
        openssl(at, "req -new -key one.key -subj /CN=one -out one.csr");
        openssl(
            at,
            &format!(
                "x509 -req -in one.csr -CA ca.crt -CAkey ca.key -CAcreateserial {period} \
                 -extfile extensions -out one.crt"
            ),
        );
        let read = |name: &str| fs::read_to_string(at.join(name)).unwrap();
        Identity {
            certificate: read("one.crt"),
            key: read("one.key"),
        }
    }
}

impl Identity {
    /// The certificate itself.
    pub(crate) fn der(&self) -> CertificateDer<'static> {
        CertificateDer::from_pem_slice(self.certificate.as_bytes()).unwrap()
    }
}

#[track_caller]
fn openssl(directory: &Path, arguments: &str) {
    let output = Command::new("openssl")
        .args(arguments.split_whitespace())
        .current_dir(directory)
        .output()
        .expect("openssl runs");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "openssl {arguments}: {said}");
}

/// A client's side of TLS, which remembers tickets from one connection to the next.
#[derive(Clone, Debug)]
pub(crate) struct TlsClient {
    config: Arc<ClientConfig>,
}

impl TlsClient {
    /// Trusts this authority.
    pub(crate) fn trusting(authority: &Authority) -> Self {
        Self::with(authority, rustls::ALL_VERSIONS, None)
    }

    /// Speaks these versions only.
    pub(crate) fn speaking(
        authority: &Authority,
        versions: &[&'static SupportedProtocolVersion],
    ) -> Self {
        Self::with(authority, versions, None)
    }

    /// Shows a certificate when it is asked for one.
    pub(crate) fn showing(authority: &Authority, identity: &Identity) -> Self {
        Self::with(authority, rustls::ALL_VERSIONS, Some(identity))
    }

    fn with(
        authority: &Authority,
        versions: &[&'static SupportedProtocolVersion],
        identity: Option<&Identity>,
    ) -> Self {
        let mut roots = RootCertStore::empty();
        let root = CertificateDer::from_pem_slice(authority.certificate.as_bytes()).unwrap();
        roots.add(root).unwrap();
        let builder = ClientConfig::builder_with_provider(Arc::new(default_provider()))
            .with_protocol_versions(versions)
            .unwrap()
            .with_root_certificates(roots);
        let config = match identity {
            Some(identity) => {
                let key = PrivateKeyDer::from_pem_slice(identity.key.as_bytes()).unwrap();
                builder.with_client_auth_cert(vec![identity.der()], key)
            }
            None => Ok(builder.with_no_client_auth()),
        };
        Self {
            config: Arc::new(config.unwrap()),
        }
    }

    /// Offers these protocols.
    pub(crate) fn offering(self, protocols: &[&str]) -> Self {
        let mut config = ClientConfig::clone(&self.config);
        config.alpn_protocols = protocols
            .iter()
            .map(|one| one.as_bytes().to_vec())
            .collect();
        Self {
            config: Arc::new(config),
        }
    }

    pub(crate) fn session(&self) -> ClientConnection {
        let name = ServerName::try_from(NAME).unwrap();
        ClientConnection::new(Arc::clone(&self.config), name).unwrap()
    }

    pub(crate) fn try_connect(&self, address: SocketAddr) -> io::Result<RawClient> {
        RawClient::connect(address).secure(self.session())
    }

    #[track_caller]
    pub(crate) fn connect(&self, address: SocketAddr) -> RawClient {
        self.try_connect(address).expect("a handshake")
    }
}

use std::future::poll_fn;
use std::time::Duration;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, ServerConfig, SignatureScheme};
use tokio::io::{AsyncReadExt as _, DuplexStream, duplex};
use tokio_rustls::{TlsAcceptor, TlsConnector};

use super::*;

const CERTIFICATE: &[u8] = include_bytes!("../../../tests/config/keys/tls.crt");
const KEY: &[u8] = include_bytes!("../../../tests/config/keys/tls.key");

/// A client's stream as the gate has it, and the client's end, over a wire of this many bytes.
pub(in crate::proxy) async fn pair(
    capacity: usize,
) -> (Stream, tokio_rustls::client::TlsStream<DuplexStream>) {
    let (ours, theirs) = duplex(capacity);
    let certificate = CertificateDer::from_pem_slice(CERTIFICATE).unwrap();
    let key = PrivateKeyDer::from_pem_slice(KEY).unwrap();
    let server = ServerConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .unwrap();
    let client = ClientConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Anybody))
        .with_no_client_auth();
    let acceptor = TlsAcceptor::from(Arc::new(server));
    let connector = TlsConnector::from(Arc::new(client));
    let name = ServerName::try_from("im.example.com").unwrap();
    let ours: Stream = Box::new(ours);
    let (ours, theirs) = tokio::join!(acceptor.accept(ours), connector.connect(name, theirs));
    (Box::new(Secured(ours.unwrap())), theirs.unwrap())
}

/// Trusts every server: who it is does not matter here.
#[derive(Debug)]
struct Anybody;

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SignatureScheme::ECDSA_NISTP256_SHA256]
    }
}

#[tokio::test]
async fn what_was_written_leaves_while_only_a_read_is_waited_for() {
    let (mut ours, mut theirs) = pair(1024).await;
    let text = vec![7; 20_000];
    let taken = poll_fn(|cx| Pin::new(&mut ours).poll_write(cx, &text))
        .await
        .unwrap();
    assert_eq!(taken, text.len(), "more than the wire holds");
    let mut arrived = vec![0; taken];
    let mut byte = [0];
    tokio::select! {
        read = ours.read(&mut byte) => panic!("the client says nothing: {read:?}"),
        read = theirs.read_exact(&mut arrived) => assert_eq!(read.unwrap(), taken),
        () = tokio::time::sleep(Duration::from_secs(10)) => panic!("the rest stays behind"),
    }
    assert_eq!(arrived, text);
}

#[test]
fn failures_are_told_apart_by_their_cause() {
    use rustls::{AlertDescription, CertificateError, Error};
    let caused = |error: Error| io::Error::new(io::ErrorKind::InvalidData, error);
    for (expected, error) in [
        (
            HandshakeFailure::Alert,
            caused(Error::AlertReceived(AlertDescription::UnknownCA)),
        ),
        (
            HandshakeFailure::ClientCertificate,
            caused(Error::NoCertificatesPresented),
        ),
        (
            HandshakeFailure::ClientCertificate,
            caused(Error::InvalidCertificate(CertificateError::Expired)),
        ),
        (
            HandshakeFailure::Protocol,
            caused(Error::NoApplicationProtocol),
        ),
        (
            HandshakeFailure::Protocol,
            io::ErrorKind::InvalidData.into(),
        ),
        (
            HandshakeFailure::Protocol,
            io::Error::other("message buffer full"),
        ),
        (
            HandshakeFailure::Closed,
            io::ErrorKind::UnexpectedEof.into(),
        ),
        (
            HandshakeFailure::Closed,
            io::ErrorKind::ConnectionReset.into(),
        ),
    ] {
        assert_eq!(HandshakeFailure::of(&error), expected, "{error}");
    }
}

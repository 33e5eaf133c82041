//! `tls` of a listener: a certificate chain, its private key, and who issues client certificates.
//!
//! Everything is parsed here, down to whether the key belongs to the certificate: what is left can
//! be used as it is. The DER of the key lives in this module only and is wiped.

mod pem;

use std::sync::Arc;

use rustls::RootCertStore;
use rustls::crypto::aws_lc_rs::sign::any_supported_type;
use rustls::pki_types::{
    CertificateDer, PrivateKeyDer, PrivatePkcs1KeyDer, PrivatePkcs8KeyDer, PrivateSec1KeyDer,
};
use rustls::sign::{CertifiedKey, SigningKey};
use x509_parser::prelude::{FromDer as _, X509Certificate};

use super::cursor::{Cursor, Keys};
use super::document::Tls;
use super::source;
use crate::clock::UnixTime;
use crate::scheme::http;
use crate::secret::Digest;

const TLS: Keys = Keys {
    known: &["certificate", "client_ca", "private_key"],
    later: &[],
};

pub(super) fn tls(cursor: &Cursor<'_>) -> Option<Tls> {
    let fields = cursor.map(&TLS)?;
    let certificate = fields.required("certificate");
    let chain = certificate.as_ref().and_then(certificates);
    let private_key = fields.required("private_key");
    let key = private_key.as_ref().and_then(signing_key);
    let client_ca = match fields.get("client_ca") {
        Some(cursor) => Some(authorities(&cursor)?),
        None => None,
    };
    let (certificate, private_key) = (certificate?, private_key?);
    let (chain, (key, key_digest)) = (chain?, key?);

    let fingerprint = fingerprint(&chain, key_digest, client_ca.as_ref());
    let leaf = chain.first()?;
    let (not_before, not_after) = validity(leaf)?;
    let identity = CertifiedKey::new(chain, key);
    match identity.keys_match() {
        Ok(()) => {}
        Err(rustls::Error::InconsistentKeys(_)) => {
            private_key.problem("does not belong to the first certificate of `certificate`");
            return None;
        }
        Err(_) => {
            certificate.problem("expected an X.509 certificate of version 3");
            return None;
        }
    }
    Some(Tls {
        identity: Arc::new(identity),
        client_ca: client_ca.map(|ca| Arc::new(ca.roots)),
        not_before,
        not_after,
        fingerprint,
        place: certificate.place(),
    })
}

const EXPECTED_CERTIFICATES: &str = "expected certificates in PEM";

/// Every certificate of a PEM text; keys beside them are left alone.
fn certificates(cursor: &Cursor<'_>) -> Option<Vec<CertificateDer<'static>>> {
    let text = source::public(cursor)?;
    let Some(blocks) = pem::blocks(text.expose()) else {
        cursor.problem(EXPECTED_CERTIFICATES);
        return None;
    };
    let certificates: Vec<_> = blocks
        .iter()
        .filter(|block| block.label == "CERTIFICATE")
        .map(|block| CertificateDer::from(block.der.to_vec()))
        .collect();
    if certificates.is_empty() {
        cursor.problem(if blocks.iter().any(pem::Block::is_private_key) {
            "a private key, expected certificates"
        } else {
            EXPECTED_CERTIFICATES
        });
        return None;
    }
    if certificates.iter().any(|one| validity(one).is_none()) {
        cursor.problem("expected X.509 certificates");
        return None;
    }
    Some(certificates)
}

/// From when and to when a certificate counts; `None` when it is none.
fn validity(certificate: &CertificateDer<'_>) -> Option<(UnixTime, UnixTime)> {
    let (rest, parsed) = X509Certificate::from_der(certificate).ok()?;
    let validity = parsed.validity();
    let time = |time: x509_parser::time::ASN1Time| UnixTime::from_secs(time.timestamp());
    rest.is_empty()
        .then(|| (time(validity.not_before), time(validity.not_after)))
}

/// The one private key of a PEM text, ready to sign, and a digest that stands for it.
/// Certificates beside it are left alone.
fn signing_key(cursor: &Cursor<'_>) -> Option<(Arc<dyn SigningKey>, Digest)> {
    let text = source::secret(cursor)?;
    let problem = |message: &str| {
        cursor.problem(message);
        None
    };
    let Some(blocks) = pem::blocks(text.expose()) else {
        return problem("expected a private key in PEM");
    };
    let mut keys = blocks.iter().filter(|block| block.is_private_key());
    let Some(block) = keys.next() else {
        return problem(if blocks.iter().any(|one| one.label == "CERTIFICATE") {
            "a certificate, expected its private key"
        } else {
            "expected a private key in PEM"
        });
    };
    if keys.next().is_some() {
        return problem("expected exactly one private key");
    }
    if block.is_encrypted {
        return problem("an encrypted key, expected one that needs no passphrase");
    }
    let der = block.der.as_slice();
    let der = match block.label {
        "EC PRIVATE KEY" => PrivateKeyDer::Sec1(PrivateSec1KeyDer::from(der)),
        "RSA PRIVATE KEY" => PrivateKeyDer::Pkcs1(PrivatePkcs1KeyDer::from(der)),
        _ => PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(der)),
    };
    match any_supported_type(&der) {
        Ok(key) => Some((key, Digest::of(&block.der))),
        Err(_) => problem(
            "expected an RSA key of 2048 to 8192 bits, or one for P-256, P-384, P-521 or Ed25519",
        ),
    }
}

/// Whoever may issue the certificates of servers that the gate asks.
pub(super) fn server_authorities(cursor: &Cursor<'_>) -> Option<http::Authorities> {
    let Authorities { roots, digests } = authorities(cursor)?;
    let digests = digests.iter().map(|one| one.as_bytes().as_slice());
    Some(http::Authorities {
        digest: Digest::of_parts(digests),
        roots: Arc::new(roots),
    })
}

/// Whoever may issue client certificates.
struct Authorities {
    roots: RootCertStore,
    digests: Vec<Digest>,
}

fn authorities(cursor: &Cursor<'_>) -> Option<Authorities> {
    let mut authorities = Authorities {
        roots: RootCertStore::empty(),
        digests: Vec::new(),
    };
    for certificate in certificates(cursor)? {
        authorities.digests.push(Digest::of(&certificate));
        if authorities.roots.add(certificate).is_err() {
            cursor.problem("expected certificates of authorities, X.509 of version 3");
            return None;
        }
    }
    Some(authorities)
}

/// Changes with anything that a handshake depends on.
fn fingerprint(
    chain: &[CertificateDer<'_>],
    key: Digest,
    client_ca: Option<&Authorities>,
) -> Digest {
    let mut parts = vec![key.as_bytes().as_slice()];
    parts.extend(chain.iter().map(AsRef::<[u8]>::as_ref));
    if let Some(authorities) = client_ca {
        // No certificate looks like this.
        parts.push(b"client_ca");
        parts.extend(
            authorities
                .digests
                .iter()
                .map(|one| one.as_bytes().as_slice()),
        );
    }
    Digest::of_parts(parts)
}

#[cfg(test)]
mod tests;

//! An authority of our own, and what it issues.
//!
//! All of it stands in one Secret: `ca.crt` (the authority; while it is exchanged the one before it,
//! too), `ca.key`, `tls.crt`, `tls.key`. Validity begins an hour ago, since clocks differ.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair, KeyUsagePurpose, PublicKeyData as _,
};
use rustls::RootCertStore;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier as _;
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime as PkiTime};
use time::OffsetDateTime;

use super::certificate::{Identity, validity};
use super::upkeep::{Leaf, SecretFacts, Span};
use crate::clock::UnixTime;
use crate::secret::{Digest, Secret};

/// Long enough that an exchange is rare, short enough that it is not for another generation.
const AUTHORITY: Duration = Duration::from_hours(5 * 365 * 24);
const LEAF: Duration = Duration::from_hours(90 * 24);
const SKEW: Duration = Duration::from_hours(1);

/// What the Secret holds.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Material {
    /// In PEM, the authority that issues first.
    pub(super) authorities: String,
    pub(super) authority_key: String,
    pub(super) certificate: String,
    pub(super) key: String,
}

/// Should not happen; without the library's words, which are about keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Failure {
    #[error("no key can be made")]
    Key,
    #[error("no certificate can be made")]
    Certificate,
}

impl Material {
    /// A new authority and its first certificate.
    pub(super) fn new(name: &str, now: UnixTime) -> Result<Self, Failure> {
        let (authority, authority_key) = new_authority(now)?;
        let material = Self {
            authorities: authority,
            authority_key,
            certificate: String::new(),
            key: String::new(),
        };
        material.with_new_leaf(name, now)
    }

    /// The same authority with a new certificate.
    pub(super) fn with_new_leaf(&self, name: &str, now: UnixTime) -> Result<Self, Failure> {
        let issuer_key = KeyPair::from_pem(&self.authority_key).map_err(|_| Failure::Key)?;
        let issuer = Issuer::new(authority_params(&issuer_key, now), issuer_key);
        let key = KeyPair::generate().map_err(|_| Failure::Key)?;
        let names = vec![name.to_owned(), format!("{name}.cluster.local")];
        let mut params = CertificateParams::new(names).map_err(|_| Failure::Certificate)?;
        params.distinguished_name = common_name("imgate-injector".to_owned());
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.use_authority_key_identifier_extension = true;
        (params.not_before, params.not_after) = period(now, LEAF);
        let leaf = params
            .signed_by(&key, &issuer)
            .map_err(|_| Failure::Certificate)?;
        Ok(Self {
            certificate: leaf.pem(),
            key: key.serialize_pem(),
            ..self.clone()
        })
    }

    /// A new authority beside the old one, whose certificate is still shown.
    pub(super) fn with_new_authority(&self, now: UnixTime) -> Result<Self, Failure> {
        let (authority, authority_key) = new_authority(now)?;
        Ok(Self {
            authorities: format!("{authority}{}", self.authorities),
            authority_key,
            ..self.clone()
        })
    }

    /// Without the authorities before the current one.
    pub(super) fn without_old_authorities(&self) -> Self {
        let end = self.authorities.find(PEM_END).map(|at| at + PEM_END.len());
        let first = end.and_then(|end| self.authorities.get(..end));
        Self {
            authorities: first.map_or_else(|| self.authorities.clone(), |pem| format!("{pem}\n")),
            ..self.clone()
        }
    }

    /// What the webhook shows; `None` if that cannot be used.
    pub(super) fn identity(&self) -> Option<Identity> {
        let key = Secret::new(self.key.as_bytes());
        Identity::from_pem(self.certificate.as_bytes(), &key).ok()
    }

    /// What there is to decide about.
    pub(super) fn facts(&self, name: &str, now: UnixTime) -> SecretFacts {
        let Some(authorities) = pem(&self.authorities) else {
            return SecretFacts::Broken;
        };
        let current = authorities.first();
        let (Some(current), Ok(key)) = (current, KeyPair::from_pem(&self.authority_key)) else {
            return SecretFacts::Broken;
        };
        let Some(authority) = span(current).filter(|_| is_key_of(&key, current)) else {
            return SecretFacts::Broken;
        };
        SecretFacts::Good {
            authority,
            has_old_authorities: authorities.len() > 1,
            leaf: self.leaf(&authorities, name, now),
        }
    }

    fn leaf(&self, authorities: &[CertificateDer<'_>], name: &str, now: UnixTime) -> Leaf {
        let Some(identity) = self.identity() else {
            return Leaf::Useless;
        };
        let span = Span {
            from: identity.not_before,
            until: identity.not_after,
        };
        let current = authorities.get(..1).unwrap_or_default();
        if is_trusted(&identity, current, name, now) {
            Leaf::OfCurrent(span)
        } else if is_trusted(&identity, authorities, name, now) {
            Leaf::OfOld(span)
        } else {
            Leaf::Useless
        }
    }
}

impl fmt::Debug for Material {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Material").finish_non_exhaustive()
    }
}

const PEM_END: &str = "-----END CERTIFICATE-----";

fn new_authority(now: UnixTime) -> Result<(String, String), Failure> {
    let key = KeyPair::generate().map_err(|_| Failure::Key)?;
    let authority = authority_params(&key, now)
        .self_signed(&key)
        .map_err(|_| Failure::Certificate)?;
    Ok((authority.pem(), key.serialize_pem()))
}

/// What an authority with this key is called and may do; so its certificate need not be read to issue
/// in its name.
fn authority_params(key: &KeyPair, now: UnixTime) -> CertificateParams {
    let mut params = CertificateParams::default();
    // Each has a name of its own: verifiers look for the issuer by name first.
    let digest = Digest::of(&key.subject_public_key_info()).to_hex();
    let short = digest.get(..16).unwrap_or_default();
    params.distinguished_name = common_name(format!("imgate-injector authority {short}"));
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    (params.not_before, params.not_after) = period(now, AUTHORITY);
    params
}

fn common_name(name: String) -> DistinguishedName {
    let mut names = DistinguishedName::new();
    names.push(DnType::CommonName, name);
    names
}

fn period(now: UnixTime, length: Duration) -> (OffsetDateTime, OffsetDateTime) {
    let time = |time: UnixTime| {
        OffsetDateTime::from_unix_timestamp(time.as_secs()).unwrap_or(OffsetDateTime::UNIX_EPOCH)
    };
    (time(now.minus(SKEW)), time(now.plus(length)))
}

fn pem(text: &str) -> Option<Vec<CertificateDer<'static>>> {
    CertificateDer::pem_slice_iter(text.as_bytes())
        .collect::<Result<Vec<_>, _>>()
        .ok()
}

fn span(certificate: &CertificateDer<'_>) -> Option<Span> {
    let (from, until) = validity(certificate)?;
    Some(Span { from, until })
}

fn is_key_of(key: &KeyPair, certificate: &CertificateDer<'_>) -> bool {
    x509_parser::parse_x509_certificate(certificate)
        .is_ok_and(|(_, certificate)| certificate.public_key().raw == key.subject_public_key_info())
}

/// Whether a client that trusts these would accept the certificate: chain, name and time.
fn is_trusted(
    identity: &Identity,
    authorities: &[CertificateDer<'_>],
    name: &str,
    now: UnixTime,
) -> bool {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(authorities.iter().cloned().map(CertificateDer::into_owned));
    let provider = Arc::new(default_provider());
    let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider).build();
    let (Ok(verifier), Ok(name)) = (verifier, ServerName::try_from(name)) else {
        return false;
    };
    let Some((leaf, others)) = identity.chain().split_first() else {
        return false;
    };
    let seconds = u64::try_from(now.as_secs()).unwrap_or_default();
    let now = PkiTime::since_unix_epoch(Duration::from_secs(seconds));
    verifier
        .verify_server_cert(leaf, others, &name, &[], now)
        .is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAME: &str = "imgate-injector.imgate.svc";

    fn at(days: u64) -> UnixTime {
        UnixTime::from_secs(1_800_000_000).plus(Duration::from_hours(days * 24))
    }

    #[track_caller]
    fn leaf(material: &Material, now: UnixTime) -> Leaf {
        match material.facts(NAME, now) {
            SecretFacts::Good { leaf, .. } => leaf,
            other @ (SecretFacts::Absent | SecretFacts::Broken) => panic!("{other:?}"),
        }
    }

    #[test]
    fn what_is_made_is_trusted_for_its_time_and_its_name() {
        let material = Material::new(NAME, at(0)).unwrap();
        let Leaf::OfCurrent(span) = leaf(&material, at(0)) else {
            panic!("of the only authority");
        };
        assert_eq!(span.until, at(90));
        assert_eq!(leaf(&material, at(91)), Leaf::Useless, "after its time");
        let other = material.facts("other.imgate.svc", at(0));
        assert!(
            matches!(
                other,
                SecretFacts::Good {
                    leaf: Leaf::Useless,
                    ..
                }
            ),
            "{other:?}"
        );
        let identity = material.identity().unwrap();
        let long = format!("{NAME}.cluster.local");
        let authorities = pem(&material.authorities).unwrap();
        assert!(is_trusted(&identity, &authorities, &long, at(1)));
    }

    #[test]
    fn a_leaf_is_renewed_under_the_same_authority() {
        let material = Material::new(NAME, at(0)).unwrap();
        let renewed = material.with_new_leaf(NAME, at(60)).unwrap();
        assert_eq!(renewed.authorities, material.authorities);
        assert!(matches!(leaf(&renewed, at(100)), Leaf::OfCurrent(_)));
        assert_ne!(renewed.key, material.key);
    }

    #[test]
    fn an_authority_is_exchanged_without_a_moment_of_distrust() {
        let first = Material::new(NAME, at(0)).unwrap();
        let both = first.with_new_authority(at(10)).unwrap();
        assert!(matches!(leaf(&both, at(10)), Leaf::OfOld(_)));
        let switched = both.with_new_leaf(NAME, at(10)).unwrap();
        assert!(matches!(leaf(&switched, at(10)), Leaf::OfCurrent(_)));
        // Whoever trusts both trusts what others still show.
        let authorities = pem(&switched.authorities).unwrap();
        assert!(is_trusted(
            &first.identity().unwrap(),
            &authorities,
            NAME,
            at(10)
        ));
        let done = switched.without_old_authorities();
        assert_eq!(pem(&done.authorities).unwrap(), &authorities[..1]);
        assert!(matches!(leaf(&done, at(10)), Leaf::OfCurrent(_)));
        assert_eq!(done.without_old_authorities(), done);
    }

    #[test]
    fn what_does_not_belong_together_is_broken() {
        let good = Material::new(NAME, at(0)).unwrap();
        let other = Material::new(NAME, at(0)).unwrap();
        for (case, broken) in [
            (
                "another key",
                Material {
                    authority_key: other.authority_key.clone(),
                    ..good.clone()
                },
            ),
            (
                "no authority",
                Material {
                    authorities: String::new(),
                    ..good.clone()
                },
            ),
            (
                "no key",
                Material {
                    authority_key: String::new(),
                    ..good.clone()
                },
            ),
            (
                "nonsense",
                Material {
                    authorities: "nonsense".to_owned(),
                    ..good.clone()
                },
            ),
        ] {
            assert_eq!(broken.facts(NAME, at(0)), SecretFacts::Broken, "{case}");
        }
        for (case, useless) in [
            (
                "somebody else's leaf",
                Material {
                    certificate: other.certificate.clone(),
                    key: other.key.clone(),
                    ..good.clone()
                },
            ),
            (
                "another key",
                Material {
                    key: other.key,
                    ..good.clone()
                },
            ),
            (
                "no leaf",
                Material {
                    certificate: String::new(),
                    ..good
                },
            ),
        ] {
            assert_eq!(leaf(&useless, at(0)), Leaf::Useless, "{case}");
        }
    }

    #[test]
    fn nobody_sees_the_keys() {
        let material = Material::new(NAME, at(0)).unwrap();
        assert_eq!(format!("{material:?}"), "Material { .. }");
    }
}

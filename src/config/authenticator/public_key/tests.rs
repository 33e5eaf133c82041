use proptest::prelude::*;

use super::*;

const P_256: &str = include_str!("../../../../tests/config/keys/p-256.pem");
const RSA_2048: &str = include_str!("../../../../tests/config/keys/rsa-2048.pem");

#[test]
fn a_key_is_known_by_its_structure() {
    let private = P_256.replace("PUBLIC KEY", "EC PRIVATE KEY");
    let with_parameters = format!(
        "-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n{P_256}"
    );
    for (case, pem, expected) in [
        ("P-256", P_256, Ok(PublicKey::P256)),
        (
            "P-384",
            include_str!("../../../../tests/config/keys/p-384.pem"),
            Ok(PublicKey::P384),
        ),
        (
            "P-521",
            include_str!("../../../../tests/config/keys/p-521.pem"),
            Err(Unusable::OtherKind),
        ),
        (
            "Ed25519",
            include_str!("../../../../tests/config/keys/ed25519.pem"),
            Ok(PublicKey::Ed25519),
        ),
        ("RSA", RSA_2048, Ok(PublicKey::Rsa)),
        (
            "RSA in its own form",
            include_str!("../../../../tests/config/keys/rsa-2048-pkcs1.pem"),
            Ok(PublicKey::Rsa),
        ),
        (
            "RSA of 1024 bits",
            include_str!("../../../../tests/config/keys/rsa-1024.pem"),
            Err(Unusable::ModulusSize),
        ),
        (
            "a certificate",
            include_str!("../../../../tests/config/keys/certificate.pem"),
            Err(Unusable::Certificate),
        ),
        ("a private key", &private, Err(Unusable::PrivateKey)),
        (
            "curve parameters before the key",
            &with_parameters,
            Err(Unusable::Several),
        ),
        ("two keys", &P_256.repeat(2), Err(Unusable::Several)),
        (
            "a text before it",
            &format!("my key\n{P_256}"),
            Ok(PublicKey::P256),
        ),
        (
            "Windows line ends",
            &P_256.replace('\n', "\r\n"),
            Ok(PublicKey::P256),
        ),
        (
            "a cut end",
            P_256.trim_end().trim_end_matches('-'),
            Err(Unusable::NotPem),
        ),
        ("no PEM", "MFkwEwYHKoZIzj0CAQ", Err(Unusable::NotPem)),
        ("nothing", "", Err(Unusable::NotPem)),
    ] {
        assert_eq!(classify(pem.as_bytes()), expected, "{case}");
    }
}

#[test]
fn the_size_of_a_modulus_is_that_of_its_digits() {
    for (case, modulus, good) in [
        ("2048 bits", [&[0x80][..], &[0; 255]].concat(), true),
        (
            "2048 bits and a sign byte",
            [&[0, 0x80][..], &[0; 255]].concat(),
            true,
        ),
        ("2047 bits", [&[0x7f][..], &[0xff; 255]].concat(), false),
        (
            "padded with zeros",
            [&[0; 255][..], &[0xff]].concat(),
            false,
        ),
        ("8192 bits", [&[0x80][..], &[0; 1023]].concat(), true),
        ("more", [&[0x01][..], &[0; 1024]].concat(), false),
        ("nothing", Vec::new(), false),
    ] {
        assert_eq!(is_modulus_size(&modulus), good, "{case}");
    }
}

proptest! {
    #[test]
    fn no_bytes_make_the_reader_panic(bytes in any::<Vec<u8>>()) {
        let _ = (classify(&bytes), subject_public_key_info(&bytes), rsa_public_key(&bytes));
        let pem = format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n", STANDARD.encode(&bytes));
        prop_assert!(classify(pem.as_bytes()).is_err());
    }

    #[test]
    fn a_cut_key_is_never_taken_for_a_whole_one(length in 0_usize..294) {
        let body: String = RSA_2048.lines().filter(|line| !line.starts_with('-')).collect();
        let der = STANDARD.decode(body).unwrap();
        prop_assert_eq!(subject_public_key_info(&der[..length]), Err(Unusable::NotPem));
    }
}

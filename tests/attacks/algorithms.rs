//! Tokens that choose how they are verified (A26), and signatures that are none (A31).

use std::fs;
use std::process::Command;

use jsonwebtoken::Algorithm;

use super::arena::Arena;
use super::forge::{
    EC, ED, RSA, SECRET, by_ours, by_pair, by_secret, ec_pair, encode, good_claims, refused,
    resigned, token,
};
use crate::support::gate::binary;
use crate::support::member::bearer;
use crate::support::mint::Pair;

/// Every kind of key beside every other, so that each could be taken for another.
const POLICY: &str = "
authenticators:
  member:
    from: [{ header: Authorization, prefix: Bearer }]
    jwt:
      keys:
        - { kid: h, algorithm: HS256, secret: { file: keys/h } }
        - { kid: r, algorithm: RS256, public_key: { file: keys/r.pem } }
        - { kid: e, algorithm: ES256, public_key: { file: keys/e.pem } }
        - { kid: d, algorithm: EdDSA, public_key: { file: keys/d.pem } }
      issuer: any
      audience: any
  public-keys:
    from: [{ header: Authorization, prefix: Bearer }]
    jwt:
      keys:
        - { kid: r, algorithm: RS256, public_key: { file: keys/r.pem } }
        - { algorithm: ES256, public_key: { file: keys/e.pem } }
      issuer: any
      audience: any
routes:
  - { name: api, match: { path: /api/** }, require: { any_of: [member] }, upstream: im }
  - { name: public-keys, match: { path: /public-keys/** }, require: { any_of: [public-keys] }, upstream: im }
  - { name: open, match: { path: /open/** }, require: public, upstream: im }
";

fn arena() -> Arena {
    Arena::of(POLICY, |builder| {
        builder
            .file("keys/h", std::str::from_utf8(SECRET).unwrap())
            .file("keys/r.pem", &RSA.public)
            .file("keys/e.pem", &EC.public)
            .file("keys/d.pem", &ED.public)
    })
}

fn header(alg: &str, kid: &str) -> String {
    format!(r#"{{"alg":"{alg}","kid":"{kid}","typ":"JWT"}}"#)
}

/// The four that would be let in: otherwise nothing here would prove anything.
#[track_caller]
fn expect_honest_ones(arena: &Arena) {
    let claims = good_claims();
    for (case, token) in [
        ("HS256", by_ours(&header("HS256", "h"), &claims)),
        (
            "RS256",
            by_pair(Algorithm::RS256, &RSA, &header("RS256", "r"), &claims),
        ),
        (
            "ES256",
            by_pair(Algorithm::ES256, &EC, &header("ES256", "e"), &claims),
        ),
        (
            "EdDSA",
            by_pair(Algorithm::EdDSA, &ED, &header("EdDSA", "d"), &claims),
        ),
    ] {
        arena.expect_open(case, "/api/x", &bearer(&token));
    }
}

#[test]
fn an_algorithm_that_is_none_opens_nothing() {
    let arena = arena();
    expect_honest_ones(&arena);
    let claims = good_claims();
    #[rustfmt::skip]
    let values = [
        r#""none""#, r#""None""#, r#""NONE""#, r#""nOnE""#, r#""NonE""#, r#""none ""#, r#"" none""#, r#""none\u0000""#, r#""\u006eone""#, r#""""#, r#"" ""#,
        "null", "true", "false", "0", "1", "-1", "256", "[]", "{}", r#"[""]"#, r#"["none"]"#, r#"["RS256"]"#, r#"["HS256","none"]"#, r#"{"alg":"HS256"}"#,
        r#"{"HS256":true}"#, r#""hs256""#, r#""Hs256""#, r#""HS256 ""#, r#"" HS256""#, r#""HS256\u0000""#, r#""HS256\n""#, r#""HS256,none""#, r#""HS-256""#,
        r#""ＨＳ256""#, r#""HS257""#, r#""HS1""#, r#""HMAC""#, r#""rs256""#, r#""RS1""#, r#""RSA""#, r#""RSA-OAEP""#, r#""RSA1_5""#, r#""es256""#,
        r#""ES256K""#, r#""ES512""#, r#""ES521""#, r#""eddsa""#, r#""EDDSA""#, r#""Ed25519""#, r#""Ed448""#, r#""dir""#, r#""A128KW""#, r#""A128GCMKW""#,
        r#""ECDH-ES""#, r#""PBES2-HS256+A128KW""#, r#""SM3""#, r#""unknown""#,
    ];
    let mut attacks = Vec::new();
    for alg in values {
        for rest in [
            "",
            r#","kid":"h""#,
            r#","kid":"r""#,
            r#","kid":"e""#,
            r#","kid":"d""#,
        ] {
            let header = format!(r#"{{"alg":{alg}{rest}}}"#);
            let bare = token(&header, &claims, b"");
            let (parts, _) = bare.rsplit_once('.').unwrap();
            for (case, token) in [
                ("without a signature", bare.clone()),
                ("without even its dot", parts.to_owned()),
                ("with any signature", token(&header, &claims, &[0; 32])),
                ("with a good signature", by_ours(&header, &claims)),
            ] {
                attacks.push(refused(format!("{header} {case}"), &token));
            }
        }
    }
    for header in [
        r"{}",
        r#"{"typ":"JWT"}"#,
        r#"{"kid":"h"}"#,
        r#"{"Alg":"HS256","kid":"h"}"#,
        r#"{"ALG":"HS256"}"#,
        r#"{"alg ":"HS256"}"#,
    ] {
        attacks.push(refused(
            format!("{header} names none"),
            &by_ours(header, &claims),
        ));
        attacks.push(refused(
            format!("{header} names none, unsigned"),
            &token(header, &claims, b""),
        ));
    }
    arena.check_together(attacks);
}

/// CVE-2015-9235 and its many children: what everybody knows is no secret.
#[test]
fn a_public_key_is_not_taken_for_a_secret() {
    let arena = arena();
    expect_honest_ones(&arena);
    let (pkcs1_pem, pkcs1_der) = RSA.public_pkcs1();
    let mut secrets: Vec<(String, Vec<u8>)> = vec![
        ("nothing".into(), Vec::new()),
        ("a zero".into(), vec![0]),
        ("its own name".into(), b"r".to_vec()),
        ("PKCS #1 in PEM".into(), pkcs1_pem.clone().into()),
        (
            "PKCS #1 in PEM without its last line end".into(),
            pkcs1_pem.trim_end().into(),
        ),
        ("PKCS #1 in DER".into(), pkcs1_der.clone()),
        // The modulus: behind the headers of a sequence and an integer, and before the exponent.
        ("the modulus".into(), pkcs1_der[9..9 + 256].to_vec()),
    ];
    for (kind, pair) in [("RSA", &*RSA), ("EC", &*EC), ("Ed25519", &*ED)] {
        let (pem, der) = (&pair.public, pair.public_der());
        let body: String = pem.lines().filter(|line| !line.starts_with('-')).collect();
        let point = der[der.len() - if kind == "EC" { 65 } else { 32 }..].to_vec();
        secrets.extend([
            (format!("the PEM of {kind}"), pem.clone().into_bytes()),
            (
                format!("the PEM of {kind} without its last line end"),
                pem.trim_end().into(),
            ),
            (
                format!("the PEM of {kind} with two line ends"),
                format!("{pem}\n").into(),
            ),
            (
                format!("the PEM of {kind} in Windows' lines"),
                pem.replace('\n', "\r\n").into(),
            ),
            (
                format!("the PEM of {kind} in one line"),
                pem.replace('\n', "").into(),
            ),
            (
                format!("the PEM of {kind} with written line ends"),
                pem.replace('\n', "\\n").into(),
            ),
            (format!("the body of the PEM of {kind}"), body.into()),
            (format!("the DER of {kind}"), der.clone()),
            (format!("the point of {kind}"), point.clone()),
            (
                format!("the point of {kind} in base64url"),
                encode(&point).into(),
            ),
        ]);
    }
    let claims = good_claims();
    let mut attacks = Vec::new();
    for (case, secret) in &secrets {
        for algorithm in [Algorithm::HS256, Algorithm::HS384, Algorithm::HS512] {
            for (target, kid) in [
                ("/api", r#","kid":"r""#),
                ("/api", r#","kid":"e""#),
                ("/api", r#","kid":"d""#),
                ("/api", r#","kid":"h""#),
                ("/api", ""),
                ("/public-keys", r#","kid":"r""#),
                ("/public-keys", ""),
            ] {
                // What the token names, and what is done: both as they should be, and crossed.
                for alg in [&*format!("{algorithm:?}"), "RS256"] {
                    let header = format!(r#"{{"alg":"{alg}"{kid}}}"#);
                    let token = by_secret(algorithm, secret, &header, &claims);
                    let bytes = crate::support::raw::request(
                        "GET",
                        &format!("{target}/smuggled"),
                        &bearer(&token),
                    );
                    let case = format!("{case} by {algorithm:?} as {header} on {target}");
                    attacks.push(super::arena::attack(case, bytes, 401));
                }
            }
        }
    }
    arena.check_together(attacks);
}

#[test]
fn a_key_of_one_algorithm_does_not_verify_another() {
    let arena = arena();
    expect_honest_ones(&arena);
    let claims = good_claims();
    let mut attacks = Vec::new();
    for (algorithm, pair) in [
        (Algorithm::RS256, &*RSA),
        (Algorithm::RS384, &*RSA),
        (Algorithm::RS512, &*RSA),
        (Algorithm::PS256, &*RSA),
        (Algorithm::PS384, &*RSA),
        (Algorithm::PS512, &*RSA),
        (Algorithm::ES256, &*EC),
        (Algorithm::EdDSA, &*ED),
    ] {
        for named in [
            "HS256", "HS384", "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256",
            "ES384", "EdDSA",
        ] {
            for kid in ["h", "r", "e", "d"] {
                let is_honest = format!("{algorithm:?}") == named
                    && matches!(
                        (named, kid),
                        ("RS256", "r") | ("ES256", "e") | ("EdDSA", "d")
                    );
                if !is_honest {
                    let token = by_pair(algorithm, pair, &header(named, kid), &claims);
                    let case = format!("{algorithm:?} as {named} of {kid}");
                    attacks.push(refused(case, &token));
                }
            }
        }
    }
    arena.check_together(attacks);
}

/// The order of P-256, which is what "zero" is in signatures.
const ORDER: [u8; 32] = [
    0xff, 0xff, 0xff, 0xff, 0x00, 0x00, 0x00, 0x00, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
    0xbc, 0xe6, 0xfa, 0xad, 0xa7, 0x17, 0x9e, 0x84, 0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63, 0x25, 0x51,
];

/// Makes another signature of one.
type Change = fn(Vec<u8>) -> Vec<u8>;

/// A signature in DER, as most libraries write it by themselves.
fn der(signature: &[u8]) -> Vec<u8> {
    let integer = |bytes: &[u8]| {
        let start = bytes.iter().position(|byte| *byte != 0).unwrap_or(31);
        let bytes = &bytes[start..];
        let padding: &[u8] = if bytes[0] >= 0x80 { &[0] } else { &[] };
        let length = u8::try_from(bytes.len() + padding.len()).unwrap();
        [&[2, length], padding, bytes].concat()
    };
    let (r, s) = signature.split_at(32);
    let both = [integer(r), integer(s)].concat();
    [&[0x30, u8::try_from(both.len()).unwrap()], &*both].concat()
}

/// Psychic signatures (CVE-2022-21449), and every other form of a good one.
#[test]
fn a_signature_of_an_elliptic_curve_in_another_form_opens_nothing() {
    let arena = arena();
    expect_honest_ones(&arena);
    let header = header("ES256", "e");
    let good = by_pair(Algorithm::ES256, &EC, &header, &good_claims());
    let one = {
        let mut one = [0; 32];
        one[31] = 1;
        one
    };
    let zero = [0; 32];
    let mut attacks = Vec::new();
    for (r_name, r) in [
        ("0", zero),
        ("1", one),
        ("n", ORDER),
        ("2^256-1", [0xff; 32]),
    ] {
        for (s_name, s) in [
            ("0", zero),
            ("1", one),
            ("n", ORDER),
            ("2^256-1", [0xff; 32]),
        ] {
            let forged = resigned(&good, |_| [r, s].concat());
            attacks.push(refused(format!("r = {r_name}, s = {s_name}"), &forged));
        }
        let with_r = resigned(&good, |own| [&r, &own[32..]].concat());
        let with_s = resigned(&good, |own| [&own[..32], &r].concat());
        attacks.push(refused(format!("r = {r_name}, its own s"), &with_r));
        attacks.push(refused(format!("s = {r_name}, its own r"), &with_s));
    }
    let changes: [(&str, Change); 14] = [
        ("none", |_| Vec::new()),
        ("one byte", |_| vec![0]),
        ("in DER", |own| der(&own)),
        ("a zero behind it", |own| [&*own, &[0]].concat()),
        ("a zero before it", |own| [&[0], &*own].concat()),
        ("a zero before each half", |own| {
            [&[0], &own[..32], &[0], &own[32..]].concat()
        }),
        ("a byte less", |own| own[..63].to_vec()),
        ("the first half", |own| own[..32].to_vec()),
        ("the halves in the other order", |own| {
            [&own[32..], &own[..32]].concat()
        }),
        ("twice", |own| own.repeat(2)),
        ("as long as one of P-384", |own| {
            [&[0; 16], &own[..32], &[0; 16], &own[32..]].concat()
        }),
        ("as long as one of P-521", |own| {
            [&[0; 34], &own[..32], &[0; 34], &own[32..]].concat()
        }),
        ("a DER of nothing", |_| vec![0x30, 0]),
        ("a DER of zeros", |_| vec![0x30, 6, 2, 1, 0, 2, 1, 0]),
    ];
    for (case, change) in changes {
        attacks.push(refused(case, &resigned(&good, change)));
    }
    arena.check(attacks);
}

/// The order of Ed25519's group, the lowest byte first.
const ED_ORDER: [u8; 32] = [
    0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14,
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
];

#[test]
fn a_second_signature_of_ed25519_opens_nothing() {
    let arena = arena();
    expect_honest_ones(&arena);
    let good = by_pair(Algorithm::EdDSA, &ED, &header("EdDSA", "d"), &good_claims());
    // The same number and once more the order: RFC 8032 §5.1.7 has it refused.
    let plus_the_order = |own: Vec<u8>, times: u16| {
        let mut changed = own[..32].to_vec();
        let mut carry = 0;
        for (byte, order) in own[32..].iter().zip(ED_ORDER) {
            let sum = u16::from(*byte) + u16::from(order) * times + carry;
            changed.push(u8::try_from(sum & 0xff).unwrap());
            carry = sum >> 8;
        }
        changed
    };
    let mut attacks: Vec<_> = (1..=8)
        .map(|times| {
            let changed = resigned(&good, |own| plus_the_order(own, times));
            refused(format!("the order {times} times"), &changed)
        })
        .collect();
    // Points of small order, for which any message may do.
    let mut one = [0; 32];
    one[0] = 1;
    let mut minus_one = [0xff; 32];
    (minus_one[0], minus_one[31]) = (0xec, 0x7f);
    for (case, point) in [
        ("zero", [0; 32]),
        ("one", one),
        ("minus one", minus_one),
        ("no point", [0xff; 32]),
    ] {
        for (s_case, s) in [("0", [0; 32]), ("the order", ED_ORDER)] {
            let forged = resigned(&good, |_| [point, s].concat());
            attacks.push(refused(format!("{case} with s = {s_case}"), &forged));
        }
        let forged = resigned(&good, |own| [&point, &own[32..]].concat());
        attacks.push(refused(format!("{case} with its own s"), &forged));
    }
    for bit in [0x80, 0x40, 0x20, 0x01] {
        for byte in [31, 63] {
            let changed = resigned(&good, |mut own| {
                own[byte] ^= bit;
                own
            });
            attacks.push(refused(format!("bit {bit:#x} of byte {byte}"), &changed));
        }
    }
    arena.check(attacks);
}

/// PKCS #1 v1.5 with room for what nobody looks at (Bleichenbacher 2006), by no key at all.
#[test]
fn a_signature_of_rsa_without_its_key_opens_nothing() {
    let arena = arena();
    expect_honest_ones(&arena);
    let good = by_pair(
        Algorithm::RS256,
        &RSA,
        &header("RS256", "r"),
        &good_claims(),
    );
    let mut one = vec![0; 256];
    one[255] = 1;
    let attacks = [
        ("zero", vec![0; 256]),
        ("one", one),
        ("all ones", vec![0xff; 256]),
        ("nothing", Vec::new()),
        ("a zero", vec![0]),
        ("a longer one", vec![0; 257]),
        ("one as long as a token may have", vec![1; 1024]),
    ]
    .map(|(case, signature)| refused(case, &resigned(&good, |_| signature)));
    arena.check(attacks);
    let others = [
        (
            "a zero before it",
            resigned(&good, |own| [&[0], &*own].concat()),
        ),
        (
            "a zero behind it",
            resigned(&good, |own| [&*own, &[0]].concat()),
        ),
        (
            "its last byte missing",
            resigned(&good, |own| own[..255].to_vec()),
        ),
    ];
    arena.check(others.map(|(case, token)| refused(case, &token)));
}

/// What anybody could sign with is refused before there is a gate.
#[test]
fn a_weak_key_is_not_started_with() {
    let rsa = |bits: &str| {
        Pair::generate(&[
            "-algorithm",
            "RSA",
            "-pkeyopt",
            &format!("rsa_keygen_bits:{bits}"),
        ])
        .public
    };
    let exponent_one = "-----BEGIN PUBLIC KEY-----\nMIIB\n-----END PUBLIC KEY-----\n".to_owned();
    let private = ec_pair().private;
    #[rustfmt::skip]
    let cases = [
        ("a modulus of 1024 bits", "algorithm: RS256, public_key: { file: key }", rsa("1024")),
        ("a modulus of 2040 bits", "algorithm: PS256, public_key: { file: key }", rsa("2040")),
        ("half a key", "algorithm: RS256, public_key: { file: key }", exponent_one),
        ("a key of another kind", "algorithm: RS256, public_key: { file: key }", EC.public.clone()),
        ("a public key for an HMAC", "algorithm: HS256, public_key: { file: key }", RSA.public.clone()),
        ("a secret for a signature", "algorithm: RS256, secret: { file: key }", "x".repeat(64)),
        ("a private key", "algorithm: ES256, public_key: { file: key }", private),
        ("two keys", "algorithm: ES256, public_key: { file: key }", EC.public.repeat(2)),
        ("an empty secret", "algorithm: HS256, secret: { file: key }", String::new()),
        ("a secret of a line end", "algorithm: HS256, secret: { file: key }", "\n".to_owned()),
        ("a secret of 31 bytes", "algorithm: HS256, secret: { file: key }", "0123456789abcdef0123456789abcde".to_owned()),
        ("an empty secret that may be weak", "algorithm: HS256, secret: { file: key }, allow_weak_secret: true", String::new()),
        ("jwt.io's secret", "algorithm: HS256, secret: { file: key }", "a-string-secret-at-least-256-bits-long".to_owned()),
        ("no algorithm", "secret: { file: key }", "x".repeat(64)),
        ("the algorithm none", "algorithm: none, secret: { file: key }", "x".repeat(64)),
        ("an algorithm that nobody has", "algorithm: ES512, public_key: { file: key }", EC.public.clone()),
    ];
    let directory = tempfile::tempdir().unwrap();
    for (case, key, material) in cases {
        fs::write(directory.path().join("key"), &material).unwrap();
        let configuration = format!(
            "listeners: [{{ address: 127.0.0.1:9688 }}]\n\
             upstreams: {{ im: {{ address: 127.0.0.1:19688 }} }}\n\
             authenticators: {{ a: {{ from: [{{ header: Authorization }}], jwt: {{ keys: [{{ kid: k, {key} }}], issuer: any, audience: any }} }} }}\n\
             routes: [{{ match: {{ path: /** }}, require: {{ any_of: [a] }}, upstream: im }}]\n"
        );
        fs::write(directory.path().join("imgate.yaml"), configuration).unwrap();
        let output = Command::new(binary())
            .args(["check", "-c", "imgate.yaml"])
            .current_dir(directory.path())
            .output()
            .unwrap();
        let printed = [output.stdout.as_slice(), &output.stderr].concat();
        let printed = String::from_utf8_lossy(&printed);
        assert_eq!(output.status.code(), Some(64), "{case}: {printed}");
        assert!(
            printed.contains("authenticators.a.jwt.keys[0]"),
            "{case}: {printed}"
        );
        let shows_it = material.len() > 8 && printed.contains(material.trim());
        assert!(!shows_it, "{case}: {printed}");
    }
}

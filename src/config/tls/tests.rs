use super::pem;
use crate::config;
use crate::config::document::Tls;

const CERTIFICATE: &str = include_str!("../../../tests/config/keys/tls.crt");
const KEY: &str = include_str!("../../../tests/config/keys/tls.key");

/// Loads a listener with this certificate and this key, perhaps with a client CA.
fn load(certificate: &str, key: &str, client_ca: Option<&str>) -> Result<Tls, String> {
    let directory = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(directory.path().join(name), text).unwrap();
    write("tls.crt", certificate);
    write("tls.key", key);
    write("ca.crt", client_ca.unwrap_or_default());
    let client_ca = client_ca.map_or("", |_| ", client_ca: { file: ca.crt }");
    write(
        "imgate.yaml",
        &format!(
            "listeners: [{{ address: 127.0.0.1:1, tls: {{ certificate: {{ file: tls.crt }}, \
             private_key: {{ file: tls.key }}{client_ca} }} }}]\n\
             upstreams: {{ im: {{ address: 127.0.0.1:2 }} }}\n\
             routes: [{{ match: {{ path: /a }}, require: public, upstream: im }}]\n"
        ),
    );
    let read = config::read(&directory.path().join("imgate.yaml"));
    for name in ["imgate.yaml", "tls.crt", "tls.key"] {
        let is_listed = read.files.iter().any(|file| file.path().ends_with(name));
        assert!(is_listed, "`{name}` is listed, to be watched");
    }
    let mut loaded = read.outcome.unwrap();
    match loaded.problems.first() {
        Some(problem) => Err(problem.to_string()),
        None => Ok(loaded.document.listeners.remove(0).tls.unwrap()),
    }
}

#[test]
fn a_certificate_and_its_key_are_good_in_any_usual_arrangement() {
    for (case, certificate, key) in [
        ("a file each", CERTIFICATE.to_owned(), KEY.to_owned()),
        (
            "both in one file",
            format!("{KEY}{CERTIFICATE}"),
            format!("{CERTIFICATE}{KEY}"),
        ),
        (
            "with commentary",
            format!("subject=CN = a\n{CERTIFICATE}\nthe end"),
            KEY.to_owned(),
        ),
        (
            "curve parameters before the key",
            CERTIFICATE.to_owned(),
            format!(
                "-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n{KEY}"
            ),
        ),
        (
            "lines that end as on Windows",
            CERTIFICATE.replace('\n', "\r\n"),
            KEY.replace('\n', "\r\n"),
        ),
    ] {
        load(&certificate, &key, None).unwrap_or_else(|problem| panic!("{case}: {problem}"));
    }
}

#[test]
fn a_fingerprint_changes_with_all_that_a_handshake_depends_on() {
    let fingerprint = |certificate: &str, client_ca: Option<&str>| {
        load(certificate, KEY, client_ca).unwrap().fingerprint
    };
    let one = fingerprint(CERTIFICATE, None);
    assert!(one.matches(&fingerprint(CERTIFICATE, None)));
    let chain = format!("{CERTIFICATE}{CERTIFICATE}");
    let others = [
        fingerprint(&chain, None),
        fingerprint(CERTIFICATE, Some(CERTIFICATE)),
        fingerprint(CERTIFICATE, Some(&chain)),
        fingerprint(&chain, Some(CERTIFICATE)),
    ];
    for (index, other) in others.iter().enumerate() {
        assert!(!one.matches(other), "{index}");
        assert!(!others[..index].iter().any(|earlier| earlier.matches(other)));
    }
}

#[test]
fn debug_shows_no_key() {
    let tls = load(CERTIFICATE, KEY, Some(CERTIFICATE)).unwrap();
    let shown = format!("{tls:?} {:?}", tls.identity.key);
    assert!(shown.starts_with("Tls { not_after: "), "{shown}");
    assert!(!shown.contains('['), "no bytes: {shown}");
}

#[test]
fn blocks_are_read_in_order_or_not_at_all() {
    let two = format!("{KEY}between\n{CERTIFICATE}");
    let blocks = pem::blocks(two.as_bytes()).unwrap();
    let labels: Vec<_> = blocks.iter().map(|block| block.label).collect();
    assert_eq!(labels, ["EC PRIVATE KEY", "CERTIFICATE"]);
    for (case, text) in [
        ("nothing", String::new()),
        ("no block", "MIIB".to_owned()),
        ("no end", KEY.replace("-----END", "")),
        ("another end", KEY.replace("END EC", "END RSA")),
        (
            "a block without content",
            "-----BEGIN A-----\n-----END A-----".to_owned(),
        ),
        ("not base64", KEY.replace("\nM", "\n!")),
        (
            "a second block that is broken",
            format!("{KEY}-----BEGIN A-----"),
        ),
    ] {
        assert!(pem::blocks(text.as_bytes()).is_none(), "{case}");
    }
    assert!(pem::blocks(b"-----BEGIN \xff").is_none(), "not text");
}

proptest::proptest! {
    #[test]
    fn no_text_makes_reading_pem_panic(text in "(-----(BEGIN|END) [A-Z]{0,3}-----|[A-Za-z0-9+/=\n-]{0,8}){0,8}") {
        let _ = pem::blocks(text.as_bytes());
    }
}

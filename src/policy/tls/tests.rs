use std::time::Duration;

use super::*;
use crate::config;

const CERTIFICATE: &str = include_str!("../../../tests/config/keys/tls.crt");
const KEY: &str = include_str!("../../../tests/config/keys/tls.key");

fn document(client_ca: bool) -> document::Tls {
    let directory = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(directory.path().join(name), text).unwrap();
    write("tls.crt", CERTIFICATE);
    write("tls.key", KEY);
    let client_ca = if client_ca {
        ", client_ca: { file: tls.crt }"
    } else {
        ""
    };
    write(
        "imgate.yaml",
        &format!(
            "listeners: [{{ address: 127.0.0.1:1, tls: {{ certificate: {{ file: tls.crt }}, \
             private_key: {{ file: tls.key }}{client_ca} }} }}]\n"
        ),
    );
    let mut loaded = config::load(&directory.path().join("imgate.yaml")).unwrap();
    loaded.document.listeners.remove(0).tls.unwrap()
}

fn compiled(client_ca: bool, old: &[&Tls]) -> Tls {
    Tls::new(document(client_ca), old).unwrap()
}

#[test]
fn tickets_live_as_long_as_nothing_changes() {
    let first = compiled(false, &[]);
    let same = compiled(false, &[&first]);
    assert!(Arc::ptr_eq(first.config(), same.config()));
    let other = compiled(true, &[&first]);
    assert!(!Arc::ptr_eq(first.config(), other.config()));
    let back = compiled(false, &[&other]);
    let ticket = first.config().ticketer.encrypt(b"session").unwrap();
    assert!(same.config().ticketer.decrypt(&ticket).is_some());
    assert!(
        back.config().ticketer.decrypt(&ticket).is_none(),
        "a detour makes new keys"
    );
}

#[test]
fn a_listener_that_asks_for_certificates_resumes_nothing() {
    let config = compiled(true, &[]);
    let config = config.config();
    assert!(!config.ticketer.enabled());
    assert_eq!(config.send_tls13_tickets, 0);
    assert!(!config.session_storage.can_cache());
}

#[test]
fn no_request_can_come_before_the_handshake_is_done() {
    // A repeated handshake would repeat such a request.
    assert_eq!(compiled(false, &[]).config().max_early_data_size, 0);
}

#[test]
fn a_certificate_that_clients_will_refuse_is_told() {
    let tls = compiled(false, &[]);
    let moment = Duration::from_secs(1);
    for (case, now, expected) in [
        (
            "before",
            tls.not_before.minus(moment),
            Some("the certificate is not valid yet"),
        ),
        ("first second", tls.not_before, None),
        ("last second", tls.not_after, None),
        (
            "after",
            tls.not_after.plus(moment),
            Some("the certificate has expired"),
        ),
    ] {
        assert_eq!(tls.caveat(now), expected, "{case}");
        let warning = tls.warning(now).map(|warning| warning.place.path);
        let place = "listeners[0].tls.certificate";
        assert_eq!(warning.as_deref(), expected.map(|_| place), "{case}");
    }
}

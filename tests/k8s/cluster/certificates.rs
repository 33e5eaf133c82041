use std::fs;
use std::net::SocketAddr;
use std::process::Command;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::support::release::{INJECTOR, NAMESPACE, SECRET};
use crate::support::tools::output;
use crate::support::{Release, patiently};

/// The authorities that the API server believes, one for each entry of the webhook.
fn bundles(release: &Release) -> Vec<String> {
    let webhook = ["mutatingwebhookconfiguration", INJECTOR];
    let webhook = release.cluster.get(&webhook).expect("the webhook");
    let entries = webhook["webhooks"].as_array().unwrap();
    let bundle = |entry: &Value| decoded(&entry["clientConfig"]["caBundle"]);
    entries.iter().map(bundle).collect()
}

fn decoded(value: &Value) -> String {
    let bytes = STANDARD.decode(value.as_str().unwrap_or_default()).unwrap();
    String::from_utf8(bytes).unwrap()
}

/// A part of the Secret.
fn secret(release: &Release, key: &str) -> Option<String> {
    let secret = release.get("secret", SECRET)?;
    Some(decoded(&secret["data"][key]))
}

/// Waits until every entry believes the authority of the Secret.
fn wait_until_entered(release: &Release) {
    patiently("the authority is entered", || {
        let authority = secret(release, "ca.crt").ok_or("there is no Secret")?;
        let bundles = bundles(release);
        let is_entered = bundles.len() == 2
            && bundles
                .iter()
                .all(|bundle| bundle.contains(authority.trim()));
        is_entered
            .then_some(())
            .ok_or_else(|| format!("{bundles:#?}\n{authority}"))
    });
}

/// Writes `bundle` into the entries of the webhook.
fn enter(release: &Release, bundle: &str) {
    let bundle = STANDARD.encode(bundle);
    let at = |entry: usize| {
        let path = format!("/webhooks/{entry}/clientConfig/caBundle");
        json!({"op": "add", "path": path, "value": bundle})
    };
    let patch = json!([at(0), at(1)]).to_string();
    let webhook = [
        "patch",
        "mutatingwebhookconfiguration",
        INJECTOR,
        "--type",
        "json",
    ];
    let patch = [&webhook[..], &["--patch", &patch]].concat();
    release.cluster.run(&patch);
}

fn delete_secret(release: &Release) {
    let secret = ["delete", "secret", SECRET, "--namespace", NAMESPACE];
    release.cluster.run(&secret);
}

/// The certificate that a replica presents, if that authority vouches for it.
fn presented(release: &Release, address: SocketAddr, authority: &str) -> Result<String, String> {
    let file = release
        .cluster
        .path(&format!("authority-{}.crt", address.port()));
    fs::write(&file, authority).unwrap();
    let name = format!("{INJECTOR}.{NAMESPACE}.svc");
    let handshake = output(
        Command::new("openssl")
            .args([
                "s_client",
                "-verify_return_error",
                "-connect",
                &address.to_string(),
            ])
            .args(["-servername", &name, "-verify_hostname", &name, "-CAfile"])
            .arg(file),
    );
    let said = String::from_utf8_lossy(&handshake.stdout).into_owned();
    let begin = said.find("-----BEGIN CERTIFICATE-----");
    let end = said.find("-----END CERTIFICATE-----");
    match (handshake.status.success(), begin, end) {
        (true, Some(begin), Some(end)) => Ok(said[begin..end].to_owned()),
        _ => Err(said + &String::from_utf8_lossy(&handshake.stderr)),
    }
}

#[test]
#[ignore = "make k8s"]
fn the_secret_belongs_to_the_deployment_and_no_other_release_has_it() {
    let release = Release::shared();
    let secret = release.get("secret", SECRET).expect("the Secret");
    let owner = &secret["metadata"]["ownerReferences"][0];
    assert_eq!(owner["kind"], "Deployment");
    assert_eq!(owner["name"], INJECTOR);
    wait_until_entered(&release);
}

#[test]
#[ignore = "make k8s"]
fn a_secret_that_is_deleted_is_made_anew() {
    let mut release = Release::alone();
    let old = secret(&release, "tls.crt").unwrap();

    delete_secret(&release);

    patiently("there is another one", || {
        let new = secret(&release, "tls.crt");
        new.filter(|new| *new != old)
            .ok_or_else(|| "none, or the old one".to_owned())
    });
    wait_until_entered(&release);
    release.wait_until_it_injects();
}

#[test]
#[ignore = "make k8s"]
fn an_authority_that_is_altered_is_entered_again() {
    let mut release = Release::alone();
    let before = bundles(&release);
    // Somebody else's, by which nothing of ours verifies.
    let other = fs::read_to_string(release.cluster.path("certificates/apiserver.crt")).unwrap();

    enter(&release, &other);
    wait_until_entered(&release);
    release.wait_until_it_injects();

    enter(&release, "");
    wait_until_entered(&release);
    release.wait_until_it_injects();
    assert_eq!(bundles(&release), before);
}

#[test]
#[ignore = "make k8s"]
fn two_replicas_that_begin_together_agree_on_one_authority() {
    let mut release = Release::alone();
    release.remove_injectors();
    delete_secret(&release);
    enter(&release, "");
    release.start_injectors(2);
    agree(&release);

    // Once more, when both already run.
    let before = secret(&release, "ca.crt");
    delete_secret(&release);
    patiently("there is another authority", || {
        let new = secret(&release, "ca.crt");
        let is_new = new.is_some() && new != before;
        is_new
            .then_some(())
            .ok_or_else(|| "none, or the old one".to_owned())
    });
    agree(&release);

    release.remove_injectors();
    release.start_injector();
    release.wait_until_it_injects();
}

/// Waits until all replicas present the certificate of the Secret, and its authority is entered.
#[track_caller]
fn agree(release: &Release) {
    wait_until_entered(release);
    let authority = secret(release, "ca.crt").unwrap();
    let kept = secret(release, "tls.crt").unwrap();
    for injector in &release.injectors {
        patiently("the replica presents the certificate", || {
            let certificate = presented(release, injector.address, &authority)?;
            let is_kept = kept.contains(certificate.trim());
            is_kept.then_some(()).ok_or(certificate)
        });
    }
    assert_eq!(secret(release, "ca.crt").unwrap(), authority);
    assert_eq!(secret(release, "tls.crt").unwrap(), kept);
}

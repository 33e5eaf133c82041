//! Certificates that the injector makes itself, kept in a Secret and trusted by the webhook.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::api::{self, Api, DEPLOYMENT, SECRET, WEBHOOK};
use super::https::{self, Client, Connection};
use super::webhook::{ask, lines, pod};
use super::{TEMPLATE, binary};
use crate::support::eventually;
use crate::support::process::Process;

struct Replica {
    process: Process,
    address: SocketAddr,
    health: SocketAddr,
    _directory: TempDir,
}

impl Replica {
    #[track_caller]
    fn start(api: &Api) -> Self {
        let mut replica = Self::spawn(api);
        replica.find_addresses();
        replica
    }

    /// Started, whatever it does.
    fn spawn(api: &Api) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name);
        std::fs::write(at("sidecar.yaml"), TEMPLATE).unwrap();
        api.write_config(&at("kubeconfig"));
        let process = Process::start(&mut command(directory.path()));
        let nowhere = "127.0.0.1:0".parse().unwrap();
        Self {
            process,
            address: nowhere,
            health: nowhere,
            _directory: directory,
        }
    }

    #[track_caller]
    fn find_addresses(&mut self) {
        let started = eventually("the injector starts", || {
            let output = self.process.output();
            assert!(self.process.has_ended().is_none(), "{output}");
            lines(&output).find(|line| line["message"] == "injector started")
        });
        let address = |field: &str| started[field].as_str().unwrap().parse().unwrap();
        (self.address, self.health) = (address("address"), address("health"));
    }

    #[track_caller]
    fn wait_until_ready(&self) {
        eventually("it is ready", || {
            let (status, _) = https::get(self.health, "/readyz").ok()?;
            (status == 200).then_some(())
        });
    }

    /// As the API server calls, which trusts what the webhook says.
    fn connect(&self, api: &Api) -> Option<Connection> {
        trusting(&bundles(api)[0])?.connect(self.address).ok()
    }

    #[track_caller]
    fn is_trusted(&self, api: &Api) -> Connection {
        eventually("the API server trusts it", || self.connect(api))
    }
}

fn command(directory: &Path) -> Command {
    let mut command = Command::new(binary());
    command
        .args([
            "run",
            "--template",
            "sidecar.yaml",
            "--certificates",
            "self",
        ])
        .args(["--listen", "127.0.0.1:0", "--health", "127.0.0.1:0"])
        .args(["--namespace", "imgate", "--service", "imgate-injector"])
        .args([
            "--secret",
            "tls",
            "--webhook",
            "hook",
            "--owner-deployment",
            "injector",
        ])
        .current_dir(directory)
        .env("KUBECONFIG", directory.join("kubeconfig"))
        .env_remove("IMGATE_LOG");
    command
}

/// What each entry of the webhook trusts, in PEM; empty where it trusts nobody.
fn bundles(api: &Api) -> Vec<String> {
    let webhook = api.get(WEBHOOK).unwrap();
    let entries = webhook["webhooks"].as_array().unwrap();
    let bundle = |entry: &Value| decoded(&entry["clientConfig"]["caBundle"]);
    entries.iter().map(bundle).collect()
}

fn decoded(value: &Value) -> String {
    let bytes = STANDARD.decode(value.as_str().unwrap_or_default()).unwrap();
    String::from_utf8(bytes).unwrap()
}

fn trusting(bundle: &str) -> Option<Client> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(bundle.as_bytes()) {
        roots.add(certificate.unwrap()).unwrap();
    }
    (!roots.is_empty()).then(|| Client::trusting(roots))
}

#[test]
fn it_makes_what_it_needs_and_asks_for_nothing_else() {
    let api = Api::start();
    let replica = Replica::start(&api);
    replica.wait_until_ready();
    assert_eq!(ask(&mut replica.is_trusted(&api), &pod())["allowed"], true);

    let secret = api.get(SECRET).unwrap();
    assert_eq!(secret["type"], "kubernetes.io/tls");
    let data: Vec<&String> = secret["data"].as_object().unwrap().keys().collect();
    assert_eq!(data, ["ca.crt", "ca.key", "tls.crt", "tls.key"]);
    let owner = json!([{
        "apiVersion": "apps/v1", "kind": "Deployment", "name": "injector", "uid": "the-uid",
    }]);
    assert_eq!(secret["metadata"]["ownerReferences"], owner);
    assert_eq!(
        bundles(&api),
        [
            decoded(&secret["data"]["ca.crt"]),
            decoded(&secret["data"]["ca.crt"])
        ]
    );
    let collection = SECRET.trim_end_matches("/tls");
    assert_eq!(
        api.calls(),
        [
            format!("GET {SECRET}"),
            format!("GET {WEBHOOK}"),
            format!("GET {DEPLOYMENT}"),
            "GET /version".to_owned(),
            format!("PATCH {WEBHOOK}"),
            format!("POST {collection}"),
        ]
    );
    let log = replica.process.output();
    for (key, value) in secret["data"].as_object().unwrap() {
        assert!(!log.contains(value.as_str().unwrap()), "{key}");
        assert!(
            !log.contains(decoded(value).lines().nth(1).unwrap()),
            "{key}"
        );
    }
}

#[test]
fn what_is_taken_away_comes_back() {
    let api = Api::start();
    let replica = Replica::start(&api);
    replica.wait_until_ready();
    let first = api.get(SECRET).unwrap();

    // Somebody applies the chart's webhook again, which says nothing of whom to trust.
    api.put(WEBHOOK, api::webhook());
    replica.is_trusted(&api);
    assert_eq!(api.get(SECRET).unwrap(), first, "the Secret was no reason");

    api.delete(SECRET);
    eventually("there is a new one", || api.get(SECRET));
    eventually("it is trusted", || {
        let secret = api.get(SECRET).unwrap();
        (bundles(&api)[1] == decoded(&secret["data"]["ca.crt"])).then_some(())
    });
    assert_ne!(api.get(SECRET).unwrap()["data"], first["data"]);
    replica.is_trusted(&api);
    assert_eq!(https::get(replica.health, "/readyz").unwrap().0, 200);

    let mut broken = api.get(SECRET).unwrap();
    broken["data"]["ca.key"] = STANDARD.encode("nonsense").into();
    api.put(SECRET, broken.clone());
    eventually("it is replaced", || {
        (api.get(SECRET).unwrap()["data"]["ca.key"] != broken["data"]["ca.key"]).then_some(())
    });
    replica.is_trusted(&api);

    // A webhook that comes late.
    api.delete(WEBHOOK);
    api.put(WEBHOOK, api::webhook());
    replica.is_trusted(&api);
}

#[test]
fn a_leaf_that_nobody_would_trust_is_issued_anew_under_the_same_authority() {
    let api = Api::start();
    let replica = Replica::start(&api);
    replica.wait_until_ready();
    let first = api.get(SECRET).unwrap();
    let mut useless = first.clone();
    useless["data"]["tls.crt"] = first["data"]["ca.crt"].clone();
    api.put(SECRET, useless.clone());
    let renewed = eventually("it is renewed", || {
        let now = api.get(SECRET)?;
        (now["data"]["tls.crt"] != useless["data"]["tls.crt"]).then_some(now)
    });
    assert_eq!(renewed["data"]["ca.crt"], first["data"]["ca.crt"]);
    replica.is_trusted(&api);
}

#[test]
fn replicas_that_start_together_agree() {
    let api = Api::start();
    let mut replicas: Vec<Replica> = (0..4).map(|_| Replica::spawn(&api)).collect();
    replicas.iter_mut().for_each(Replica::find_addresses);
    replicas.iter().for_each(Replica::wait_until_ready);
    let secret = api.get(SECRET).unwrap();
    let leaf = decoded(&secret["data"]["tls.crt"]);
    let leaf = CertificateDer::from_pem_slice(leaf.as_bytes()).unwrap();
    for replica in &replicas {
        let shown = eventually("it shows the one certificate", || {
            let shown = replica.connect(&api)?.certificate();
            (*shown == *leaf).then_some(shown)
        });
        assert!(!shown.is_empty());
    }
}

#[test]
fn without_a_webhook_it_is_not_ready_and_says_why() {
    let api = Api::start();
    api.delete(WEBHOOK);
    let replica = Replica::start(&api);
    eventually("a certificate is there", || api.get(SECRET));
    eventually("it says why", || {
        let (status, why) = https::get(replica.health, "/readyz").ok()?;
        (status == 503 && why.contains("caBundle")).then_some(())
    });
    api.put(WEBHOOK, api::webhook());
    replica.wait_until_ready();
}

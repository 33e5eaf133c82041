//! The running webhook, with certificates and a template of its own.

use std::fs;
use std::io::{self, Write as _};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Command, ExitStatus};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::https::{self, Authority, Client, Connection, Identity};
use super::{TEMPLATE, binary};
use crate::support::process::{Process, Signal};
use crate::support::volume::Volume;
use crate::support::wait::eventually;

pub(super) struct Webhook {
    process: Process,
    address: SocketAddr,
    health: SocketAddr,
    pub(super) authority: Authority,
    pub(super) certificates: Volume,
    pub(super) client: Client,
    template: PathBuf,
    _directory: TempDir,
}

impl Webhook {
    /// Started and ready.
    #[track_caller]
    pub(super) fn start() -> Self {
        Self::start_with(&[])
    }

    #[track_caller]
    pub(super) fn start_with(arguments: &[&str]) -> Self {
        let webhook = Self::start_without_certificate(arguments);
        webhook.show(&webhook.authority.issue());
        eventually("the webhook is ready", || {
            (webhook.get("/readyz").0 == 200).then_some(())
        });
        webhook
    }

    /// Started, and nobody has put a certificate there.
    #[track_caller]
    pub(super) fn start_without_certificate(arguments: &[&str]) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let template = directory.path().join("sidecar.yaml");
        fs::write(&template, TEMPLATE).unwrap();
        let certificates = directory.path().join("tls");
        fs::create_dir(&certificates).unwrap();
        let mut process = Process::start(
            Command::new(binary())
                .args(["run", "--certificates", "files", "--kubernetes", "1.33"])
                .args(["--listen", "127.0.0.1:0", "--health", "127.0.0.1:0"])
                .arg("--template")
                .arg(&template)
                .arg("--certificate-directory")
                .arg(&certificates)
                .args(arguments)
                .env_remove("IMGATE_LOG"),
        );
        let started = eventually("the webhook starts", || {
            let output = process.output();
            assert!(process.has_ended().is_none(), "{output}");
            lines(&output).find(|line| line["message"] == "injector started")
        });
        let address = |field: &str| started[field].as_str().unwrap().parse().unwrap();
        let authority = Authority::new();
        Self {
            address: address("address"),
            health: address("health"),
            client: authority.client(),
            authority,
            certificates: Volume::new(&certificates),
            process,
            template,
            _directory: directory,
        }
    }

    pub(super) fn show(&self, identity: &Identity) {
        self.certificates.swap(&[
            ("tls.crt", &identity.certificate),
            ("tls.key", &identity.key),
        ]);
    }

    pub(super) fn write_template(&self, text: &str) {
        let new = self.template.with_extension("new");
        fs::write(&new, text).unwrap();
        fs::rename(&new, &self.template).unwrap();
    }

    #[track_caller]
    pub(super) fn connect(&self) -> Connection {
        // A handshake has 4 s, which a busy machine can miss.
        eventually("a connection", || self.try_connect().ok())
    }

    pub(super) fn try_connect(&self) -> io::Result<Connection> {
        self.client.connect(self.address)
    }

    /// Bytes without TLS.
    pub(super) fn plain(&self, bytes: &[u8]) {
        let mut stream = std::net::TcpStream::connect(self.address).unwrap();
        stream.write_all(bytes).unwrap();
    }

    #[track_caller]
    pub(super) fn get(&self, path: &str) -> (u16, String) {
        https::get(self.health, path).expect("an answer")
    }

    pub(super) fn health(&self) -> SocketAddr {
        self.health
    }

    /// What the API server gets for a pod.
    #[track_caller]
    pub(super) fn review(&self, pod: &Value) -> Value {
        ask(&mut self.connect(), pod)
    }

    #[track_caller]
    pub(super) fn metric(&self, name: &str) -> u64 {
        let (_, text) = self.get("/metrics");
        let line = text
            .lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line.unwrap_or_else(|| panic!("no {name} in {text}"))
            .parse()
            .unwrap()
    }

    pub(super) fn log(&self) -> Vec<Value> {
        lines(&self.process.output()).collect()
    }

    pub(super) fn signal(&self, signal: Signal) {
        self.process.signal(signal);
    }

    pub(super) fn has_ended(&mut self) -> Option<ExitStatus> {
        self.process.has_ended()
    }

    #[track_caller]
    pub(super) fn exit_code(&mut self) -> Option<i32> {
        self.process.exit_code()
    }
}

pub(super) fn lines(output: &str) -> impl Iterator<Item = Value> {
    // The last line may not be whole yet.
    output
        .lines()
        .filter_map(|line| serde_json::from_str(line).ok())
}

pub(super) fn review_of(pod: &Value) -> Vec<u8> {
    let review = json!({
        "apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview",
        "request": {
            "uid": "705ab4f5-6393-11e8-b7cc-42010a800002", "operation": "CREATE", "namespace": "chat",
            "kind": { "group": "", "version": "v1", "kind": "Pod" }, "object": pod,
        },
    });
    review.to_string().into_bytes()
}

#[track_caller]
pub(super) fn ask(connection: &mut Connection, pod: &Value) -> Value {
    let (status, body) = connection.post("/inject", &review_of(pod)).unwrap();
    response(status, &body)
}

#[track_caller]
pub(super) fn response(status: u16, body: &[u8]) -> Value {
    assert_eq!(status, 200, "{}", String::from_utf8_lossy(body));
    let review: Value = serde_json::from_slice(body).unwrap();
    assert_eq!(review["apiVersion"], "admission.k8s.io/v1");
    let response = review["response"].clone();
    assert_eq!(response["uid"], "705ab4f5-6393-11e8-b7cc-42010a800002");
    response
}

/// The pod as the API server has it after that answer.
#[track_caller]
pub(super) fn patched(pod: &Value, response: &Value) -> Value {
    assert_eq!(response["allowed"], true, "{response}");
    let patch = STANDARD.decode(response["patch"].as_str().expect("a patch"));
    let patch: json_patch::Patch = serde_json::from_slice(&patch.unwrap()).unwrap();
    let mut pod = pod.clone();
    json_patch::patch(&mut pod, &patch).unwrap();
    pod
}

pub(super) fn pod() -> Value {
    json!({
        "metadata": {
            "generateName": "im-7db5df76d9-",
            "labels": { "imgate.dev/inject": "enabled" },
            "annotations": { "imgate.dev/upstream-port": "8080" },
        },
        "spec": { "containers": [{ "name": "app", "image": "im" }] },
    })
}

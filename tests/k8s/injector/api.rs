//! As much of an API server as the injector asks: four objects by name, versions, conflicts.
//!
//! The real one is asked in `make k8s`; this one is always there, shows every call, and can be changed
//! under the injector's hands.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::thread;

use parking_lot::Mutex;
use serde_json::{Value, json};

pub(super) const SECRET: &str = "/api/v1/namespaces/imgate/secrets/tls";
pub(super) const WEBHOOK: &str =
    "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations/hook";
pub(super) const DEPLOYMENT: &str = "/apis/apps/v1/namespaces/imgate/deployments/injector";

#[derive(Default)]
struct Store {
    objects: BTreeMap<String, Value>,
    version: u64,
    calls: Vec<(String, String)>,
}

/// Runs for as long as the test.
pub(super) struct Api {
    address: SocketAddr,
    store: Arc<Mutex<Store>>,
}

impl Api {
    /// With a webhook of two entries that trusts nobody, and a Deployment.
    pub(super) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let api = Self {
            address: listener.local_addr().unwrap(),
            store: Arc::default(),
        };
        api.put(WEBHOOK, webhook());
        api.put(
            DEPLOYMENT,
            json!({
                "apiVersion": "apps/v1", "kind": "Deployment", "metadata": { "name": "injector", "uid": "the-uid" },
            }),
        );
        let store = Arc::clone(&api.store);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let store = Arc::clone(&store);
                thread::spawn(move || serve(&stream, &store));
            }
        });
        api
    }

    /// A KUBECONFIG that leads here.
    pub(super) fn write_config(&self, path: &Path) {
        let config = json!({
            "apiVersion": "v1", "kind": "Config", "current-context": "c",
            "clusters": [{ "name": "c", "cluster": { "server": format!("http://{}", self.address) } }],
            "users": [{ "name": "u", "user": { "token": "t" } }],
            "contexts": [{ "name": "c", "context": { "cluster": "c", "user": "u" } }],
        });
        fs::write(path, config.to_string()).unwrap();
    }

    pub(super) fn get(&self, path: &str) -> Option<Value> {
        self.store.lock().objects.get(path).cloned()
    }

    pub(super) fn put(&self, path: &str, object: Value) {
        self.store.lock().put(path, object);
    }

    pub(super) fn delete(&self, path: &str) {
        self.store.lock().objects.remove(path);
    }

    /// What was asked so far: methods and paths, each once.
    pub(super) fn calls(&self) -> Vec<String> {
        let mut calls: Vec<String> = self
            .store
            .lock()
            .calls
            .iter()
            .map(|(method, path)| format!("{method} {path}"))
            .collect();
        calls.sort();
        calls.dedup();
        calls
    }
}

pub(super) fn webhook() -> Value {
    let entry = |name: &str| {
        json!({
            "name": name, "sideEffects": "None", "admissionReviewVersions": ["v1"],
            "clientConfig": { "service": { "namespace": "imgate", "name": "injector" } },
        })
    };
    json!({
        "apiVersion": "admissionregistration.k8s.io/v1", "kind": "MutatingWebhookConfiguration",
        "metadata": { "name": "hook" },
        "webhooks": [entry("pod.imgate.dev"), entry("namespace.imgate.dev")],
    })
}

impl Store {
    fn put(&mut self, path: &str, mut object: Value) -> Value {
        self.version += 1;
        object["metadata"]["resourceVersion"] = self.version.to_string().into();
        self.objects.insert(path.to_owned(), object.clone());
        object
    }

    fn answer(&mut self, method: &str, path: &str, body: &[u8]) -> (u16, Value) {
        self.calls.push((method.to_owned(), path.to_owned()));
        let body = || serde_json::from_slice::<Value>(body).unwrap();
        let known = self.objects.get(path).cloned();
        match (method, path, known) {
            ("GET", "/version", _) => (
                200,
                json!({
                    "major": "1", "minor": "33", "gitVersion": "v1.33.0", "gitCommit": "", "buildDate": "",
                    "gitTreeState": "", "goVersion": "", "compiler": "", "platform": "",
                }),
            ),
            ("GET", _, Some(object)) => (200, object),
            ("POST", _, _) => {
                let object = body();
                let path = format!("{path}/{}", object["metadata"]["name"].as_str().unwrap());
                if self.objects.contains_key(&path) {
                    return (409, status(409, "AlreadyExists"));
                }
                (201, self.put(&path, object))
            }
            ("PUT", _, Some(old)) => {
                let object = body();
                let version = "/metadata/resourceVersion";
                if object.pointer(version) != old.pointer(version) {
                    return (409, status(409, "Conflict"));
                }
                (200, self.put(path, object))
            }
            ("PATCH", _, Some(mut object)) => {
                let changes: json_patch::Patch = serde_json::from_value(body()).unwrap();
                match json_patch::patch(&mut object, &changes) {
                    Ok(()) => (200, self.put(path, object)),
                    Err(_) => (422, status(422, "Invalid")),
                }
            }
            _ => (404, status(404, "NotFound")),
        }
    }
}

fn status(code: u16, reason: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Status", "status": "Failure", "code": code, "reason": reason, "message": reason,
    })
}

/// Answers one request after the other.
fn serve(stream: &TcpStream, store: &Mutex<Store>) {
    let mut reader = BufReader::new(stream);
    loop {
        let mut head = Vec::new();
        loop {
            let mut line = String::new();
            match reader.read_line(&mut line) {
                Ok(1..) if line.trim().is_empty() => break,
                Ok(1..) => head.push(line.trim().to_lowercase()),
                Ok(0) | Err(_) => return,
            }
        }
        let first = head.first().cloned().unwrap_or_default();
        let mut words = first.split(' ');
        let method = words.next().unwrap().to_uppercase();
        let target = words.next().unwrap_or_default();
        let path = target.split('?').next().unwrap();
        let length = head
            .iter()
            .find_map(|line| line.strip_prefix("content-length:"))
            .map_or(0, |length| length.trim().parse().unwrap());
        let mut body = vec![0; length];
        if reader.read_exact(&mut body).is_err() {
            return;
        }
        let (code, answer) = store.lock().answer(&method, path, &body);
        let answer = answer.to_string();
        let length = answer.len();
        let text = format!(
            "HTTP/1.1 {code} X\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n{answer}"
        );
        let mut writer = stream;
        if writer.write_all(text.as_bytes()).is_err() {
            return;
        }
    }
}

//! A Kubernetes without nodes: etcd, an API server, and the controllers that make pods of
//! deployments. All that judges and stores a pod is real; nothing runs one.

use std::fs;
use std::io::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::OnceLock;

use parking_lot::Mutex;
use serde_json::Value;

use super::patiently;
use super::ports;
use super::process::Process;
use super::tools::{output, output_of, run, run_with, text, tool};

/// Who may do everything.
const ADMINISTRATOR: &str = "administrator";

/// One for all tests of a run: a start costs as much as all of them.
#[derive(Debug)]
pub(crate) struct Cluster {
    directory: PathBuf,
    server: SocketAddr,
    /// Dropped, it would end them.
    processes: Mutex<Vec<Process>>,
    janitor: Mutex<Child>,
}

impl Cluster {
    /// The cluster of this run, started by whoever asks first.
    pub(crate) fn shared() -> &'static Self {
        static SHARED: OnceLock<Cluster> = OnceLock::new();
        SHARED.get_or_init(Self::start)
    }

    fn start() -> Self {
        let directory = tempfile::tempdir().unwrap().keep();
        let cluster = Self {
            server: ports::free(ports::loopback()),
            janitor: Mutex::new(janitor(&directory)),
            processes: Mutex::default(),
            directory,
        };
        cluster.write_kubeconfig("admin.kubeconfig", ADMINISTRATOR);
        let tokens = format!("{ADMINISTRATOR},admin,admin,system:masters\n");
        fs::write(cluster.path("tokens.csv"), tokens).unwrap();
        // It signs the tokens of service accounts.
        run(Command::new("openssl")
            .args(["genrsa", "-out"])
            .arg(cluster.path("accounts.key")));

        let etcd = cluster.start_etcd();
        cluster.start_api_server(&etcd);
        cluster.start_controllers();
        cluster
    }

    fn start_etcd(&self) -> String {
        let clients = format!("http://{}", ports::free(ports::loopback()));
        let peers = format!("http://{}", ports::free(ports::loopback()));
        self.keep(
            tool("etcd")
                .arg("--data-dir")
                .arg(self.path("etcd"))
                .args(["--listen-client-urls", &clients])
                .args(["--advertise-client-urls", &clients])
                .args(["--listen-peer-urls", &peers])
                .args(["--initial-advertise-peer-urls", &peers])
                .args(["--initial-cluster", &format!("default={peers}")])
                // What is lost when the machine stops is lost for nobody.
                .arg("--unsafe-no-fsync"),
        );
        clients
    }

    fn start_api_server(&self, etcd: &str) {
        let accounts = self.path("accounts.key").display().to_string();
        self.keep(
            tool("kube-apiserver")
                .args(["--etcd-servers", etcd])
                .args(["--bind-address", &self.server.ip().to_string()])
                .args(["--secure-port", &self.server.port().to_string()])
                // It makes a certificate of its own there.
                .arg("--cert-dir")
                .arg(self.directory.join("certificates"))
                .args(["--advertise-address", &ports::machine().to_string()])
                .args(["--endpoint-reconciler-type", "none"])
                .args(["--authorization-mode", "RBAC"])
                .arg("--token-auth-file")
                .arg(self.path("tokens.csv"))
                .args(["--service-account-issuer", "https://kubernetes.default.svc"])
                .args(["--service-account-key-file", &accounts])
                .args(["--service-account-signing-key-file", &accounts])
                .args(["--service-cluster-ip-range", "10.96.0.0/16"])
                // Nobody forwards the addresses of services here: webhooks are called at their
                // endpoints.
                .arg("--enable-aggregator-routing=true"),
        );
        patiently("the API server is ready", || {
            self.assert_running();
            self.attempt(&["get", "--raw", "/readyz"])
        });
    }

    fn start_controllers(&self) {
        let controllers = [
            "deployment-controller",
            "replicaset-controller",
            "job-controller",
            "serviceaccount-controller",
            "namespace-controller",
            "garbage-collector-controller",
        ];
        self.keep(
            tool("kube-controller-manager")
                .arg("--kubeconfig")
                .arg(self.path("admin.kubeconfig"))
                .args(["--controllers", &controllers.join(",")])
                .arg("--leader-elect=false")
                .args(["--secure-port", "0"]),
        );
        patiently("the controllers work", || {
            self.assert_running();
            self.attempt(&["get", "serviceaccount", "default"])
        });
    }

    /// Starts a process that lives as long as this run, at most.
    fn keep(&self, command: &mut Command) {
        let process = self.spawn(command);
        self.processes.lock().push(process);
    }

    /// Starts a process that does not outlive this run.
    pub(crate) fn spawn(&self, command: &mut Command) -> Process {
        let process = Process::start(command);
        let mut janitor = self.janitor.lock();
        writeln!(janitor.stdin.as_mut().unwrap(), "{}", process.pid()).unwrap();
        drop(janitor);
        process
    }

    #[track_caller]
    fn assert_running(&self) {
        for process in self.processes.lock().iter_mut() {
            let ended = process.has_ended();
            assert!(ended.is_none(), "{ended:?}\n{}", process.output());
        }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    /// Writes what a client needs who has this token.
    pub(crate) fn write_kubeconfig(&self, name: &str, token: &str) -> PathBuf {
        let path = self.path(name);
        let config = serde_json::json!({
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "test",
            "contexts": [{"name": "test", "context": {"cluster": "test", "user": "test"}}],
            "users": [{"name": "test", "user": {"token": token}}],
            "clusters": [{"name": "test", "cluster": {
                "server": format!("https://{}", self.server),
                "certificate-authority": self.path("certificates/apiserver.crt"),
            }}],
        });
        fs::write(&path, config.to_string()).unwrap();
        path
    }

    /// `kubectl` as administrator.
    pub(crate) fn kubectl(&self) -> Command {
        let mut command = tool("kubectl");
        command
            .env("KUBECONFIG", self.path("admin.kubeconfig"))
            .env("KUBECACHEDIR", self.path("kubectl"))
            .env("HOME", &self.directory);
        command
    }

    /// `helm` as administrator.
    pub(crate) fn helm(&self) -> Command {
        let mut command = tool("helm");
        command
            .env("KUBECONFIG", self.path("admin.kubeconfig"))
            .env("HOME", &self.directory);
        command
    }

    /// Hands an object, or a list, to `kubectl <words> -f -`. All have to be accepted; the first comes
    /// back.
    #[track_caller]
    pub(crate) fn submit(&self, words: &[&str], objects: &Value) -> Value {
        let mut command = self.kubectl();
        command.args(words);
        command.args(["--filename", "-", "--validate=strict", "--output", "json"]);
        let printed = run_with(&mut command, &objects.to_string());
        let mut accepted = serde_json::Deserializer::from_str(&printed).into_iter();
        accepted.next().expect("an object").expect("JSON")
    }

    #[track_caller]
    pub(crate) fn create(&self, object: &Value) -> Value {
        self.submit(&["create"], object)
    }

    /// What is said of an object that cannot be created.
    #[track_caller]
    pub(crate) fn refusal(&self, object: &Value) -> String {
        self.dry_run(object).expect_err("a refusal")
    }

    /// What would become of the object, or why nothing.
    pub(crate) fn dry_run(&self, object: &Value) -> Result<Value, String> {
        let mut command = self.kubectl();
        command.args([
            "create",
            "--dry-run=server",
            "--filename",
            "-",
            "--output",
            "json",
        ]);
        answer(&output_of(&mut command, &object.to_string()))
            .map(|printed| serde_json::from_str(&printed).expect("JSON"))
    }

    /// What `kubectl get` knows. `None` if there is no such thing.
    #[track_caller]
    pub(crate) fn get(&self, words: &[&str]) -> Option<Value> {
        let mut command = self.kubectl();
        command.arg("get").args(words);
        command.args(["--ignore-not-found", "--output", "json"]);
        let printed = run(&mut command);
        (!printed.trim().is_empty()).then(|| serde_json::from_str(&printed).expect("JSON"))
    }

    /// Runs `kubectl` with these words; it has to succeed.
    #[track_caller]
    pub(crate) fn run(&self, words: &[&str]) -> String {
        run(self.kubectl().args(words))
    }

    /// The same, where a failure is an answer.
    pub(crate) fn attempt(&self, words: &[&str]) -> Result<String, String> {
        answer(&output(self.kubectl().args(words)))
    }

    /// Makes a namespace with these labels, in which pods can be created.
    #[track_caller]
    pub(crate) fn namespace(&self, name: &str, labels: &Value) {
        self.create(&serde_json::json!({
            "apiVersion": "v1",
            "kind": "Namespace",
            "metadata": {"name": name, "labels": labels},
        }));
        // Pods are refused until it is there.
        patiently("the namespace has its account", || {
            self.attempt(&["get", "serviceaccount", "default", "--namespace", name])
        });
    }
}

/// What a command that may fail has printed.
fn answer(output: &Output) -> Result<String, String> {
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    output
        .status
        .success()
        .then_some(printed)
        .ok_or_else(|| text(output))
}

/// Starts who tidies up behind this run.
fn janitor(directory: &Path) -> Child {
    Command::new("sh")
        .args(["-c", include_str!("janitor.sh"), "janitor"])
        .arg(directory)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("sh")
}

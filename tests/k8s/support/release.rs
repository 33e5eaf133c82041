//! The chart in the cluster of this run, and its injector.
//!
//! Nodes are what is missing: so the injector runs here, with the arguments of its Deployment and the
//! token of its service account, and what a kubelet would mount or report is written by hand.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::ops::{Deref, DerefMut};
use std::path::Path;
use std::process::Command;
use std::thread;

use parking_lot::{MappedRwLockReadGuard, RwLock, RwLockReadGuard, RwLockWriteGuard};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::process::Process;
use super::tools::run;
use super::volume::Volume;
use super::{Cluster, patiently, pods, ports};

/// Of the release, and of all that the chart makes.
pub(crate) const NAME: &str = "imgate";
/// Where it is installed.
pub(crate) const NAMESPACE: &str = "imgate-system";
/// Of the Deployment, its Service, its account, its roles and the webhook.
pub(crate) const INJECTOR: &str = "imgate-injector";
/// What the injector keeps its certificates in.
pub(crate) const SECRET: &str = "imgate-injector-tls";
/// The template of the container.
pub(crate) const TEMPLATE: &str = "imgate-sidecar";

static RELEASE: RwLock<Option<Release>> = RwLock::new(None);

#[derive(Debug)]
pub(crate) struct Release {
    pub(crate) cluster: &'static Cluster,
    pub(crate) injectors: Vec<Injector>,
    directory: TempDir,
    template: Volume,
}

/// One replica.
#[derive(Debug)]
pub(crate) struct Injector {
    process: Process,
    /// Its address as the API server knows it.
    pub(crate) address: SocketAddr,
}

/// The release for one test alone. If that fails, the next one gets a new release.
#[derive(Debug)]
pub(crate) struct Alone {
    release: Option<Release>,
    place: RwLockWriteGuard<'static, Option<Release>>,
}

impl Release {
    /// The release of this run, for tests that leave it as it is.
    pub(crate) fn shared() -> MappedRwLockReadGuard<'static, Self> {
        loop {
            let guard = RELEASE.read();
            if guard.is_some() {
                return RwLockReadGuard::map(guard, |release| release.as_ref().unwrap());
            }
            drop(guard);
            RELEASE.write().get_or_insert_with(Self::install);
        }
    }

    /// The release of this run, for a test that changes it and leaves it as it was.
    pub(crate) fn alone() -> Alone {
        let mut place = RELEASE.write();
        let release = place.take().unwrap_or_else(Self::install);
        Alone {
            release: Some(release),
            place,
        }
    }

    fn install() -> Self {
        let cluster = Cluster::shared();
        // What a test that failed has left behind.
        Self::uninstall(cluster);
        let directory = tempfile::tempdir().unwrap();
        let mut release = Self {
            cluster,
            injectors: Vec::new(),
            template: Volume::new(&directory.path().join("template")),
            directory,
        };
        release.helm(&["install", "--create-namespace"], &[]);
        release.mount_template();
        release.start_injector();
        release.wait_until_it_injects();
        release
    }

    pub(crate) fn uninstall(cluster: &Cluster) {
        let mut command = cluster.helm();
        command.args(["uninstall", NAME, "--namespace", NAMESPACE]);
        run(command.arg("--ignore-not-found"));
    }

    /// Runs `helm install` or `helm upgrade` with these values beside those of all tests.
    pub(crate) fn helm(&self, words: &[&str], values: &[&str]) {
        let mut command = self.cluster.helm();
        command.args(words).arg(NAME).arg(chart());
        command.args(["--namespace", NAMESPACE]);
        for value in values {
            command.args(["--set", value]);
        }
        run(&mut command);
    }

    /// Shows the template to the injectors as a kubelet does.
    pub(crate) fn mount_template(&self) {
        let map = self.get("configmap", TEMPLATE).expect("the template");
        let text = map["data"]["sidecar.yaml"].as_str().expect("its key");
        self.template.swap(&[("sidecar.yaml", text)]);
    }

    /// Starts one more replica, as its Deployment says.
    pub(crate) fn start_injector(&mut self) {
        self.start_injectors(1);
    }

    /// Starts so many at once.
    pub(crate) fn start_injectors(&mut self, count: usize) {
        let mut prepared: Vec<_> = (0..count).map(|_| self.prepare_injector()).collect();
        for (address, command) in &mut prepared {
            self.injectors.push(Injector {
                process: self.cluster.spawn(command),
                address: *address,
            });
        }
    }

    /// One replica's command, and its address in the Service.
    fn prepare_injector(&self) -> (SocketAddr, Command) {
        let deployment = self.get("deployment", INJECTOR).expect("the Deployment");
        let pod = &deployment["spec"]["template"]["spec"];
        let account = pod["serviceAccountName"].as_str().unwrap();
        let token = ["create", "token", account, "--namespace", NAMESPACE];
        let token = self.cluster.run(&token);

        let address = ports::free(ports::machine());
        let health = ports::free(ports::loopback());
        let template = self.template.path("sidecar.yaml");
        let here = [
            ("--template=", template.display().to_string()),
            ("--listen=", address.to_string()),
            ("--health=", health.to_string()),
        ];
        let arguments = pod["containers"][0]["args"].as_array().unwrap();
        let arguments = arguments.iter().map(|argument| {
            let argument = argument.as_str().unwrap();
            let ours = here.iter().find(|(flag, _)| argument.starts_with(flag));
            ours.map_or_else(
                || argument.to_owned(),
                |(flag, ours)| format!("{flag}{ours}"),
            )
        });
        let kubeconfig = self.cluster.write_kubeconfig(&slice(address), token.trim());
        let mut command = Command::new(env!("CARGO_BIN_EXE_imgate-injector"));
        command
            .args(arguments)
            .env("KUBECONFIG", kubeconfig)
            .current_dir(self.directory.path());
        let object = json!({
            "apiVersion": "discovery.k8s.io/v1",
            "kind": "EndpointSlice",
            "metadata": {
                "name": slice(address),
                "namespace": NAMESPACE,
                "labels": {"kubernetes.io/service-name": INJECTOR},
            },
            "addressType": "IPv4",
            "ports": [{"name": "https", "port": address.port(), "protocol": "TCP"}],
            "endpoints": [{"addresses": [address.ip()], "conditions": {"ready": true}}],
        });
        self.cluster.create(&object);
        (address, command)
    }

    /// Ends all replicas. The Service keeps their addresses, as it does for a while when a node is gone.
    pub(crate) fn stop_injectors(&mut self) {
        for injector in &mut self.injectors {
            injector.process.kill();
        }
    }

    /// The same, and takes their addresses out of the Service.
    pub(crate) fn remove_injectors(&mut self) {
        self.stop_injectors();
        for Injector { address, .. } in self.injectors.drain(..) {
            let name = slice(address);
            let slice = ["delete", "endpointslice", &name, "--namespace", NAMESPACE];
            self.cluster.run(&slice);
        }
    }

    /// Waits until a pod would get the gate.
    #[track_caller]
    pub(crate) fn wait_until_it_injects(&mut self) {
        patiently("a pod gets the gate", || {
            for injector in &mut self.injectors {
                let ended = injector.process.has_ended();
                assert!(ended.is_none(), "{ended:?}\n{}", injector.process.output());
            }
            let pod = self.cluster.dry_run(&pods::labelled("probe"))?;
            let is_gated = pods::is_gated(&pod);
            is_gated.then_some(()).ok_or_else(|| pod.to_string())
        });
    }

    /// An object of the release's namespace.
    #[track_caller]
    pub(crate) fn get(&self, kind: &str, name: &str) -> Option<Value> {
        self.cluster.get(&[kind, name, "--namespace", NAMESPACE])
    }

    /// What the injectors have printed.
    pub(crate) fn output(&self) -> String {
        let mut all = String::new();
        for Injector { process, address } in &self.injectors {
            writeln!(all, "{address}:\n{}", process.output()).unwrap();
        }
        all
    }
}

impl Deref for Alone {
    type Target = Release;

    fn deref(&self) -> &Release {
        self.release.as_ref().expect("it is taken at the end only")
    }
}

impl DerefMut for Alone {
    fn deref_mut(&mut self) -> &mut Release {
        self.release.as_mut().expect("it is taken at the end only")
    }
}

impl Drop for Alone {
    fn drop(&mut self) {
        let release = self.release.take();
        if thread::panicking() {
            println!(
                "{}",
                release.map(|release| release.output()).unwrap_or_default()
            );
        } else {
            *self.place = release;
        }
    }
}

impl Alone {
    /// Leaves nothing to whoever comes next.
    pub(crate) fn forget(mut self) {
        if let Some(mut release) = self.release.take() {
            release.remove_injectors();
        }
    }
}

/// The name of a replica's `EndpointSlice`.
fn slice(address: SocketAddr) -> String {
    format!("injector-{}", address.port())
}

/// The chart of this tree.
pub(crate) fn chart() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/helm/imgate"))
}

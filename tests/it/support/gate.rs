//! The real binary, with a configuration of its own in a directory of its own.

use std::fmt::Write as _;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use tempfile::TempDir;

use super::metrics::Metrics;
use super::net;
use super::process::{Process, Signal};
use super::raw::{self, RawClient};
use super::volume::Volume;
use super::wait::eventually;
use super::wire::Answer;

/// The binary under test: `IMGATE_TEST_BINARY` (say, a release build), or the one just built.
pub(crate) fn binary() -> String {
    std::env::var("IMGATE_TEST_BINARY").unwrap_or_else(|_| env!("CARGO_BIN_EXE_imgate").to_owned())
}

/// See `imgate::clock::test_clock`, which a release build does not have.
pub(crate) const TEST_CLOCK: &str = "IMGATE_TEST_CLOCK";

/// The file by which a clock is stepped.
const STEPS: &str = "clock";

/// Whether a binary knows of a clock for tests.
pub(crate) fn has_test_clock(binary: &Path) -> bool {
    let bytes = fs::read(binary).unwrap();
    memchr::memmem::find(&bytes, TEST_CLOCK.as_bytes()).is_some()
}

/// A gate to be started.
///
/// The policy says everything but `listeners`, `metrics`, `admin`, `shutdown` and `upstreams`,
/// which are the builder's.
#[derive(Debug)]
pub(crate) struct Builder {
    policy: String,
    listener: String,
    second: Option<String>,
    upstreams: String,
    an_upstream: String,
    workers: Option<usize>,
    admin: Option<String>,
    shutdown: String,
    arguments: Vec<String>,
    environment: Vec<(String, String)>,
    open_files: Option<u32>,
    output: Option<[Stdio; 2]>,
    binary: String,
    directory: TempDir,
}

impl Builder {
    pub(crate) fn upstream(self, name: &str, address: SocketAddr) -> Self {
        self.upstream_with(name, address, "connect_timeout: 1s")
    }

    /// An upstream with further keys, such as `response_timeout: 1s`.
    pub(crate) fn upstream_with(mut self, name: &str, address: SocketAddr, keys: &str) -> Self {
        let entry = format!("  {name}: {{ address: \"{address}\", {keys} }}");
        writeln!(self.upstreams, "{entry}").unwrap();
        name.clone_into(&mut self.an_upstream);
        self
    }

    /// An upstream with several addresses, and further keys.
    pub(crate) fn upstream_at(mut self, name: &str, addresses: &[SocketAddr], keys: &str) -> Self {
        let entry = format!("  {name}: {{ {}, {keys} }}", addresses_key(addresses));
        writeln!(self.upstreams, "{entry}").unwrap();
        name.clone_into(&mut self.an_upstream);
        self
    }

    /// A further key of the listener.
    pub(crate) fn listener(mut self, key: &str) -> Self {
        write!(self.listener, ", {key}").unwrap();
        self
    }

    /// A second listener with these keys; the gate's own address stays what it is.
    pub(crate) fn second_listener(mut self, keys: &str) -> Self {
        self.second = Some(keys.to_owned());
        self
    }

    pub(crate) fn workers(mut self, workers: usize) -> Self {
        self.workers = Some(workers);
        self
    }

    /// An admin listener with these keys; `$ADDRESS` in them is one of the gate's own.
    pub(crate) fn admin(mut self, keys: &str) -> Self {
        self.admin = Some(keys.to_owned());
        self
    }

    /// Other times than those of a gate that leaves at once.
    pub(crate) fn shutdown(mut self, keys: &str) -> Self {
        keys.clone_into(&mut self.shutdown);
        self
    }

    /// Further arguments of `imgate run`.
    pub(crate) fn arguments(mut self, arguments: &[&str]) -> Self {
        let arguments = arguments.iter().map(|argument| (*argument).to_owned());
        self.arguments.extend(arguments);
        self
    }

    pub(crate) fn environment(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    /// A gate whose clock shows this at its start, in seconds since 1970, and runs on from there.
    ///
    /// A release build has no such clock; it would judge at its own time.
    #[track_caller]
    pub(crate) fn clock(self, seconds: i64) -> Self {
        assert!(
            has_test_clock(Path::new(&self.binary)),
            "{} is no debug build: it has no clock for tests",
            self.binary
        );
        self.environment(TEST_CLOCK, &seconds.to_string())
    }

    /// A gate whose clock can be stepped while it runs; see [`Gate::step_clock`].
    #[track_caller]
    pub(crate) fn stepping_clock(self) -> Self {
        assert!(has_test_clock(Path::new(&self.binary)), "a debug build");
        self.file(STEPS, "0")
            .environment(TEST_CLOCK, &format!("@{STEPS}"))
    }

    /// So many file descriptors and no more.
    pub(crate) fn open_files(mut self, most: u32) -> Self {
        self.open_files = Some(most);
        self
    }

    /// Standard output and standard error, in the place of those that the test reads.
    pub(crate) fn output(mut self, stdout: impl Into<Stdio>, stderr: impl Into<Stdio>) -> Self {
        self.output = Some([stdout.into(), stderr.into()]);
        self
    }

    /// Another binary than the one under test.
    pub(crate) fn binary(mut self, path: &Path) -> Self {
        self.binary = path.display().to_string();
        self
    }

    /// A file beside the configuration.
    pub(crate) fn file(self, path: &str, contents: &str) -> Self {
        write_file(self.directory.path(), path, contents);
        self
    }

    /// Writes the configuration, starts the gate and waits until it is ready.
    #[track_caller]
    pub(crate) fn start(self) -> Gate {
        let mut gate = self.start_without_waiting();
        gate.wait_until_ready();
        gate
    }

    /// As [`Self::start`], for a gate that is not ready for some time.
    #[track_caller]
    pub(crate) fn start_without_waiting(self) -> Gate {
        self.start_at("imgate.yaml", |directory, configuration| {
            write_file(directory, "imgate.yaml", configuration);
        })
    }

    /// As [`Self::start`], with the configuration and these files in a volume of their own.
    #[track_caller]
    pub(crate) fn start_with_volume(self, files: &[(&str, &str)]) -> (Gate, Volume) {
        let volume = Volume::new(&self.directory.path().join("volume"));
        let mut gate = self.start_at("volume/imgate.yaml", |_, configuration| {
            volume.swap(&[files, &[("imgate.yaml", configuration)]].concat());
        });
        gate.wait_until_ready();
        (gate, volume)
    }

    #[track_caller]
    fn start_at(self, path: &str, put: impl FnOnce(&Path, &str)) -> Gate {
        let address = net::free_address();
        let metrics_address = net::free_address();
        let second_address = net::free_address();
        let admin_address = net::free_address();
        let second = self.second.map_or_else(String::new, |keys| {
            format!(", {{ address: \"{second_address}\", {keys} }}")
        });
        let mut prelude = format!(
            "listeners: [{{ address: \"{address}\"{} }}{second}]\nmetrics: {{ address: \"{metrics_address}\" }}\n",
            self.listener
        );
        if let Some(workers) = self.workers {
            writeln!(prelude, "workers: {workers}").unwrap();
        }
        if let Some(keys) = self.admin {
            let keys = keys.replace("$ADDRESS", &admin_address.to_string());
            writeln!(prelude, "admin: {{ {keys} }}").unwrap();
        }
        writeln!(prelude, "shutdown: {{ {} }}", self.shutdown).unwrap();
        write!(prelude, "upstreams:\n{}", self.upstreams).unwrap();
        put(self.directory.path(), &format!("{prelude}{}", self.policy));

        let mut command = match self.open_files {
            Some(most) => {
                let mut shell = Command::new("sh");
                let script = format!("ulimit -n {most} && exec \"$0\" \"$@\"");
                shell.args(["-c", &script, &self.binary]);
                shell
            }
            None => Command::new(self.binary),
        };
        command
            .args(["run", "-c", path])
            .args(self.arguments)
            .current_dir(self.directory.path());
        command.envs(self.environment);
        let process = match self.output {
            Some(output) => Process::start_with_output(&mut command, output),
            None => Process::start(&mut command),
        };
        Gate {
            process,
            address,
            second_address,
            metrics_address,
            admin_address,
            prelude,
            an_upstream: self.an_upstream,
            directory: self.directory,
        }
    }
}

/// A running gate. It is killed when dropped; after a failed test, what it printed is shown.
#[derive(Debug)]
pub(crate) struct Gate {
    process: Process,
    address: SocketAddr,
    second_address: SocketAddr,
    metrics_address: SocketAddr,
    admin_address: SocketAddr,
    prelude: String,
    an_upstream: String,
    directory: TempDir,
}

impl Gate {
    pub(crate) fn with(policy: &str) -> Builder {
        Builder {
            policy: policy.to_owned(),
            listener: String::new(),
            second: None,
            upstreams: String::new(),
            an_upstream: String::new(),
            workers: None,
            admin: None,
            shutdown: "lame_duck: 0s, drain: 0s".to_owned(),
            arguments: Vec::new(),
            environment: Vec::new(),
            open_files: None,
            output: None,
            binary: binary(),
            directory: tempfile::tempdir().unwrap(),
        }
    }

    #[track_caller]
    pub(crate) fn wait_until_ready(&mut self) {
        eventually("the gate is ready", || {
            if let Some(status) = self.process.has_ended() {
                panic!(
                    "the gate ended at once, {status}:\n{}",
                    self.process.output()
                );
            }
            std::net::TcpStream::connect(self.metrics_address).ok()?;
            // A gate that is just starting may still hang up.
            let mut client = self.admin_client();
            let request = raw::request("GET", "/readyz", "Connection: close\r\n");
            client.try_send(request).ok()?;
            let answer = client.try_answer().ok()?;
            (answer.status() == 200).then_some(())
        });
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn second_address(&self) -> SocketAddr {
        self.second_address
    }

    /// Where the builder's `$ADDRESS` is.
    pub(crate) fn admin_address(&self) -> SocketAddr {
        self.admin_address
    }

    /// Replaces a file beside the configuration.
    pub(crate) fn write(&self, path: &str, contents: &str) {
        write_file(self.directory.path(), path, contents);
    }

    /// Changes what the builder wrote, from the next reload on.
    #[track_caller]
    pub(crate) fn amend(&mut self, from: &str, to: &str) {
        assert!(self.prelude.contains(from), "{}", self.prelude);
        self.prelude = self.prelude.replace(from, to);
    }

    pub(crate) fn client(&self) -> RawClient {
        RawClient::connect(self.address)
    }

    /// One `GET` on a connection of its own. `headers` are whole lines, each with its CRLF.
    #[track_caller]
    pub(crate) fn get(&self, target: &str, headers: &str) -> Answer {
        self.client().get(target, headers)
    }

    /// These bytes on a connection of their own, and the first answer.
    #[track_caller]
    pub(crate) fn send(&self, bytes: impl AsRef<[u8]>) -> Answer {
        let mut client = self.client();
        client.send(bytes);
        client.answer()
    }

    /// A `GET` on the metrics listener.
    #[track_caller]
    pub(crate) fn admin(&self, target: &str) -> Answer {
        self.admin_client().get(target, "Connection: close\r\n")
    }

    pub(crate) fn admin_client(&self) -> RawClient {
        RawClient::connect(self.metrics_address)
    }

    /// Waits until the metrics listener answers, whatever it says.
    #[track_caller]
    pub(crate) fn wait_until_it_answers(&mut self) {
        eventually("the gate answers", || {
            assert!(self.process.has_ended().is_none(), "{}", self.output());
            std::net::TcpStream::connect(self.metrics_address).ok()
        });
    }

    #[track_caller]
    pub(crate) fn metrics(&self) -> Metrics {
        Metrics {
            text: self.admin("/metrics").text(),
        }
    }

    /// Waits until the value of a metric satisfies `is_right`.
    #[track_caller]
    pub(crate) fn wait_for_metric(
        &self,
        name: &str,
        labels: &[(&str, &str)],
        is_right: impl Fn(f64) -> bool,
    ) {
        eventually(name, || {
            is_right(self.metrics().value(name, labels)).then_some(())
        });
    }

    /// The whole configuration with this policy.
    pub(crate) fn configuration(&self, policy: &str) -> String {
        format!("{}{policy}", self.prelude)
    }

    /// Where a file is that was given to the builder.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Puts a file in place of the one that is there, without a signal.
    pub(crate) fn replace_file(&self, path: &str, contents: &str) {
        write_file(self.directory.path(), path, contents);
    }

    /// Puts a new policy in place, without a signal.
    pub(crate) fn replace_policy(&self, policy: &str) {
        self.replace_file("imgate.yaml", &self.configuration(policy));
    }

    /// Writes a new policy and sends SIGHUP. It takes effect a little later.
    pub(crate) fn reload(&self, policy: &str) {
        self.replace_policy(policy);
        self.process.signal(Signal::Hup);
    }

    /// Writes a new policy, sends SIGHUP, and waits until the gate serves by it.
    ///
    /// The policy must end with its routes: one more is appended, by which the change is seen.
    #[track_caller]
    pub(crate) fn reload_and_wait(&self, policy: &str) {
        static GENERATION: AtomicUsize = AtomicUsize::new(0);
        let path = format!("/generation/{}", GENERATION.fetch_add(1, Ordering::Relaxed));
        let upstream = &self.an_upstream;
        // GET is answered with 405, so the backend sees nothing of it.
        self.reload(&format!(
            "{}\n  - {{ match: {{ path: {path}, methods: [POST] }}, require: public, \
             upstream: {upstream} }}\n",
            policy.trim_end()
        ));
        eventually("the new policy is served", || {
            (self.get(&path, "").status() == 405).then_some(())
        });
    }

    /// What `/readyz?verbose` says.
    #[track_caller]
    pub(crate) fn status(&self) -> serde_json::Value {
        serde_json::from_str(&self.admin("/readyz?verbose").text()).expect("JSON")
    }

    /// Counts the policies that took force.
    #[track_caller]
    pub(crate) fn generation(&self) -> u64 {
        self.status()["generation"].as_u64().expect("a number")
    }

    pub(crate) fn pid(&self) -> u32 {
        self.process.pid()
    }

    pub(crate) fn signal(&self, signal: Signal) {
        self.process.signal(signal);
    }

    /// Sets the clock so many seconds before or behind the system's, from the gate's next look at it on.
    pub(crate) fn step_clock(&self, seconds: i64) {
        self.replace_file(STEPS, &seconds.to_string());
    }

    /// The CPU time that the gate has used, in clock ticks of 10 ms.
    pub(crate) fn cpu_ticks(&self) -> u64 {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.pid())).unwrap();
        // Behind the name, which may hold anything: user and system time are fields 14 and 15.
        let (_, fields) = stat.rsplit_once(") ").unwrap();
        let fields = fields.split(' ').skip(11).take(2);
        fields.map(|field| field.parse::<u64>().unwrap()).sum()
    }

    /// How many file descriptors are open.
    pub(crate) fn open_files(&self) -> usize {
        fs::read_dir(format!("/proc/{}/fd", self.pid()))
            .unwrap()
            .count()
    }

    /// The log's lines of this level, one JSON object each.
    pub(crate) fn lines(&self, level: &str) -> Vec<serde_json::Value> {
        let output = self.output();
        let lines = output
            .lines()
            .filter_map(|line| serde_json::from_str(line).ok());
        lines
            .filter(|line: &serde_json::Value| line["level"] == level)
            .collect()
    }

    /// Ends the gate without a word.
    pub(crate) fn kill(&mut self) {
        self.process.kill();
    }

    /// Waits for the gate to end by itself.
    #[track_caller]
    pub(crate) fn exit_code(&mut self) -> Option<i32> {
        self.process.exit_code()
    }

    /// Everything that the gate has printed.
    pub(crate) fn output(&self) -> String {
        self.process.output()
    }

    /// The most memory that the gate has had in RAM, in KiB.
    pub(crate) fn peak_memory_kib(&self) -> u64 {
        self.memory_kib("VmHWM:")
    }

    /// The memory that the gate has in RAM now, in KiB.
    pub(crate) fn resident_memory_kib(&self) -> u64 {
        self.memory_kib("VmRSS:")
    }

    fn memory_kib(&self, key: &str) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix(key));
        let value = line.unwrap().trim().trim_end_matches(" kB");
        value.parse().unwrap()
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        if thread::panicking() {
            eprintln!("--- the gate printed:\n{}---", self.output());
        }
    }
}

/// As the configuration has it; for [`Gate::amend`].
pub(crate) fn addresses_key(addresses: &[SocketAddr]) -> String {
    let quoted: Vec<_> = addresses.iter().map(|one| format!("\"{one}\"")).collect();
    format!("addresses: [{}]", quoted.join(", "))
}

/// Replaces a file in one step, so that nobody reads half of it.
fn write_file(directory: &Path, path: &str, contents: &str) {
    let path = directory.join(path);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    let new = path.with_extension("new");
    fs::write(&new, contents).unwrap();
    fs::rename(new, path).unwrap();
}

/// A WebSocket handshake as raw text, complete and correct but for what `headers` add.
pub(crate) fn handshake(target: &str, headers: &str) -> String {
    raw::request(
        "GET",
        target,
        &format!(
            "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
             Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{headers}"
        ),
    )
}

//! A Chromium process, and commands to it (Chrome's protocol for developer tools) over a pipe.
//!
//! It is shared by the tests that run at the same time and killed, by its process group, when the
//! last of them is done. Should this process be killed itself, the pipe closes, and a Chromium
//! whose pipe is closed ends on its own.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{BufRead as _, BufReader, Read, Write as _};
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, Sender};
use std::sync::{Arc, Weak};
use std::thread;

use parking_lot::Mutex;
use rustix::process::{Pid, Signal, kill_process_group};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::page::Page;
use crate::support::wait::patience;

/// Chromium reads commands from descriptor 3 and writes to 4, which only a shell can give it
/// without unsafe code.
const ON_A_PIPE: &str = r#"exec "$0" "$@" 3<&0 4>&1 </dev/null >/dev/null"#;

const FLAGS: [&str; 17] = [
    "--remote-debugging-pipe",
    "--headless",
    // Containers run as root, for whom there is no sandbox; the pages are our own.
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-quic",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-default-apps",
    "--disable-extensions",
    "--disable-sync",
    "--no-default-browser-check",
    "--no-first-run",
    "--no-proxy-server",
    "--mute-audio",
    "--window-size=1000,700",
    // Nothing leaves the loopback.
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.*",
];

#[derive(Debug)]
pub(super) struct Chromium {
    process: Child,
    commands: Mutex<ChildStdin>,
    number: AtomicU64,
    waiting: Arc<Waiting>,
    directory: TempDir,
}

/// Who waits for the answer of that number; `None` when no answer can come any more.
type Waiting = Mutex<Option<HashMap<u64, Sender<Value>>>>;

impl Chromium {
    /// The one that is running, or a new one.
    pub(super) fn shared() -> Arc<Self> {
        static RUNNING: Mutex<Weak<Chromium>> = Mutex::new(Weak::new());
        let mut running = RUNNING.lock();
        running.upgrade().unwrap_or_else(|| {
            let started = Arc::new(Self::start());
            *running = Arc::downgrade(&started);
            started
        })
    }

    /// A page in a profile of its own.
    pub(super) fn open(self: &Arc<Self>, address: &str) -> Page {
        Page::open(self, address)
    }

    fn start() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let log = File::create(directory.path().join("log")).unwrap();
        let chromium = std::env::var("CHROMIUM").unwrap_or_else(|_| "chromium".to_owned());
        let profile = directory.path().join("profile");
        let mut process = Command::new("sh")
            .args(["-c", ON_A_PIPE, &chromium])
            .args(FLAGS)
            .arg(format!("--user-data-dir={}", profile.display()))
            .arg("about:blank")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(log)
            .process_group(0)
            .spawn()
            .unwrap();
        let waiting = Arc::new(Mutex::new(Some(HashMap::new())));
        deliver(process.stdout.take().unwrap(), Arc::clone(&waiting));
        let started = Self {
            commands: Mutex::new(process.stdin.take().unwrap()),
            process,
            number: AtomicU64::new(1),
            waiting,
            directory,
        };
        started.command(None, "Browser.getVersion", &json!({}));
        started
    }

    /// Sends a command, to a tab or to the browser, and waits for its result.
    #[track_caller]
    pub(super) fn command(&self, session: Option<&str>, method: &str, parameters: &Value) -> Value {
        let (sender, receiver) = mpsc::channel();
        let number = self.number.fetch_add(1, Ordering::Relaxed);
        if let Some(waiting) = &mut *self.waiting.lock() {
            waiting.insert(number, sender);
        }
        self.write(number, session, method, parameters);
        let Ok(answer) = receiver.recv_timeout(patience()) else {
            let log = fs::read_to_string(self.log()).unwrap_or_default();
            panic!("no answer to {method} (`make setup` installs Chromium):\n{log}");
        };
        let error = &answer["error"];
        assert!(error.is_null(), "{method}: {error}");
        answer["result"].clone()
    }

    /// Sends a command whose result nobody needs.
    pub(super) fn send(&self, session: Option<&str>, method: &str, parameters: &Value) {
        let number = self.number.fetch_add(1, Ordering::Relaxed);
        self.write(number, session, method, parameters);
    }

    fn write(&self, number: u64, session: Option<&str>, method: &str, parameters: &Value) {
        let mut message = json!({ "id": number, "method": method, "params": parameters });
        if let Some(session) = session {
            message["sessionId"] = session.into();
        }
        let mut bytes = message.to_string().into_bytes();
        bytes.push(0);
        // A Chromium that has ended is seen by whoever waits for its answer.
        let _ = self.commands.lock().write_all(&bytes);
    }

    fn log(&self) -> PathBuf {
        self.directory.path().join("log")
    }
}

/// Hands every answer to whoever waits for it. What Chromium tells unasked is of no interest.
fn deliver(answers: impl Read + Send + 'static, waiting: Arc<Waiting>) {
    thread::spawn(move || {
        for message in BufReader::new(answers).split(0).map_while(Result::ok) {
            let message: Value = serde_json::from_slice(&message).unwrap();
            let number = message["id"].as_u64();
            let mut waiting = waiting.lock();
            let sender = number.and_then(|number| waiting.as_mut()?.remove(&number));
            if let Some(sender) = sender {
                // Whoever waited may have lost patience.
                let _ = sender.send(message);
            }
        }
        *waiting.lock() = None;
    });
}

impl Drop for Chromium {
    fn drop(&mut self) {
        // The shell has become Chromium, and its helpers are in the same group.
        let group = Pid::from_child(&self.process);
        let _ = kill_process_group(group, Signal::KILL);
        let _ = self.process.wait();
    }
}

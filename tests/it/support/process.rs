//! A child process: its output is kept, its end awaited, and it never outlives the test.

use std::io::Read;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::thread;

use parking_lot::Mutex;
use rustix::process::{Pid, kill_process};

use super::wait::eventually;

/// A signal that the gate understands, or that any process obeys.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Signal {
    Cont,
    Hup,
    Int,
    Stop,
    Term,
}

#[derive(Debug)]
pub(crate) struct Process {
    child: Child,
    output: Arc<Mutex<Vec<u8>>>,
}

impl Process {
    #[track_caller]
    pub(crate) fn start(command: &mut Command) -> Self {
        Self::start_with_input(command, Stdio::null())
    }

    /// The same, with this on its standard input.
    #[track_caller]
    pub(crate) fn start_with_input(command: &mut Command, input: impl Into<Stdio>) -> Self {
        command.stdin(input);
        Self::spawn(command, [Stdio::piped(), Stdio::piped()])
    }

    /// The same, with these for standard output and standard error. What is no pipe of ours is not
    /// kept.
    #[track_caller]
    pub(crate) fn start_with_output(command: &mut Command, output: [Stdio; 2]) -> Self {
        command.stdin(Stdio::null());
        Self::spawn(command, output)
    }

    #[track_caller]
    fn spawn(command: &mut Command, [stdout, stderr]: [Stdio; 2]) -> Self {
        let mut child = command
            .stdout(stdout)
            .stderr(stderr)
            .spawn()
            .unwrap_or_else(|error| panic!("cannot start {:?}: {error}", command.get_program()));
        // The command would keep its ends of pipes open.
        command.stdout(Stdio::null()).stderr(Stdio::null());
        let output = Arc::default();
        if let Some(stdout) = child.stdout.take() {
            keep(stdout, Arc::clone(&output));
        }
        if let Some(stderr) = child.stderr.take() {
            keep(stderr, Arc::clone(&output));
        }
        Self { child, output }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Everything printed so far, on both streams.
    pub(crate) fn output(&self) -> String {
        String::from_utf8_lossy(&self.output.lock()).into_owned()
    }

    pub(crate) fn has_ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().expect("the child can be waited for")
    }

    /// Sends the signal by process id.
    pub(crate) fn signal(&self, signal: Signal) {
        let signal = match signal {
            Signal::Cont => rustix::process::Signal::CONT,
            Signal::Hup => rustix::process::Signal::HUP,
            Signal::Int => rustix::process::Signal::INT,
            Signal::Stop => rustix::process::Signal::STOP,
            Signal::Term => rustix::process::Signal::TERM,
        };
        kill_process(Pid::from_child(&self.child), signal)
            .expect("the process is there to receive a signal");
    }

    /// Waits for the process to end by itself.
    #[track_caller]
    pub(crate) fn exit_code(&mut self) -> Option<i32> {
        eventually("the process ends", || self.has_ended()).code()
    }

    pub(crate) fn kill(&mut self) {
        // An error means that it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

fn keep(mut stream: impl Read + Send + 'static, output: Arc<Mutex<Vec<u8>>>) {
    thread::spawn(move || {
        let mut chunk = [0; 4096];
        while let Ok(count @ 1..) = stream.read(&mut chunk) {
            output.lock().extend_from_slice(&chunk[..count]);
        }
    });
}

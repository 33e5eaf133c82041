//! A program under measurement, with what the kernel knows of it.

use std::ffi::OsStr;
use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use rustix::process::{Pid, Signal, kill_process};
use tokio::net::TcpStream;

/// How long a program may take until it listens.
const START: Duration = Duration::from_secs(10);
/// What /proc/PID/stat counts in, on every Linux that Debian supports.
const TICK_MILLISECONDS: u64 = 10;

/// How to start it.
#[derive(Debug)]
pub(crate) struct Launch<'a> {
    pub(crate) program: &'a OsStr,
    pub(crate) arguments: Vec<&'a OsStr>,
    pub(crate) environment: Vec<(&'a str, &'a str)>,
    /// As `taskset -c` takes it; `None` leaves the choice to the scheduler.
    pub(crate) cores: Option<&'a str>,
    /// Takes standard output; standard error goes into a file beside it.
    pub(crate) log: &'a Path,
}

/// A running program. It and its children are killed when this is dropped.
#[derive(Debug)]
pub(crate) struct Process {
    child: Child,
}

/// CPU time of a process and its children until some moment.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Cpu {
    /// On a core, user and system together, from the scheduler's own clock.
    pub(crate) total: Duration,
    /// The same by the coarser ticks of /proc/PID/stat.
    ticks: u64,
}

impl Cpu {
    /// What was used between `earlier` and now.
    pub(crate) fn since(self, earlier: Self) -> Self {
        Self {
            total: self.total.saturating_sub(earlier.total),
            ticks: self.ticks.saturating_sub(earlier.ticks),
        }
    }

    /// By how much the scheduler's clock and the ticks differ; both saw the same thing.
    pub(crate) fn disagreement(self) -> f64 {
        let coarse = Duration::from_millis(self.ticks * TICK_MILLISECONDS).as_secs_f64();
        (self.total.as_secs_f64() - coarse).abs() / self.total.as_secs_f64().max(0.1)
    }
}

/// One thread and the time it has been on a core.
#[derive(Debug)]
pub(crate) struct Thread {
    pub(crate) name: String,
    pub(crate) cpu: Duration,
}

impl Process {
    /// Starts it and waits until something listens on `address`.
    pub(crate) async fn start(launch: &Launch<'_>, address: SocketAddr) -> Result<Self> {
        let name = launch.program.to_string_lossy().into_owned();
        // Ends with us, even if we are killed: `setpriv` and `taskset` become the program.
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "TERM"]);
        if let Some(cores) = launch.cores {
            command.args(["taskset", "-c", cores]);
        }
        let log = |path: &Path| {
            fs::File::create(path).with_context(|| format!("cannot write {}", path.display()))
        };
        let errors = launch.log.with_extension("err");
        command
            .arg(launch.program)
            .args(&launch.arguments)
            .envs(launch.environment.iter().copied())
            .stdin(Stdio::null())
            .stdout(log(launch.log)?)
            .stderr(log(&errors)?);
        let child = command
            .spawn()
            .with_context(|| format!("cannot start {name}"))?;
        let mut process = Self { child };
        let deadline = Instant::now() + START;
        while TcpStream::connect(address).await.is_err() {
            let ended = process.child.try_wait()?;
            if ended.is_some() || Instant::now() > deadline {
                let said = fs::read_to_string(&errors).unwrap_or_default();
                bail!("{name} does not listen on {address}: {said}");
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Ok(process)
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// The process and its children: nginx has a master and workers.
    fn family(&self) -> Vec<u32> {
        let id = self.child.id();
        let children = fs::read_to_string(format!("/proc/{id}/task/{id}/children"));
        let children = children.unwrap_or_default();
        let children = children.split_whitespace().filter_map(|id| id.parse().ok());
        std::iter::once(id).chain(children).collect()
    }

    pub(crate) fn threads(&self) -> Result<Vec<Thread>> {
        let mut threads = Vec::new();
        for process in self.family() {
            for entry in fs::read_dir(format!("/proc/{process}/task"))? {
                let path = entry?.path();
                let read = |file: &str| {
                    fs::read_to_string(path.join(file))
                        .with_context(|| format!("a thread ended: {}", path.display()))
                };
                let nanoseconds = read("schedstat")?;
                let nanoseconds = nanoseconds.split_whitespace().next().unwrap_or_default();
                threads.push(Thread {
                    name: read("comm")?.trim().to_owned(),
                    cpu: Duration::from_nanos(nanoseconds.parse()?),
                });
            }
        }
        Ok(threads)
    }

    pub(crate) fn cpu(&self) -> Result<Cpu> {
        let mut cpu = Cpu {
            total: self.threads()?.iter().map(|thread| thread.cpu).sum(),
            ..Cpu::default()
        };
        for process in self.family() {
            let stat = fs::read_to_string(format!("/proc/{process}/stat"))?;
            // The name in parentheses may hold blanks; utime and stime are the 14th and 15th field.
            let (_, fields) = stat
                .rsplit_once(") ")
                .context("/proc/PID/stat has changed")?;
            let times: Vec<u64> = fields
                .split_whitespace()
                .skip(11)
                .take(2)
                .map(str::parse)
                .collect::<Result<_, _>>()?;
            cpu.ticks += times.iter().sum::<u64>();
        }
        Ok(cpu)
    }

    /// Resident memory in KiB, what is shared counted once (the proportional set size).
    pub(crate) fn memory(&self) -> Result<u64> {
        let mut sum = 0;
        for process in self.family() {
            let rollup = fs::read_to_string(format!("/proc/{process}/smaps_rollup"))?;
            let line = rollup.lines().find_map(|line| line.strip_prefix("Pss:"));
            let number = line.and_then(|line| line.split_whitespace().next());
            sum += number.context("smaps_rollup without Pss")?.parse::<u64>()?;
        }
        Ok(sum)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        for id in self.family() {
            if let Some(id) = i32::try_from(id).ok().and_then(Pid::from_raw) {
                let _ = kill_process(id, Signal::KILL);
            }
        }
        let _ = self.child.wait();
    }
}

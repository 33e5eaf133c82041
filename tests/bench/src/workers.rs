//! One worker and two: what a request costs, how much goes through, and how evenly connections and
//! work are spread.
//!
//! Which worker has a connection is read from the kernel: each has an epoll instance of its own,
//! and /proc/PID/fdinfo lists what is registered with it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};

use crate::contender::{Contender, Gate, Scheme, Setting};
use crate::http::Connection;
use crate::lab::Lab;
use crate::options::Options;
use crate::table::spread_with;
use crate::wrk;
use crate::{tell, within};

const CONNECTIONS: usize = 400;
const TRIALS: usize = 3;

pub(crate) async fn section(lab: &Lab, options: &Options) -> Result<String> {
    let mut text = "## One worker and two (imgate)\n\n\
        With fewer than four cores, two workers share a core with the load: then only the CPU per request \
        can be compared, not the throughput.\n\n\
        | workers | CPU µs per request | requests/s |\n| --- | --- | --- |\n"
        .to_owned();
    let mut figures =
        BTreeMap::from([(1, (Vec::new(), Vec::new())), (2, (Vec::new(), Vec::new()))]);
    for round in 1..=options.rounds {
        tell(&format!("workers, round {round} of {}", options.rounds));
        for (workers, (cpu, rate)) in &mut figures {
            let gate = start(lab, *workers).await?;
            let credential = lab.credential(Scheme::AppKey);
            wrk::run(gate.address, &credential, Duration::from_secs(1)).await?;
            let before = gate.process.cpu()?;
            let load = wrk::run(gate.address, &credential, options.cell).await?;
            ensure!(
                load.failures == 0,
                "{} failures with {workers} workers",
                load.failures
            );
            let used = gate.process.cpu()?.since(before).total.as_secs_f64();
            cpu.push(used * 1e6 / f64::from(u32::try_from(load.requests)?));
            rate.push(load.per_second);
        }
    }
    for (workers, (cpu, rate)) in figures {
        writeln!(
            text,
            "| {workers} | {} | {} |",
            spread_with(cpu, 1),
            spread_with(rate, 0)
        )?;
    }
    tell("balance between two workers");
    text.push_str(&balance(lab, options).await?);
    Ok(text)
}

async fn start(lab: &Lab, workers: usize) -> Result<Gate> {
    let setting = Setting {
        workers,
        ..Setting::new(Contender::Imgate, Scheme::AppKey)
    };
    lab.start(setting).await
}

/// How connections come.
#[derive(Clone, Copy, Debug)]
enum Arrival {
    /// The next when the one before has had its first answer; then they idle.
    OneByOne,
    /// All together, by `wrk`, which keeps them busy.
    Together(usize),
}

/// How connections and CPU are spread over two workers.
async fn balance(lab: &Lab, options: &Options) -> Result<String> {
    let mut text = format!(
        "\nBalance of two workers, in {TRIALS} trials; the worker with less stands first.\n\n\
         | load | connections | CPU ms |\n| --- | --- | --- |\n"
    );
    let cases = [
        (
            format!("{CONNECTIONS}, one after the other"),
            Arrival::OneByOne,
        ),
        (
            format!("{CONNECTIONS} busy ones together"),
            Arrival::Together(CONNECTIONS),
        ),
        ("32 busy ones together".to_owned(), Arrival::Together(32)),
    ];
    for (name, arrival) in cases {
        let (mut connections, mut cpu) = (Vec::new(), Vec::new());
        for _ in 0..TRIALS {
            let trial = within(options.cell, trial(lab, options, arrival)).await?;
            connections.push(shares(trial.0));
            cpu.push(shares(trial.1));
        }
        writeln!(
            text,
            "| {name} | {} | {} |",
            connections.join(", "),
            cpu.join(", ")
        )?;
    }
    text.push('\n');
    Ok(text)
}

/// Connections, and milliseconds of CPU since the start, of each worker.
async fn trial(lab: &Lab, options: &Options, arrival: Arrival) -> Result<(Vec<usize>, Vec<u128>)> {
    let credential = lab.credential(Scheme::AppKey);
    let gate = start(lab, 2).await?;
    // Bound is not yet served: whichever worker starts first would have everything.
    while clients(&gate)?.len() < 2 {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let connections = match arrival {
        Arrival::OneByOne => {
            let mut open = Vec::new();
            for _ in 0..CONNECTIONS {
                let mut connection = Connection::open(gate.address).await?;
                connection.get("/api/messages", &[&credential]).await?;
                open.push(connection);
            }
            clients(&gate)?
        }
        Arrival::Together(count) => {
            let load = wrk::run_with(gate.address, &credential, options.cell, count);
            let look = async {
                tokio::time::sleep(options.cell / 2).await;
                clients(&gate)
            };
            let (load, connections) = tokio::join!(load, look);
            load?;
            connections?
        }
    };
    let threads = gate.process.threads()?.into_iter();
    let workers = threads.filter(|thread| thread.name.starts_with("worker-"));
    Ok((
        connections,
        workers.map(|worker| worker.cpu.as_millis()).collect(),
    ))
}

/// `least : most`.
fn shares<T: Ord + ToString>(mut of_each: Vec<T>) -> String {
    of_each.sort();
    let shares: Vec<String> = of_each.iter().map(ToString::to_string).collect();
    shares.join(" : ")
}

/// How many clients are registered with each epoll instance that listens.
fn clients(gate: &Gate) -> Result<Vec<usize>> {
    let id = gate.process.id();
    let (listening, established) = sockets(gate)?;
    let mut inodes = BTreeMap::new();
    let mut polls = Vec::new();
    for entry in fs::read_dir(format!("/proc/{id}/fd"))? {
        let path = entry?.path();
        let fd: u32 = path
            .file_name()
            .and_then(|name| name.to_str())
            .context("no name")?
            .parse()?;
        let Ok(target) = fs::read_link(&path) else {
            continue;
        };
        let target = target.to_string_lossy();
        if let Some(inode) = target.strip_prefix("socket:[") {
            inodes.insert(fd, inode.trim_end_matches(']').to_owned());
        } else if target == "anon_inode:[eventpoll]" {
            let info = fs::read_to_string(format!("/proc/{id}/fdinfo/{fd}"))?;
            let fds: BTreeSet<u32> = info
                .lines()
                .filter_map(|line| {
                    line.strip_prefix("tfd:")?
                        .split_whitespace()
                        .next()?
                        .parse()
                        .ok()
                })
                .collect();
            polls.push(fds);
        }
    }
    let of = |fds: &BTreeSet<u32>, sockets: &BTreeSet<String>| -> Vec<u32> {
        let is_one = |fd: &u32| inodes.get(fd).is_some_and(|inode| sockets.contains(inode));
        fds.iter().copied().filter(is_one).collect()
    };
    // An instance may have several descriptors; the listening one in it is the worker's own.
    let workers: BTreeMap<u32, usize> = polls
        .iter()
        .filter_map(|fds| Some((*of(fds, &listening).first()?, of(fds, &established).len())))
        .collect();
    Ok(workers.into_values().collect())
}

/// The inodes of sockets on the gate's port: those that listen, and those that are connected.
fn sockets(gate: &Gate) -> Result<(BTreeSet<String>, BTreeSet<String>)> {
    let table = fs::read_to_string(format!("/proc/{}/net/tcp", gate.process.id()))?;
    let port = format!(":{:04X}", gate.address.port());
    let (mut listening, mut established) = (BTreeSet::new(), BTreeSet::new());
    for line in table.lines().skip(1) {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let [_, local, _, state, _, _, _, _, _, inode, ..] = fields.as_slice() else {
            continue;
        };
        if local.ends_with(&port) {
            match *state {
                "0A" => listening.insert((*inode).to_owned()),
                "01" => established.insert((*inode).to_owned()),
                _ => false,
            };
        }
    }
    Ok((listening, established))
}

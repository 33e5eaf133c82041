//! Resident memory per idle connection.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};

use crate::contender::{Contender, Gate, Scheme, Setting};
use crate::cpu::shuffled;
use crate::http::Connection;
use crate::lab::Lab;
use crate::options::Options;
use crate::table::{Row, markdown};
use crate::websocket::Tunnel;
use crate::{tell, within};

/// Each round is a fresh process; two show whether the figure holds.
const ROUNDS: usize = 2;
/// Memory has settled when it has not changed by more than this for so long.
const STEADY_KIB: u64 = 64;
const STEADY: Duration = Duration::from_secs(2);
const SETTLE: Duration = Duration::from_secs(20);

const CONTENDERS: [Contender; 3] = [Contender::Imgate, Contender::Haproxy, Contender::Nginx];

#[derive(Clone, Copy, Debug)]
enum Idle {
    KeptAlive,
    Tunnel,
}

pub(crate) async fn section(lab: &Lab, options: &Options) -> Result<String> {
    let mut rows = Vec::new();
    let mut empty = Row::default();
    for (name, kind) in [
        ("kept-alive connection", Idle::KeptAlive),
        ("WebSocket", Idle::Tunnel),
    ] {
        let mut row = Row::default();
        for round in 1..=ROUNDS {
            tell(&format!("memory, round {round} of {ROUNDS}: {name}"));
            for contender in shuffled(&CONTENDERS) {
                let measured = measure(lab, contender, kind, options.idle);
                match within(SETTLE * 2, measured).await {
                    Ok((before, each)) => {
                        row.note(contender, Ok(each));
                        empty.note(contender, Ok(before));
                    }
                    Err(error) => row.note(contender, Err(error)),
                }
            }
        }
        rows.push((format!("KiB per idle {name}"), row));
    }
    rows.push(("MiB of the process before them".to_owned(), empty));
    Ok(format!(
        "## Memory\n\n{} idle connections, opened with an app key after {} others had come and gone at the start; \
         proportional set size of all processes, when it has come to rest. HAProxy and nginx have tables for \
         connections from the start, which is the other reason for the last line.\n\n{}",
        options.idle,
        WARM_UP,
        markdown("", &rows, &CONTENDERS, &[]),
    ))
}

/// Connections that bring code and pools into memory before the first look.
const WARM_UP: usize = 64;

/// MiB before, and KiB for each of `count`.
async fn measure(lab: &Lab, contender: Contender, kind: Idle, count: usize) -> Result<(f64, f64)> {
    let gate = lab.start(Setting::new(contender, Scheme::AppKey)).await?;
    let credential = lab.credential(Scheme::AppKey);
    drop(open(&gate, &credential, kind, WARM_UP).await?);
    let before = settled(&gate).await?;
    let connections = open(&gate, &credential, kind, count).await?;
    let after = settled(&gate).await?;
    // Whoever was closed meanwhile did not idle.
    connections.still_answer(&credential).await?;
    let kib = |kib: u64| Ok::<_, anyhow::Error>(f64::from(u32::try_from(kib)?));
    let each = kib(after.saturating_sub(before))? / kib(u64::try_from(count)?)?;
    Ok((kib(before)? / 1024.0, each))
}

enum Connections {
    KeptAlive(Vec<Connection>),
    Tunnels(Vec<Tunnel>),
}

impl Connections {
    async fn still_answer(self, credential: &str) -> Result<()> {
        match self {
            Self::KeptAlive(all) => {
                for mut connection in all {
                    let answer = connection.get("/api/messages", &[credential]).await?;
                    ensure!(
                        answer.status == 200,
                        "a connection got {} afterwards",
                        answer.status
                    );
                }
            }
            Self::Tunnels(all) => {
                for mut tunnel in all {
                    tunnel.echo().await?;
                }
            }
        }
        Ok(())
    }
}

/// Opens connections and uses each once.
async fn open(gate: &Gate, credential: &str, kind: Idle, count: usize) -> Result<Connections> {
    Ok(match kind {
        Idle::KeptAlive => {
            let mut all = Vec::with_capacity(count);
            for _ in 0..count {
                let mut connection = Connection::open(gate.address).await?;
                let answer = connection.get("/api/messages", &[credential]).await?;
                ensure!(answer.status == 200, "a connection got {}", answer.status);
                all.push(connection);
            }
            Connections::KeptAlive(all)
        }
        Idle::Tunnel => {
            let mut all = Vec::with_capacity(count);
            for _ in 0..count {
                let mut tunnel = Tunnel::open(gate.address, credential).await?;
                tunnel.echo().await?;
                all.push(tunnel);
            }
            Connections::Tunnels(all)
        }
    })
}

/// The memory once it stays where it is.
async fn settled(gate: &Gate) -> Result<u64> {
    let deadline = Instant::now() + SETTLE;
    let mut last = (gate.process.memory()?, Instant::now());
    while last.1.elapsed() < STEADY && Instant::now() < deadline {
        tokio::time::sleep(Duration::from_millis(250)).await;
        let now = gate.process.memory()?;
        if now.abs_diff(last.0) > STEADY_KIB {
            last = (now, Instant::now());
        }
    }
    gate.process.memory()
}

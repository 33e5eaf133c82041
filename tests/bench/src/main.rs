//! Measures the gate beside HAProxy and nginx, in one run and in interleaved rounds, and writes a
//! table of it.
//!
//! What is compared is the CPU time and the memory of the proxy's own processes, as the kernel
//! counts them; a fresh process serves each cell, and a cell with a failed request is no figure.

use std::io::Write as _;
use std::time::Duration;

use anyhow::{Context as _, Result};

mod check;
mod contender;
mod cpu;
mod http;
mod lab;
mod machine;
mod memory;
mod options;
mod process;
mod table;
mod websocket;
mod workers;
mod wrk;

use lab::Lab;
use options::{Options, Section};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let options = Options::from_environment()?;
    let machine = machine::Watch::begin();
    let lab = Lab::open(&options).await.context("cannot set up")?;
    let mut report = lab.heading(&options)?;
    report.push_str(&check::all(&lab).await?);
    if options.wants(Section::Cpu) {
        report.push_str(&cpu::section(&lab, &options).await?);
    }
    if options.wants(Section::Memory) {
        report.push_str(&memory::section(&lab, &options).await?);
    }
    if options.wants(Section::Workers) {
        report.push_str(&workers::section(&lab, &options).await?);
    }
    report.push_str(&machine.end());
    let path = options.directory.join("report.md");
    std::fs::write(&path, &report).with_context(|| format!("cannot write {}", path.display()))?;
    std::io::stdout().write_all(report.as_bytes())?;
    tell(&format!("written to {}", path.display()));
    Ok(())
}

/// Gives up on what does not end. Nothing that the bench does takes this much longer than planned.
async fn within<T>(plan: Duration, work: impl Future<Output = Result<T>>) -> Result<T> {
    tokio::time::timeout(plan + Duration::from_mins(1), work)
        .await
        .context("it hangs")?
}

/// Says how far the run is. The table alone goes to standard output.
fn tell(what: &str) {
    // Nobody to tell is no reason to stop.
    let _ = writeln!(std::io::stderr(), "bench: {what}");
}

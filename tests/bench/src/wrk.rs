//! `wrk`: HTTP load on kept-alive connections.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use tokio::process::Command;

const CONNECTIONS: usize = 32;

/// What a run of `wrk` came to.
#[derive(Debug, PartialEq)]
pub(crate) struct Load {
    pub(crate) requests: u64,
    pub(crate) per_second: f64,
    /// Anything but an answer of 2xx or 3xx.
    pub(crate) failures: u64,
}

pub(crate) async fn run(address: SocketAddr, credential: &str, time: Duration) -> Result<Load> {
    run_with(address, credential, time, CONNECTIONS).await
}

pub(crate) async fn run_with(
    address: SocketAddr,
    credential: &str,
    time: Duration,
    connections: usize,
) -> Result<Load> {
    let connections = connections.to_string();
    let duration = format!("{}s", time.as_secs());
    let url = format!("http://{address}/api/messages");
    let output = Command::new("wrk")
        .args([
            "-t1",
            "-c",
            &connections,
            "-d",
            &duration,
            "-H",
            credential,
            &url,
        ])
        .kill_on_drop(true)
        .output()
        .await
        .context("cannot start wrk")?;
    let text = String::from_utf8_lossy(&output.stdout);
    ensure!(output.status.success(), "wrk failed: {text}");
    parse(&text).with_context(|| format!("wrk has changed what it prints: {text}"))
}

fn parse(text: &str) -> Option<Load> {
    let mut lines = text.lines().map(str::trim);
    let after = |mark: &str| text.lines().find_map(|line| line.trim().strip_prefix(mark));
    let requests = lines.find_map(|line| line.split_once(" requests in "))?.0;
    let non_2xx = after("Non-2xx or 3xx responses:").map_or(Some(0), |n| n.trim().parse().ok())?;
    let errors = after("Socket errors:").map_or(Some(0), |line| {
        line.split(',')
            .map(|part| part.split_whitespace().last()?.parse::<u64>().ok())
            .sum()
    })?;
    Some(Load {
        requests: requests.parse().ok()?,
        per_second: after("Requests/sec:")?.trim().parse().ok()?,
        failures: non_2xx + errors,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const CLEAN: &str = "Running 3s test @ http://127.0.0.1:1/\n  1 threads and 32 connections\n  \
        150000 requests in 3.00s, 40.00MB read\nRequests/sec:  50000.12\nTransfer/sec: 13MB\n";

    #[test]
    fn failures_of_every_kind_are_counted() {
        let load = |failures| Load {
            requests: 150_000,
            per_second: 50_000.12,
            failures,
        };
        assert_eq!(parse(CLEAN), Some(load(0)));
        let with = |line| CLEAN.replace("Requests/sec", &format!("  {line}\nRequests/sec"));
        let refused = with("Non-2xx or 3xx responses: 7");
        assert_eq!(parse(&refused), Some(load(7)));
        let broken = with("Socket errors: connect 1, read 2, write 0, timeout 4");
        assert_eq!(parse(&broken), Some(load(7)));
        assert_eq!(parse("unable to connect"), None);
    }
}

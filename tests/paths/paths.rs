//! Whatever the gate lets through on a route, real servers resolve under that route too.
//!
//! README.md beside this file says what is compared. `IMGATE_PATHS` is the number of targets and
//! `IMGATE_PATHS_SEED` chooses them; a failure prints both and the shortest target that shows it.

use std::thread::{self, ScopedJoinHandle};

use super::support::Gate;

mod asking;
mod generator;
mod routes;
mod servers;
mod trial;

use generator::Random;
use servers::Servers;
use trial::{Tally, Trial};

#[test]
fn real_servers_choose_the_route_that_was_judged() {
    let count = number("IMGATE_PATHS").unwrap_or(1_000);
    let seed = number("IMGATE_PATHS_SEED").unwrap_or(20_261_120);
    eprintln!("IMGATE_PATHS={count} IMGATE_PATHS_SEED={seed}");
    let mut random = Random::new(seed);
    let targets: Vec<Vec<u8>> = (0..count).map(|_| generator::target(&mut random)).collect();

    let servers = Servers::start();
    let names: Vec<&str> = servers.all.iter().map(|server| server.name).collect();
    // A line for each request would bury what there is to read.
    let mut gate = Gate::with(&routes::policy(&names)).environment("IMGATE_LOG", "warn");
    for server in &servers.all {
        gate = gate.upstream(server.name, server.address);
    }
    let gate = gate.start();

    let tallies: Vec<Tally> = thread::scope(|scope| {
        let running: Vec<_> = servers
            .all
            .iter()
            .map(|server| scope.spawn(|| Trial::new(server, gate.address()).run(&targets)))
            .collect();
        let ended = running.into_iter().map(ScopedJoinHandle::join);
        ended
            .map(|tally| tally.expect("the comparison ends"))
            .collect()
    });

    for (server, tally) in servers.all.iter().zip(&tallies) {
        eprintln!("{}: {tally}", server.name);
    }
    let differences: Vec<&str> = tallies
        .iter()
        .flat_map(|tally| tally.differences.iter().map(String::as_str))
        .collect();
    assert!(
        differences.is_empty(),
        "IMGATE_PATHS={count} IMGATE_PATHS_SEED={seed} found {} differences:\n{}\n{}",
        differences.len(),
        differences[..differences.len().min(SHOWN)].join("\n"),
        servers.output(),
    );
    for (server, tally) in servers.all.iter().zip(&tallies) {
        tally.expect_meaning(server.name, targets.len());
    }
}

/// As many differences as somebody will read.
const SHOWN: usize = 20;

fn number(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(
        text.parse()
            .unwrap_or_else(|_| panic!("{name} is a number")),
    )
}

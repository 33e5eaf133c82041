//! What the machine is, and how much of it others took meanwhile.

use std::fmt::Write as _;
use std::fs;
use std::time::Instant;

/// From the start of the run to its end.
#[derive(Debug)]
pub(crate) struct Watch {
    started: Instant,
    times: Vec<u64>,
}

impl Watch {
    pub(crate) fn begin() -> Self {
        Self {
            started: Instant::now(),
            times: times(),
        }
    }

    /// How long it took and how undisturbed it was.
    pub(crate) fn end(&self) -> String {
        let spent: Vec<f64> = times()
            .iter()
            .zip(&self.times)
            .map(|(now, then)| f64::from(u32::try_from(now - then).unwrap_or(u32::MAX)))
            .collect();
        let sum: f64 = spent.iter().sum();
        let stolen = spent.get(STEAL).copied().unwrap_or_default();
        let mut text = format!(
            "The run took {:.0} minutes; {:.1} % of the cores' time was stolen by the host",
            self.started.elapsed().as_secs_f64() / 60.0,
            stolen / sum.max(1.0) * 100.0,
        );
        let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
        let load: Vec<&str> = load.split(' ').take(3).collect();
        // Writing to a `String` cannot fail.
        let _ = writeln!(
            text,
            ", and the load average at its end was {}.",
            load.join(", ")
        );
        text
    }
}

/// The position of stolen time in the first line of /proc/stat.
const STEAL: usize = 7;

fn times() -> Vec<u64> {
    let stat = fs::read_to_string("/proc/stat").unwrap_or_default();
    let line = stat.lines().next().unwrap_or_default();
    let fields = line.split_whitespace().skip(1).take(STEAL + 1);
    fields.filter_map(|field| field.parse().ok()).collect()
}

pub(crate) fn description() -> String {
    let info = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = info
        .lines()
        .find_map(|line| line.strip_prefix("model name"))
        .map_or("an unknown processor", |rest| {
            rest.trim_start_matches([' ', '\t', ':'])
        });
    let cores = info
        .lines()
        .filter(|line| line.starts_with("processor"))
        .count();
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    format!("{model}, {cores} cores, Linux {}", kernel.trim())
}

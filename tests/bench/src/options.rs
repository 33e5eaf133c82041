//! What a run does, from the environment: `make bench ROUNDS=9 SECONDS=5 ONLY=cpu`.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};

/// A part of the report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Section {
    Cpu,
    Memory,
    Workers,
}

#[derive(Debug)]
pub(crate) struct Options {
    pub(crate) rounds: usize,
    /// How long a cell is measured. WebSocket cells, which scatter less, take two thirds of it.
    pub(crate) cell: Duration,
    /// How many connections idle in the memory cells.
    pub(crate) idle: usize,
    /// The gate's binary.
    pub(crate) imgate: PathBuf,
    /// Where configurations, keys and the report go.
    pub(crate) directory: PathBuf,
    only: Vec<Section>,
}

impl Options {
    pub(crate) fn from_environment() -> Result<Self> {
        let seconds: u64 = number("SECONDS", 3)?;
        let path = |name: &str, default: &str| {
            std::env::var_os(name).map_or_else(|| PathBuf::from(default), PathBuf::from)
        };
        let absolute = |path: PathBuf| {
            std::path::absolute(&path).with_context(|| format!("no such path: {}", path.display()))
        };
        let options = Self {
            rounds: number("ROUNDS", 5)?,
            cell: Duration::from_secs(seconds),
            idle: number("IDLE", 2000)?,
            imgate: absolute(path("IMGATE_BENCH_BINARY", "target/release/imgate"))?,
            directory: absolute(path("IMGATE_BENCH_DIRECTORY", "target/bench"))?,
            only: std::env::var("ONLY")
                .unwrap_or_default()
                .split([',', ' '])
                .filter(|word| !word.is_empty())
                .map(section)
                .collect::<Result<_>>()?,
        };
        if options.rounds == 0 || seconds == 0 {
            bail!("expected at least one of ROUNDS and of SECONDS");
        }
        Ok(options)
    }

    pub(crate) fn wants(&self, section: Section) -> bool {
        self.only.is_empty() || self.only.contains(&section)
    }
}

fn number<T: std::str::FromStr>(name: &str, default: T) -> Result<T> {
    match std::env::var(name) {
        Ok(text) if !text.is_empty() => text
            .parse()
            .ok()
            .with_context(|| format!("{name}: expected a number")),
        _ => Ok(default),
    }
}

fn section(word: &str) -> Result<Section> {
    match word {
        "cpu" => Ok(Section::Cpu),
        "memory" => Ok(Section::Memory),
        "workers" => Ok(Section::Workers),
        _ => bail!("ONLY: expected some of cpu, memory, workers"),
    }
}

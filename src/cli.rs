//! The command line: what can be asked of the binary.

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::clock;
use crate::problem::LoadError;
use overrides::OverrideArgs;

pub mod check;
pub mod demo;
pub mod drain;
pub mod explain;
mod http;
pub mod key;
pub mod overrides;
pub mod ping;
pub mod run;
pub mod token;

/// Authentication sidecar for chat backends.
#[derive(Debug, Parser)]
#[command(name = "imgate", version, about)]
pub struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the gate
    Run {
        /// The configuration; without it `imgate.yaml`, `conf/imgate.yaml` and
        /// `/etc/imgate/imgate.yaml` are tried
        #[arg(short, long, value_name = "FILE")]
        config: Option<PathBuf>,
        #[command(flatten)]
        overrides: OverrideArgs,
    },
    /// Check a configuration: print every problem, or a summary of its routes
    Check {
        /// The configuration; looked for as `run` does
        #[arg(short, long, value_name = "FILE")]
        config: Option<PathBuf>,
        /// Also ask the upstreams and Redis whether they are there
        #[arg(long)]
        live: bool,
    },
    /// Ask the running gate to drain: as SIGTERM, over its admin interface
    Drain {
        /// The configuration that the gate runs with; looked for as `run` does
        #[arg(short, long, value_name = "FILE")]
        config: Option<PathBuf>,
        #[command(flatten)]
        args: drain::DrainArgs,
    },
    /// Ask for an address over plain HTTP; exit code 0 if the answer is 200, for health checks
    Ping(ping::PingArgs),
    /// Tell what the gate would make of a request on standard input, and why
    Explain {
        /// The configuration; looked for as `run` does
        #[arg(short, long, value_name = "FILE")]
        config: Option<PathBuf>,
        #[command(flatten)]
        args: explain::ExplainArgs,
    },
    /// Make credentials for trying a gate out, or take them apart
    Token(token::TokenArgs),
    /// Make application keys
    Key(key::KeyArgs),
    /// Show the gate at work: a chat backend, the gate before it, and a tour of both
    Demo(demo::DemoArgs),
}

/// How a command ends. The numbers are part of the contract.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    Done,
    /// It failed while running, for example because a port is in use.
    Failed,
    /// The configuration or the arguments are wrong (`EX_USAGE` of sysexits.h).
    Usage,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        match exit {
            Exit::Done => Self::SUCCESS,
            Exit::Failed => Self::from(1),
            Exit::Usage => Self::from(64),
        }
    }
}

/// Parses the arguments and does what they say.
pub fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            // Asking for help or the version is no mistake.
            let exit = if error.use_stderr() {
                Exit::Usage
            } else {
                Exit::Done
            };
            let _ = error.print();
            return exit.into();
        }
    };
    match arguments.command {
        Command::Run { config, overrides } => {
            with_config(config, |path| run::run(path, overrides.into()))
        }
        Command::Check { config, live } => with_config(config, |path| check::check(path, live)),
        Command::Drain { config, args } => match (config, args.socket()) {
            (None, Some(socket)) => drain::drain_at(socket, &args),
            (config, _) => with_config(config, |path| drain::drain(path, &args)),
        },
        Command::Explain { config, args } => {
            with_config(config, |path| explain::explain(path, &args))
        }
        Command::Ping(args) => ping::ping(&args),
        Command::Token(args) => print_result(token::run(&args, &mut io::stdin(), clock::now())),
        Command::Key(args) => print_result(key::run(&args)),
        Command::Demo(args) => demo::run(&args),
    }
    .into()
}

/// Where a configuration is looked for when none is named.
const USUAL_PLACES: [&str; 3] = ["imgate.yaml", "conf/imgate.yaml", "/etc/imgate/imgate.yaml"];

fn with_config(config: Option<PathBuf>, command: impl FnOnce(&Path) -> Exit) -> Exit {
    let usual = || {
        USUAL_PLACES
            .iter()
            .map(PathBuf::from)
            .find(|path| path.is_file())
    };
    if let Some(path) = config.or_else(usual) {
        command(&path)
    } else {
        complain(&format!(
            "no configuration: tried {}",
            USUAL_PLACES.join(", ")
        ));
        Exit::Usage
    }
}

/// Prints what a command found out, or why it could not.
fn print_result(result: Result<String, impl std::error::Error>) -> Exit {
    match result {
        Ok(text) => {
            say(text.trim_end());
            Exit::Done
        }
        Err(error) => {
            let cause = error
                .source()
                .map_or_else(String::new, |cause| format!(": {cause}"));
            complain(&format!("{error}{cause}"));
            Exit::Usage
        }
    }
}

/// Prints what is wrong with a configuration, one problem a line.
pub(crate) fn complain_about(error: &LoadError) {
    match error {
        LoadError::Unreadable { source, .. } => complain(&format!("{error}: {source}")),
        LoadError::Unsettled { .. } => complain(&error.to_string()),
        LoadError::Problems { problems } => {
            for problem in problems {
                complain(&problem.to_string());
            }
            let count = problems.len();
            complain(&format!(
                "{count} problem{}",
                if count == 1 { "" } else { "s" }
            ));
        }
    }
}

/// Writes a line to standard output, where a command's result goes.
pub(crate) fn say(line: &str) {
    // Whoever closed the pipe does not want to read on; `println!` would panic.
    let _ = writeln!(io::stdout(), "{line}");
}

/// Writes a line to standard error.
pub(crate) fn complain(line: &str) {
    let _ = writeln!(io::stderr(), "{line}");
}

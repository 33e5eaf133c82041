//! The command line of `imgate-injector`.

use std::io::{self, Read as _, Write as _};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};

use super::cluster::Names;
use super::run::{self, Certificates, Request};
use super::{Situation, Version, manifest, ping};
use crate::cli::{Exit, complain, complain_about};
use crate::config;
use crate::config::sidecar;

/// Puts imgate into Kubernetes pods.
#[derive(Debug, Parser)]
#[command(name = "imgate-injector", version, about)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Answer the API server: the mutating webhook
    Run(RunArgs),
    /// Put the gate into the pods of manifests, from standard input to standard output
    ///
    /// Pods, Deployments, StatefulSets, DaemonSets, ReplicaSets, Jobs, CronJobs and Lists of them get the
    /// same change that the webhook makes; other documents pass. The label `imgate.dev/inject` is not
    /// asked for, but `disabled` is respected. Warnings go to standard error. If any pod cannot have
    /// the gate, all reasons are told and nothing is written (exit code 1).
    Inject(InjectArgs),
    /// Ask a URL once; exit code 0 if it answers 200
    Ping {
        /// Such as `http://imgate-injector.imgate.svc:8081/readyz`
        url: http::Uri,
    },
}

#[derive(Debug, Args)]
struct RunArgs {
    /// What an injected gate is like where a pod's annotations say nothing (read again when it
    /// changes)
    #[arg(long, value_name = "FILE")]
    template: PathBuf,
    /// Where the API server asks, over HTTPS: `POST /inject`
    #[arg(long, value_name = "ADDRESS", default_value = "0.0.0.0:8443")]
    listen: SocketAddr,
    /// Where the platform asks, over HTTP: `/livez`, `/readyz`, `/metrics`
    #[arg(long, value_name = "ADDRESS", default_value = "0.0.0.0:8081")]
    health: SocketAddr,
    /// Who makes the certificates: the injector itself, or somebody who puts `tls.crt` and `tls.key` into
    /// a directory
    #[arg(long, value_enum, value_name = "WHO")]
    certificates: Who,
    /// Where `tls.crt` and `tls.key` are (read again when they change)
    #[arg(long, value_name = "DIR", required_if_eq("certificates", "files"))]
    certificate_directory: Option<PathBuf>,
    /// The injector's own namespace
    #[arg(long, value_name = "NS", required_if_eq("certificates", "self"))]
    namespace: Option<String>,
    /// The Service that the webhook configuration names; the certificate is for it
    #[arg(long, value_name = "NAME", required_if_eq("certificates", "self"))]
    service: Option<String>,
    /// The Secret that holds authority and certificate; made if it is not there
    #[arg(long, value_name = "NAME", required_if_eq("certificates", "self"))]
    secret: Option<String>,
    /// The MutatingWebhookConfiguration whose `caBundle` is kept right
    #[arg(long, value_name = "NAME", required_if_eq("certificates", "self"))]
    webhook: Option<String>,
    /// The Deployment that the Secret goes with
    #[arg(long, value_name = "NAME")]
    owner_deployment: Option<String>,
    /// The cluster's version, in the place of what the API server says
    #[arg(long, value_name = "VERSION")]
    kubernetes: Option<Version>,
    /// How long requests are still answered after SIGTERM, while the API server hears of it
    #[arg(long, value_name = "DURATION", default_value = "5s", value_parser = duration)]
    lame_duck: Duration,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Who {
    Files,
    #[value(name = "self")]
    Own,
}

#[derive(Debug, Args)]
struct InjectArgs {
    /// What an injected gate is like where a pod's annotations say nothing
    #[arg(long, value_name = "FILE")]
    template: PathBuf,
    /// The namespace of objects that name none, for messages
    #[arg(long, value_name = "NS")]
    namespace: Option<String>,
    /// The cluster's version; without it native sidecars are expected to be there
    #[arg(long, value_name = "VERSION")]
    kubernetes: Option<Version>,
}

fn duration(text: &str) -> Result<Duration, &'static str> {
    config::duration(text).ok_or("expected a duration such as `5s`")
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
        Command::Run(args) => match args.request() {
            Some(request) => run::run(request),
            None => Exit::Usage,
        },
        Command::Inject(args) => inject(&args),
        Command::Ping { url } => ping(&url),
    }
    .into()
}

impl RunArgs {
    /// `None` cannot be: the parser has asked for what each way needs.
    fn request(self) -> Option<Request> {
        let certificates = match self.certificates {
            Who::Files => Certificates::Files(self.certificate_directory?),
            Who::Own => Certificates::Own(Names {
                namespace: self.namespace?,
                service: self.service?,
                secret: self.secret?,
                webhook: self.webhook?,
                owner_deployment: self.owner_deployment,
            }),
        };
        Some(Request {
            template: self.template,
            listen: self.listen,
            health: self.health,
            certificates,
            kubernetes: self.kubernetes,
            lame_duck: self.lame_duck,
        })
    }
}

fn inject(args: &InjectArgs) -> Exit {
    let template = match sidecar::read(&args.template).outcome {
        Ok(template) => template,
        Err(error) => {
            complain_about(&error);
            return Exit::Usage;
        }
    };
    let mut text = String::new();
    if let Err(error) = io::stdin().read_to_string(&mut text) {
        complain(&format!("cannot read standard input: {error}"));
        return Exit::Failed;
    }
    let situation = Situation {
        template: &template,
        kubernetes: args.kubernetes,
    };
    let injected = match manifest::inject_all(&text, args.namespace.as_deref(), situation) {
        Ok(injected) => injected,
        Err(error) => {
            complain(&format!("standard input: {error}"));
            return Exit::Usage;
        }
    };
    injected.notes.iter().for_each(|note| complain(note));
    if injected.refusals.is_empty() {
        // Whoever closed the pipe does not want to read on.
        let _ = io::stdout().write_all(injected.text.as_bytes());
        return Exit::Done;
    }
    injected.refusals.iter().for_each(|one| complain(one));
    Exit::Failed
}

fn ping(url: &http::Uri) -> Exit {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let outcome = match runtime {
        Ok(runtime) => runtime.block_on(ping::ping(url)),
        Err(error) => Err(ping::PingError::Failed(error.to_string())),
    };
    match outcome {
        Ok(()) => Exit::Done,
        Err(error) => {
            complain(&error.to_string());
            Exit::Failed
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_arguments_are_consistent() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn each_way_of_certificates_asks_for_what_it_needs() {
        let parse = |text: &str| Arguments::try_parse_from(text.split_whitespace());
        let run = "imgate-injector run --template t --certificates";
        for (case, arguments, is_good) in [
            (
                "files",
                format!("{run} files --certificate-directory d"),
                true,
            ),
            ("files without a directory", format!("{run} files"), false),
            (
                "self",
                format!("{run} self --namespace n --service s --secret t --webhook w"),
                true,
            ),
            (
                "self without a webhook",
                format!("{run} self --namespace n --service s --secret t"),
                false,
            ),
            ("somebody", format!("{run} somebody"), false),
            (
                "no duration",
                format!("{run} files --certificate-directory d --lame-duck 5"),
                false,
            ),
        ] {
            let parsed = parse(&arguments);
            assert_eq!(parsed.is_ok(), is_good, "{case}: {parsed:?}");
            if let Ok(Arguments {
                command: Command::Run(args),
            }) = parsed
            {
                assert!(args.request().is_some(), "{case}");
            }
        }
    }
}

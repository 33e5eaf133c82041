//! The contenders, configured to do the same: verify the credential, take away what a client says
//! of its own identity, tell the upstream who is asking, and name the request.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;

use anyhow::Result;

use crate::lab::{Lab, free_address};
use crate::process::{Launch, Process};

pub(crate) mod haproxy;
pub(crate) mod imgate;
pub(crate) mod nginx;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Contender {
    Imgate,
    /// Without its verdict cache: every token is verified every time.
    ImgateUncached,
    Haproxy,
    /// Judges and nothing else: no header is added or taken away.
    HaproxyBare,
    Nginx,
}

impl Contender {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Imgate => "imgate",
            Self::ImgateUncached => "imgate, cache off",
            Self::Haproxy => "HAProxy",
            Self::HaproxyBare => "HAProxy, bare",
            Self::Nginx => "nginx",
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Scheme {
    Public,
    AppKey,
    Hs256,
    Rs256,
    Es256,
}

impl Scheme {
    pub(crate) const ALL: [Self; 5] = [
        Self::Public,
        Self::AppKey,
        Self::Hs256,
        Self::Rs256,
        Self::Es256,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Public => "none (public)",
            Self::AppKey => "app key",
            Self::Hs256 => "HS256 token",
            Self::Rs256 => "RS256 token",
            Self::Es256 => "ES256 token",
        }
    }

    /// Of tokens.
    pub(crate) fn algorithm(self) -> Option<&'static str> {
        match self {
            Self::Public | Self::AppKey => None,
            Self::Hs256 => Some("HS256"),
            Self::Rs256 => Some("RS256"),
            Self::Es256 => Some("ES256"),
        }
    }
}

/// How a contender is to run.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Setting {
    pub(crate) contender: Contender,
    pub(crate) scheme: Scheme,
    pub(crate) access_log: bool,
    pub(crate) workers: usize,
}

impl Setting {
    /// One worker, no access log.
    pub(crate) fn new(contender: Contender, scheme: Scheme) -> Self {
        Self {
            contender,
            scheme,
            access_log: false,
            workers: 1,
        }
    }
}

/// A running contender.
#[derive(Debug)]
pub(crate) struct Gate {
    pub(crate) process: Process,
    pub(crate) address: SocketAddr,
}

impl Gate {
    pub(crate) async fn start(lab: &Lab, setting: Setting, cores: Option<&str>) -> Result<Self> {
        let address = free_address()?;
        let configuration = match setting.contender {
            Contender::Imgate | Contender::ImgateUncached => imgate::configuration,
            Contender::Haproxy | Contender::HaproxyBare => haproxy::configuration,
            Contender::Nginx => nginx::configuration,
        };
        let path = lab.directory.join("configuration");
        fs::write(&path, configuration(lab, setting, address)?)?;
        // Not beside the configuration, which the gate watches: every line would wake it.
        let logs = lab.directory.join("logs");
        fs::create_dir_all(&logs)?;
        let log = logs.join("access.log");
        let launch = match setting.contender {
            Contender::Imgate | Contender::ImgateUncached => Launch {
                program: lab.imgate.as_os_str(),
                arguments: vec!["run".as_ref(), "-c".as_ref(), path.as_os_str()],
                environment: if setting.access_log {
                    Vec::new()
                } else {
                    vec![("IMGATE_LOG", "warn")]
                },
                cores,
                log: &log,
            },
            Contender::Haproxy | Contender::HaproxyBare => {
                started("haproxy", &["-db", "-f"], &path, cores, &log)
            }
            Contender::Nginx => started("nginx", &["-e", "stderr", "-c"], &path, cores, &log),
        };
        let process = Process::start(&launch, address).await?;
        Ok(Self { process, address })
    }
}

fn started<'a>(
    program: &'a str,
    arguments: &'a [&'a str],
    configuration: &'a Path,
    cores: Option<&'a str>,
    log: &'a Path,
) -> Launch<'a> {
    let configuration = configuration.as_os_str();
    Launch {
        program: program.as_ref(),
        arguments: arguments
            .iter()
            .map(AsRef::as_ref)
            .chain([configuration])
            .collect(),
        environment: Vec::new(),
        cores,
        log,
    }
}

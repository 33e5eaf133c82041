//! What comes from files: the template, and certificates that somebody else makes.
//!
//! The files are small and few, so they are read again every second: this finds every change, in
//! whatever way it was made, and needs no watches that could run out. What was found broken is told
//! of once; what is in force stays.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{MissedTickBehavior, interval};
use tracing::{error, info, warn};

use super::certificate::{Identity, Unusable};
use super::state::State;
use crate::clock;
use crate::config::files::FileState;
use crate::config::sidecar;
use crate::problem::LoadError;
use crate::secret::{Digest, Secret};

const LOOK: Duration = Duration::from_secs(1);

/// Keeps the template in step with its file. `files` is what it was read from.
pub(super) async fn follow_template(state: Arc<State>, path: PathBuf, mut files: Vec<FileState>) {
    let mut looks = every(LOOK);
    loop {
        looks.tick().await;
        if files.iter().all(FileState::is_current) {
            continue;
        }
        let reading = sidecar::read(&path);
        files = reading.files;
        state.metrics.template_read(reading.outcome.is_ok());
        match reading.outcome {
            Ok(template) => {
                state.replace_template(template);
                info!("template read again");
            }
            Err(problem) => {
                error!(error = %shown(&problem), "template not read; the old one stays in force");
            }
        }
    }
}

/// With what lies behind it.
pub(super) fn shown(error: &LoadError) -> String {
    let source = std::error::Error::source(error);
    let cause = source.map_or_else(String::new, |cause| format!(": {cause}"));
    format!("{error}{cause}")
}

/// Keeps the certificate in step with `tls.crt` and `tls.key` of a directory.
pub(super) async fn follow_certificate(state: Arc<State>, directory: PathBuf) {
    // Whom the API server trusts is somebody else's business.
    state.trusted();
    let mut looks = every(LOOK);
    let mut last = None;
    let mut told = None;
    loop {
        looks.tick().await;
        let pair = Pair::read(&directory);
        let digest = pair.as_ref().ok().map(Pair::digest);
        if digest.is_some() && digest == last {
            continue;
        }
        let identity = pair.and_then(|pair| Ok(Identity::from_pem(&pair.chain, &pair.key)?));
        state.metrics.certificate_checked(identity.is_ok());
        match identity {
            Ok(identity) => {
                info!(not_after = %identity.not_after, "certificate read");
                if identity.not_after < clock::now() {
                    warn!("the certificate has expired");
                }
                state.show(identity);
                last = digest;
                told = None;
            }
            // The two may belong to the moments before and after an exchange; so it is told of only
            // when it is still so at the next look.
            Err(problem) if told == Some((problem, true)) => {}
            Err(problem) => {
                let is_second = told == Some((problem, false));
                if is_second {
                    error!(error = %problem, directory = %directory.display(), "certificate not used");
                }
                told = Some((problem, is_second));
                last = None;
            }
        }
    }
}

/// Why there is no certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
enum NoCertificate {
    #[error("cannot read `tls.crt` and `tls.key`")]
    Unreadable,
    #[error(transparent)]
    Unusable(#[from] Unusable),
}

struct Pair {
    chain: Vec<u8>,
    key: Secret,
}

impl Pair {
    fn read(directory: &Path) -> Result<Self, NoCertificate> {
        let read = |name| fs::read(directory.join(name)).map_err(|_| NoCertificate::Unreadable);
        Ok(Self {
            chain: read("tls.crt")?,
            key: Secret::new(read("tls.key")?),
        })
    }

    fn digest(&self) -> Digest {
        Digest::of_parts([self.chain.as_slice(), self.key.expose()])
    }
}

pub(super) fn every(period: Duration) -> tokio::time::Interval {
    let mut ticks = interval(period);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks
}

//! What the command line says in the place of the configuration: where the gate listens and
//! connects to is often known to whoever starts it, and to nobody who writes the file.
//!
//! [`Overrides::apply`] changes a decoded document before it is compiled, at the start and at
//! every reload alike. What does not fit the document is a problem of the flag.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use super::document::{Admin, AdminPlace, Document, OnExposed};
use super::{Loaded, admin, loopback, notation, shutdown, spelling};
use crate::problem::{Place, Problem};

/// As the flags of `imgate run` name them; nothing unless said.
#[derive(Clone, Debug, Default)]
pub struct Overrides {
    /// Of the first listener.
    pub listen: Option<SocketAddr>,
    pub metrics: Option<SocketAddr>,
    /// Where the configuration has no `admin`.
    pub admin_socket: Option<PathBuf>,
    pub upstreams: Vec<UpstreamAddress>,
    pub drain: Option<Duration>,
    /// Whoever listens beyond loopback, and is reached there, makes the gate unready.
    pub require_loopback: bool,
}

/// `NAME=ADDRESS`, or the address of the only upstream.
#[derive(Clone, Debug)]
pub struct UpstreamAddress {
    name: Option<Arc<str>>,
    address: String,
}

impl Overrides {
    /// Changes a document that is right as it was written. One that is not stays as it is: what is
    /// missing there may have been left out for its mistakes.
    pub fn apply(&self, loaded: &mut Loaded) {
        let Loaded { document, problems } = loaded;
        if !problems.is_empty() {
            return;
        }
        self.replace_addresses(document, problems);
        self.replace_upstreams(document, problems);
        if let Some(drain) = self.drain {
            let rule = &mut document.shutdown;
            rule.drain = drain;
            rule.deadline = rule.deadline.max(rule.lame_duck + drain + MARGIN);
        }
        if self.require_loopback {
            for upstream in &mut document.upstreams {
                if loopback::port(&upstream.address.value).is_some() {
                    upstream.on_exposed = OnExposed::Unready;
                }
            }
        }
    }

    fn replace_addresses(&self, document: &mut Document, problems: &mut Vec<Problem>) {
        if let (Some(address), Some(first)) = (self.listen, document.listeners.first_mut()) {
            first.address = address;
        }
        if let Some(address) = self.metrics {
            document.metrics = Some(address);
        }
        if let (Some(path), None) = (&self.admin_socket, &document.admin) {
            document.admin = Some(socket(path.clone()));
        }
        // The configuration's own addresses were compared when they were read.
        let others = document.listeners.iter().skip(1).map(|one| one.address);
        let admin = document.admin.as_ref().and_then(|admin| match admin.place {
            AdminPlace::Tcp(address) => Some(address),
            AdminPlace::Unix(_) => None,
        });
        let taken: Vec<SocketAddr> = others.chain(admin).collect();
        let first = document.listeners.first().map(|one| one.address);
        // Port 0 is another port each time.
        let is_taken = |address: SocketAddr| address.port() != 0 && taken.contains(&address);
        if self.listen.is_some_and(is_taken) {
            problems.push(of_flag("--listen", TAKEN));
        }
        let is_both = document.metrics.filter(|metrics| metrics.port() != 0) == first;
        if self.metrics.is_some_and(is_taken) || (is_both && self.metrics.is_some()) {
            problems.push(of_flag("--metrics", TAKEN));
        } else if is_both && self.listen.is_some() {
            problems.push(of_flag("--listen", TAKEN));
        }
    }

    fn replace_upstreams(&self, document: &mut Document, problems: &mut Vec<Problem>) {
        let mut replaced = vec![false; document.upstreams.len()];
        for UpstreamAddress { name, address } in &self.upstreams {
            let names = || -> Vec<&str> {
                let names = document.upstreams.iter().map(|one| &*one.name.value);
                names.collect()
            };
            let found = match name {
                Some(name) => {
                    let is_it = |one: &_| *one == &**name;
                    let found = names().iter().position(is_it);
                    found.ok_or_else(|| spelling::unknown("upstream", name, &names()))
                }
                None if document.upstreams.len() == 1 => Ok(0),
                None => Err(format!(
                    "expected `NAME=ADDRESS` with one of {}: there are several upstreams",
                    spelling::list(&names())
                )),
            };
            let found = found.and_then(|at| match replaced.get_mut(at) {
                Some(before) if !*before => {
                    *before = true;
                    Ok(at)
                }
                _ => Err("expected one address for each upstream".to_owned()),
            });
            match found.map(|at| document.upstreams.get_mut(at)) {
                Ok(Some(upstream)) => upstream.address.value.clone_from(address),
                Ok(None) => {}
                Err(message) => problems.push(of_flag("--upstream", message)),
            }
        }
    }
}

/// Between the last session's turn and the end of a drain.
const MARGIN: Duration = Duration::from_secs(5);

const TAKEN: &str = "a listener, `metrics` or `admin` has the same address";

/// The admin listener behind `--admin-socket`.
pub fn socket(path: PathBuf) -> Admin {
    Admin {
        place: AdminPlace::Unix(path),
        token: None,
    }
}

fn of_flag(flag: &str, message: impl Into<String>) -> Problem {
    let place = Place {
        file: Arc::from(Path::new(flag)),
        path: String::new(),
        line: None,
    };
    Problem::new(place, message)
}

/// What a flag expects. It is all that is said of a value that is not like that.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected {0}")]
pub struct Expected(&'static str);

/// An address to listen at.
///
/// # Errors
///
/// What such an address looks like.
pub fn listen_address(text: &str) -> Result<SocketAddr, Expected> {
    let expected = Expected("an IP address and a port, such as `0.0.0.0:9688`");
    text.parse().map_err(|_| expected)
}

/// The path of a socket.
///
/// # Errors
///
/// If none can be there.
pub fn socket_path(text: &str) -> Result<PathBuf, Expected> {
    let path = PathBuf::from(text);
    let is_usable = admin::is_socket_path(text, &path);
    is_usable.then_some(path).ok_or(Expected(
        "the path of a socket, of 107 bytes at most, such as `/run/imgate/admin.sock`",
    ))
}

/// The time of a drain.
///
/// # Errors
///
/// What a duration looks like.
pub fn drain(text: &str) -> Result<Duration, Expected> {
    let duration = notation::duration(text).filter(|drain| *drain <= shutdown::LONGEST);
    duration.ok_or(Expected("a duration of at most `24h`, such as `15s`"))
}

impl FromStr for UpstreamAddress {
    type Err = Expected;

    fn from_str(text: &str) -> Result<Self, Expected> {
        let (name, address) = match text.split_once('=') {
            Some((name, address)) => (Some(name), address),
            None => (None, text),
        };
        let is_right = name.is_none_or(spelling::is_name) && notation::is_host_port(address);
        let upstream = is_right.then(|| Self {
            name: name.map(Arc::from),
            address: address.to_owned(),
        });
        upstream.ok_or(Expected(
            "`ADDRESS` or `NAME=ADDRESS`, such as `api=127.0.0.1:8080`",
        ))
    }
}

#[cfg(test)]
mod tests;

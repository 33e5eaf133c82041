//! Backends that listen beyond loopback although the gate reaches them there: whoever reaches the
//! machine gets past the gate.
//!
//! The kernel's table of sockets says who listens; what that means for an upstream is found out by
//! whoever asks, so that a reload needs no second look. `upkeep` looks, at the start and then
//! every few seconds.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, BufRead as _, BufReader};
use std::net::SocketAddr;
use std::sync::Arc;

use arc_swap::ArcSwap;

use crate::config::document::{AdminPlace, OnExposed};
use crate::config::loopback;
use crate::policy::Policy;
use crate::policy::upstream::Upstream;
use crate::wire::socket_table::{self, NotATable};

/// What was seen last.
#[derive(Debug, Default)]
pub struct Exposure {
    sight: ArcSwap<Sight>,
}

/// One look at the table of sockets.
#[derive(Debug, Default)]
pub enum Sight {
    #[default]
    NotYet,
    /// It cannot be read, or not be understood.
    Nothing(io::Error),
    /// Where somebody listens beyond loopback.
    Beyond(BTreeSet<SocketAddr>),
}

/// What is known about an upstream that the gate reaches at loopback.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    Unknown,
    /// If anybody listens there, then at loopback.
    Loopback,
    /// Somebody listens there.
    Beyond(SocketAddr),
}

impl Exposure {
    pub fn saw(&self, sight: Sight) {
        self.sight.store(Arc::new(sight));
    }

    pub fn sight(&self) -> Arc<Sight> {
        self.sight.load_full()
    }

    /// The upstreams at loopback, and what is known about them now.
    pub fn of<'p>(&self, policy: &'p Policy) -> Vec<(&'p Upstream, Reach)> {
        reaches(policy, &self.sight())
    }

    /// Whether every upstream that must not be exposed is known not to be.
    pub fn permits(&self, policy: &Policy) -> bool {
        let demanding = |one: &Arc<Upstream>| one.on_exposed == OnExposed::Unready;
        // Most policies ask for nothing.
        !policy.upstreams().iter().any(demanding)
            || self.of(policy).into_iter().all(|(upstream, reach)| {
                upstream.on_exposed == OnExposed::Warn || reach == Reach::Loopback
            })
    }
}

fn reaches<'p>(policy: &'p Policy, sight: &Sight) -> Vec<(&'p Upstream, Reach)> {
    let at_loopback = policy
        .upstreams()
        .iter()
        .filter_map(|upstream| Some((&**upstream, upstream.loopback_port()?)));
    let reach = |port: u16| match sight {
        Sight::NotYet | Sight::Nothing(_) => Reach::Unknown,
        Sight::Beyond(sockets) => sockets
            .iter()
            .find(|socket| socket.port() == port && !is_own(policy, **socket))
            .map_or(Reach::Loopback, |socket| Reach::Beyond(*socket)),
    };
    at_loopback
        .map(|(upstream, port)| (upstream, reach(port)))
        .collect()
}

/// The gate may listen at the backend's port itself, at another address.
fn is_own(policy: &Policy, socket: SocketAddr) -> bool {
    let admin = policy.admin.as_ref().and_then(|admin| match admin.place {
        AdminPlace::Tcp(address) => Some(address),
        AdminPlace::Unix(_) => None,
    });
    let listeners = policy.listeners.iter().map(|listener| listener.address);
    listeners
        .chain(policy.metrics)
        .chain(admin)
        .any(|own| own == socket)
}

impl Sight {
    /// Looks at the tables of this network namespace. It takes a while where there are many
    /// connections.
    pub fn look() -> Self {
        let mut sockets = BTreeSet::new();
        let outcome = read("/proc/net/tcp", &mut sockets).and_then(|()| {
            match read("/proc/net/tcp6", &mut sockets) {
                // A machine without IPv6.
                Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
                outcome => outcome,
            }
        });
        match outcome {
            Ok(()) => Self::Beyond(sockets),
            Err(error) => Self::Nothing(error),
        }
    }
}

/// Line by line: of thousands of connections nothing is kept.
fn read(path: &str, sockets: &mut BTreeSet<SocketAddr>) -> io::Result<()> {
    let mut table = BufReader::with_capacity(BUFFER, File::open(path)?);
    let mut line = Vec::new();
    while table.read_until(b'\n', &mut line)? > 0 {
        let listener = socket_table::listener(&line);
        let listener = listener.map_err(|error: NotATable| io::Error::other(error))?;
        if let Some(socket) = listener
            && !loopback::is_loopback(socket.ip())
        {
            sockets.insert(socket);
        }
        line.clear();
    }
    Ok(())
}

/// The kernel gives a page at a time.
const BUFFER: usize = 16 * 1024;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::testing::try_whole;

    fn beyond(sockets: &[&str]) -> Sight {
        let sockets = sockets.iter().map(|socket| socket.parse().unwrap());
        Sight::Beyond(sockets.collect())
    }

    /// A gate at the backend's own port, on another address.
    const TEXT: &str = "
listeners: [{ address: 10.0.0.1:8080 }]
metrics: { address: 10.0.0.1:19688 }
admin: { address: 10.0.0.2:19688, token: { value: a token of the operator } }
upstreams:
  api: { address: 127.0.0.1:8080 }
  ws: { address: \"localhost:19688\" }
  far: { address: im.internal:5222 }
routes: [{ match: { path: /** }, require: public, upstream: api }]
";

    #[test]
    fn somebody_listens_at_the_same_port_elsewhere() {
        let policy = try_whole(TEXT).unwrap();
        let at = |socket: &str| Reach::Beyond(socket.parse().unwrap());
        for (case, sight, api, ws) in [
            ("not yet", Sight::NotYet, Reach::Unknown, Reach::Unknown),
            (
                "it cannot be seen",
                Sight::Nothing(io::ErrorKind::PermissionDenied.into()),
                Reach::Unknown,
                Reach::Unknown,
            ),
            ("nobody", beyond(&[]), Reach::Loopback, Reach::Loopback),
            (
                "others",
                beyond(&["0.0.0.0:80", "[::]:5222"]),
                Reach::Loopback,
                Reach::Loopback,
            ),
            (
                "everywhere",
                beyond(&["0.0.0.0:8080"]),
                at("0.0.0.0:8080"),
                Reach::Loopback,
            ),
            (
                "everywhere, IPv6",
                beyond(&["[::]:8080", "[::]:19688"]),
                at("[::]:8080"),
                at("[::]:19688"),
            ),
            (
                "one address",
                beyond(&["10.0.0.3:19688"]),
                Reach::Loopback,
                at("10.0.0.3:19688"),
            ),
            (
                "the gate itself",
                beyond(&["10.0.0.1:8080", "10.0.0.1:19688", "10.0.0.2:19688"]),
                Reach::Loopback,
                Reach::Loopback,
            ),
            (
                "the gate and somebody else",
                beyond(&["10.0.0.1:8080", "10.0.0.2:8080"]),
                at("10.0.0.2:8080"),
                Reach::Loopback,
            ),
        ] {
            let reaches: Vec<_> = reaches(&policy, &sight)
                .into_iter()
                .map(|(upstream, reach)| (&*upstream.name, reach))
                .collect();
            assert_eq!(reaches, [("api", api), ("ws", ws)], "{case}");
        }
    }

    #[test]
    fn readiness_depends_on_it_only_where_that_is_asked_for() {
        let silent = Exposure::default();
        let policy = try_whole(TEXT).unwrap();
        assert!(silent.permits(&policy));
        let demanding = TEXT.replace("127.0.0.1:8080", "127.0.0.1:8080, on_exposed: unready");
        let policy = try_whole(&demanding).unwrap();
        for (case, sight, expected) in [
            ("not yet", Sight::NotYet, false),
            (
                "it cannot be seen",
                Sight::Nothing(io::ErrorKind::NotFound.into()),
                false,
            ),
            ("nobody", beyond(&[]), true),
            ("the other upstream", beyond(&["0.0.0.0:19688"]), true),
            ("this one", beyond(&["0.0.0.0:8080"]), false),
        ] {
            silent.saw(sight);
            assert_eq!(silent.permits(&policy), expected, "{case}");
        }
    }

    #[test]
    fn nobody_can_be_asked_to_look_elsewhere() {
        let far = TEXT.replace("im.internal:5222", "im.internal:5222, on_exposed: unready");
        let problems = try_whole(&far).unwrap_err();
        assert!(problems.contains("upstreams.far.address"), "{problems}");
        assert!(problems.contains("on_exposed"), "{problems}");
    }

    #[test]
    fn the_table_of_this_machine_can_be_read() {
        let listener = std::net::TcpListener::bind("0.0.0.0:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let Sight::Beyond(sockets) = Sight::look() else {
            panic!("it can be read");
        };
        let own = SocketAddr::from(([0; 4], port));
        assert!(sockets.contains(&own), "{own} in {sockets:?}");
        drop(listener);
        let Sight::Beyond(sockets) = Sight::look() else {
            panic!("it can be read");
        };
        assert!(!sockets.contains(&own), "{own} in {sockets:?}");
    }
}

//! Puts the parts together and runs them on pingora's server.
//!
//! Each worker is a service with one thread and listening sockets of its own. All are bound before
//! anything starts, so a port that is taken is an error with a name and not a panic in a thread.

use std::fs::Permissions;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::{IntoRawFd as _, OwnedFd};
use std::os::unix::fs::PermissionsExt as _;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use parking_lot::Mutex;
use pingora::apps::http_app::HttpServer;
use pingora::connectors::TransportConnector;
use pingora::listeners::{L4BufferSettings, ListenerConfig};
use pingora::server::configuration::ServerConf;
use pingora::server::{Fds, ListenFds, RunArgs, Server, ShutdownWatch};
use pingora::services::background::background_service;
use pingora::services::listening::Service;
use socket2::{Domain, Protocol, Socket, Type};

use crate::admin::socket::{self, SocketFile};
use crate::admin::{Desk, Health};
use crate::config::document::AdminPlace;
use crate::proxy::{Shared, Worker, keepalive, pool};
use crate::reload::Reloader;
use crate::replicas::Keeper;
use crate::shutdown::Shutdown;
use crate::signals::{self, Signals};
use crate::upkeep::Upkeep;

/// How often a worker looks after its idle upstream connections.
const REAP_EVERY: Duration = Duration::from_secs(1);
/// Connections that may wait to be accepted.
const BACKLOG: i32 = 65_535;

/// Why the gate could not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error("cannot listen on `{place}`")]
    Listen { place: String, source: io::Error },
    #[error("cannot listen for signals")]
    Signals(#[source] io::Error),
}

/// Everything that is bound and waits for [`Gateway::run`].
#[derive(Debug)]
pub struct Gateway {
    shared: Arc<Shared>,
    reloader: Reloader,
    signals: Signals,
    /// Each address with one socket per worker.
    listeners: Vec<(SocketAddr, Vec<TcpListener>)>,
    metrics: Option<(SocketAddr, TcpListener)>,
    admin: Option<AdminSocket>,
}

/// Where operators come to.
#[derive(Debug)]
struct AdminSocket {
    place: AdminPlace,
    listener: OwnedFd,
    /// Removed when the gate has ended.
    file: Option<SocketFile>,
}

impl Gateway {
    /// Binds every address of the policy.
    ///
    /// # Errors
    ///
    /// The first address that cannot be had.
    pub fn bind(shared: Arc<Shared>, reloader: Reloader) -> Result<Self, StartError> {
        let signals = signals::listen().map_err(StartError::Signals)?;
        let policy = shared.policy();
        let workers = policy.workers.unwrap_or_else(available_cores);
        let failed = |place: String| |source| StartError::Listen { place, source };
        let bound = |address: SocketAddr, count| {
            listen(address, count).map_err(failed(address.to_string()))
        };
        let listeners = policy
            .listeners
            .iter()
            .map(|listener| Ok((listener.address, bound(listener.address, workers)?)))
            .collect::<Result<_, StartError>>()?;
        let metrics = match policy.metrics {
            Some(address) => bound(address, 1)?.pop().map(|socket| (address, socket)),
            None => None,
        };
        let admin = match policy.admin.as_ref().map(|admin| admin.place.clone()) {
            Some(place @ AdminPlace::Tcp(address)) => {
                bound(address, 1)?.pop().map(|socket| AdminSocket {
                    place,
                    listener: socket.into(),
                    file: None,
                })
            }
            Some(AdminPlace::Unix(path)) => {
                let bound = socket::bind(&path).map_err(failed(path.display().to_string()));
                let (socket, file) = bound?;
                Some(AdminSocket {
                    place: AdminPlace::Unix(path),
                    listener: socket.into(),
                    file: Some(file),
                })
            }
            None => None,
        };
        Ok(Self {
            shared,
            reloader,
            signals,
            listeners,
            metrics,
            admin,
        })
    }

    /// Runs until a signal ends it.
    pub fn run(self) {
        let conf = ServerConf {
            threads: 1,
            // One thread per service; a task never changes threads.
            work_stealing: false,
            ..ServerConf::default()
        };
        let mut server = Server::new_with_opt_and_conf(None, conf);
        let connector = Arc::new(TransportConnector::new(None));
        for (position, (address, sockets)) in self.listeners.into_iter().enumerate() {
            for (number, socket) in sockets.into_iter().enumerate() {
                let worker =
                    Worker::new(Arc::clone(&self.shared), position, Arc::clone(&connector));
                let shared = Arc::clone(&self.shared);
                server.add_service(WorkerService::new(number, address, socket, worker, shared));
            }
        }
        if let Some((address, listener)) = self.metrics {
            let app = HttpServer::new_app(Health::new(Arc::clone(&self.shared)));
            let mut service = Service::new("metrics".to_owned(), app);
            service.threads = Some(1);
            service.add_tcp(&address.to_string());
            server.add_service(PreboundService {
                inner: service,
                address: address.to_string(),
                listener: Some(listener.into()),
            });
        }
        let Signals { reload, end, asker } = self.signals;
        let mut socket_file = None;
        if let Some(admin) = self.admin {
            let desk = Desk::new(Arc::clone(&self.shared), asker);
            server.add_service(admin_service(desk, &admin.place, admin.listener));
            socket_file = admin.file;
        }
        let upkeep = Upkeep::new(Arc::clone(&self.shared), self.reloader, reload);
        server.add_service(background_service("upkeep", upkeep));
        if let Some(replicas) = &self.shared.replicas {
            let keeper = Keeper::new(Arc::clone(&self.shared), Arc::clone(replicas));
            server.add_service(background_service("replicas", keeper));
        }
        let shutdown_signal = Box::new(Shutdown::new(self.shared, end));
        server.run(RunArgs { shutdown_signal });
        drop(socket_file);
    }
}

/// A service whose listening socket was bound before the server started.
struct PreboundService<A> {
    inner: Service<A>,
    /// The name under which pingora looks for the socket.
    address: String,
    listener: Option<OwnedFd>,
}

fn admin_service(desk: Desk, place: &AdminPlace, listener: OwnedFd) -> PreboundService<Desk> {
    let mut inner = Service::new("admin".to_owned(), desk);
    inner.threads = Some(1);
    let address = match place {
        AdminPlace::Tcp(address) => {
            inner.add_tcp(&address.to_string());
            address.to_string()
        }
        AdminPlace::Unix(path) => {
            // It is UTF-8, as the configuration has made sure.
            let path = path.to_string_lossy().into_owned();
            inner.add_uds(&path, Some(Permissions::from_mode(socket::MODE)));
            path
        }
    };
    PreboundService {
        inner,
        address,
        listener: Some(listener),
    }
}

#[async_trait]
impl<A: pingora::apps::ServerApp + Send + Sync + 'static> pingora::services::Service
    for PreboundService<A>
{
    async fn start_service(
        &mut self,
        _: Option<ListenFds>,
        shutdown: ShutdownWatch,
        listeners_per_fd: usize,
    ) {
        let mut fds = Fds::new();
        if let Some(listener) = self.listener.take() {
            fds.add(self.address.clone(), listener.into_raw_fd());
        }
        let fds = Some(Arc::new(Mutex::new(fds)));
        self.inner
            .start_service(fds, shutdown, listeners_per_fd)
            .await;
    }

    fn name(&self) -> &str {
        self.inner.name()
    }

    fn threads(&self) -> Option<usize> {
        Some(1)
    }
}

/// One thread of the proxy.
struct WorkerService {
    service: PreboundService<Worker>,
    shared: Arc<Shared>,
}

impl WorkerService {
    fn new(
        number: usize,
        address: SocketAddr,
        listener: TcpListener,
        worker: Worker,
        shared: Arc<Shared>,
    ) -> Self {
        let name = address.to_string();
        let mut service = Service::new(format!("worker-{number}"), worker);
        // Our own buffers are lent only while bytes are in them; pingora's would stay allocated.
        let config = ListenerConfig::tcp(&name).l4_buffer(L4BufferSettings::unbuffered());
        service.add_listener(config);
        Self {
            service: PreboundService {
                inner: service,
                address: name,
                listener: Some(listener.into()),
            },
            shared,
        }
    }
}

#[async_trait]
impl pingora::services::Service for WorkerService {
    async fn start_service(
        &mut self,
        fds: Option<ListenFds>,
        shutdown: ShutdownWatch,
        listeners_per_fd: usize,
    ) {
        // On the worker's own thread, where its connections are.
        let shared = Arc::clone(&self.shared);
        tokio::spawn(async move {
            let mut tick = tokio::time::interval(REAP_EVERY);
            let mut before = 0;
            loop {
                tick.tick().await;
                let now = pool::reap();
                shared.metrics.idle_upstreams_changed(before, now);
                before = now;
            }
        });
        let service = &mut self.service;
        service.start_service(fds, shutdown, listeners_per_fd).await;
    }

    fn name(&self) -> &str {
        self.service.name()
    }

    fn threads(&self) -> Option<usize> {
        Some(1)
    }
}

/// Binds an address, once for each worker: the kernel deals new connections out among the sockets
/// (`SO_REUSEPORT`). From one socket that all shared, a burst went to one worker alone.
fn listen(address: SocketAddr, sockets: usize) -> io::Result<Vec<TcpListener>> {
    // Alone first: another process that shares its port too is a port that is taken.
    let first = bind(address, false)?;
    if sockets <= 1 {
        return Ok(vec![TcpListener::from(first)]);
    }
    // Port 0 has become a port.
    let address = first.local_addr()?.as_socket().unwrap_or(address);
    drop(first);
    (0..sockets)
        .map(|_| bind(address, true).map(TcpListener::from))
        .collect()
}

fn bind(address: SocketAddr, shares: bool) -> io::Result<Socket> {
    let socket = Socket::new(
        Domain::for_address(address),
        Type::STREAM,
        Some(Protocol::TCP),
    )?;
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(shares)?;
    socket.set_nonblocking(true)?;
    keepalive::set_for_accepted(&socket)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket)
}

fn available_cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

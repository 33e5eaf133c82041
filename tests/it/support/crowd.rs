//! Many sockets at once, on few threads: their backend, and clients that tell how each ended.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use futures_util::{SinkExt as _, StreamExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinHandle;
use tokio::time::{interval, timeout};
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::http::{HeaderValue, Request};
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{WebSocketStream, accept_async, client_async};

use super::net;
use super::wait::patience;

/// How often somebody in a crowd says something.
const TALK_EVERY: Duration = Duration::from_millis(2);

/// A backend that sends every message back.
#[derive(Debug)]
pub(crate) struct CrowdBackend {
    address: SocketAddr,
    _runtime: Runtime,
}

impl CrowdBackend {
    pub(crate) fn start() -> Self {
        let runtime = runtime();
        let listener = net::listen();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        runtime.spawn(async move {
            let listener = TcpListener::from_std(listener).unwrap();
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(echo(stream));
            }
        });
        Self {
            address,
            _runtime: runtime,
        }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }
}

async fn echo(stream: TcpStream) {
    let Ok(mut socket) = accept_async(stream).await else {
        return;
    };
    while let Some(Ok(message)) = socket.next().await {
        if message.is_text() && socket.send(message).await.is_err() {
            break;
        }
    }
}

/// How a socket ended, as its client saw it.
#[derive(Clone, Debug)]
pub(crate) struct Ended {
    /// Of the gate's Close frame.
    pub(crate) code: Option<u16>,
    /// When that came, or the end.
    pub(crate) at: Instant,
    /// What went wrong, a reset for example.
    pub(crate) error: Option<String>,
}

/// Clients whose sockets are open.
#[derive(Debug)]
pub(crate) struct Crowd {
    runtime: Runtime,
    clients: Vec<JoinHandle<Ended>>,
}

impl Crowd {
    /// Opens `count` sockets, each of which talks all the while.
    #[track_caller]
    pub(crate) fn connect(gate: SocketAddr, target: &str, token: &str, count: usize) -> Self {
        rlimit::increase_nofile_limit(u64::MAX).expect("room for the sockets");
        let mut request = format!("ws://{gate}{target}")
            .into_client_request()
            .unwrap();
        let headers = request.headers_mut();
        headers.insert("token", HeaderValue::from_str(token).unwrap());
        let runtime = runtime();
        let clients = runtime.block_on(async {
            let mut clients = Vec::new();
            for _ in 0..count {
                let socket = open(gate, request.clone()).await;
                let every = TALK_EVERY * u32::try_from(count).unwrap();
                clients.push(tokio::spawn(talk(socket, every)));
            }
            clients
        });
        Self { runtime, clients }
    }

    /// Waits until all have ended; `within` is for what takes its time on any machine.
    #[track_caller]
    pub(crate) fn ends(self, within: Duration) -> Vec<Ended> {
        let Self { runtime, clients } = self;
        runtime.block_on(async {
            let mut ends = Vec::new();
            let all = async {
                for client in clients {
                    ends.push(client.await.unwrap());
                }
            };
            let in_time = timeout(within + patience(), all).await;
            assert!(in_time.is_ok(), "{} sockets have ended", ends.len());
            ends
        })
    }
}

async fn open(gate: SocketAddr, request: Request<()>) -> WebSocketStream<TcpStream> {
    let opened = timeout(patience(), async {
        let stream = TcpStream::connect(gate).await.expect("the gate accepts");
        client_async(request, stream).await
    });
    let (socket, _) = opened.await.expect("an answer in time").expect("a 101");
    socket
}

async fn talk(mut socket: WebSocketStream<TcpStream>, every: Duration) -> Ended {
    let mut next = interval(every);
    let mut close = None;
    let mut error = None;
    loop {
        tokio::select! {
            message = socket.next() => match message {
                Some(Ok(Message::Close(frame))) => {
                    close = Some((frame.map(|frame| u16::from(frame.code)), Instant::now()));
                }
                Some(Ok(_)) => {}
                Some(Err(problem)) => {
                    error = Some(problem.to_string());
                    break;
                }
                None => break,
            },
            _ = next.tick(), if close.is_none() => {
                match socket.send(Message::text("still here")).await {
                    // The reader finds out why.
                    Ok(()) | Err(Error::Io(_) | Error::ConnectionClosed | Error::AlreadyClosed) => {}
                    Err(problem) => error = Some(problem.to_string()),
                }
            }
        }
    }
    let (code, at) = close.unwrap_or_else(|| (None, Instant::now()));
    Ended { code, at, error }
}

fn runtime() -> Runtime {
    Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap()
}

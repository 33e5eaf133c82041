//! Two listeners: one for the API server over TLS, one for the platform without.

use std::convert::Infallible;
use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::Future;
use http::{Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::{interval, sleep, timeout};
use tokio_rustls::TlsAcceptor;
use tracing::{debug, warn};

use super::pace::{Pace, Paced};

/// What answers requests.
pub(super) type Answer = Arc<dyn Fn(Request<Incoming>) -> Answering + Send + Sync>;
/// An answer on its way.
pub(super) type Answering = Pin<Box<dyn Future<Output = Response<Full<Bytes>>> + Send>>;

/// Connections at one moment. The API server has one for each pod that is being created.
const MOST: usize = 1024;
/// A handshake that takes longer than this is given up, below what a webhook may take (5 s).
const HANDSHAKE: Duration = Duration::from_secs(4);
/// How often a connection's time is looked at.
const LOOK: Duration = Duration::from_millis(500);
/// What is under way may take so long at the end.
const LAST_REQUESTS: Duration = Duration::from_secs(5);
/// Without descriptors, say, accepting again at once would only burn.
const PAUSE: Duration = Duration::from_millis(100);

/// Serves until it is told to leave, and then finishes what is under way.
pub(super) async fn serve(
    listener: TcpListener,
    tls: Option<TlsAcceptor>,
    answer: Answer,
    leaving: watch::Receiver<bool>,
) {
    let room = Arc::new(Semaphore::new(MOST));
    let mut told = leaving.clone();
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            () = is_over(&mut told) => break,
            Some(_) = connections.join_next(), if !connections.is_empty() => {}
            accepted = accept(&listener, &room) => match accepted {
                Ok((stream, permit)) => {
                    let connection = Connection {
                        tls: tls.clone(),
                        answer: Arc::clone(&answer),
                        leaving: leaving.clone(),
                        _permit: permit,
                    };
                    connections.spawn(connection.run(stream));
                }
                Err(error) => {
                    warn!(%error, "cannot accept a connection");
                    sleep(PAUSE).await;
                }
            },
        }
    }
    // Whoever connects from now on learns at once that nobody is here.
    drop(listener);
    let rest = async { while connections.join_next().await.is_some() {} };
    let _ = timeout(LAST_REQUESTS, rest).await;
}

/// Waits for the word to leave.
async fn is_over(leaving: &mut watch::Receiver<bool>) {
    let _ = leaving.wait_for(|leaving| *leaving).await;
}

async fn accept(
    listener: &TcpListener,
    room: &Arc<Semaphore>,
) -> io::Result<(TcpStream, OwnedSemaphorePermit)> {
    let permit = Arc::clone(room).acquire_owned().await;
    let permit = permit.map_err(|_| io::ErrorKind::Other)?;
    let (stream, _) = listener.accept().await?;
    Ok((stream, permit))
}

struct Connection {
    tls: Option<TlsAcceptor>,
    answer: Answer,
    leaving: watch::Receiver<bool>,
    _permit: OwnedSemaphorePermit,
}

impl Connection {
    async fn run(self, stream: TcpStream) {
        let _ = stream.set_nodelay(true);
        let Some(acceptor) = self.tls.clone() else {
            return self.http(stream).await;
        };
        match timeout(HANDSHAKE, acceptor.accept(stream)).await {
            Ok(Ok(stream)) => self.http(stream).await,
            // Mostly an API server that does not trust the certificate (yet).
            Ok(Err(error)) => warn!(%error, "TLS handshake"),
            Err(_) => debug!("TLS handshake took too long"),
        }
    }

    async fn http(mut self, stream: impl AsyncRead + AsyncWrite + Unpin) {
        let pace = Pace::new();
        let stream = Paced {
            stream,
            pace: pace.clone(),
        };
        let service = service_fn(|request| {
            pace.answering();
            let (answering, pace) = ((self.answer)(request), pace.clone());
            async move {
                let response = answering.await;
                pace.answered();
                Ok::<_, Infallible>(response)
            }
        });
        let connection = http1::Builder::new()
            .header_read_timeout(None)
            .serve_connection(TokioIo::new(stream), service);
        let mut connection = pin!(connection);
        let mut looks = interval(LOOK);
        let mut is_told = false;
        loop {
            tokio::select! {
                _ = connection.as_mut() => return,
                () = is_over(&mut self.leaving), if !is_told => {
                    is_told = true;
                    connection.as_mut().graceful_shutdown();
                }
                _ = looks.tick() => if pace.is_overdue() { return },
            }
        }
    }
}

/// A response with a body of text.
pub(super) fn text(status: StatusCode, text: impl Into<Bytes>) -> Response<Full<Bytes>> {
    response(status, "text/plain; charset=utf-8", text)
}

pub(super) fn response(
    status: StatusCode,
    content_type: &'static str,
    body: impl Into<Bytes>,
) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body.into()));
    *response.status_mut() = status;
    let content_type = http::HeaderValue::from_static(content_type);
    let headers = response.headers_mut();
    headers.insert(http::header::CONTENT_TYPE, content_type);
    response
}

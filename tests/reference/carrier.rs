//! Hands a permitted request to pingora-proxy and tells the gate how it went.

use std::fmt;
use std::io;
use std::mem;
use std::sync::Arc;
use std::time::Instant;

use async_trait::async_trait;
use bytes::BytesMut;
use imgate::proxy::carrier::{Carrier, Delivered, Permitted, Undelivered};
use parking_lot::Mutex;
use pingora::apps::HttpServerApp as _;
use pingora::protocols::Stream;
use pingora::protocols::http::ServerSession;
use pingora::server::ShutdownWatch;
use pingora::server::configuration::ServerConf;
use pingora::{Error, ErrorType};
use pingora_proxy::{HttpProxy, http_proxy};
use tokio::sync::watch;

use crate::lent::Lent;
use crate::proxy::{App, End, Trip};

/// pingora-proxy behind the gate's judgement.
pub(crate) struct Reference {
    proxy: Arc<HttpProxy<App>>,
    shutdown: ShutdownWatch,
    /// Dropping it would end the watch.
    _keeps_watch: watch::Sender<bool>,
}

impl Reference {
    pub(crate) fn new() -> Self {
        let conf = ServerConf {
            threads: 1,
            ..ServerConf::default()
        };
        let (sender, shutdown) = watch::channel(false);
        Self {
            proxy: Arc::new(http_proxy(&Arc::new(conf), App)),
            shutdown,
            _keeps_watch: sender,
        }
    }
}

impl fmt::Debug for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Reference")
    }
}

#[async_trait]
impl Carrier for Reference {
    async fn carry(
        &self,
        client: &mut Stream,
        request: Permitted<'_>,
    ) -> Result<Delivered, Undelivered> {
        let choice = request.upstream.choose(None);
        let address = tokio::net::lookup_host(&*choice.target().address)
            .await
            .and_then(|mut found| found.next().ok_or_else(|| io::ErrorKind::NotFound.into()))
            .map_err(|error| {
                let kind = ErrorType::ConnectError;
                Undelivered::Connect(Error::because(kind, "cannot resolve", error))
            })?;
        let end = Arc::new(Mutex::new(End::default()));
        let trip = Trip {
            address,
            connect_timeout: request.upstream.connect_timeout,
            response_timeout: request.upstream.response_timeout,
            version: request.version,
            keep_alive: request.keep_alive,
            added: request.added.to_owned(),
            owns_cors: request.owns_cors,
            allows_origin: request.allows_origin,
            end: Arc::clone(&end),
        };
        let started = Instant::now();
        let (lent, home) = Lent::new(mem::replace(client, nothing()), request.version);
        let mut session = ServerSession::new_http1(Box::new(lent));
        session.set_pipelined_prefix(BytesMut::from(&*request.bytes));
        session.set_connection_user_context(Some(Box::new(trip)));
        // The stream does not come back this way: `App::logging` has taken the session apart.
        let _ = self.proxy.process_new_http(session, &self.shutdown).await;
        if let Some(stream) = home.lock().take() {
            *client = stream;
        }

        let mut end = end.lock();
        if let Some(failure) = end.failure.take() {
            return Err(failure);
        }
        // Without a failure and without an answer, pingora has refused the head by itself.
        let Some((status, answered)) = end.answered else {
            return Err(Undelivered::Cut { status: 400 });
        };
        Ok(Delivered {
            status,
            rest: end.rest.take(),
            upstream_time: answered.saturating_duration_since(started),
        })
    }
}

/// A stream that stands where another was taken from.
pub(crate) fn nothing() -> Stream {
    Box::new(tokio::io::duplex(1).0)
}

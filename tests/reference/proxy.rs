//! What pingora-proxy is asked to do: carry the head as it is, and treat the answer's head by the
//! gate's rules.

use std::any::Any;
use std::mem;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use imgate::proxy::carrier::Undelivered;
use imgate::wire::head::Version;
use parking_lot::Mutex;
use pingora::http::ResponseHeader;
use pingora::protocols::http::ServerSession;
use pingora::upstreams::peer::{HttpPeer, HttpUpstreamRequestPolicy};
use pingora::{Error, ErrorSource, ErrorType, Result};
use pingora_proxy::{FailToProxy, ProxyHttp, Session};

use crate::carrier::nothing;

/// As long as the gate's own exchange waits.
const UPLOAD_STALL: Duration = Duration::from_mins(1);
const WRITE_STALL: Duration = Duration::from_secs(30);
const UPSTREAM_IDLE: Duration = Duration::from_secs(15);

/// For one connection only (RFC 9110 §7.6.1).
const HOP_BY_HOP: [&str; 6] = [
    "connection",
    "keep-alive",
    "proxy-authenticate",
    "proxy-connection",
    "trailer",
    "upgrade",
];

/// One exchange.
#[derive(Debug)]
pub(crate) struct Trip {
    pub(crate) address: SocketAddr,
    pub(crate) connect_timeout: Duration,
    pub(crate) response_timeout: Duration,
    pub(crate) version: Version,
    pub(crate) keep_alive: bool,
    pub(crate) added: String,
    pub(crate) owns_cors: bool,
    pub(crate) allows_origin: bool,
    pub(crate) end: Arc<Mutex<End>>,
}

/// How it ended.
#[derive(Debug, Default)]
pub(crate) struct End {
    pub(crate) answered: Option<(u16, Instant)>,
    pub(crate) failure: Option<Undelivered>,
    /// The connection goes on, with these bytes.
    pub(crate) rest: Option<Vec<u8>>,
}

#[derive(Debug)]
pub(crate) struct App;

fn trip(ctx: Option<&Trip>) -> Result<&Trip> {
    let missing = || Error::explain(ErrorType::InternalError, "an exchange of nobody");
    ctx.ok_or_else(missing)
}

#[async_trait]
impl ProxyHttp for App {
    type CTX = Option<Box<Trip>>;

    fn new_ctx(&self) -> Self::CTX {
        None
    }

    /// The door through which a session brings what belongs to it.
    fn on_connection_reuse(
        &self,
        _: &mut Session,
        ctx: &mut Self::CTX,
        brought: Box<dyn Any + Send + Sync>,
    ) {
        *ctx = brought.downcast().ok();
    }

    async fn early_request_filter(&self, session: &mut Session, ctx: &mut Self::CTX) -> Result<()> {
        session.set_keepalive(trip(ctx.as_deref())?.keep_alive.then_some(0));
        session.set_pipelining_enabled(true);
        session.set_read_timeout(Some(UPLOAD_STALL));
        session.set_write_timeout(Some(WRITE_STALL));
        if let ServerSession::H1(http1) = &mut *session.downstream_session {
            // As the gate: no interim answer but the 100 that was asked for, and a client may
            // close its half before it is answered.
            http1.set_ignore_info_resp(true);
            http1.set_abort_on_close(false);
        }
        Ok(())
    }

    async fn upstream_peer(&self, _: &mut Session, ctx: &mut Self::CTX) -> Result<Box<HttpPeer>> {
        let trip = trip(ctx.as_deref())?;
        let mut peer = Box::new(HttpPeer::new(trip.address, false, String::new()));
        peer.options.total_connection_timeout = Some(trip.connect_timeout);
        peer.options.read_timeout = Some(trip.response_timeout);
        peer.options.write_timeout = Some(WRITE_STALL);
        peer.options.idle_timeout = Some(UPSTREAM_IDLE);
        // The head is the gate's and ready to go.
        peer.options.http_upstream_request_policy = HttpUpstreamRequestPolicy::preserve();
        Ok(peer)
    }

    async fn response_filter(
        &self,
        session: &mut Session,
        answer: &mut ResponseHeader,
        ctx: &mut Self::CTX,
    ) -> Result<()> {
        if answer.status.is_informational() {
            return Ok(());
        }
        let trip = trip(ctx.as_deref())?;
        trip.end.lock().answered = Some((answer.status.as_u16(), Instant::now()));
        for name in names_to_remove(answer, trip) {
            answer.remove_header(&name);
        }
        for line in trip.added.lines() {
            if let Some((name, value)) = line.split_once(": ") {
                answer.append_header(name.to_owned(), value)?;
            }
        }
        if trip.version == Version::Http10 && answer.headers.contains_key("transfer-encoding") {
            // pingora then writes the body without chunks, up to the connection's end.
            answer.remove_header("transfer-encoding");
            session.set_keepalive(None);
        }
        Ok(())
    }

    /// Tells what went wrong; the gate answers.
    async fn fail_to_proxy(
        &self,
        session: &mut Session,
        error: &Error,
        ctx: &mut Self::CTX,
    ) -> FailToProxy
    where
        Self::CTX: Send + Sync,
    {
        if let Ok(trip) = trip(ctx.as_deref()) {
            let written = session.response_written().map(|answer| answer.status);
            let failure = match written.filter(|status| !status.is_informational()) {
                Some(status) => Undelivered::Cut {
                    status: status.as_u16(),
                },
                None => undelivered(error),
            };
            trip.end.lock().failure = Some(failure);
        }
        FailToProxy {
            error_code: 0,
            can_reuse_downstream: false,
        }
    }

    /// The end of every exchange. pingora would give back the stream, but none of the bytes of
    /// the next request; so the session is taken apart here.
    async fn logging(&self, session: &mut Session, error: Option<&Error>, ctx: &mut Self::CTX)
    where
        Self::CTX: Send + Sync,
    {
        let stand_in = ServerSession::new_http1(nothing());
        let session = mem::replace(&mut *session.downstream_session, stand_in);
        if error.is_some() || session.get_keepalive().is_none() {
            return;
        }
        if let (Ok(Some(reusable)), Ok(trip)) = (session.finish().await, trip(ctx.as_deref())) {
            let (_, rest) = reusable.into_parts();
            trip.end.lock().rest = Some(rest.map(|bytes| bytes.to_vec()).unwrap_or_default());
        }
    }

    /// A target may hold a token, and this would go into the log.
    fn request_summary(&self, _: &Session, _: &Self::CTX) -> String {
        "a request".to_owned()
    }
}

fn names_to_remove(answer: &ResponseHeader, trip: &Trip) -> Vec<String> {
    let mut names: Vec<String> = HOP_BY_HOP.map(str::to_owned).to_vec();
    names.push("x-request-id".to_owned());
    for value in answer.headers.get_all("connection") {
        let tokens = value.to_str().unwrap_or_default().split(',');
        names.extend(tokens.map(|token| token.trim().to_ascii_lowercase()));
    }
    names.retain(|name| name != "content-length" && name != "transfer-encoding");
    if trip.owns_cors {
        names.push("access-control-allow-origin".to_owned());
        if !trip.allows_origin {
            names.push("access-control-allow-credentials".to_owned());
        }
    }
    names
}

fn undelivered(error: &Error) -> Undelivered {
    let kind = error.etype();
    match (error.esource(), kind) {
        (ErrorSource::Downstream, ErrorType::ReadTimedout) => Undelivered::ClientTimeout,
        (
            ErrorSource::Downstream,
            ErrorType::ReadError
            | ErrorType::WriteError
            | ErrorType::WriteTimedout
            | ErrorType::ConnectionClosed,
        ) => Undelivered::ClientGone,
        (ErrorSource::Downstream, _) => Undelivered::ClientBody,
        (
            _,
            ErrorType::ConnectTimedout
            | ErrorType::ConnectRefused
            | ErrorType::ConnectNoRoute
            | ErrorType::ConnectError,
        ) => Undelivered::Connect(Error::new_up(kind.clone())),
        (_, ErrorType::ReadTimedout) => Undelivered::UpstreamTimeout,
        _ => Undelivered::Upstream,
    }
}

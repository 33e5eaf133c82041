//! Where operators come to: one request a connection, read strictly, guarded, answered.
//!
//! pingora's service and socket, but not its HTTP app: that one takes heads that two readers read
//! in two ways, has no deadline for a whole head, reads bodies of any length, and traces the head
//! with the token in it. The gate's own reading of requests does none of that.

use std::fmt;
use std::io::IoSlice;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use http::StatusCode;
use pingora::apps::ServerApp;
use pingora::prelude::timeout;
use pingora::protocols::Stream;
use pingora::server::ShutdownWatch;
use tokio::sync::mpsc::UnboundedSender;
use tracing::{debug, info, warn};

use crate::admin::endpoints::{self, Endpoint};
use crate::admin::protect::{self, Access};
use crate::admin::{Asked, Reply, asked};
use crate::clock;
use crate::config::document::AdminPlace;
use crate::proxy::Shared;
use crate::proxy::io::{WRITE_STALL, linger, read_more, write_all};
use crate::proxy::syntax;
use crate::signals::End;
use crate::wire::body::Framing;
use crate::wire::head::{self, HeadLimits, RequestHead};

/// An operator's request is small.
const LIMITS: HeadLimits = HeadLimits {
    head_bytes: 16 * 1024,
    headers: 64,
    target_bytes: 4 * 1024,
};
/// Whoever connects and says nothing takes no more than this.
const USUAL_HEAD: usize = 1024;
/// The largest body.
const BODY_BYTES: usize = 64 * 1024;
/// From the first look at a connection to the last byte of its request.
const IN_TIME: Duration = Duration::from_secs(5);

/// The admin listener's app.
pub struct Desk {
    pub(super) shared: Arc<Shared>,
    pub(super) asker: UnboundedSender<End>,
}

impl Desk {
    pub fn new(shared: Arc<Shared>, asker: UnboundedSender<End>) -> Self {
        Self { shared, asker }
    }

    async fn serve(&self, mut stream: Stream) {
        let local = local_address(&stream);
        let read = timeout(IN_TIME, self.read(&mut stream, local)).await;
        let too_slow = |_| {
            let message = "the request did not arrive in time";
            Err(Reply::refused(
                StatusCode::REQUEST_TIMEOUT,
                "syntax",
                message,
            ))
        };
        let answered = match read.unwrap_or_else(too_slow) {
            Ok(None) => return,
            Ok(Some((endpoint, asked))) => {
                // The process does not go before its answer.
                let under_way = self.shared.in_flight();
                let reply = (endpoint.answer)(self, &asked).await;
                tell(endpoint, &reply);
                let sent = send(&mut stream, &reply).await;
                drop(under_way);
                sent
            }
            Err(refusal) => {
                self.tell_refusal(&stream, &refusal);
                send(&mut stream, &refusal).await
            }
        };
        if answered {
            linger(stream).await;
        }
    }

    /// Reads a request as far as it is worth it; `None` if the client left before its end.
    async fn read(
        &self,
        stream: &mut Stream,
        local: Option<SocketAddr>,
    ) -> Result<Option<(&'static Endpoint, Asked)>, Reply> {
        let mut buffer = vec![0; USUAL_HEAD];
        let mut filled = 0;
        let (wanted, behind) = loop {
            let bytes = buffer.get(..filled).unwrap_or_default();
            match head::request(bytes, &LIMITS) {
                Ok(Some(head)) => {
                    let behind = bytes.get(head.len..).unwrap_or_default();
                    let wanted = self.judge(&head, local);
                    let wanted = wanted.map_err(|refusal| refusal.to(head.method))?;
                    break (wanted, behind.to_vec());
                }
                Ok(None) => {}
                Err(error) => {
                    let status = status(error.status());
                    let message = "the request's head is refused";
                    return Err(Reply::refused(status, "syntax", message));
                }
            }
            if filled == buffer.len() {
                buffer.resize(LIMITS.head_bytes, 0);
            }
            match read_more(stream, &mut buffer, filled).await {
                Ok(n) if n > 0 => filled += n,
                _ => return Ok(None),
            }
        };
        let Wanted {
            endpoint,
            mut asked,
            length,
            expects_continue,
        } = wanted;
        if expects_continue && behind.is_empty() {
            let go_on = IoSlice::new(b"HTTP/1.1 100 Continue\r\n\r\n");
            if write_all(stream, &mut [go_on], WRITE_STALL).await.is_err() {
                return Ok(None);
            }
        }
        if let Some(known) = endpoint.body.filter(|_| length > 0) {
            let Some(body) = read_body(stream, behind, length).await else {
                return Ok(None);
            };
            asked.body = Some(asked::body(&body, known)?);
        }
        Ok(Some((endpoint, asked)))
    }

    /// What a head asks for, if it may.
    fn judge(&self, head: &RequestHead<'_>, local: Option<SocketAddr>) -> Result<Wanted, Reply> {
        let checked = syntax::check(head).map_err(|error| match status(error.status()) {
            status @ StatusCode::METHOD_NOT_ALLOWED => {
                let message = "no endpoint has this method";
                Reply::refused(status, "method", message).with_header(endpoints::allow())
            }
            status => Reply::refused(status, "syntax", "the request's syntax is refused"),
        })?;
        let policy = self.shared.policy();
        let admin = policy.admin.as_ref();
        let access = match (admin.map(|admin| &admin.place), local) {
            (Some(AdminPlace::Unix(_)), None) => Access::File,
            (_, local) => Access::Tcp {
                local: local.unwrap_or_else(|| SocketAddr::from(([0; 4], 0))),
                token: admin.and_then(|admin| admin.token.as_ref()),
            },
        };
        protect::check(head, checked.host, access, clock::now())?;
        let (endpoint, segments) = endpoints::find(head.method, checked.path)?;
        let length = body_length(head, checked.framing, endpoint)?;
        let asked = Asked {
            segments,
            query: asked::query(checked.query.unwrap_or_default(), endpoint.query)?,
            body: None,
        };
        Ok(Wanted {
            endpoint,
            asked,
            length,
            expects_continue: checked.expects_continue,
        })
    }

    fn tell_refusal(&self, stream: &Stream, refusal: &Reply) {
        let status = refusal.status.as_u16();
        let Some(trespass) = refusal.trespass else {
            debug!(target: "imgate::admin", status, "admin request refused");
            return;
        };
        self.shared.metrics.admin_refused(trespass);
        let peer = stream
            .get_socket_digest()
            .and_then(|digest| digest.peer_addr()?.as_inet().copied());
        warn!(
            target: "imgate::admin",
            client = peer.map(|peer| peer.ip().to_string()),
            status,
            reason = trespass.as_str(),
            "admin request refused"
        );
    }
}

/// A request whose body may still have to come.
struct Wanted {
    endpoint: &'static Endpoint,
    asked: Asked,
    length: usize,
    expects_continue: bool,
}

/// How many bytes of body there are to read.
fn body_length(
    head: &RequestHead<'_>,
    framing: Framing,
    endpoint: &Endpoint,
) -> Result<usize, Reply> {
    let length = match framing {
        Framing::None => 0,
        Framing::Length(length) => usize::try_from(length).unwrap_or(usize::MAX),
        Framing::Chunked | Framing::UntilClose => {
            let message = "expected a body with a `Content-Length`";
            return Err(Reply::refused(
                StatusCode::LENGTH_REQUIRED,
                "syntax",
                message,
            ));
        }
    };
    if length == 0 {
        return Ok(0);
    }
    if endpoint.body.is_none() {
        return Err(Reply::syntax("expected no body"));
    }
    let content_type = head.single("content-type").ok().flatten();
    if !content_type.is_some_and(is_json) {
        // A form of somebody's page cannot send this type.
        return Err(Reply::refused(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "media_type",
            "expected `Content-Type: application/json`",
        ));
    }
    if length > BODY_BYTES {
        return Err(Reply::refused(
            StatusCode::PAYLOAD_TOO_LARGE,
            "too_large",
            format!("expected a body of at most {BODY_BYTES} bytes"),
        ));
    }
    Ok(length)
}

/// JSON is UTF-8, so a `charset` says nothing (RFC 8259 §11).
fn is_json(content_type: &[u8]) -> bool {
    let essence = content_type.split(|byte| *byte == b';').next();
    essence.is_some_and(|essence| {
        essence
            .trim_ascii()
            .eq_ignore_ascii_case(b"application/json")
    })
}

/// The whole body, of which some bytes are here; `None` if the client left before its end.
async fn read_body(stream: &mut Stream, mut body: Vec<u8>, length: usize) -> Option<Vec<u8>> {
    let mut filled = body.len().min(length);
    body.resize(length, 0);
    while filled < length {
        match read_more(stream, &mut body, filled).await {
            Ok(n) if n > 0 => filled += n,
            _ => return None,
        }
    }
    Some(body)
}

fn local_address(stream: &Stream) -> Option<SocketAddr> {
    let digest = stream.get_socket_digest()?;
    digest.local_addr()?.as_inet().copied()
}

fn status(code: u16) -> StatusCode {
    StatusCode::from_u16(code).unwrap_or(StatusCode::BAD_REQUEST)
}

/// One line for each order; questions are asked too often for that.
fn tell(endpoint: &Endpoint, reply: &Reply) {
    let (method, path, status) = (endpoint.method, endpoint.path, reply.status.as_u16());
    if method == "GET" {
        debug!(target: "imgate::admin", method, path, status, "admin request");
    } else {
        info!(target: "imgate::admin", method, path, status, "admin request");
    }
}

async fn send(stream: &mut Stream, reply: &Reply) -> bool {
    let bytes = reply.bytes();
    write_all(stream, &mut [IoSlice::new(&bytes)], WRITE_STALL)
        .await
        .is_ok()
}

impl fmt::Debug for Desk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Desk").finish_non_exhaustive()
    }
}

#[async_trait]
impl ServerApp for Desk {
    async fn process_new(self: &Arc<Self>, stream: Stream, _: &ShutdownWatch) -> Option<Stream> {
        self.serve(stream).await;
        None
    }
}

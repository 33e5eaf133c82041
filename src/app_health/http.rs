//! `httpGet`: one GET, and what the kubelet would make of its answer.
//!
//! A status from 200 to 399 is success, if as much of the body arrives as is read. Redirects are
//! followed on the host that is asked, whatever the port, for as many requests as the kubelet
//! makes; one to another host is success, without a look at it. TLS is not verified.

use std::error::Error;
use std::io;
use std::pin::pin;

use bytes::Bytes;
use http::header::{CONNECTION, HOST, LOCATION};
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderValue, Request};
use http_body_util::{BodyExt as _, Empty};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};

use super::location::{Hop, Next, follow};
use super::{Failure, connect, tls};

/// A probe by HTTP or HTTPS.
pub(super) struct HttpGet {
    pub(super) is_secure: bool,
    pub(super) port: u16,
    pub(super) target: PathAndQuery,
    /// In the place of the address.
    pub(super) host: Option<HeaderValue>,
    pub(super) headers: HeaderMap,
}

/// The first one included.
const MOST_REQUESTS: usize = 10;
/// What is read of a body.
const BODY_BYTES: usize = 10 * 1024;
/// Of an answer's head.
const HEAD_BYTES: usize = 64 * 1024;

struct Answer {
    status: u16,
    location: Option<HeaderValue>,
}

impl HttpGet {
    pub(super) async fn run(&self) -> Result<(), Failure> {
        let mut hop = Hop {
            is_secure: self.is_secure,
            port: self.port,
            target: self.target.clone(),
        };
        let mut host = self.host.clone();
        for _ in 0..MOST_REQUESTS {
            let answer = self.ask(&hop, host.as_ref()).await?;
            let location = match (answer.status, answer.location) {
                (301 | 302 | 303 | 307 | 308, Some(location)) if !location.is_empty() => location,
                (200..=399, _) => return Ok(()),
                (status, _) => return Err(Failure::Status(status)),
            };
            let location = location.to_str().map_err(|_| Failure::Lost)?;
            match follow(&hop, location) {
                Next::Here {
                    hop: next,
                    is_relative,
                } => {
                    hop = next;
                    // A name that was asked for holds where none is named.
                    host = host.filter(|_| is_relative);
                }
                Next::Elsewhere => return Ok(()),
                Next::Nowhere => return Err(Failure::Lost),
            }
        }
        Err(Failure::Lost)
    }

    async fn ask(&self, hop: &Hop, host: Option<&HeaderValue>) -> Result<Answer, Failure> {
        let request = self.request(hop, host)?;
        let stream = connect(hop.port).await?;
        if hop.is_secure {
            exchange(tls::over(stream).await?, request).await
        } else {
            exchange(stream, request).await
        }
    }

    fn request(
        &self,
        hop: &Hop,
        host: Option<&HeaderValue>,
    ) -> Result<Request<Empty<Bytes>>, Failure> {
        let mut request = Request::new(Empty::new());
        *request.uri_mut() = hop.target.clone().into();
        let headers = request.headers_mut();
        headers.clone_from(&self.headers);
        let host = match host {
            Some(host) => host.clone(),
            None => {
                let usual = if hop.is_secure { 443 } else { 80 };
                let host = if hop.port == usual {
                    "127.0.0.1".to_owned()
                } else {
                    format!("127.0.0.1:{}", hop.port)
                };
                HeaderValue::try_from(host).map_err(|_| Failure::Lost)?
            }
        };
        headers.insert(HOST, host);
        headers.insert(CONNECTION, HeaderValue::from_static("close"));
        Ok(request)
    }
}

async fn exchange<S>(stream: S, request: Request<Empty<Bytes>>) -> Result<Answer, Failure>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let garbled = |_: hyper::Error| Failure::Garbled;
    let (mut sender, connection) = http1::Builder::new()
        .max_buf_size(HEAD_BYTES)
        .allow_spaces_after_header_name_in_responses(true)
        .allow_obsolete_multiline_headers_in_responses(true)
        .handshake(TokioIo::new(stream))
        .await
        .map_err(garbled)?;
    let mut asking = pin!(async {
        let answer = sender.send_request(request).await.map_err(garbled)?;
        let (head, mut body) = answer.into_parts();
        let mut read = 0;
        while read <= BODY_BYTES
            && let Some(frame) = body.frame().await
        {
            match frame {
                Ok(frame) => read += frame.data_ref().map_or(0, Bytes::len),
                // Many servers end a connection with TLS without a word.
                Err(error) if ended_without_a_word(&error) => break,
                Err(_) => return Err(Failure::Garbled),
            }
        }
        Ok(Answer {
            status: head.status.as_u16(),
            location: head.headers.get(LOCATION).cloned(),
        })
    });
    // No task of its own: whoever has no more time ends the connection as well.
    tokio::select! {
        biased;
        answer = &mut asking => answer,
        _ = connection => asking.await,
    }
}

fn ended_without_a_word(error: &hyper::Error) -> bool {
    let cause = error
        .source()
        .and_then(|cause| cause.downcast_ref::<io::Error>());
    cause.is_some_and(|cause| cause.kind() == io::ErrorKind::UnexpectedEof)
}

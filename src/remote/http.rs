//! Questions over HTTP/1.1 on kept connections, with hyper.
//!
//! Every question ends within its configured time, whatever the server does. No redirect is
//! followed, since it would carry a credential elsewhere; no proxy of the environment is obeyed;
//! a body is read up to its limit. After several failures in a row the server is left alone for a
//! moment ([`breaker`]), so that an outage costs no request its whole time limit.
//!
//! It may be used from several runtimes: the task that drives a connection lives on the one that
//! connected, and ends with it. No error holds a text of the server.

use std::error::Error;
use std::fmt;
use std::io;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use http::{HeaderValue, Request, header};
use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, RootCertStore};
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout_at};

use crate::remote::http::breaker::Breaker;
use crate::scheme::http::{Fate, HttpClient, HttpError, HttpRules, Question, Reply, Traffic};

mod breaker;

/// A connection without a question is closed after this long, before most servers close it.
const KEPT: Duration = Duration::from_secs(20);
/// Connections that are kept; more are opened while they are needed.
const MOST_KEPT: usize = 8;
/// Of an answer's head.
const HEAD_BYTES: usize = 32 * 1024;
/// No time limit is longer, so that adding it to a moment cannot overflow.
const LONGEST: Duration = Duration::from_hours(1);

const USER_AGENT: HeaderValue =
    HeaderValue::from_static(concat!("imgate/", env!("CARGO_PKG_VERSION")));

/// Whom the system trusts, read once.
static SYSTEM_ROOTS: LazyLock<Arc<RootCertStore>> = LazyLock::new(|| {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().unwrap_or_default());
    Arc::new(roots)
});

/// A client that connects when it is first asked.
pub struct Http {
    /// `None` if TLS cannot be set up, which should not happen; every question then fails.
    client: Option<Client<HttpsConnector<HttpConnector>, Full<Bytes>>>,
    timeout: Duration,
    max_body: usize,
    turns: Semaphore,
    breaker: Breaker,
    traffic: Traffic,
}

impl Http {
    /// Does not connect.
    pub fn new(rules: &HttpRules) -> Self {
        let HttpRules {
            timeout,
            max_body,
            in_flight,
            authorities,
        } = rules;
        let roots = match authorities {
            Some(authorities) => Arc::clone(&authorities.roots),
            None => Arc::clone(&SYSTEM_ROOTS),
        };
        Self {
            client: client(roots),
            timeout: (*timeout).min(LONGEST),
            max_body: *max_body,
            turns: Semaphore::new((*in_flight).min(Semaphore::MAX_PERMITS)),
            breaker: Breaker::default(),
            traffic: Traffic::default(),
        }
    }

    async fn exchange(&self, question: Question) -> Result<Reply, HttpError> {
        let deadline = Instant::now() + self.timeout;
        let _turn = timeout_at(deadline, self.turns.acquire())
            .await
            .map_err(|_| HttpError::Timeout)?;
        if Instant::now() >= deadline {
            // The turn came together with the end of the time.
            return Err(HttpError::Timeout);
        }
        let attempt = self.breaker.attempt(Instant::now())?;
        let outcome = timeout_at(deadline, self.send(question))
            .await
            .unwrap_or(Err(HttpError::Timeout));
        // A server that answers with 5xx is in no better state than one that does not answer.
        let failed = outcome.as_ref().map_or(true, |reply| reply.status >= 500);
        attempt.came_to_an_end(failed, Instant::now());
        outcome
    }

    async fn send(&self, question: Question) -> Result<Reply, HttpError> {
        let client = self.client.as_ref().ok_or(HttpError::Insecure)?;
        let Question {
            method,
            url,
            headers,
            body,
        } = question;
        let mut request = Request::new(Full::new(Bytes::from(body)));
        *request.method_mut() = method;
        *request.uri_mut() = url;
        let head = request.headers_mut();
        head.insert(header::USER_AGENT, USER_AGENT);
        for (name, mut value) in headers {
            value.set_sensitive(true);
            head.append(name, value);
        }
        let reply = client.request(request).await.map_err(|error| why(&error))?;
        let (head, body) = reply.into_parts();
        let body = Limited::new(body, self.max_body)
            .collect()
            .await
            .map_err(|error| why(&*error))?;
        Ok(Reply {
            status: head.status.as_u16(),
            content_type: head
                .headers
                .get(header::CONTENT_TYPE)
                .and_then(|value| value.to_str().ok())
                .map(str::to_owned),
            body: body.to_bytes().to_vec(),
        })
    }
}

#[async_trait]
impl HttpClient for Http {
    async fn ask(&self, question: Question) -> Result<Reply, HttpError> {
        let _open = self.traffic.begin();
        let outcome = self.exchange(question).await;
        self.traffic.count(Fate::of(&outcome));
        outcome
    }

    fn traffic(&self) -> Option<&Traffic> {
        Some(&self.traffic)
    }
}

impl fmt::Debug for Http {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Http")
            .field("timeout", &self.timeout)
            .finish_non_exhaustive()
    }
}

fn client(roots: Arc<RootCertStore>) -> Option<Client<HttpsConnector<HttpConnector>, Full<Bytes>>> {
    let tls = ClientConfig::builder_with_provider(Arc::new(default_provider()))
        .with_protocol_versions(&[&TLS13, &TLS12])
        .ok()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    let mut tcp = HttpConnector::new();
    tcp.enforce_http(false);
    tcp.set_nodelay(true);
    let connector = HttpsConnectorBuilder::new()
        .with_tls_config(tls)
        .https_or_http()
        .enable_http1()
        .wrap_connector(tcp);
    Some(
        Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(KEPT)
            .pool_max_idle_per_host(MOST_KEPT)
            .http1_max_buf_size(HEAD_BYTES)
            .build(connector),
    )
}

/// What an error comes down to: the first of its causes that says so.
fn why(error: &(dyn Error + 'static)) -> HttpError {
    let mut next = Some(error);
    let mut seen = HttpError::Garbled;
    while let Some(cause) = next {
        if cause.is::<LengthLimitError>() {
            return HttpError::TooLong;
        }
        if cause.is::<rustls::Error>() {
            return HttpError::Insecure;
        }
        if let Some(io) = cause.downcast_ref::<io::Error>() {
            seen = why_io(io);
        }
        if let Some(hyper) = cause.downcast_ref::<hyper::Error>()
            && hyper.is_incomplete_message()
        {
            let kind = io::ErrorKind::UnexpectedEof;
            seen = HttpError::Unreachable { kind };
        }
        next = cause.source();
    }
    seen
}

/// TLS speaks through errors of this kind; its own is somewhere inside.
fn why_io(error: &io::Error) -> HttpError {
    let Some(inner) = error.get_ref() else {
        return HttpError::Unreachable { kind: error.kind() };
    };
    if inner.is::<rustls::Error>() {
        return HttpError::Insecure;
    }
    match inner.downcast_ref() {
        Some(inner) => why_io(inner),
        None => HttpError::Unreachable { kind: error.kind() },
    }
}

#[cfg(test)]
mod tests;

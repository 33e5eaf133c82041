//! `imgate-injector ping`: one GET, for tests in images without a shell.

use std::time::Duration;

use bytes::Bytes;
use http::{Request, StatusCode, Uri};
use http_body_util::Empty;
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use tokio::time::timeout;

const PATIENCE: Duration = Duration::from_secs(5);

/// Why nobody answered as hoped.
#[derive(Debug, thiserror::Error)]
pub(super) enum PingError {
    #[error("no answer: {0}")]
    Failed(String),
    #[error("expected a URL that begins with `http://`")]
    NotPlain,
    #[error("no answer within {} s", PATIENCE.as_secs())]
    Slow,
    #[error("expected 200, the answer is {0}")]
    Status(StatusCode),
}

/// Asks once, and is content with 200 only.
pub(super) async fn ping(url: &Uri) -> Result<(), PingError> {
    if url.scheme_str() != Some("http") || url.host().is_none() {
        return Err(PingError::NotPlain);
    }
    let failed = |error: &dyn std::error::Error| {
        let cause = error
            .source()
            .map_or_else(String::new, |cause| format!(": {cause}"));
        PingError::Failed(format!("{error}{cause}"))
    };
    let request = Request::get(url)
        .body(Empty::<Bytes>::new())
        .map_err(|error| failed(&error))?;
    let client = Client::builder(TokioExecutor::new()).build_http();
    let answer = timeout(PATIENCE, client.request(request)).await;
    let answer = answer.map_err(|_| PingError::Slow)?;
    match answer.map_err(|error| failed(&error))?.status() {
        StatusCode::OK => Ok(()),
        status => Err(PingError::Status(status)),
    }
}

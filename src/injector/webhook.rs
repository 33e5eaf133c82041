//! `POST /inject`, and what the platform asks.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited};
use hyper::body::Incoming;
use tokio::time::{Instant, timeout};
use tracing::{info, warn};

use super::metrics::{Failure, words};
use super::review;
use super::server::{Answer, response, text};
use super::state::State;
use super::{Outcome, Situation};

/// The API server takes objects of 3 MiB; the review around them adds little.
const MOST: usize = 8 << 20;
/// Below what a webhook may take (5 s), so that the API server hears of it.
const BODY: Duration = Duration::from_secs(4);

/// Answers the API server.
pub(super) fn webhook(state: &Arc<State>) -> Answer {
    let state = Arc::clone(state);
    Arc::new(move |request| {
        let state = Arc::clone(&state);
        Box::pin(async move { admit(&state, request).await })
    })
}

/// Answers the platform.
pub(super) fn health(state: &Arc<State>) -> Answer {
    let state = Arc::clone(state);
    Arc::new(move |request| {
        let answer = look(&state, request.method(), request.uri().path());
        Box::pin(async move { answer })
    })
}

async fn admit(state: &State, request: Request<Incoming>) -> Response<Full<Bytes>> {
    let start = Instant::now();
    if request.uri().path() != "/inject" {
        return text(StatusCode::NOT_FOUND, "not found\n");
    }
    if request.method() != Method::POST {
        return text(StatusCode::METHOD_NOT_ALLOWED, "method not allowed\n");
    }
    let body = match read(request.into_body()).await {
        Ok(body) => body,
        Err(failure) => return refuse(state, failure),
    };
    let template = state.template();
    let situation = Situation {
        template: &template,
        kubernetes: state.kubernetes(),
    };
    let answer = match review::answer(&body, situation) {
        Ok(answer) => answer,
        Err(unreadable) => {
            state.metrics.failed(Failure::Malformed);
            warn!(error = %unreadable, "admission");
            return text(StatusCode::BAD_REQUEST, format!("{unreadable}\n"));
        }
    };
    state.metrics.answered(&answer.outcome, start.elapsed());
    let (result, reason) = words(&answer.outcome);
    let message = match &answer.outcome {
        Outcome::Denied(refusal) => Some(refusal.message.as_str()),
        Outcome::Injected(_) | Outcome::Skipped(_) => None,
    };
    info!(
        namespace = answer.namespace,
        name = answer.name,
        result,
        reason,
        message_to_client = message,
        dry_run = answer.is_dry_run,
        "admission"
    );
    response(StatusCode::OK, "application/json", answer.body)
}

async fn read(body: Incoming) -> Result<Bytes, Failure> {
    match timeout(BODY, Limited::new(body, MOST).collect()).await {
        Ok(Ok(body)) => Ok(body.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(Failure::TooLarge),
        Ok(Err(_)) => Err(Failure::Malformed),
        Err(_) => Err(Failure::Timeout),
    }
}

fn refuse(state: &State, failure: Failure) -> Response<Full<Bytes>> {
    state.metrics.failed(failure);
    warn!(error = failure.as_str(), "admission");
    match failure {
        Failure::Malformed => text(StatusCode::BAD_REQUEST, "the body cannot be read\n"),
        Failure::Timeout => text(StatusCode::REQUEST_TIMEOUT, "the body did not come\n"),
        Failure::TooLarge => text(StatusCode::PAYLOAD_TOO_LARGE, "the body is too large\n"),
    }
}

fn look(state: &State, method: &Method, path: &str) -> Response<Full<Bytes>> {
    if method != Method::GET && method != Method::HEAD {
        return text(StatusCode::METHOD_NOT_ALLOWED, "method not allowed\n");
    }
    match path {
        "/livez" => text(StatusCode::OK, "ok\n"),
        "/readyz" => match state.unready() {
            None => text(StatusCode::OK, "ok\n"),
            Some(why) => text(
                StatusCode::SERVICE_UNAVAILABLE,
                format!("not ready: {why}\n"),
            ),
        },
        "/metrics" => match state.metrics.text() {
            Ok(body) => response(StatusCode::OK, PROMETHEUS, body),
            Err(_) => text(StatusCode::INTERNAL_SERVER_ERROR, "cannot encode\n"),
        },
        _ => text(StatusCode::NOT_FOUND, "not found\n"),
    }
}

const PROMETHEUS: &str = "text/plain; version=0.0.4; charset=utf-8";

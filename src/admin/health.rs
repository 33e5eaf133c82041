//! The listener for the platform: `/metrics`, `/livez`, `/readyz` and `/app-health/…`, for any
//! Host. It changes nothing, and needs no protection but that.

use std::sync::Arc;

use async_trait::async_trait;
use http::{Response, StatusCode};
use pingora::apps::http_app::ServeHttp;
use pingora::protocols::http::ServerSession;
use serde_json::json;

use crate::admin::caveats;
use crate::proxy::Shared;

/// Answers the platform's questions.
#[derive(Debug)]
pub struct Health {
    shared: Arc<Shared>,
}

impl Health {
    pub fn new(shared: Arc<Shared>) -> Self {
        Self { shared }
    }

    async fn answer(&self, method: &str, path: &str, query: Option<&str>) -> Response<Vec<u8>> {
        if method != "GET" && method != "HEAD" {
            return response(
                StatusCode::METHOD_NOT_ALLOWED,
                TEXT,
                b"method not allowed\n",
            );
        }
        match path {
            "/livez" => response(StatusCode::OK, TEXT, b"ok\n"),
            "/readyz" if query == Some("verbose") => self.ready_in_full(),
            "/readyz" if self.shared.is_ready() => response(StatusCode::OK, TEXT, b"ok\n"),
            "/readyz" => response(StatusCode::SERVICE_UNAVAILABLE, TEXT, b"not ready\n"),
            "/metrics" => match self.metrics() {
                Ok(text) => response(StatusCode::OK, PROMETHEUS, &text),
                Err(_) => response(StatusCode::INTERNAL_SERVER_ERROR, TEXT, b"cannot encode\n"),
            },
            // What is asked of an application is fixed; nothing can be added to it.
            path if query.is_none() => match self.shared.app_health.ask(path).await {
                Some(Ok(())) => response(StatusCode::OK, TEXT, b"ok\n"),
                Some(Err(reason)) => {
                    let text = format!("{reason}\n");
                    response(StatusCode::SERVICE_UNAVAILABLE, TEXT, text.as_bytes())
                }
                None => not_found(),
            },
            _ => not_found(),
        }
    }

    fn metrics(&self) -> Result<Vec<u8>, prometheus::Error> {
        let shared = &self.shared;
        shared.metrics.text(
            &shared.policy(),
            &shared.registry,
            shared.crowd.clients(),
            &shared.exposure,
        )
    }

    /// What an operator should know, even while everything works.
    fn ready_in_full(&self) -> Response<Vec<u8>> {
        let policy = self.shared.policy();
        let ready = self.shared.is_ready();
        let report = json!({
            "ready": ready,
            "draining": self.shared.is_draining(),
            "generation": policy.generation,
            "reload_problem": self.shared.reload_problem(),
            "sessions": self.shared.registry.len(),
            "store": policy.store.as_str(),
            "store_up": self.shared.is_store_up(),
            "caveats": caveats::of(&self.shared),
            "warnings": caveats::warnings(&policy),
        });
        let status = if ready {
            StatusCode::OK
        } else {
            StatusCode::SERVICE_UNAVAILABLE
        };
        response(status, JSON, format!("{report:#}\n").as_bytes())
    }
}

const TEXT: &str = "text/plain; charset=utf-8";
const JSON: &str = "application/json";
const PROMETHEUS: &str = "text/plain; version=0.0.4; charset=utf-8";

#[async_trait]
impl ServeHttp for Health {
    async fn response(&self, session: &mut ServerSession) -> Response<Vec<u8>> {
        let head = session.req_header();
        self.answer(head.method.as_str(), head.uri.path(), head.uri.query())
            .await
    }
}

fn not_found() -> Response<Vec<u8>> {
    response(StatusCode::NOT_FOUND, TEXT, b"not found\n")
}

fn response(status: StatusCode, content_type: &str, body: &[u8]) -> Response<Vec<u8>> {
    let mut response = Response::new(body.to_vec());
    *response.status_mut() = status;
    let headers = response.headers_mut();
    if let Ok(value) = content_type.parse() {
        headers.insert(http::header::CONTENT_TYPE, value);
    }
    headers.insert(http::header::CONTENT_LENGTH, body.len().into());
    response
}

//! gRPC health checks, answered by a server of the `h2` crate with bytes that the test writes.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::thread;

use bytes::Bytes;
use http::{HeaderMap, Response};
use parking_lot::Mutex;
use serde_json::json;

use super::listen;
use super::probes::gate_with_all;

/// What a server says: in the head, as its message, and at the end.
#[derive(Clone, Copy, Debug)]
struct Script {
    status: u16,
    head: Option<&'static str>,
    message: Option<&'static [u8]>,
    trailer: Option<&'static str>,
}

const SERVING: Script = Script {
    status: 200,
    head: None,
    message: Some(b"\0\0\0\0\x02\x08\x01"),
    trailer: Some("0"),
};

/// What arrived: path, content type, and the message.
type Calls = Arc<Mutex<Vec<(String, String, Vec<u8>)>>>;

/// A server that answers every call by the script.
fn server(script: Script) -> (u16, Calls) {
    let listener = listen(Ipv4Addr::LOCALHOST);
    let port = listener.local_addr().unwrap().port();
    listener.set_nonblocking(true).unwrap();
    let calls = Calls::default();
    let seen = Arc::clone(&calls);
    thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(async move {
            let listener = tokio::net::TcpListener::from_std(listener).unwrap();
            while let Ok((stream, _)) = listener.accept().await {
                let Ok(mut connection) = h2::server::handshake(stream).await else {
                    continue;
                };
                let Some(Ok((request, mut respond))) = connection.accept().await else {
                    continue;
                };
                let answer = async {
                    let (head, mut body) = request.into_parts();
                    let mut message = Vec::new();
                    while let Some(Ok(piece)) = body.data().await {
                        message.extend_from_slice(&piece);
                    }
                    let kind = head.headers["content-type"].to_str().unwrap().to_owned();
                    seen.lock()
                        .push((head.uri.path().to_owned(), kind, message));
                    let mut response = Response::builder()
                        .status(script.status)
                        .header("content-type", "application/grpc");
                    if let Some(status) = script.head {
                        response = response.header("grpc-status", status);
                    }
                    let is_all = script.message.is_none() && script.trailer.is_none();
                    let response = response.body(()).unwrap();
                    let mut sending = respond.send_response(response, is_all).unwrap();
                    if let Some(message) = script.message {
                        let is_all = script.trailer.is_none();
                        let _ = sending.send_data(Bytes::from_static(message), is_all);
                    }
                    if let Some(status) = script.trailer {
                        let mut trailers = HeaderMap::new();
                        trailers.insert("grpc-status", status.parse().unwrap());
                        let _ = sending.send_trailers(trailers);
                    }
                };
                // The connection moves on while it is asked for the next call.
                tokio::pin!(answer);
                tokio::select! {
                    () = &mut answer => {}
                    _ = connection.accept() => {}
                }
                while connection.accept().await.is_some() {}
            }
        });
    });
    (port, calls)
}

fn status(script: Script, service: &str) -> (u16, String, Calls) {
    let (port, calls) = server(script);
    let gate = gate_with_all(&json!({
        "chat": { "readinessProbe": { "grpc": { "port": port, "service": service }, "timeoutSeconds": 20 } },
    }));
    let answer = gate.admin("/app-health/chat/readyz");
    (answer.status(), answer.text(), calls)
}

#[test]
fn a_server_is_asked_about_a_service() {
    for (service, message) in [
        ("", b"\0\0\0\0\0".as_slice()),
        ("im.Chat", b"\0\0\0\0\x09\x0a\x07im.Chat"),
    ] {
        let (status, text, calls) = status(SERVING, service);
        assert_eq!(status, 200, "{text}");
        let path = "/grpc.health.v1.Health/Check".to_owned();
        let expected = (path, "application/grpc".to_owned(), message.to_vec());
        assert_eq!(*calls.lock(), [expected]);
    }
}

#[test]
fn only_a_server_that_says_that_it_is_serving_is() {
    for (case, script) in [
        (
            "not serving",
            Script {
                message: Some(b"\0\0\0\0\x02\x08\x02"),
                ..SERVING
            },
        ),
        (
            "unknown",
            Script {
                message: Some(b"\0\0\0\0\0"),
                ..SERVING
            },
        ),
        (
            "a message that is none",
            Script {
                message: Some(b"\0\0\0\0\x09\x08\x01"),
                ..SERVING
            },
        ),
        (
            "no message",
            Script {
                message: None,
                ..SERVING
            },
        ),
        (
            "no status at the end",
            Script {
                trailer: None,
                ..SERVING
            },
        ),
        (
            "another status at the end",
            Script {
                trailer: Some("13"),
                ..SERVING
            },
        ),
        (
            "nobody knows the service",
            Script {
                head: Some("5"),
                message: None,
                trailer: None,
                ..SERVING
            },
        ),
        (
            "nobody knows of health",
            Script {
                head: Some("12"),
                message: None,
                trailer: None,
                ..SERVING
            },
        ),
        (
            "an answer of HTTP",
            Script {
                status: 503,
                ..SERVING
            },
        ),
    ] {
        let (status, text, _) = status(script, "");
        assert_eq!(status, 503, "{case}: {text}");
    }
}

//! The backend of the demo: an IM server such as those that imgate is put before.
//!
//! `POST /openapi/v1/user/login` knows one application key and answers with a Sa-Token JWT;
//! `/ws` is a chat room, and `/` a page that uses both. The room asks nobody who they are, which is the point: it relies on the
//! gate. There is no Redis, so the tokens are of mixin mode and say themselves when they end.

use std::sync::Arc;

use http::StatusCode;
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::Role;

use super::login;
use super::room::Room;
use crate::cli::http::{Connection, HttpError, LIMITS};
use crate::clock;
use crate::secret::Secret;
use crate::wire::body::{self, Framing};
use crate::wire::head::{self, RequestHead};

/// What the backend has in its own configuration.
#[derive(Debug)]
pub(super) struct Backend {
    /// `im.app-key`: the one key that the interface for partners knows.
    pub(super) app_key: Secret,
    /// `sa-token.jwt-secret-key`.
    pub(super) token_secret: Secret,
    pub(super) room: Room,
}

const PAGE: &str = include_str!("page.html");
const JSON: &str = "application/json";

/// What the backend reads of a request.
struct Asked {
    method: String,
    path: String,
    app_key: Option<Vec<u8>>,
    /// The name under which the gate announces the caller.
    subject: Option<String>,
    websocket_key: Option<Vec<u8>>,
    framing: Framing,
}

/// Serves every connection until the listener fails.
pub(super) async fn serve(backend: Arc<Backend>, listener: std::net::TcpListener) {
    let Ok(listener) = TcpListener::from_std(listener) else {
        return;
    };
    while let Ok((stream, _)) = listener.accept().await {
        let backend = Arc::clone(&backend);
        // A connection that fails concerns its client alone.
        tokio::spawn(async move { backend.connection(stream).await });
    }
}

impl Backend {
    async fn connection(&self, stream: TcpStream) -> Result<(), HttpError> {
        stream.set_nodelay(true)?;
        let mut connection = Connection::new(stream);
        while let Some(asked) = connection.head(asked).await? {
            let body = connection.body(asked.framing).await?;
            if let ("/ws", Some(key)) = (asked.path.as_str(), &asked.websocket_key) {
                connection
                    .write(switching_protocols(key).as_bytes())
                    .await?;
                let (stream, early) = connection.into_parts();
                let role = Role::Server;
                let frames = WebSocketStream::from_partially_read(stream, early, role, None).await;
                let name = asked.subject.as_deref().unwrap_or("somebody");
                self.room.attend(frames, name).await;
                return Ok(());
            }
            let response = self.answer(&asked, &body);
            connection.write(response.as_bytes()).await?;
        }
        Ok(())
    }

    fn answer(&self, asked: &Asked, body: &[u8]) -> String {
        let knows_key = || {
            let key = asked.app_key.as_ref();
            key.is_some_and(|key| self.app_key.matches(key))
        };
        match (asked.method.as_str(), asked.path.as_str()) {
            ("GET", "/") => response(StatusCode::OK, "text/html; charset=utf-8", PAGE),
            ("GET", "/actuator/health") => response(StatusCode::OK, JSON, r#"{"status":"UP"}"#),
            ("POST", "/openapi/v1/user/login") if knows_key() => {
                let answer = login::answer(body, &self.token_secret, clock::now());
                response(StatusCode::OK, JSON, &answer)
            }
            ("POST", "/openapi/v1/user/login") => {
                // As the gateway of the IM server says it.
                let answer = r#"{"code":401,"msg":"无效的AppKey"}"#;
                response(StatusCode::UNAUTHORIZED, JSON, answer)
            }
            _ => response(
                StatusCode::NOT_FOUND,
                JSON,
                r#"{"code":404,"msg":"not found"}"#,
            ),
        }
    }
}

fn asked(bytes: &[u8]) -> Result<Option<(usize, Asked)>, HttpError> {
    let Some(head) = head::request(bytes, &LIMITS)? else {
        return Ok(None);
    };
    let path = head
        .target
        .split_once('?')
        .map_or(head.target, |(path, _)| path);
    let asked = Asked {
        method: head.method.to_owned(),
        path: path.to_owned(),
        app_key: first(&head, "x-app-key"),
        subject: first(&head, "x-auth-subject")
            .map(|name| String::from_utf8_lossy(&name).into_owned()),
        websocket_key: first(&head, "sec-websocket-key"),
        framing: body::request_framing(&head)?,
    };
    Ok(Some((head.len, asked)))
}

fn first(head: &RequestHead<'_>, name: &str) -> Option<Vec<u8>> {
    head.header(name).next().map(<[u8]>::to_vec)
}

/// RFC 6455 §4.2.2; no subprotocol is chosen, as the IM server chooses none.
fn switching_protocols(key: &[u8]) -> String {
    format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: {}\r\n\r\n",
        derive_accept_key(key)
    )
}

fn response(status: StatusCode, content_type: &str, body: &str) -> String {
    format!(
        "HTTP/1.1 {status}\r\nContent-Type: {content_type}\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use super::super::client::{self, Ask, Event, Opened, Url};
    use super::*;

    fn start() -> SocketAddr {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        let backend = Backend {
            app_key: Secret::new("keyAbcd123"),
            token_secret: Secret::new("0f8c2e94b7a35d61c0f8e2b49a7d3651"),
            room: Room::new(),
        };
        tokio::spawn(serve(Arc::new(backend), listener));
        address
    }

    fn url(address: SocketAddr, path: &str) -> Url {
        format!("http://{address}{path}").parse().unwrap()
    }

    #[tokio::test]
    async fn only_the_backends_own_key_logs_in() {
        let address = start();
        let body = r#"{"id":"7","device":"im_web"}"#;
        let login = || Ask::post(url(address, "/openapi/v1/user/login"), body);
        for (case, ask, status, says) in [
            ("no key", login(), 401, "无效的AppKey"),
            (
                "another key",
                login().header("X-App-Key", "keyAbcd124"),
                401,
                "无效的AppKey",
            ),
            (
                "its key",
                login().header("X-App-Key", "keyAbcd123"),
                200,
                r#""token":"Bearer ey"#,
            ),
            (
                "health",
                Ask::get(url(address, "/actuator/health")),
                200,
                "UP",
            ),
            (
                "the page",
                Ask::get(url(address, "/")),
                200,
                "<title>imgate demo</title>",
            ),
            ("elsewhere", Ask::get(url(address, "/x")), 404, "not found"),
            (
                "no handshake",
                Ask::get(url(address, "/ws")),
                404,
                "not found",
            ),
        ] {
            let answer = client::send(&ask).await.unwrap();
            assert_eq!(answer.status, status, "{case}");
            assert!(answer.body.contains(says), "{case}: {}", answer.body);
        }
    }

    #[tokio::test]
    async fn the_room_asks_nobody_who_they_are() {
        let address = start();
        let Opened::Socket(mut socket, _) = client::open(&Ask::get(url(address, "/ws?x=1")))
            .await
            .unwrap()
        else {
            panic!("refused");
        };
        socket.send("hello").await.unwrap();
        assert_eq!(socket.next().await, Event::Text("hello".to_owned()));
    }
}

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use http::{Method, Uri};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use super::*;

const RULES: HttpRules = HttpRules {
    timeout: Duration::from_secs(20),
    max_body: 1024,
    in_flight: 64,
    authorities: None,
};

/// A server that answers every request with these bytes.
struct Server {
    address: SocketAddr,
    connections: Arc<AtomicUsize>,
    requests: Arc<parking_lot::Mutex<Vec<String>>>,
}

impl Server {
    async fn saying(answer: &'static [u8]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let server = Self {
            address: listener.local_addr().unwrap(),
            connections: Arc::default(),
            requests: Arc::default(),
        };
        let (connections, requests) = (
            Arc::clone(&server.connections),
            Arc::clone(&server.requests),
        );
        tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                connections.fetch_add(1, Ordering::SeqCst);
                tokio::spawn(serve(socket, answer, Arc::clone(&requests)));
            }
        });
        server
    }

    fn url(&self) -> Uri {
        format!("http://{}/x", self.address).parse().unwrap()
    }

    fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}

async fn serve(
    mut socket: TcpStream,
    answer: &'static [u8],
    requests: Arc<parking_lot::Mutex<Vec<String>>>,
) {
    let mut received = Vec::new();
    loop {
        let mut some = [0; 4096];
        let Ok(count @ 1..) = socket.read(&mut some).await else {
            return;
        };
        received.extend_from_slice(&some[..count]);
        let text = String::from_utf8(received.clone()).unwrap();
        let Some((head, body)) = text.split_once("\r\n\r\n") else {
            continue;
        };
        let length = head.to_ascii_lowercase();
        let length = length.split("content-length: ").nth(1);
        let length = length.map_or(0, |rest| rest.lines().next().unwrap().parse().unwrap());
        if body.len() < length {
            continue;
        }
        requests.lock().push(text);
        received.clear();
        if socket.write_all(answer).await.is_err() || answer.is_empty() {
            return;
        }
        if answer.ends_with(b"CUT") {
            return;
        }
    }
}

const OK: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Type: application/json; charset=utf-8\r\n\
                    Content-Length: 2\r\n\r\n{}";

#[tokio::test]
async fn an_answer_is_read_and_the_connection_kept() {
    let server = Server::saying(OK).await;
    let http = Http::new(&RULES);
    for _ in 0..3 {
        let reply = http.ask(Question::get(server.url())).await.unwrap();
        assert_eq!((reply.status, reply.body.as_slice()), (200, &b"{}"[..]));
        assert!(reply.is_json());
    }
    assert_eq!(server.connections(), 1);
    let question = Question {
        method: Method::POST,
        headers: vec![(
            header::AUTHORIZATION,
            HeaderValue::from_static("Basic eA=="),
        )],
        body: b"token=x".to_vec(),
        ..Question::get(server.url())
    };
    assert_eq!(format!("{question:?}"), "Question { method: POST, .. }");
    http.ask(question).await.unwrap();
    let last = server.requests.lock().pop().unwrap();
    assert!(last.starts_with("POST /x HTTP/1.1\r\n"), "{last}");
    assert!(
        last.to_ascii_lowercase()
            .contains("authorization: basic ea==\r\n")
    );
    assert!(last.ends_with("\r\n\r\ntoken=x"));
    let answered = http.traffic().unwrap().totals().next().unwrap();
    assert_eq!(answered, (Fate::Answered, 4));
}

#[tokio::test]
async fn what_is_no_answer_is_told_apart() {
    let long: &[u8] = Box::leak(
        [
            b"HTTP/1.1 200 OK\r\nContent-Length: 2000\r\n\r\n",
            &[b'x'; 2000][..],
        ]
        .concat()
        .into_boxed_slice(),
    );
    let chunked: &[u8] = Box::leak(
        [
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".as_slice(),
            &b"200\r\n"
                .iter()
                .copied()
                .chain([b'x'; 512])
                .chain(*b"\r\n")
                .collect::<Vec<u8>>()
                .repeat(4),
        ]
        .concat()
        .into_boxed_slice(),
    );
    let head: &[u8] = Box::leak(
        [
            b"HTTP/1.1 200 OK\r\nX: ".as_slice(),
            &vec![b'x'; 64 * 1024],
            b"\r\n\r\n",
        ]
        .concat()
        .into_boxed_slice(),
    );
    for (case, answer, expected) in [
        ("longer than allowed", long, HttpError::TooLong),
        ("without end", chunked, HttpError::TooLong),
        ("a head without end", head, HttpError::Garbled),
        (
            "no HTTP",
            b"220 smtp.example.com ESMTP\r\n\r\n",
            HttpError::Garbled,
        ),
        (
            "closed at once",
            b"",
            HttpError::Unreachable {
                kind: io::ErrorKind::UnexpectedEof,
            },
        ),
    ] {
        let server = Server::saying(answer).await;
        let outcome = Http::new(&RULES).ask(Question::get(server.url())).await;
        assert_eq!(outcome, Err(expected), "{case}");
    }
    let cut = Server::saying(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nCUT").await;
    let outcome = Http::new(&RULES).ask(Question::get(cut.url())).await;
    assert!(outcome.is_err(), "cut off in the middle: {outcome:?}");
}

#[tokio::test]
async fn a_redirect_is_an_answer_like_others() {
    let elsewhere = Server::saying(OK).await;
    let location = format!(
        "HTTP/1.1 302 Found\r\nLocation: {}\r\nContent-Length: 0\r\n\r\n",
        elsewhere.url()
    );
    let server = Server::saying(Box::leak(location.into_bytes().into_boxed_slice())).await;
    let reply = Http::new(&RULES)
        .ask(Question::get(server.url()))
        .await
        .unwrap();
    assert_eq!(reply.status, 302);
    assert_eq!(elsewhere.connections(), 0);
}

#[tokio::test]
async fn a_server_that_is_silent_or_away_fails_in_time_and_is_then_left_alone() {
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url: Uri = format!("http://{}/", silent.local_addr().unwrap())
        .parse()
        .unwrap();
    let rules = HttpRules {
        timeout: Duration::from_millis(20),
        ..RULES
    };
    let http = Http::new(&rules);
    let mut outcomes = Vec::new();
    for _ in 0..6 {
        outcomes.push(http.ask(Question::get(url.clone())).await.unwrap_err());
    }
    assert_eq!(outcomes[..5], [HttpError::Timeout; 5]);
    assert_eq!(outcomes[5], HttpError::LeftAlone);
    drop(silent);
    let outcome = Http::new(&RULES).ask(Question::get(url)).await;
    let kind = io::ErrorKind::ConnectionRefused;
    assert_eq!(outcome, Err(HttpError::Unreachable { kind }));
}

#[tokio::test]
async fn a_server_without_tls_is_not_believed_under_https() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            let _ = socket.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
        }
    });
    let url: Uri = format!("https://{address}/").parse().unwrap();
    let outcome = Http::new(&RULES).ask(Question::get(url)).await;
    assert_eq!(outcome, Err(HttpError::Insecure));
}

#[tokio::test]
async fn no_more_questions_are_under_way_than_allowed() {
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url: Uri = format!("http://{}/", silent.local_addr().unwrap())
        .parse()
        .unwrap();
    let rules = HttpRules {
        timeout: Duration::from_millis(300),
        in_flight: 2,
        ..RULES
    };
    let http = Http::new(&rules);
    let questions = (0..10).map(|_| http.ask(Question::get(url.clone())));
    let outcomes = futures_util::future::join_all(questions).await;
    assert!(outcomes.iter().all(Result::is_err), "{outcomes:?}");
    let mut connections = 0;
    while let Ok(accepted) = tokio::time::timeout(Duration::from_millis(50), silent.accept()).await
    {
        accepted.unwrap();
        connections += 1;
    }
    assert_eq!(connections, 2);
}

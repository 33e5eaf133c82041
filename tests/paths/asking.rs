//! One request after the other on a kept connection, and what came of each.

use std::io;
use std::net::SocketAddr;

use super::super::support::RawClient;
use super::super::support::wire::Answer;

/// What a server says about a request that it served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Saw {
    /// The route that it chose.
    pub(super) route: String,
    /// The route that the gate chose; empty where there was no gate.
    pub(super) judged: String,
    /// The target as it came.
    pub(super) target: String,
    /// The path that it matched.
    pub(super) path: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Asked {
    /// The gate answered.
    Refused(u16),
    /// The server answered, with an error of its own or by hanging up.
    Unserved(Option<u16>),
    /// The server chose a route.
    Resolved(Saw),
}

#[derive(Debug)]
pub(super) struct Connection {
    address: SocketAddr,
    host: String,
    client: Option<RawClient>,
}

impl Connection {
    /// To a server, or to the gate in front of it.
    pub(super) fn to(address: SocketAddr, server: &str) -> Self {
        Self {
            address,
            host: format!("{server}.test"),
            client: None,
        }
    }

    /// Sends a `GET` for this target, whatever its bytes. `headers` are whole lines.
    #[track_caller]
    pub(super) fn ask(&mut self, target: &[u8], headers: &str) -> Asked {
        let mut request = b"GET ".to_vec();
        request.extend(target);
        request.extend(format!(" HTTP/1.1\r\nHost: {}\r\n{headers}\r\n", self.host).bytes());

        // A kept connection may have ended in the meantime; a new one has no excuse.
        let kept = self.client.take();
        let answer = match kept.map(|client| self.exchange(client, &request)) {
            Some(Ok(answer)) => Ok(answer),
            Some(Err(_)) | None => self.exchange(RawClient::connect(self.address), &request),
        };
        match answer {
            Ok(answer) => read(&answer),
            Err(error) if hung_up(&error) => Asked::Unserved(None),
            Err(error) => panic!("{}: {error}", target.escape_ascii()),
        }
    }

    fn exchange(&mut self, mut client: RawClient, request: &[u8]) -> io::Result<Answer> {
        client.try_send(request)?;
        let answer = client.try_answer()?;
        let closes = answer
            .header("connection")
            .is_some_and(|value| value.eq_ignore_ascii_case("close"));
        self.client = (!closes).then_some(client);
        Ok(answer)
    }
}

fn hung_up(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset | io::ErrorKind::UnexpectedEof
    )
}

fn read(answer: &Answer) -> Asked {
    let text = answer.text();
    // Only the gate's own answers look like this.
    if text.starts_with("{\"error\":") && text.contains("\"request_id\":") {
        return Asked::Refused(answer.status());
    }
    if answer.status() != 200 {
        return Asked::Unserved(Some(answer.status()));
    }
    let mut lines = text.splitn(4, '\n').map(str::to_owned);
    let mut line = || lines.next().unwrap_or_else(|| panic!("four lines: {text}"));
    Asked::Resolved(Saw {
        route: line(),
        judged: line(),
        target: line(),
        path: line(),
    })
}

//! `imgate demo connect`: a small WebSocket client, for machines without one.
//!
//! It prints what is sent (`>`) and what comes (`<`), the code of the Close frame, and the HTTP
//! answer when the handshake is refused.

use std::time::Duration;

use clap::Args;
use tokio::time::timeout;

use super::client::{self, Ask, ClientError, Event, Opened, Socket, Url};
use crate::cli::{Exit, complain, say};
use crate::wire::head::is_token_byte;

/// Without `--until-close` the client leaves when nothing has come for so long.
const QUIET: Duration = Duration::from_secs(1);

/// `imgate demo connect …`
#[derive(Debug, Args)]
pub(super) struct ConnectArgs {
    /// Such as `ws://127.0.0.1:9688/ws`
    url: Url,
    /// A header of the handshake; may be given more than once
    #[arg(short = 'H', long = "header", value_name = "NAME: VALUE", value_parser = header)]
    headers: Vec<(String, String)>,
    /// A subprotocol to offer; may be given more than once
    #[arg(long, value_name = "PROTOCOL", value_parser = subprotocol)]
    subprotocol: Vec<String>,
    /// A text message to send; may be given more than once
    #[arg(long, value_name = "TEXT")]
    send: Vec<String>,
    /// Stay until the other side closes
    #[arg(long)]
    until_close: bool,
}

impl ConnectArgs {
    fn ask(&self) -> Ask {
        let mut ask = Ask::get(self.url.clone());
        ask.headers.clone_from(&self.headers);
        if !self.subprotocol.is_empty() {
            ask = ask.header("Sec-WebSocket-Protocol", self.subprotocol.join(", "));
        }
        ask
    }
}

/// Connects, and prints until it is over.
pub(super) async fn connect(args: &ConnectArgs) -> Exit {
    match attempt(args).await {
        Ok(exit) => exit,
        Err(error) => {
            complain(&error.to_string());
            Exit::Failed
        }
    }
}

async fn attempt(args: &ConnectArgs) -> Result<Exit, ClientError> {
    let mut socket = match client::open(&args.ask()).await? {
        Opened::Refused(answer) => {
            say(&answer.to_string());
            return Ok(Exit::Failed);
        }
        Opened::Socket(socket, answer) => {
            say(&answer.to_string());
            if let Some(protocol) = answer.header("sec-websocket-protocol") {
                say(&format!("subprotocol {}", super::printable(protocol)));
            }
            socket
        }
    };
    for text in &args.send {
        say(&format!("> {text}"));
        socket.send(text).await?;
    }
    if args.until_close {
        while !show(&mut socket).await {}
    } else {
        while let Ok(is_over) = timeout(QUIET, show(&mut socket)).await {
            if is_over {
                return Ok(Exit::Done);
            }
        }
        say("> close 1000");
        socket.close().await?;
        let _ = timeout(QUIET, async { while !show(&mut socket).await {} }).await;
    }
    Ok(Exit::Done)
}

/// Prints what comes next; true when it was the end.
async fn show(socket: &mut Socket) -> bool {
    let event = socket.next().await;
    match &event {
        Event::Lost => say(&event.to_string()),
        Event::Binary(_) | Event::Closed { .. } | Event::Text(_) => say(&format!("< {event}")),
    }
    event.is_end()
}

/// Takes `name: value` apart. What could break the request is refused.
fn header(text: &str) -> Result<(String, String), &'static str> {
    let (name, value) = text.split_once(':').ok_or("expected `name: value`")?;
    if name.is_empty() || !name.bytes().all(is_token_byte) {
        return Err("expected the name of a header before the colon");
    }
    let value = value.trim_matches([' ', '\t']);
    if value.contains(|c: char| c.is_control() && c != '\t') {
        return Err("expected a value without control characters");
    }
    Ok((name.to_owned(), value.to_owned()))
}

fn subprotocol(text: &str) -> Result<String, &'static str> {
    if !text.is_empty() && text.bytes().all(is_token_byte) {
        Ok(text.to_owned())
    } else {
        Err("expected letters, digits and -_.~!#$%&'*+^`|")
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;
    use proptest::prelude::*;

    use super::*;

    #[derive(Parser)]
    struct Program {
        #[command(flatten)]
        args: ConnectArgs,
    }

    fn ask(arguments: &[&str]) -> Ask {
        let arguments = ["connect", "ws://127.0.0.1:9688/ws"]
            .iter()
            .chain(arguments);
        Program::try_parse_from(arguments).unwrap().args.ask()
    }

    #[test]
    fn arguments_become_headers() {
        let none: [(&str, &str); 0] = [];
        for (case, arguments, expected) in [
            ("nothing", &[][..], &none[..]),
            (
                "two headers",
                &["-H", "token: Bearer a:b", "-H", "deviceType:im_web"],
                &[("token", "Bearer a:b"), ("deviceType", "im_web")],
            ),
            ("an empty value", &["-H", "token:"], &[("token", "")]),
            (
                "two subprotocols are one list",
                &["--subprotocol", "imgate.bearer.x", "--subprotocol", "chat"],
                &[("Sec-WebSocket-Protocol", "imgate.bearer.x, chat")],
            ),
        ] {
            let headers = ask(arguments).headers;
            let headers: Vec<_> = headers
                .iter()
                .map(|(n, v)| (n.as_str(), v.as_str()))
                .collect();
            assert_eq!(headers, expected, "{case}");
        }
    }

    #[test]
    fn headers_that_would_be_others_are_refused() {
        for (case, text) in [
            ("no colon", "token"),
            ("no name", ": x"),
            ("a blank in the name", "to ken: x"),
            ("a second line", "token: x\r\nX-Auth-Subject: 7"),
        ] {
            assert!(header(text).is_err(), "{case}");
        }
    }

    proptest! {
        #[test]
        fn a_header_stays_one_line(text in "([a-z]{1,8}:)?[ -~\r\n\t\u{80}]{0,40}") {
            if let Ok((name, value)) = header(&text) {
                prop_assert!(!(name + &value).contains(['\r', '\n']));
            }
        }
    }
}

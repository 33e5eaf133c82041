//! The site that a page comes from: a server of its own, on a port and so an origin of its own.

use crate::support::Recorder;
use crate::support::recorder::Exchange;

const PAGE: &str = include_str!("page.html");

#[derive(Debug)]
pub(super) struct Site {
    server: Recorder,
}

impl Site {
    pub(super) fn start() -> Self {
        Self {
            server: Recorder::serving(serve),
        }
    }

    /// As browsers name it.
    pub(super) fn origin(&self) -> String {
        format!("http://{}", self.server.address())
    }

    /// Where the page is.
    pub(super) fn address(&self) -> String {
        format!("{}/", self.origin())
    }

    /// Where the page is that also gets this token as its cookie, out of reach of its scripts.
    pub(super) fn log_in(&self, token: &str) -> String {
        format!("{}/login?{token}", self.origin())
    }
}

fn serve(exchange: &mut Exchange) {
    exchange.read_body();
    let target = exchange.head.target().to_owned();
    let cookies = match target.strip_prefix("/login?") {
        // Another cookie stands before it, as on any real site.
        Some(token) => format!(
            "Set-Cookie: theme=dark; Path=/\r\n\
             Set-Cookie: im={token}; Path=/; HttpOnly; SameSite=Strict\r\n"
        ),
        None if target == "/" => String::new(),
        None => {
            exchange.send("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n");
            return;
        }
    };
    let length = PAGE.len();
    exchange.send(format!(
        "HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=utf-8\r\nCache-Control: no-store\r\n\
         {cookies}Content-Length: {length}\r\n\r\n{PAGE}"
    ));
}

//! Requests for tests, from text as one would write it.

use std::net::IpAddr;

use crate::request::Request;
use crate::wire::head::{self, HeadLimits, RequestHead};

/// A head's bytes out of lines; the end of the head need not be written.
pub(crate) fn bytes(lines: &str) -> Vec<u8> {
    format!("{}\r\n\r\n", lines.trim().replace('\n', "\r\n")).into_bytes()
}

/// Parses a head that is known to be good.
pub(crate) fn head(bytes: &[u8]) -> RequestHead<'_> {
    let limits = HeadLimits {
        head_bytes: 8192,
        headers: 30,
        target_bytes: 4096,
    };
    head::request(bytes, &limits).unwrap().unwrap()
}

/// The request of a client at 192.0.2.1 to the host `chat`.
pub(crate) fn request<'r>(head: &'r RequestHead<'r>) -> Request<'r> {
    let (path, query) = match head.target.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (head.target, None),
    };
    Request {
        head,
        path,
        query,
        host: "chat",
        client: IpAddr::from([192, 0, 2, 1]),
        secure: false,
    }
}

/// Runs a future to its end.
pub(crate) fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
        .block_on(future)
}

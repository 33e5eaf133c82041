//! Asks an upstream's address whether it is well, apart from all requests.

use std::io::IoSlice;
use std::time::Duration;

use pingora::connectors::TransportConnector;
use pingora::prelude::timeout;
use pingora::protocols::Stream;

use crate::policy::upstream::Upstream;
use crate::proxy::connect::open;
use crate::proxy::exchange::ANSWER_LIMITS;
use crate::proxy::io::write_all;
use crate::proxy::received::Received;
use crate::wire::head;

/// Connects, and asks for the rule's path if it has one. An error says what is wrong, in words of our
/// own and the system's.
pub(crate) async fn check(
    connector: &TransportConnector,
    upstream: &Upstream,
    address: &str,
) -> Result<(), String> {
    let rule = upstream.health.as_ref();
    let limit = rule.map_or(upstream.connect_timeout, |rule| rule.timeout);
    let whole = async {
        let opened = open(connector, address, limit).await;
        let mut stream = opened.map_err(|error| error.to_string())?;
        match rule.and_then(|rule| rule.path.as_deref()) {
            Some(path) => ask(&mut stream, address, path, limit).await,
            None => Ok(()),
        }
    };
    timeout(limit, whole)
        .await
        .unwrap_or_else(|_| Err("no answer in time".to_owned()))
}

/// Whether a `GET` is answered with 200 to 399. A redirect is as good as Kubernetes has it, and is not
/// followed.
async fn ask(
    stream: &mut Stream,
    address: &str,
    path: &str,
    limit: Duration,
) -> Result<(), String> {
    let request = format!(
        "GET {path} HTTP/1.1\r\nHost: {address}\r\nUser-Agent: imgate-health\r\n\
         Accept: */*\r\nConnection: close\r\n\r\n"
    );
    write_all(stream, &mut [IoSlice::new(request.as_bytes())], limit)
        .await
        .map_err(|error| format!("cannot ask: {error}"))?;
    let mut answer = Received::nothing();
    loop {
        match head::response(answer.bytes(), &ANSWER_LIMITS) {
            Ok(Some(head)) if (200..400).contains(&head.status) => return Ok(()),
            Ok(Some(head)) if head.status >= 400 => {
                return Err(format!("answers with {}", head.status));
            }
            Ok(Some(interim)) => {
                let len = interim.len;
                answer.drop_front(len);
            }
            Ok(None) => match answer.more(stream).await {
                Ok(true) => {}
                Ok(false) => return Err("closes without an answer".to_owned()),
                Err(error) => return Err(format!("no answer: {error}")),
            },
            Err(_) => return Err("a malformed answer".to_owned()),
        }
    }
}

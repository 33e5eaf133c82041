//! Who is connected, by client, and what becomes of a connection that is one too many.
//!
//! Everybody is counted, bound or not, so that a reload that sets a bound knows who is here. Peers
//! that speak for others are not: behind one of `trusted_proxies` all clients come from its address,
//! and whose a connection is, only the PROXY protocol tells.

use std::io::IoSlice;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use pingora::protocols::Stream;
use tracing::debug;

use crate::metrics::Gauged;
use crate::proxy::Worker;
use crate::proxy::io::{linger, write_all};
use crate::request::{Census, Network};

/// Sent as it is: what would be read of the connection to say more is what is to be saved.
const TOO_MANY: &[u8] = b"HTTP/1.1 429 Too Many Requests\r\nContent-Type: text/plain\r\n\
    Content-Length: 44\r\nRetry-After: 1\r\nConnection: close\r\n\r\n\
    too many open connections from this address\n";
/// So many connections may hear it at a time, which takes up to two seconds; the rest just ends.
const MOST_TOLD: usize = 64;
/// A fresh connection takes so few bytes at once, or never.
const TO_TELL: Duration = Duration::from_millis(100);

/// All client connections of the process.
#[derive(Debug, Default)]
pub(crate) struct Crowd {
    here: Mutex<Census>,
    being_told: AtomicUsize,
}

/// One connection among those of its client. Dropping it makes room.
#[derive(Debug)]
struct Place {
    client: Network,
    crowd: Arc<Crowd>,
}

/// What a connection holds for as long as it is open, whatever becomes of it.
#[derive(Debug)]
pub(crate) struct Presence {
    _gauge: Gauged,
    place: Option<Place>,
}

impl Crowd {
    /// How many clients are connected.
    pub(crate) fn clients(&self) -> usize {
        self.here.lock().clients()
    }

    /// A place for one more connection; `None` if the client has as many as it may.
    fn enter(self: &Arc<Self>, client: IpAddr, most: Option<usize>) -> Option<Place> {
        let client = Network::of(client);
        let mut here = self.here.lock();
        if most.is_some_and(|most| here.of(client) >= most) {
            return None;
        }
        here.add(client);
        Some(Place {
            client,
            crowd: Arc::clone(self),
        })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.crowd.here.lock().remove(self.client);
    }
}

impl Presence {
    pub(crate) fn new(worker: &Worker) -> Self {
        Self {
            _gauge: worker.shared.metrics.connection(),
            place: None,
        }
    }

    /// Counts the connection among those of this client, in the place of whom it counted for before.
    /// Whether there is room for it.
    pub(crate) fn settle(&mut self, worker: &Worker, client: IpAddr) -> bool {
        self.place = None;
        let policy = worker.shared.policy();
        if policy.trusts(worker.listener, client) {
            return true;
        }
        let most = policy.limits.connections_per_client;
        self.place = worker.shared.crowd.enter(client, most);
        let has_room = self.place.is_some();
        if !has_room {
            worker.shared.metrics.connection_refused();
            debug!(%client, "too many connections");
        }
        has_room
    }
}

/// Ends a connection that is one too many. Where TLS is spoken nothing can be said before a
/// handshake, which would cost more than everything else, so it just ends.
pub(crate) async fn dismiss(worker: &Worker, mut stream: Stream) {
    struct Told<'a>(&'a AtomicUsize);
    impl Drop for Told<'_> {
        fn drop(&mut self) {
            self.0.fetch_sub(1, Ordering::Relaxed);
        }
    }
    if worker.tls().is_some() {
        return;
    }
    let being_told = &worker.shared.crowd.being_told;
    let before = being_told.fetch_add(1, Ordering::Relaxed);
    let _told = Told(being_told);
    if before < MOST_TOLD
        && write_all(&mut stream, &mut [IoSlice::new(TOO_MANY)], TO_TELL)
            .await
            .is_ok()
    {
        linger(stream).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn each_client_has_so_many_and_who_has_gone_is_forgotten() {
        let crowd = Arc::new(Crowd::default());
        let first = crowd.enter(client("192.0.2.1"), Some(2)).unwrap();
        let _second = crowd.enter(client("::ffff:192.0.2.1"), Some(2)).unwrap();
        assert!(crowd.enter(client("192.0.2.1"), Some(2)).is_none());
        let _other = crowd.enter(client("192.0.2.2"), Some(2)).unwrap();
        let _six = crowd.enter(client("2001:db8::1"), Some(1)).unwrap();
        assert!(crowd.enter(client("2001:db8::ffff:1"), Some(1)).is_none());
        let _next = crowd.enter(client("2001:db8:0:1::1"), Some(1)).unwrap();
        drop(first);
        let _third = crowd.enter(client("192.0.2.1"), Some(2)).unwrap();
        assert_eq!(crowd.clients(), 4);
        for round in 0..100_u8 {
            let _one = crowd.enter(IpAddr::from([198, 51, 100, round]), Some(1));
        }
        assert_eq!(crowd.clients(), 4);
    }

    #[test]
    fn a_bound_that_comes_later_knows_who_is_here() {
        let crowd = Arc::new(Crowd::default());
        let here: Vec<_> = (0..5)
            .map(|_| crowd.enter(client("192.0.2.1"), None).unwrap())
            .collect();
        assert!(crowd.enter(client("192.0.2.1"), Some(5)).is_none());
        drop(here);
        assert!(crowd.enter(client("192.0.2.1"), Some(5)).is_some());
    }

    #[test]
    fn what_is_said_is_an_answer() {
        let text = std::str::from_utf8(TOO_MANY).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        assert!(head.contains(&format!("Content-Length: {}\r\n", body.len())));
    }
}

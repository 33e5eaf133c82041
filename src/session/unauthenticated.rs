//! Sockets that have proven nothing yet: how many there may be, and a word to all of them.
//!
//! Such a socket costs memory and, with some protocols, a connection to the upstream, and nobody
//! knows whose it is. So there is a limit for all of them and one for each client.

use std::net::IpAddr;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::watch;

use crate::config::document;
use crate::request::{Census, Network};
use crate::session::CloseReason;

/// All sockets of the process that wait for their credential.
#[derive(Debug)]
pub struct Unauthenticated {
    waiting: Mutex<Waiting>,
    /// Why all of them are to end, once they are.
    end: watch::Sender<Option<CloseReason>>,
}

#[derive(Debug, Default)]
struct Waiting {
    total: usize,
    by_client: Census,
}

/// The place of one socket. Dropping it makes room.
#[derive(Debug)]
pub struct Place {
    client: Network,
    all: Arc<Unauthenticated>,
    end: watch::Receiver<Option<CloseReason>>,
}

/// Which limit is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Full {
    Client,
    Total,
}

impl Default for Unauthenticated {
    fn default() -> Self {
        Self {
            waiting: Mutex::default(),
            end: watch::Sender::new(None),
        }
    }
}

impl Unauthenticated {
    /// Takes a place for one more socket of this client.
    ///
    /// # Errors
    ///
    /// The limit that is reached; the client's own first, since that one is for it to mend.
    pub fn enter(
        self: &Arc<Self>,
        client: IpAddr,
        limits: &document::Unauthenticated,
    ) -> Result<Place, Full> {
        let client = Network::of(client);
        let mut waiting = self.waiting.lock();
        if waiting.by_client.of(client) >= limits.per_client {
            return Err(Full::Client);
        }
        if waiting.total >= limits.total {
            return Err(Full::Total);
        }
        waiting.by_client.add(client);
        waiting.total += 1;
        Ok(Place {
            client,
            all: Arc::clone(self),
            end: self.end.subscribe(),
        })
    }

    /// Tells every socket to close, those that are still to come as well.
    pub fn close_all(&self, reason: CloseReason) {
        self.end.send_replace(Some(reason));
    }

    pub fn len(&self) -> usize {
        self.waiting.lock().total
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl Place {
    /// Resolves when the gate wants the socket to end.
    pub async fn told_to_end(&mut self) -> CloseReason {
        match self.end.wait_for(Option::is_some).await {
            Ok(reason) => reason.unwrap_or(CloseReason::ShuttingDown),
            // The sender lives as long as the place does.
            Err(_) => CloseReason::ShuttingDown,
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut waiting = self.all.waiting.lock();
        waiting.total = waiting.total.saturating_sub(1);
        waiting.by_client.remove(self.client);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: document::Unauthenticated = document::Unauthenticated {
        total: 3,
        per_client: 2,
    };

    fn client(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn each_client_has_its_share_and_all_have_theirs() {
        let all = Arc::new(Unauthenticated::default());
        let enter = |text| all.enter(client(text), &LIMITS);
        let first = enter("192.0.2.1").unwrap();
        let _second = enter("::ffff:192.0.2.1").unwrap();
        assert_eq!(enter("192.0.2.1").unwrap_err(), Full::Client);
        let _third = enter("2001:db8::1").unwrap();
        assert_eq!(enter("192.0.2.2").unwrap_err(), Full::Total);
        assert_eq!(enter("192.0.2.1").unwrap_err(), Full::Client);
        drop(first);
        let _fourth = enter("2001:db8::2:2:2:2").unwrap();
        assert_eq!(enter("2001:db8:0:0:ffff::").unwrap_err(), Full::Client);
        assert_eq!(all.len(), 3);
    }

    #[test]
    fn who_has_gone_is_forgotten() {
        let all = Arc::new(Unauthenticated::default());
        for round in 0..100_u8 {
            let _one = all
                .enter(IpAddr::from([192, 0, 2, round]), &LIMITS)
                .unwrap();
        }
        assert!(all.is_empty());
        assert_eq!(all.waiting.lock().by_client.clients(), 0);
    }

    #[tokio::test]
    async fn everybody_is_told_to_end_and_so_is_who_comes_later() {
        let all = Arc::new(Unauthenticated::default());
        let mut early = all.enter(client("192.0.2.1"), &LIMITS).unwrap();
        all.close_all(CloseReason::ShuttingDown);
        let mut late = all.enter(client("192.0.2.1"), &LIMITS).unwrap();
        assert_eq!(early.told_to_end().await, CloseReason::ShuttingDown);
        assert_eq!(late.told_to_end().await, CloseReason::ShuttingDown);
    }
}

//! How the gate ends: every session is told, then the process goes.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use pingora::server::{ShutdownSignal, ShutdownSignalWatch};
use tokio::sync::Mutex;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::time::timeout;
use tracing::info;

use crate::proxy::Shared;
use crate::session::CloseReason;
use crate::signals::End;

/// How long sessions may take to say goodbye.
const GOODBYE: Duration = Duration::from_secs(5);
/// How long requests may take to be answered, and sessions to say goodbye, when there is time.
/// Five seconds less than the grace period that Kubernetes gives unless told otherwise.
const DRAIN: Duration = Duration::from_secs(25);
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// Waits for a signal to end.
///
/// pingora's own handling would sleep for its whole grace period and then drop every task without
/// a word to the clients.
#[derive(Debug)]
pub struct Shutdown {
    shared: Arc<Shared>,
    end: Mutex<UnboundedReceiver<End>>,
}

impl Shutdown {
    pub fn new(shared: Arc<Shared>, end: UnboundedReceiver<End>) -> Self {
        Self {
            shared,
            end: Mutex::new(end),
        }
    }

    /// Tells every session, and waits until all have heard and, if asked to, all requests that are
    /// under way are answered.
    async fn goodbye(&self, end: End) {
        let waits_for_requests = end == End::Soon;
        self.shared
            .unauthenticated
            .close_all(CloseReason::ShuttingDown);
        while !self.shared.registry.is_empty()
            || !self.shared.unauthenticated.is_empty()
            || (waits_for_requests && self.shared.is_busy())
        {
            // Also those that opened just before.
            self.shared.registry.close_all(CloseReason::ShuttingDown);
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    }
}

#[async_trait]
impl ShutdownSignalWatch for Shutdown {
    async fn recv(&self) -> ShutdownSignal {
        let mut signals = self.end.lock().await;
        let end = signals.recv().await.unwrap_or(End::Now);
        self.shared.start_draining();
        info!(sessions = self.shared.registry.len(), "shutting down");
        let limit = match end {
            End::Now => GOODBYE,
            End::Soon => DRAIN,
        };
        tokio::select! {
            _ = timeout(limit, self.goodbye(end)) => {}
            // Whoever asks twice does not want to wait.
            _ = signals.recv() => {}
        }
        ShutdownSignal::FastShutdown
    }
}

//! How the gate ends: every session is told, then the process goes.
//!
//! SIGTERM begins a drain: a lame duck's while, in which everything is served but `/readyz`; then
//! connections end with their current request and sessions with 1001, one after the other, so that
//! their clients do not come back to another gate all at once. Whatever ends the drain early
//! (nothing is left, the deadline, a second signal), the rest is told at once.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use pingora::server::{ShutdownSignal, ShutdownSignalWatch};
use tokio::sync::Mutex;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::time::{sleep, timeout};
use tracing::{info, warn};

use crate::clock;
use crate::proxy::Shared;
use crate::proxy::drain::Plan;
use crate::session::{CloseReason, Kind};
use crate::signals::End;

mod asked;
mod spread;

use asked::Asked;
use spread::Spread;

/// How long sessions may take to say goodbye once all have been told.
pub const GOODBYE: Duration = Duration::from_secs(5);
const LOOK_AGAIN: Duration = Duration::from_millis(20);
/// How many looks in a row must find nothing: a client may be between two requests.
const LOOKS: usize = 2;

/// Waits for somebody to end the gate, and ends it.
///
/// pingora's own handling would sleep for its whole grace period and then drop every task without
/// a word to the clients.
#[derive(Debug)]
pub struct Shutdown {
    shared: Arc<Shared>,
    asked: Mutex<Asked>,
}

impl Shutdown {
    pub fn new(shared: Arc<Shared>, end: UnboundedReceiver<End>) -> Self {
        Self {
            shared,
            asked: Mutex::new(Asked::new(end)),
        }
    }

    /// Drains as planned, until nothing is left.
    async fn drain(&self, plan: Plan) {
        let Plan { began: _, rule } = plan;
        sleep(plan.until(rule.lame_duck, clock::steady())).await;
        self.shared.leave();
        let mut sessions = self.shared.registry.all();
        // An answer that ends by itself has time until the deadline, as any request.
        sessions.retain(|live| live.opening.kind != Kind::Answer);
        info!(
            sessions = sessions.len(),
            "sessions are told to connect elsewhere"
        );
        self.shared
            .unauthenticated
            .close_all(CloseReason::ShuttingDown);
        let mut spread = Spread::over(sessions, clock::steady(), rule.drain);
        let mut looks = 0;
        while looks < LOOKS {
            spread.close_due(&self.shared.registry, clock::steady());
            looks = if self.has_ended() { looks + 1 } else { 0 };
            sleep(LOOK_AGAIN).await;
        }
    }

    fn has_ended(&self) -> bool {
        let shared = &self.shared;
        shared.registry.is_empty() && shared.unauthenticated.is_empty() && !shared.is_busy()
    }

    /// Tells every session that is left, and waits until all have heard.
    async fn goodbye(&self) {
        self.shared.leave();
        let reason = CloseReason::ShuttingDown;
        self.shared.registry.close_all(reason);
        self.shared.unauthenticated.close_all(reason);
        while !self.shared.registry.is_empty() || !self.shared.unauthenticated.is_empty() {
            sleep(LOOK_AGAIN).await;
        }
    }
}

#[async_trait]
impl ShutdownSignalWatch for Shutdown {
    async fn recv(&self) -> ShutdownSignal {
        let mut asked = self.asked.lock().await;
        let first = asked.first().await;
        let plan = self.shared.start_draining();
        let sessions = self.shared.registry.len();
        info!(asked = first.as_str(), sessions, "shutting down");
        if first != End::Now {
            tokio::select! {
                () = self.drain(plan) => info!("nothing is left"),
                () = sleep(plan.until(plan.rule.deadline, clock::steady())) => {
                    let sessions = self.shared.registry.len();
                    warn!(sessions, "the deadline of the drain has come");
                }
                // Whoever asks twice does not want to wait.
                () = asked.again() => info!("the drain ends before its time"),
            }
        }
        tokio::select! {
            _ = timeout(GOODBYE, self.goodbye()) => {}
            () = asked.again() => {}
        }
        if let Some(replicas) = &self.shared.replicas {
            replicas.leave().await;
        }
        ShutdownSignal::FastShutdown
    }
}

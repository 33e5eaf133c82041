//! What goes on beside the requests: ending sessions in time, and keeping up with the configuration.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use parking_lot::Mutex;
use pingora::server::ShutdownWatch;
use pingora::services::background::BackgroundService;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::time::MissedTickBehavior;

use crate::clock;
use crate::proxy::Shared;
use crate::reload::{Reloader, keeper};

mod exposure;
mod key_sets;
mod observing;
mod rechecks;

/// How late a session may be ended after its time is up.
const SWEEP_EVERY: Duration = Duration::from_millis(200);

/// How often what no longer matters is thrown away.
const TIDY_EVERY: Duration = Duration::from_secs(30);

/// The background service of the gate.
#[derive(Debug)]
pub struct Upkeep {
    shared: Arc<Shared>,
    /// Taken by the service when it starts.
    reload: Mutex<Option<(Reloader, UnboundedReceiver<()>)>>,
}

impl Upkeep {
    pub fn new(shared: Arc<Shared>, reloader: Reloader, reload: UnboundedReceiver<()>) -> Self {
        Self {
            shared,
            reload: Mutex::new(Some((reloader, reload))),
        }
    }
}

#[async_trait]
impl BackgroundService for Upkeep {
    async fn start(&self, _: ShutdownWatch) {
        if let Some((reloader, asked)) = self.reload.lock().take() {
            tokio::spawn(keeper::keep(Arc::clone(&self.shared), reloader, asked));
        }
        tokio::spawn(exposure::keep(Arc::clone(&self.shared)));
        tokio::spawn(rechecks::keep(Arc::clone(&self.shared)));
        tokio::spawn(key_sets::keep(Arc::clone(&self.shared)));
        tokio::spawn(observing::keep(Arc::clone(&self.shared)));
        let mut sweep = tokio::time::interval(SWEEP_EVERY);
        sweep.set_missed_tick_behavior(MissedTickBehavior::Delay);
        self.shared.set_ready();
        let mut tidy = clock::steady();
        loop {
            sweep.tick().await;
            let (now, steady) = (clock::now(), clock::steady());
            self.shared.registry.sweep(now, steady);
            if steady >= tidy {
                self.shared.registry.claims.forget(steady);
                self.shared.policy().revocations.purge(now, steady);
                tidy = steady.plus(TIDY_EVERY);
            }
        }
    }
}

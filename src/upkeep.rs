//! What goes on beside the requests: ending sessions in time, and reloading when asked.

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
use crate::reload::Reloader;

/// How late a session may be ended after its time is up.
const SWEEP_EVERY: Duration = Duration::from_millis(200);

/// The background service of the gate.
#[derive(Debug)]
pub struct Upkeep {
    shared: Arc<Shared>,
    reloader: Reloader,
    /// Taken by the service when it starts.
    reload: Mutex<Option<UnboundedReceiver<()>>>,
}

impl Upkeep {
    pub fn new(shared: Arc<Shared>, reloader: Reloader, reload: UnboundedReceiver<()>) -> Self {
        Self {
            shared,
            reloader,
            reload: Mutex::new(Some(reload)),
        }
    }
}

#[async_trait]
impl BackgroundService for Upkeep {
    async fn start(&self, _: ShutdownWatch) {
        if let Some(requests) = self.reload.lock().take() {
            let (shared, reloader) = (Arc::clone(&self.shared), self.reloader.clone());
            tokio::spawn(reload_on_request(shared, reloader, requests));
        }
        let mut sweep = tokio::time::interval(SWEEP_EVERY);
        sweep.set_missed_tick_behavior(MissedTickBehavior::Delay);
        self.shared.set_ready();
        loop {
            sweep.tick().await;
            self.shared.registry.sweep(clock::now(), clock::steady());
        }
    }
}

/// One reload at a time, in order; requests that came during one are answered by the next.
async fn reload_on_request(
    shared: Arc<Shared>,
    reloader: Reloader,
    mut requests: UnboundedReceiver<()>,
) {
    while requests.recv().await.is_some() {
        while requests.try_recv().is_ok() {}
        let (shared, reloader) = (Arc::clone(&shared), reloader.clone());
        // Reading files blocks; sessions must end in time all the same.
        let reload = tokio::task::spawn_blocking(move || reloader.reload(&shared));
        if let Err(error) = reload.await {
            tracing::error!(%error, "a reload did not come to an end");
        }
    }
}

//! What goes on beside the requests where replicas share a store: a thread of its own, so that
//! reading or writing very much holds up nobody.

use std::sync::Arc;

use async_trait::async_trait;
use pingora::server::ShutdownWatch;
use pingora::services::background::BackgroundService;

use crate::proxy::Shared;
use crate::replicas::Replicas;

/// The background service of a gate with replicas.
#[derive(Debug)]
pub struct Keeper {
    shared: Arc<Shared>,
    replicas: Arc<Replicas>,
}

impl Keeper {
    pub fn new(shared: Arc<Shared>, replicas: Arc<Replicas>) -> Self {
        Self { shared, replicas }
    }
}

#[async_trait]
impl BackgroundService for Keeper {
    async fn start(&self, _: ShutdownWatch) {
        let Self { shared, replicas } = self;
        tokio::join!(
            replicas.keep_following(shared),
            replicas.keep_beating(shared),
            replicas.keep_releasing(),
        );
    }
}

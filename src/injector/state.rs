//! What the tasks of the injector share.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use arc_swap::ArcSwap;
use parking_lot::Mutex;

use super::Version;
use super::certificate::{Identity, Shown};
use super::metrics::Metrics;
use crate::config::sidecar::Template;

#[derive(Debug)]
pub(super) struct State {
    template: ArcSwap<Template>,
    kubernetes: Mutex<Option<Version>>,
    pub(super) shown: Arc<Shown>,
    pub(super) metrics: Metrics,
    /// The API server trusts what is shown, or that is somebody else's business.
    is_trusted: AtomicBool,
    is_leaving: AtomicBool,
}

impl State {
    pub(super) fn new(template: Template, metrics: Metrics, kubernetes: Option<Version>) -> Self {
        metrics.template_read(true);
        Self {
            template: ArcSwap::from_pointee(template),
            kubernetes: Mutex::new(kubernetes),
            shown: Arc::default(),
            metrics,
            is_trusted: AtomicBool::new(false),
            is_leaving: AtomicBool::new(false),
        }
    }

    pub(super) fn template(&self) -> Arc<Template> {
        self.template.load_full()
    }

    pub(super) fn replace_template(&self, template: Template) {
        self.template.store(Arc::new(template));
    }

    pub(super) fn kubernetes(&self) -> Option<Version> {
        *self.kubernetes.lock()
    }

    pub(super) fn learn_kubernetes(&self, version: Version) {
        *self.kubernetes.lock() = Some(version);
    }

    pub(super) fn show(&self, identity: Identity) {
        self.metrics.certificate(identity.not_after);
        self.shown.show(identity);
    }

    pub(super) fn trusted(&self) {
        self.is_trusted.store(true, Ordering::Relaxed);
    }

    pub(super) fn leave(&self) {
        self.is_leaving.store(true, Ordering::Relaxed);
    }

    /// Why no request should come here.
    pub(super) fn unready(&self) -> Option<&'static str> {
        if self.is_leaving.load(Ordering::Relaxed) {
            Some("leaving")
        } else if !self.shown.is_there() {
            Some("no certificate")
        } else if !self.is_trusted.load(Ordering::Relaxed) {
            Some("the webhook's caBundle is not ours yet")
        } else {
            None
        }
    }
}

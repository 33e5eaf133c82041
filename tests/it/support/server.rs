//! What both backends share: a listener, a thread for each connection, and no silent failure.
//!
//! A backend that receives what no gate may send panics in its own thread; that is kept and
//! fails the test when the backend is dropped.

use std::net::{SocketAddr, TcpListener};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread;

use parking_lot::Mutex;

use super::net;
use super::wire::Wire;

#[derive(Debug)]
pub(crate) struct Server {
    address: SocketAddr,
    complaints: Arc<Mutex<Vec<String>>>,
}

impl Server {
    /// Hands each connection to `serve`, in a thread of its own.
    pub(crate) fn start(serve: impl Fn(Wire) + Send + Sync + 'static) -> Self {
        Self::on(net::listen(), serve)
    }

    /// The same, at an address where nobody was before.
    pub(crate) fn on(listener: TcpListener, serve: impl Fn(Wire) + Send + Sync + 'static) -> Self {
        let address = listener.local_addr().unwrap();
        let complaints: Arc<Mutex<Vec<String>>> = Arc::default();
        let server = Self {
            address,
            complaints: Arc::clone(&complaints),
        };
        let serve = Arc::new(serve);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (serve, complaints) = (Arc::clone(&serve), Arc::clone(&complaints));
                thread::spawn(move || {
                    let outcome = catch_unwind(AssertUnwindSafe(|| serve(Wire::new(stream))));
                    if let Err(panic) = outcome {
                        let text = panic.downcast_ref::<String>().cloned();
                        let text = text.or_else(|| panic.downcast_ref().map(|&s: &&str| s.into()));
                        complaints.lock().push(text.unwrap_or_default());
                    }
                });
            }
        });
        server
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let complaints = self.complaints.lock();
        // A second panic while the first one unwinds would abort all tests.
        if !thread::panicking() {
            assert!(
                complaints.is_empty(),
                "the backend complains: {}",
                complaints.join("\n")
            );
        }
    }
}

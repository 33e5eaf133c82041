//! A way to a server that can be shut, as if the server had ended, and opened again at the same address.

use std::io;
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};

use parking_lot::Mutex;

use super::net;

#[derive(Debug)]
pub(crate) struct Door {
    address: SocketAddr,
    server: SocketAddr,
    open: Option<Open>,
}

#[derive(Debug)]
struct Open {
    is_shut: Arc<AtomicBool>,
    streams: Arc<Mutex<Vec<TcpStream>>>,
    keeper: JoinHandle<()>,
}

impl Door {
    /// An open one.
    pub(crate) fn to(server: SocketAddr) -> Self {
        let mut door = Self::shut_before(server);
        door.open();
        door
    }

    /// One that nobody has come through yet.
    pub(crate) fn shut_before(server: SocketAddr) -> Self {
        Self {
            address: net::free_address(),
            server,
            open: None,
        }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn open(&mut self) {
        let listener = TcpListener::bind(self.address).expect("nobody else is there");
        let is_shut = Arc::<AtomicBool>::default();
        let streams = Arc::<Mutex<Vec<TcpStream>>>::default();
        let (shut, kept, server) = (Arc::clone(&is_shut), Arc::clone(&streams), self.server);
        let keeper = thread::spawn(move || {
            for client in listener.incoming().flatten() {
                if shut.load(Ordering::SeqCst) {
                    return;
                }
                let Ok(server) = TcpStream::connect(server) else {
                    continue;
                };
                for stream in [&client, &server] {
                    stream.set_nodelay(true).unwrap();
                    kept.lock().push(stream.try_clone().unwrap());
                }
                carry(client.try_clone().unwrap(), server.try_clone().unwrap());
                carry(server, client);
            }
        });
        self.open = Some(Open {
            is_shut,
            streams,
            keeper,
        });
    }

    /// Ends every connection and lets nobody in. When this returns, both are so.
    pub(crate) fn shut(&mut self) {
        let Some(open) = self.open.take() else { return };
        open.is_shut.store(true, Ordering::SeqCst);
        // Whoever waits for the next one gets this.
        let _ = TcpStream::connect(self.address);
        open.keeper.join().unwrap();
        for stream in open.streams.lock().drain(..) {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
}

impl Drop for Door {
    fn drop(&mut self) {
        self.shut();
    }
}

fn carry(mut from: TcpStream, mut to: TcpStream) {
    thread::spawn(move || {
        let _ = io::copy(&mut from, &mut to);
        let _ = to.shutdown(Shutdown::Write);
    });
}

//! A backend that records what arrives and answers as the test says.
//!
//! The script of a backend is a function from one [`Exchange`] to bytes on the socket, so that it
//! can answer early, late, wrongly, in pieces or not at all.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use parking_lot::Mutex;

use super::net;
use super::server::Server;
use super::wait::eventually;
use super::wire::{Head, Wire};

/// A request as it arrived.
#[derive(Clone, Debug)]
pub(crate) struct Received {
    pub(crate) head: Head,
    /// As far as the script has read it.
    pub(crate) body: Vec<u8>,
}

#[derive(Debug, Default)]
struct Record {
    requests: Mutex<Vec<Received>>,
    raw: Arc<Mutex<Vec<u8>>>,
    connections: AtomicUsize,
    begun: AtomicUsize,
    finished: AtomicUsize,
}

#[derive(Debug)]
pub(crate) struct Recorder {
    server: Server,
    record: Arc<Record>,
}

impl Recorder {
    /// Answers each request by `script`.
    pub(crate) fn serving(script: impl Fn(&mut Exchange) + Send + Sync + 'static) -> Self {
        Self::on(net::listen(), script)
    }

    /// The same, at an address where nobody was before.
    pub(crate) fn on(
        listener: TcpListener,
        script: impl Fn(&mut Exchange) + Send + Sync + 'static,
    ) -> Self {
        let record = Arc::new(Record::default());
        let kept = Arc::clone(&record);
        let server = Server::on(listener, move |mut wire| {
            wire.copy_to(Arc::clone(&record.raw));
            record.connections.fetch_add(1, Ordering::Relaxed);
            serve(wire, Arc::clone(&record), &script);
        });
        Self {
            server,
            record: kept,
        }
    }

    /// Reads each request whole and answers 200 with a short body.
    pub(crate) fn ok() -> Self {
        Self::serving(Exchange::ok)
    }

    /// Reads each request whole and answers with these bytes.
    pub(crate) fn answering(bytes: &'static str) -> Self {
        Self::serving(move |exchange| {
            exchange.read_body();
            exchange.send(bytes);
        })
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.server.address()
    }

    pub(crate) fn requests(&self) -> Vec<Received> {
        self.record.requests.lock().clone()
    }

    /// The requests since this was last asked, once the script is done with them.
    #[track_caller]
    pub(crate) fn take(&self) -> Vec<Received> {
        eventually("the backend is done", || {
            (self.finished() == self.record.begun.load(Ordering::Relaxed)).then_some(())
        });
        std::mem::take(&mut *self.record.requests.lock())
    }

    /// Every byte that was read on any connection since this was last asked, part of a request
    /// or not.
    pub(crate) fn take_raw(&self) -> Vec<u8> {
        std::mem::take(&mut *self.record.raw.lock())
    }

    /// The one request that arrived.
    #[track_caller]
    pub(crate) fn only(&self) -> Received {
        let mut requests = self.requests();
        assert_eq!(requests.len(), 1, "one request arrived: {requests:#?}");
        requests.remove(0)
    }

    /// The request that arrived last.
    #[track_caller]
    pub(crate) fn last(&self) -> Received {
        self.requests().pop().expect("a request arrived")
    }

    pub(crate) fn connections(&self) -> usize {
        self.record.connections.load(Ordering::Relaxed)
    }

    /// How many requests the script is done with.
    pub(crate) fn finished(&self) -> usize {
        self.record.finished.load(Ordering::Relaxed)
    }
}

/// One request, before and while it is answered.
#[derive(Debug)]
pub(crate) struct Exchange {
    pub(crate) head: Head,
    /// Counted from 1 on this connection.
    pub(crate) number: usize,
    wire: Wire,
    record: Arc<Record>,
    /// Where this request is in the record.
    index: usize,
    ended: bool,
}

impl Exchange {
    fn begin(&mut self, head: Head) {
        self.head = head.clone();
        self.number += 1;
        self.record.begun.fetch_add(1, Ordering::Relaxed);
        let mut requests = self.record.requests.lock();
        self.index = requests.len();
        requests.push(Received {
            head,
            body: Vec::new(),
        });
    }

    /// Reads the body, records it, and answers 200 with a short body.
    pub(crate) fn ok(&mut self) {
        self.read_body();
        self.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    }

    /// Reads the body, records it, and gives it back.
    pub(crate) fn read_body(&mut self) -> Vec<u8> {
        // A client that goes away within its body is the gate's business, not the backend's. What has
        // come of it is not the next request.
        let read = self.wire.framed_body(&self.head);
        self.ended |= read.is_err();
        let body = read.ok().flatten().unwrap_or_default();
        if let Some(received) = self.record.requests.lock().get_mut(self.index) {
            received.body.clone_from(&body);
        }
        body
    }

    /// Reads a body of a known length, and forgets it.
    pub(crate) fn discard_body(&mut self) {
        let length = self
            .head
            .header("content-length")
            .expect("a length")
            .parse()
            .unwrap();
        self.wire.discard(length).expect("the whole body");
    }

    pub(crate) fn send(&mut self, bytes: impl AsRef<[u8]>) {
        // The gate may have gone away; the test sees it on the client's side.
        let _ = self.try_send(bytes);
    }

    pub(crate) fn try_send(&mut self, bytes: impl AsRef<[u8]>) -> io::Result<()> {
        self.wire.send(bytes.as_ref())
    }

    /// Ends the connection after this exchange.
    pub(crate) fn close(&mut self) {
        self.ended = true;
    }

    /// Answers nothing until the gate gives up.
    pub(crate) fn wait_for_the_gate_to_give_up(&mut self) {
        let _ = self.wire.read_to_end();
        self.close();
    }
}

fn serve(wire: Wire, record: Arc<Record>, script: &dyn Fn(&mut Exchange)) {
    let nothing_yet = Head::parse(b"\r\n\r\n");
    let mut exchange = Exchange {
        head: nothing_yet,
        number: 0,
        wire,
        record,
        index: 0,
        ended: false,
    };
    while !exchange.ended {
        // An idle connection that the gate drops, with or without a reset, is no failure.
        let Ok(Some(head)) = exchange.wire.head() else {
            return;
        };
        exchange.begin(head);
        let outcome = catch_unwind(AssertUnwindSafe(|| script(&mut exchange)));
        exchange.record.finished.fetch_add(1, Ordering::Relaxed);
        if let Err(panic) = outcome {
            resume_unwind(panic);
        }
    }
}

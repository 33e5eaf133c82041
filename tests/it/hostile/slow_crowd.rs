//! Thousands who take their time, beside some who do not (A10, A37).

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use super::super::support::crowd::CrowdBackend;
use super::super::support::frames::Frame;
use super::super::support::gate::handshake;
use super::super::support::raw::request;
use super::super::support::recorder::Exchange;
use super::super::support::wait::pause;
use super::super::support::{Gate, Recorder, eventually};

const POLICY: &str = "
limits: { head_timeout: 10m, keepalive_idle: 10m }
authenticators:
  keys: { from: [{ header: X-App-Key }], app_key: { keys: [{ id: a, secret: { value: keyAbcd123 } }] } }
routes:
  - { match: { path: /openapi/** }, require: { any_of: [keys] }, upstream: im }
  - { match: { path: /ws }, websocket: true, require: { any_of: [keys] }, session: { idle_timeout: 10m }, upstream: ws }
";

const KEY: &str = "X-App-Key: keyAbcd123\r\n";
const SLOW: usize = 5_000;
/// Requests of a round, once alone and once beside the slow clients.
const GOOD: usize = 2_000;
const ROUNDS: usize = 3;
/// A byte of everybody takes this long to send.
const BYTE_EVERY: Duration = Duration::from_secs(1);

/// What a slow client sends and, where it has all been sent, sends again.
struct Kind {
    beginning: Vec<u8>,
    drip: Vec<u8>,
    /// In a thousand.
    share: usize,
}

fn kinds() -> [Kind; 4] {
    let post = "POST /openapi/slow HTTP/1.1\r\nHost: im\r\nX-App-Key: keyAbcd123\r\nTransfer-Encoding: chunked\r\n\r\n";
    let mut large = Frame::new(2, vec![0; 60_000]).masked();
    let rest = large.split_off(20);
    let mut opened = handshake("/ws", KEY).into_bytes();
    opened.extend(&large);
    [
        // Heads that never end, at a byte a time.
        Kind {
            beginning: request("GET", "/openapi/slow", KEY).into_bytes()[..40].to_vec(),
            drip: b"X-A: 1\r\n".to_vec(),
            share: 700,
        },
        // Connections that are kept and say nothing.
        Kind {
            beginning: request("GET", "/openapi/once", KEY).into_bytes(),
            drip: Vec::new(),
            share: 100,
        },
        // Bodies that never end.
        Kind {
            beginning: post.as_bytes().to_vec(),
            drip: b"1\r\nx\r\n".to_vec(),
            share: 100,
        },
        // A frame that comes byte by byte.
        Kind {
            beginning: opened,
            drip: rest,
            share: 100,
        },
    ]
}

/// Slow clients, on a thread of their own.
struct SlowCrowd {
    stop: Arc<AtomicBool>,
    lost: Arc<AtomicUsize>,
    thread: JoinHandle<()>,
}

impl SlowCrowd {
    fn start(address: SocketAddr) -> Self {
        let kinds = kinds();
        let mut clients = Vec::new();
        for kind in &kinds {
            for _ in 0..SLOW * kind.share / 1_000 {
                let mut stream = TcpStream::connect(address).unwrap();
                stream.write_all(&kind.beginning).unwrap();
                stream.set_nonblocking(true).unwrap();
                clients.push((stream, kind.drip.clone(), 0));
            }
        }
        let (stop, lost) = (Arc::<AtomicBool>::default(), Arc::<AtomicUsize>::default());
        let (stopped, missed) = (Arc::clone(&stop), Arc::clone(&lost));
        let thread = thread::spawn(move || {
            let turn = BYTE_EVERY / u32::try_from(clients.len() / 50).unwrap();
            for first in (0..clients.len()).step_by(50).cycle() {
                for (stream, drip, sent) in clients.iter_mut().skip(first).take(50) {
                    if stopped.load(Ordering::Relaxed) {
                        return;
                    }
                    let is_gone = step(stream, drip, sent);
                    missed.fetch_add(usize::from(is_gone), Ordering::Relaxed);
                }
                pause(turn);
            }
        });
        Self { stop, lost, thread }
    }

    /// Ends them all; how many the gate had ended before.
    fn end(self) -> usize {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().unwrap();
        self.lost.load(Ordering::Relaxed)
    }
}

/// Sends a byte and takes what has come; whether the connection has ended.
fn step(stream: &mut TcpStream, drip: &[u8], sent: &mut usize) -> bool {
    if let Some(byte) = drip.get(*sent % drip.len().max(1)) {
        if stream.write_all(&[*byte]).is_err() {
            return true;
        }
        *sent += 1;
    }
    let mut answer = [0; 4096];
    match stream.read(&mut answer) {
        Ok(count) => count == 0,
        Err(error) => error.kind() != ErrorKind::WouldBlock,
    }
}

/// Asks on two kept connections at once; the ticks that the gate used.
#[track_caller]
fn ask(gate: &Gate) -> u32 {
    let before = gate.cpu_ticks();
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                let mut client = gate.client();
                for _ in 0..GOOD / 2 {
                    let answer = client.get("/openapi/good", KEY);
                    assert_eq!(answer.status(), 200, "a good client among slow ones");
                }
            });
        }
    });
    u32::try_from(gate.cpu_ticks() - before).unwrap()
}

#[test]
fn five_thousand_slow_clients_do_not_cost_the_good_ones() {
    rlimit::increase_nofile_limit(u64::MAX).unwrap();
    let (backend, sockets) = (Recorder::serving(Exchange::ok), CrowdBackend::start());
    let gate = Gate::with(POLICY)
        .upstream("im", backend.address())
        .upstream("ws", sockets.address())
        .environment("IMGATE_LOG", "warn")
        .start();
    let connections = || gate.metrics().value("imgate_connections_active", &[]);
    let all = f64::from(u32::try_from(SLOW).unwrap());
    ask(&gate);
    let mut ratios = Vec::new();
    for _ in 0..ROUNDS {
        let alone = ask(&gate);
        let crowd = SlowCrowd::start(gate.address());
        eventually("all have come", || (connections() >= all).then_some(()));
        let among = ask(&gate);
        assert!(connections() >= all, "{} are left", connections());
        assert_eq!(crowd.end(), 0, "slow ones that the gate has ended");
        eventually("all have gone", || (connections() < 10.0).then_some(()));
        println!("{alone} ticks alone, {among} among {SLOW} slow clients");
        ratios.push(f64::from(among) / f64::from(alone));
    }
    // Whatever else the machine does disturbs one round or the other.
    let best = ratios.iter().copied().fold(f64::INFINITY, f64::min);
    assert!(best <= 1.5, "CPU per good request: {ratios:?} times");
}

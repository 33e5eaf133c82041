//! Under load: nobody notices a reload but those whose key has gone.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use jsonwebtoken::{Algorithm, EncodingKey};

use super::super::support::mint::{claims, jwt};
use super::super::support::process::Signal;
use super::super::support::wait::pause;
use super::super::support::ws_backend::WsBackend;
use super::super::support::ws_client::WsClient;
use super::super::support::{Gate, RawClient, Recorder, eventually};
use super::watched;

const SECRET: &str = "an hmac secret of the tests, made up for them alone";

const POLICY: &str = "
reload: { watch: $WATCH, debounce: 10ms }
authenticators:
  keys:
    from: [{ header: X-App-Key }]
    app_key: { keys_file: $KEYS }
  member:
    from: [{ header: Authorization, prefix: Bearer }]
    jwt:
      keys: [{ kid: h, algorithm: HS256, secret: { file: secret } }]
      issuer: any
      audience: any
routes:
  - { match: { path: /keys/** }, require: { any_of: [keys] }, upstream: im }
  - { match: { path: /jwt/** }, require: { any_of: [member] }, upstream: im }
  - { match: { path: /ws }, websocket: true, require: { any_of: [member] }, upstream: ws }
";

fn policy(watch: bool, keys: &str) -> String {
    POLICY
        .replace("$WATCH", &watch.to_string())
        .replace("$KEYS", keys)
}

const STEADY: &str = "- { id: steady, secret: { file: steady } }\n";
const COMES_AND_GOES: &str = "- { id: other, secret: { file: other } }\n";

fn bearer() -> String {
    let key = EncodingKey::from_secret(SECRET.as_bytes());
    let token = jwt("h", Algorithm::HS256, &key, &claims("7", 600));
    format!("Bearer {token}")
}

const BY_SIGNAL: u64 = 1000;
const BY_SWAP: u64 = 20;
/// More would show that something is kept of each reload.
const GROWTH_KIB: u64 = 12 * 1024;

#[test]
fn a_thousand_reloads_disturb_nobody() {
    let (http, ws) = (Recorder::ok(), WsBackend::echo());
    let more = format!("{STEADY}{COMES_AND_GOES}");
    let (gate, volume) = Gate::with(&policy(false, "fewer.yaml"))
        .upstream("im", http.address())
        .upstream("ws", ws.address())
        .start_with_volume(&files(&more));
    let swap = |configuration: &str| {
        let mut files = files(&more).to_vec();
        files.push(("imgate.yaml", configuration));
        volume.swap(&files);
    };
    let variants =
        |watch| ["fewer.yaml", "more.yaml"].map(|keys| gate.configuration(&policy(watch, keys)));
    let broken = gate.configuration("routes: [");

    let load = Load::default();
    thread::scope(|scope| {
        let _stop = StopOnDrop(&load.stop);
        for headers in [
            ("/keys/x", "X-App-Key: key-steady\r\n".to_owned()),
            ("/jwt/x", format!("Authorization: {}\r\n", bearer())),
        ] {
            for _ in 0..2 {
                let (load, headers) = (&load, headers.clone());
                let address = gate.address();
                scope.spawn(move || load.requests(address, headers.0, &headers.1));
            }
        }
        for _ in 0..4 {
            scope.spawn(|| load.echoes(gate.address()));
        }
        load.wait_for_more();

        let mut memory = 0;
        for number in 1..=BY_SIGNAL {
            if number % 100 == 0 {
                swap(&broken);
                gate.signal(Signal::Hup);
                wait(&gate, "the mistake", |problem, _| problem);
            }
            if number == BY_SIGNAL / 10 {
                memory = gate.resident_memory_kib();
            }
            swap(&variants(false)[usize::from(number % 2 == 1)]);
            gate.signal(Signal::Hup);
            wait(&gate, "the reload", |problem, generation| {
                !problem && generation == 1 + number
            });
        }
        load.wait_for_more();
        let grown = gate.resident_memory_kib().saturating_sub(memory);
        assert!(grown < GROWTH_KIB, "{grown} KiB more");

        swap(&variants(true)[0]);
        gate.signal(Signal::Hup);
        let by_now = BY_SIGNAL + 2;
        wait(&gate, "the watch", |_, generation| generation == by_now);
        for number in 1..=BY_SWAP {
            if number % 5 == 0 {
                swap(&broken);
                wait(&gate, "the mistake", |problem, _| problem);
            }
            swap(&variants(true)[usize::from(number % 2 == 1)]);
            wait(&gate, "the reload", |problem, generation| {
                !problem && generation == by_now + number
            });
        }
        load.wait_for_more();
        eventually("the volume and what it shows are watched", || {
            (watched(&gate) == 2).then_some(())
        });
    });
    assert_eq!(gate.generation(), 1 + BY_SIGNAL + 1 + BY_SWAP);
    let failures = super::reloads(&gate, "error");
    assert!((failures - 14.0).abs() < 0.5, "{failures}");
    // What the clients did themselves was their end, and no earlier one.
    assert!(load.http.load(Ordering::Relaxed) > 100);
    assert!(load.ws.load(Ordering::Relaxed) > 100);
    let closed = gate.metrics().value(
        "imgate_sessions_closed_total",
        &[("reason", "shutting_down")],
    );
    assert!(closed < 0.5);
}

fn files(more: &str) -> [(&str, &str); 5] {
    [
        ("fewer.yaml", STEADY),
        ("more.yaml", more),
        ("steady", "key-steady"),
        ("other", "key-other"),
        ("secret", SECRET),
    ]
}

/// Waits until `is_there` likes whether there is a problem, and the generation.
#[track_caller]
fn wait(gate: &Gate, what: &str, is_there: impl Fn(bool, u64) -> bool) {
    eventually(what, || {
        let status = gate.status();
        let problem = !status["reload_problem"].is_null();
        let generation = status["generation"].as_u64().unwrap();
        is_there(problem, generation).then_some(())
    });
}

/// What the clients do; any failure is a panic in their thread, which fails the test.
#[derive(Debug, Default)]
struct Load {
    stop: AtomicBool,
    http: AtomicUsize,
    ws: AtomicUsize,
}

/// Ends the load also when the test fails.
struct StopOnDrop<'a>(&'a AtomicBool);

impl Drop for StopOnDrop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

impl Load {
    fn goes_on(&self) -> bool {
        // Leaves some of the machine to the gate.
        pause(Duration::from_millis(1));
        !self.stop.load(Ordering::Relaxed)
    }

    /// One kept connection.
    fn requests(&self, address: SocketAddr, target: &str, headers: &str) {
        let mut client = RawClient::connect(address);
        while self.goes_on() {
            assert_eq!(client.get(target, headers).status(), 200);
            self.http.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// One socket.
    fn echoes(&self, address: SocketAddr) {
        let mut client = WsClient::to(address, "/ws")
            .header("Authorization", &bearer())
            .connect();
        let mut number = 0;
        while self.goes_on() {
            client.echo(format!("message {number}"));
            number += 1;
            self.ws.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Waits until everybody has been served again.
    #[track_caller]
    fn wait_for_more(&self) {
        let done = || [&self.http, &self.ws].map(|count| count.load(Ordering::Relaxed));
        let before = done();
        eventually("the load goes on", || {
            let now = done();
            (now[0] > before[0] + 20 && now[1] > before[1] + 20).then_some(())
        });
    }
}

/// A verdict that is remembered does not outlive the key that made it.
#[test]
fn a_key_that_is_removed_stops_at_once() {
    let backend = Recorder::ok();
    let both = format!("{STEADY}{COMES_AND_GOES}");
    let before = policy(true, "keys.yaml");
    let volume_files = |keys| {
        [
            ("keys.yaml", keys),
            ("steady", "key-steady"),
            ("other", "key-other"),
            ("secret", SECRET),
        ]
    };
    let (gate, volume) = Gate::with(&before)
        .upstream("im", backend.address())
        .upstream("ws", backend.address())
        .start_with_volume(&volume_files(&both));
    let configuration = gate.configuration(&before);
    let swap = |keys, secret| {
        let mut files = volume_files(keys).to_vec();
        files[3] = ("secret", secret);
        files.push(("imgate.yaml", &configuration));
        let generation = gate.generation();
        volume.swap(&files);
        wait(&gate, "the swap", |_, now| now == generation + 1);
    };
    let token = format!("Authorization: {}\r\n", bearer());
    // One connection for all: what is asked on it is no new start for anybody.
    let mut client = gate.client();
    let mut status = |target, headers: &str| client.get(target, headers).status();

    for _ in 0..3 {
        assert_eq!(status("/keys/x", "X-App-Key: key-other\r\n"), 200);
        assert_eq!(status("/jwt/x", &token), 200);
    }
    let hits = gate.metrics().value("imgate_verdict_cache_hits_total", &[]);
    assert!(hits > 1.5, "the token's verdict is warm");
    swap(STEADY, SECRET);
    assert_eq!(status("/keys/x", "X-App-Key: key-other\r\n"), 401);
    assert_eq!(status("/keys/x", "X-App-Key: key-steady\r\n"), 200);
    assert_eq!(status("/jwt/x", &token), 200);
    swap(STEADY, "another hmac secret of the tests, made up as well");
    assert_eq!(status("/jwt/x", &token), 401);
    swap(&both, SECRET);
    assert_eq!(status("/keys/x", "X-App-Key: key-other\r\n"), 200);
    assert_eq!(status("/jwt/x", &token), 200);
}

//! Each reason for which the gate ends a session, whatever the session is doing then: both sides see
//! the reason's code, at the end of a frame, and a side that does not read is cut.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use jsonwebtoken::{Algorithm, EncodingKey};
use parking_lot::Mutex;

use super::super::support::frames::{self, Frame};
use super::super::support::gate::handshake;
use super::super::support::mint::{SA_TOKEN_SECRET, claims, jwt};
use super::super::support::process::Signal;
use super::super::support::server::Server;
use super::super::support::wait::pause;
use super::super::support::wire::Wire;
use super::super::support::ws_backend::{End, accept};
use super::super::support::{Gate, RawClient, eventually};
use super::policy;

/// Why a session ends. A further reason is a further line in [`REASONS`].
struct Reason {
    name: &'static str,
    code: u16,
    text: &'static str,
    /// What the handshake says, and where.
    target: &'static str,
    headers: fn() -> String,
    /// What makes the gate end the session. Some reasons come by themselves.
    order: Order,
    /// The client has not said who it is: what the backend says is not for it yet.
    is_stranger: bool,
}

enum Order {
    /// Time alone, even while the client talks.
    Wait,
    /// Time alone, if the client says nothing.
    BeSilent,
    /// The gate is told, perhaps by another client, which then stays.
    Tell(fn(&Gate) -> Option<RawClient>),
    /// The client sends this.
    Send(&'static [u8]),
}

const REASONS: [Reason; 10] = [
    Reason {
        name: "expired",
        code: 4401,
        text: "token expired",
        target: "/member",
        headers: || member(4),
        order: Order::Wait,
        is_stranger: false,
    },
    Reason {
        name: "replaced",
        code: 4409,
        text: "replaced by another login",
        target: "/one",
        headers: || member(60),
        order: Order::Tell(|gate| {
            let mut successor = gate.client();
            successor.send(handshake("/one", &member(60)));
            assert_eq!(successor.answer().status(), 101);
            Some(successor)
        }),
        is_stranger: false,
    },
    Reason {
        name: "revoked",
        code: 4403,
        text: "revoked",
        target: "/events",
        headers: || "X-App-Key: key-a\r\n".to_owned(),
        order: Order::Tell(|gate| {
            gate.reload(&everything().replace(KEY_A, ""));
            None
        }),
        is_stranger: false,
    },
    Reason {
        name: "ended by an operator",
        code: 4403,
        text: "revoked",
        target: "/member",
        headers: || member(60),
        order: Order::Tell(|gate| {
            let ended = order(gate, "DELETE", "/sessions?user=7", "");
            assert_eq!(ended["sessions_closed"], 1, "{ended}");
            None
        }),
        is_stranger: false,
    },
    Reason {
        name: "revoked by an operator",
        code: 4403,
        text: "revoked",
        target: "/member",
        headers: || member(60),
        order: Order::Tell(|gate| {
            let revoked = order(gate, "POST", "/revocations", r#"{"user":"7"}"#);
            assert_eq!(revoked["sessions_closed"], 1, "{revoked}");
            None
        }),
        is_stranger: false,
    },
    Reason {
        name: "first_message",
        code: 4408,
        text: "no credential in time",
        target: "/socket.io/?EIO=4&transport=websocket",
        headers: String::new,
        order: Order::BeSilent,
        is_stranger: true,
    },
    Reason {
        name: "policy_changed",
        code: 4401,
        text: "log in again",
        target: "/ws",
        headers: im_web,
        order: Order::Tell(|gate| {
            gate.reload(&everything().replace("im_web, ", ""));
            None
        }),
        is_stranger: false,
    },
    Reason {
        name: "shutting_down",
        code: 1001,
        text: "going away",
        target: "/ws",
        headers: im_web,
        order: Order::Tell(|gate| {
            gate.signal(Signal::Int);
            None
        }),
        is_stranger: false,
    },
    Reason {
        name: "idle",
        code: 1001,
        text: "idle",
        target: "/idle",
        headers: im_web,
        order: Order::BeSilent,
        is_stranger: false,
    },
    Reason {
        name: "protocol_error",
        code: 1002,
        text: "protocol error",
        target: "/ws",
        headers: im_web,
        // A reserved opcode.
        order: Order::Send(&[0x83, 0x80, 0, 0, 0, 0]),
        is_stranger: false,
    },
];

const KEY_A: &str = "{ id: a, secret: { value: key-a } }, ";

/// The same user each time.
fn member(seconds: i64) -> String {
    let key = EncodingKey::from_secret(SA_TOKEN_SECRET.as_bytes());
    let mut claims = claims("7", seconds);
    claims["dev"] = "web".into();
    let token = jwt("h", Algorithm::HS256, &key, &claims);
    format!("Authorization: Bearer {token}\r\n")
}

fn im_web() -> String {
    super::good_headers()
}

const ADMIN_TOKEN: &str = "an-operators-token";

/// Gives the gate an order.
fn order(gate: &Gate, method: &str, target: &str, body: &str) -> serde_json::Value {
    let mut client = RawClient::connect(gate.admin_address());
    client.send(format!(
        "{method} {target} HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {ADMIN_TOKEN}\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        gate.admin_address(),
        body.len()
    ));
    client.answer().json()
}

/// The policy of all WebSocket tests, a route with app keys, one for a single socket, and one where
/// the credential is still to come.
fn everything() -> String {
    let keys = format!(
        "authenticators:\n  partners:\n    from: [{{ header: X-App-Key }}]\n    \
         app_key: {{ keys: [{KEY_A}{{ id: b, secret: {{ value: key-b }} }}] }}\n"
    );
    let policy = policy().replacen("authenticators:\n", &keys, 1);
    format!(
        "{policy}  - {{ name: events, match: {{ path: /events }}, websocket: true, \
         require: {{ any_of: [partners] }}, upstream: ws }}\n  \
         - {{ name: one, match: {{ path: /one }}, websocket: true, require: {{ any_of: [member] }}, \
         session: {{ per_device: 1 }}, upstream: ws }}\n  \
         - {{ name: strangers, match: {{ path: /socket.io/ }}, websocket: true, require: {{ \
         first_message: {{ socketio_auth2: {{ all_of: [member] }}, deadline: 4s }} }}, upstream: ws }}\n"
    )
}

/// A session between a client and a backend that does what it likes.
struct Trial {
    gate: Gate,
    client: RawClient,
    /// How the backend saw it end, and when.
    ends: Arc<Mutex<Option<(End, Instant)>>>,
    other: Option<RawClient>,
    _backend: Server,
}

impl Reason {
    /// Opens a session. `speak` is the backend's part, beside reading all that comes; it ends when
    /// a write fails.
    fn begin(
        &self,
        speak: impl Fn(TcpStream) + Clone + Send + Sync + 'static,
        echo: bool,
    ) -> Trial {
        let ends: Arc<Mutex<Option<(End, Instant)>>> = Arc::default();
        let seen = Arc::clone(&ends);
        let backend = Server::start(move |mut wire: Wire| {
            let Ok(Some(head)) = wire.head() else { return };
            wire.send(accept(&head, "").as_bytes()).unwrap();
            wire.stream().set_read_timeout(None).unwrap();
            let (speak, stream) = (speak.clone(), wire.stream().try_clone().unwrap());
            let speaking = thread::spawn(move || speak(stream));
            let end = read_to_close(&mut wire, echo);
            // The first one to end; a successor ends with the trial.
            seen.lock().get_or_insert((end, Instant::now()));
            drop(wire);
            speaking.join().unwrap();
        });
        let gate = Gate::with(&everything())
            .upstream("ws", backend.address())
            .file("keys/admin", ADMIN_TOKEN)
            .admin("address: \"$ADDRESS\", token: { file: keys/admin }")
            .start();
        let mut client = gate.client();
        client.send(handshake(self.target, &(self.headers)()));
        assert_eq!(client.answer().status(), 101, "{}", self.name);
        Trial {
            gate,
            client,
            ends,
            other: None,
            _backend: backend,
        }
    }

    /// Makes the gate end the session, or waits for what comes by itself.
    fn order(&self, trial: &mut Trial) {
        match self.order {
            Order::Wait | Order::BeSilent => {}
            Order::Tell(tell) => trial.other = tell(&trial.gate),
            Order::Send(bytes) => trial.client.send(bytes),
        }
    }

    /// The backend's last frame was this Close.
    fn is_seen_by_backend(&self, trial: &Trial) -> Instant {
        let (end, at) = eventually("the backend's socket ends", || *trial.ends.lock());
        assert_eq!(end, End::Close(self.code), "{} at the backend", self.name);
        at
    }

    /// This is the Close, and the last that the client gets.
    fn is_seen_by_client(&self, close: &Frame, client: &mut RawClient) {
        assert_eq!(close.close_code(), self.code, "{} at the client", self.name);
        assert_eq!(&close.payload[2..], self.text.as_bytes());
        // A reset is an end too: what the client still sent was not read.
        assert!(!matches!(client.try_frame(), Ok(Some(_))), "{}", self.name);
    }
}

/// Reads and perhaps echoes everything.
fn read_to_close(wire: &mut Wire, echo: bool) -> End {
    while let Ok(Some(frame)) = frames::read(wire) {
        if frame.opcode == frames::CLOSE {
            return End::Close(frame.close_code());
        }
        if echo {
            // Also when nobody reads the echo any more, what comes is read.
            let _ = wire.send(&frame.unmasked());
        }
    }
    End::Gone
}

/// All reasons at once, each with a gate of its own.
fn each(reasons: impl Fn(&Reason) -> bool, trial: impl Fn(&Reason) + Sync) {
    thread::scope(|scope| {
        for reason in REASONS.iter().filter(|reason| reasons(reason)) {
            scope.spawn(|| trial(reason));
        }
    });
}

#[test]
fn an_idle_session_gets_the_code_on_both_sides() {
    each(
        |_| true,
        |reason| {
            let mut trial = reason.begin(drop, false);
            reason.order(&mut trial);
            let close = trial.client.frame();
            reason.is_seen_by_client(&close, &mut trial.client);
            reason.is_seen_by_backend(&trial);
        },
    );
}

/// One large frame after the other, each over a quarter of a second.
fn drip(mut stream: TcpStream, frame: &[u8]) {
    loop {
        for piece in frame.chunks(8 * 1024) {
            if stream.write_all(piece).is_err() {
                return;
            }
            pause(Duration::from_millis(10));
        }
    }
}

#[test]
fn the_code_comes_behind_the_large_frames_that_are_under_way() {
    let large = Frame::new(frames::BINARY, vec![7; 200_000]);
    each(
        |_| true,
        |reason| {
            let bytes = large.unmasked();
            let mut trial = reason.begin(move |stream| drip(stream, &bytes), false);
            // A client that is to be silent, or to break the framing, has no frame under way.
            let client_drips = matches!(reason.order, Order::Wait | Order::Tell(_));
            let stream = trial.client.wire().stream().try_clone().unwrap();
            let bytes = large.masked();
            let dripping = client_drips.then(|| thread::spawn(move || drip(stream, &bytes)));
            if !reason.is_stranger {
                assert!(trial.client.frame() == large);
            }
            // Somewhere in the next frame.
            pause(Duration::from_millis(100));
            reason.order(&mut trial);
            let close = loop {
                let frame = trial.client.frame();
                if frame.opcode == frames::CLOSE {
                    break frame;
                }
                let is_whole = frame == large && !reason.is_stranger;
                assert!(is_whole, "{}: a whole frame", reason.name);
            };
            reason.is_seen_by_client(&close, &mut trial.client);
            reason.is_seen_by_backend(&trial);
            drop(trial.client);
            if let Some(dripping) = dripping {
                dripping.join().unwrap();
            }
        },
    );
}

/// So many messages are written at once.
const BURST: usize = 50;
/// So many are on their way at a time: more than a busy machine echoes before the deadlines would
/// not be a load, but a backlog.
const UNDER_WAY: usize = 5_000;

#[test]
fn the_code_comes_through_under_full_load() {
    let message = Frame::new(frames::TEXT, "x".repeat(64));
    each(
        |reason| !matches!(reason.order, Order::BeSilent),
        |reason| {
            let mut trial = reason.begin(drop, true);
            let mut stream = trial.client.wire().stream().try_clone().unwrap();
            let burst = message.masked().repeat(BURST);
            // What breaks the framing has to come from the one who sends.
            let at_last: &[u8] = match reason.order {
                Order::Send(bytes) => bytes,
                Order::Wait | Order::BeSilent | Order::Tell(_) => &[],
            };
            let echoes = Arc::new(AtomicUsize::new(0));
            let seen = Arc::clone(&echoes);
            let sending = thread::spawn(move || {
                let (start, mut sent) = (Instant::now(), 0);
                while stream.write_all(&burst).is_ok() {
                    sent += BURST;
                    while sent > seen.load(Ordering::Relaxed).saturating_add(UNDER_WAY) {
                        pause(Duration::from_millis(1));
                    }
                    if !at_last.is_empty() && start.elapsed() > Duration::from_millis(500) {
                        let _ = stream.write_all(at_last);
                        return;
                    }
                }
            });
            let mut next = || {
                echoes.fetch_add(1, Ordering::Relaxed);
                trial.client.frame()
            };
            for _ in 0..200 {
                assert!(next() == message);
            }
            if let Order::Tell(tell) = reason.order {
                trial.other = tell(&trial.gate);
            }
            let close = loop {
                let frame = next();
                if frame.opcode == frames::CLOSE {
                    break frame;
                }
                assert!(frame == message, "{}: a whole frame", reason.name);
            };
            echoes.store(usize::MAX, Ordering::Relaxed);
            reason.is_seen_by_client(&close, &mut trial.client);
            reason.is_seen_by_backend(&trial);
            drop(trial.client);
            sending.join().unwrap();
        },
    );
}

#[test]
fn a_client_that_has_stopped_reading_is_cut_and_the_backend_gets_the_code() {
    let large = Frame::new(frames::BINARY, vec![7; 100_000]).unmasked();
    each(
        |_| true,
        |reason| {
            let large = large.clone();
            let flood = move |mut stream: TcpStream| while stream.write_all(&large).is_ok() {};
            let mut trial = reason.begin(flood, false);
            // All buffers on the way are full when the backend's writes take no more.
            pause(Duration::from_millis(500));
            let ordered = Instant::now();
            reason.order(&mut trial);
            let seen = reason.is_seen_by_backend(&trial);
            if !matches!(reason.order, Order::Wait | Order::BeSilent) {
                // 1.5 s for the frame that is under way, and as much again for a busy machine.
                let took = seen.saturating_duration_since(ordered);
                assert!(took < Duration::from_secs(10), "{}: {took:?}", reason.name);
            }
            // The gate has given up: what it had written is all that there is.
            let mut stream = trial.client.wire().stream().try_clone().unwrap();
            stream
                .set_read_timeout(Some(Duration::from_secs(15)))
                .unwrap();
            let mut sink = vec![0; 1 << 20];
            let end = loop {
                match stream.read(&mut sink) {
                    Ok(0) => break Ok(()),
                    Ok(_) => {}
                    Err(error) => break Err(error.kind()),
                }
            };
            assert_ne!(end, Err(std::io::ErrorKind::WouldBlock), "{}", reason.name);
        },
    );
}

//! Many upgrades at once, against a backend as fast as one can be: this is where a proxy that
//! reads the 101 too early tears sockets down.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use super::support::Gate;
use super::support::RawClient;
use super::support::frames::{self, Frame};
use super::support::gate::handshake;
use super::support::mint::{SA_TOKEN_SECRET, sa_token};
use super::support::wait::patience;
use super::support::ws_backend::WsBackend;

const POLICY: &str = "
authenticators:
  im-token:
    from: [{ header: token, prefix: Bearer }]
    sa_token:
      secret: { value: \"$SECRET\" }
      user_types: [im_user]
      sessions: { none: { max_age: 12h } }
routes:
  - { name: ws, match: { path: /ws }, websocket: true, require: { any_of: [im-token] }, upstream: ws }
";

const UPGRADES: usize = 20_000;
const CLIENTS: usize = 8;

#[test]
fn of_20_000_upgrades_none_is_torn_down() {
    let backend = WsBackend::echo();
    let gate = Gate::with(&POLICY.replace("$SECRET", SA_TOKEN_SECRET))
        .upstream("ws", backend.address())
        .workers(2)
        .start();
    let request = handshake("/ws", &format!("token: {}\r\n", sa_token("im_user:7")));

    let torn = AtomicUsize::new(0);
    let start = Instant::now();
    thread::scope(|scope| {
        for _ in 0..CLIENTS {
            scope.spawn(|| {
                for _ in 0..UPGRADES / CLIENTS {
                    let address = gate.address();
                    if !upgrade_and_echo(&mut RawClient::connect(address), &request) {
                        torn.fetch_add(1, Ordering::Relaxed);
                    }
                }
            });
        }
    });
    let elapsed = start.elapsed();
    assert_eq!(torn.into_inner(), 0, "sockets torn down in {elapsed:?}");
    assert_eq!(backend.handshakes().len(), UPGRADES);
    // 90 s with the usual patience of 20 s.
    let limit = patience().mul_f64(4.5).max(Duration::from_secs(90));
    assert!(elapsed < limit, "{UPGRADES} upgrades took {elapsed:?}");
}

/// Whether the socket lives through its handshake, one frame each way, and its Close.
fn upgrade_and_echo(client: &mut RawClient, request: &str) -> bool {
    let frame = Frame::new(frames::TEXT, "one frame of 20 byte");
    let lived = (|| {
        client.try_send(request)?;
        if client.try_answer()?.status() != 101 {
            return Ok(false);
        }
        client.try_send(frame.masked())?;
        let echoed = client.try_frame()? == Some(frame);
        client.try_send(Frame::close(1000).masked())?;
        Ok::<_, std::io::Error>(echoed && client.try_frame()? == Some(Frame::close(1000)))
    })();
    lived.unwrap_or(false)
}

//! The reference configuration as it is shipped, with the keys that its script makes, a real Redis
//! and the two servers that it names; only the addresses are other ones.

use std::fs;
use std::net::SocketAddr;
use std::process::Command;

use tempfile::TempDir;

use super::support::gate::binary;
use super::support::mint::{SOON, sa_token_signed};
use super::support::process::Process;
use super::support::raw::RawClient;
use super::support::redis::Redis;
use super::support::ws_backend::{End, WsBackend};
use super::support::ws_client::WsClient;
use super::support::{Recorder, conf, eventually, net};

/// The shipped file between servers of the test.
struct Site {
    directory: TempDir,
    redis: Redis,
    gateway: Recorder,
    sockets: WsBackend,
    address: SocketAddr,
    _gate: Process,
}

fn site() -> Site {
    let directory = tempfile::tempdir().unwrap();
    conf::make_keys(&directory.path().join("keys"));

    let (redis, gateway, sockets) = (Redis::start(), Recorder::ok(), WsBackend::echo());
    let (address, metrics) = (net::free_address(), net::free_address());
    let addresses = [
        ("0.0.0.0:9688", address),
        ("127.0.0.1:8080", gateway.address()),
        ("127.0.0.1:19688", sockets.address()),
        ("127.0.0.1:6379", redis.address()),
        ("127.0.0.1:9690", metrics),
    ];
    let text = conf::text("imgate.yaml", &addresses);
    let path = directory.path().join("imgate.yaml");
    fs::write(&path, text).unwrap();
    let gate = Process::start(Command::new(binary()).arg("run").arg("-c").arg(&path));
    eventually("the gate is ready", || {
        let connected = std::net::TcpStream::connect(metrics).is_ok();
        (connected && RawClient::connect(metrics).get("/readyz", "").status() == 200).then_some(())
    });
    Site {
        directory,
        redis,
        gateway,
        sockets,
        address,
        _gate: gate,
    }
}

impl Site {
    fn key(&self, name: &str) -> String {
        fs::read_to_string(self.directory.path().join("keys").join(name)).unwrap()
    }

    /// A user who is logged in for `milliseconds`, as RuoYi's Redis has it.
    fn log_in(&self, login_id: &str, milliseconds: u64) -> String {
        let token = sa_token_signed(login_id, &self.key("sa-token"));
        let key = format!("global:Authorization:login:token:{token}");
        self.redis
            .set(&key, &format!("\"{login_id}\""), milliseconds);
        token
    }

    fn upgrade(&self, token: &str, device: &str) -> (u16, String) {
        let headers = format!("token: Bearer {token}\r\ndeviceType: {device}\r\n");
        let mut client = RawClient::connect(self.address);
        client.send(super::support::gate::handshake("/ws", &headers));
        let answer = client.answer();
        (
            answer.status(),
            String::from_utf8_lossy(&answer.body).into_owned(),
        )
    }
}

#[test]
fn a_partner_has_a_key_of_its_own_and_the_backend_sees_its_own() {
    let site = site();
    let partner = format!("X-App-Key: {}\r\n", site.key("partner-a"));
    let mut client = RawClient::connect(site.address);
    assert_eq!(client.get("/openapi/v1/user/login", "").status(), 401);
    assert_eq!(client.get("/openapi/v1/user/login", &partner).status(), 200);
    let received = site.gateway.only().head;
    assert_eq!(
        received.header("x-app-key"),
        Some(&*site.key("backend-app-key"))
    );
    assert_eq!(received.header("x-auth-app-id"), Some("partner-a"));
}

#[test]
fn a_user_gets_in_and_the_session_in_redis_ends_the_socket() {
    let site = site();
    let token = site.log_in("im_user:7", 1000 * SOON.unsigned_abs());
    let mut socket = WsClient::to(site.address, "/ws")
        .header("token", &format!("Bearer {token}"))
        .header("deviceType", "im_web")
        .connect();
    socket.echo("hello");
    let seen = site.sockets.last_handshake();
    assert_eq!(
        seen.header("token"),
        Some(&*token),
        "bare, as netty wants it"
    );
    assert_eq!(seen.header("connection"), Some("Upgrade"));
    assert_eq!(seen.header("x-auth-subject"), Some("7"));
    assert_eq!(socket.expect_close(), 4401);
    assert_eq!(site.sockets.first_end(), End::Close(4401));
}

#[test]
fn whoever_may_not_come_in_is_told_in_the_backends_own_format() {
    let site = site();
    let user = site.log_in("im_user:7", 60_000);
    let admin = site.log_in("sys_user:1", 60_000);
    let stranger = sa_token_signed("im_user:8", &site.key("sa-token"));
    for (case, token, device, status, text) in [
        (
            "an unlisted device",
            &user,
            "web",
            403,
            "im_app_ios, im_app_android",
        ),
        ("another user type", &admin, "im_web", 403, "user type"),
        ("no session in Redis", &stranger, "im_web", 401, "expired"),
    ] {
        let (answered, body) = site.upgrade(token, device);
        assert_eq!(answered, status, "{case}");
        assert!(
            body.starts_with(&format!("{{\"code\":{status},\"msg\":\"")),
            "{case}: {body}"
        );
        assert!(body.contains(text), "{case}: {body}");
    }
    assert!(site.sockets.handshakes().is_empty());
}

//! `OpenIM`: who the query says to be is who the token names.

use super::super::support::Recorder;
use super::super::support::gate::handshake;
use super::super::support::raw::{post, request};
use super::super::support::ws_backend::WsBackend;
use super::super::support::ws_client::WsClient;
use super::{Shipped, Vectors};

struct Site {
    gate: Shipped,
    api: Recorder,
    messages: WsBackend,
    vectors: Vectors,
}

fn site() -> Site {
    let vectors = Vectors::of("openim");
    let (api, messages) = (Recorder::ok(), WsBackend::echo());
    let servers = [
        ("127.0.0.1:10001", messages.address()),
        ("127.0.0.1:10002", api.address()),
    ];
    let gate = Shipped::start("openim.yaml", &servers, &[("openim", &vectors.secret)]);
    Site {
        gate,
        api,
        messages,
        vectors,
    }
}

fn target(token: &str, user: &str, platform: &str) -> String {
    format!("/?token={token}&sendID={user}&platformID={platform}&operationID=1&isBackground=false")
}

#[test]
fn a_socket_opens_for_the_user_and_the_platform_of_its_token() {
    let site = site();
    for (who, token) in &site.vectors.good {
        let (user, platform) = who.split_once(' ').unwrap();
        let target = target(token, user, platform);
        // Administrators have no business at the gate.
        if platform == "10" {
            assert_eq!(site.gate.send(handshake(&target, "")).status(), 403);
            continue;
        }
        WsClient::to(site.gate.address, &target)
            .connect()
            .echo("hello");
        let head = site.messages.last_handshake();
        assert_eq!(head.target(), target, "the query goes on as it came");
        assert_eq!(head.header("x-auth-subject"), Some(user));
        assert_eq!(head.header("x-auth-device-type"), Some(platform));
    }
    let token = &site.vectors.good["9003591174 1"];
    let opened = site.messages.handshakes().len();
    for (target, status, reason) in [
        (target(token, "9003591175", "1"), 403, "subject"),
        (target(token, "9003591174", "5"), 403, "device_type"),
        (target(token, "9003591174", "99"), 403, "device_type"),
        (target(token, "9003591174", "01"), 403, "device_type"),
        (format!("/?token={token}&platformID=1"), 403, "subject"),
        (
            format!("/?token={token}&sendID=9003591174"),
            403,
            "device_type",
        ),
        (
            target(token, "9003591174&sendID=9003591175", "1"),
            400,
            "conflict",
        ),
        (
            target(token, "9003591174&sendid=9003591175", "1"),
            400,
            "conflict",
        ),
        (
            target(token, "9003591174", "1&platformID=5"),
            400,
            "conflict",
        ),
        (
            "/?sendID=9003591174&platformID=1".to_owned(),
            401,
            "no_credential",
        ),
    ] {
        let answer = site.gate.send(handshake(&target, ""));
        assert_eq!(answer.status(), status, "{target}: {}", answer.text());
        assert_eq!(answer.json()["error"], reason, "{target}");
    }
    for (case, token) in &site.vectors.bad {
        let answer = site
            .gate
            .send(handshake(&target(token, "9003591174", "1"), ""));
        assert_eq!(answer.status(), 401, "{case}: {}", answer.text());
    }
    assert_eq!(
        site.messages.handshakes().len(),
        opened,
        "nobody else came through"
    );
}

#[test]
fn one_socket_a_platform() {
    let site = site();
    let open = |platform: &str| {
        let token = &site.vectors.good[&format!("9003591174 {platform}")];
        WsClient::to(site.gate.address, &target(token, "9003591174", platform)).connect()
    };
    let (mut phone, mut page) = (open("1"), open("5"));
    let mut again = open("1");
    assert_eq!(phone.expect_close(), 4409);
    page.echo("still here");
    again.echo("and here");
}

#[test]
fn the_api_takes_the_token_in_a_header_and_administrators_come_rarely() {
    let site = site();
    let call = |token: &str| {
        let headers = format!("token: {token}\r\noperationID: 1\r\n");
        site.gate
            .send(post("/user/get_users_info", &headers, b"{}"))
    };
    for (who, token) in &site.vectors.good {
        assert_eq!(call(token).status(), 200, "{who}");
        let received = site.api.last();
        let (user, _) = who.split_once(' ').unwrap();
        assert_eq!(received.head.header("x-auth-subject"), Some(user));
        assert_eq!(received.head.header("token"), Some(token.as_str()));
    }
    for (case, token) in &site.vectors.bad {
        assert_eq!(call(token).status(), 401, "{case}");
    }
    assert_eq!(site.gate.send(request("GET", "/user/x", "")).status(), 401);
    let statuses = [(); 6].map(|()| {
        let login = post("/auth/get_admin_token", "operationID: 1\r\n", b"{}");
        site.gate.send(login).status()
    });
    assert_eq!(statuses, [200, 200, 200, 200, 200, 429]);
}

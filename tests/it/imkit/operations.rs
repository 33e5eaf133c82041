//! What clients may do and what only servers may: the vendor's table, row by row.

use super::super::support::Recorder;
use super::super::support::raw::request;
use super::{Site, site};

/// Who may do it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Who {
    /// A client with its user's token.
    Client,
    /// A server with its API key.
    Server,
}

use Who::{Client, Server};

/// The operations that the vendor names, with the requests of its interface.
const OPERATIONS: [(&str, &str, &str, Who); 62] = [
    // Allowed to client keys. That of connecting is a test of its own.
    ("receive messages", "GET", "/rooms/r1/messages", Client),
    (
        "receive messages",
        "GET",
        "/rooms/r1/messages/v3?limit=20",
        Client,
    ),
    ("send a message", "POST", "/rooms/r1/message", Client),
    ("say that one is typing", "POST", "/rooms/r1/typing", Client),
    (
        "say how far one has read",
        "PUT",
        "/rooms/r1/lastRead",
        Client,
    ),
    ("join a room", "POST", "/rooms/r1/join", Client),
    ("open a room", "POST", "/rooms/createAndJoin", Client),
    ("bring others", "POST", "/rooms/r1/members", Client),
    ("leave a room", "POST", "/rooms/r1/delete/members", Client),
    ("list rooms", "GET", "/rooms", Client),
    ("list rooms", "GET", "/rooms?skip=0&limit=30", Client),
    ("look at a room", "GET", "/rooms/r1", Client),
    ("list members", "GET", "/rooms/r1/members", Client),
    ("upload a file", "POST", "/files/bucket/", Client),
    ("load a file", "GET", "/files/bucket/f1", Client),
    ("ask for a file", "HEAD", "/files/bucket/f1", Client),
    ("update one's status", "POST", "/me", Client),
    ("look at oneself", "GET", "/me", Client),
    ("count what is unread", "GET", "/me/badge", Client),
    ("mute a room for oneself", "POST", "/me/mute/r1", Client),
    ("unmute it", "DELETE", "/me/mute/r1", Client),
    ("get pushes", "POST", "/me/subscribe", Client),
    ("log out", "POST", "/me/logout", Client),
    ("read the settings", "GET", "/config", Client),
    ("block somebody", "POST", "/blockStatus/my/u2", Client),
    ("unblock somebody", "DELETE", "/blockStatus/my/u2", Client),
    ("list the blocked", "GET", "/blockStatus/my", Client),
    (
        "ban somebody from a room",
        "POST",
        "/blockStatus/room/r1/u2",
        Client,
    ),
    ("search", "POST", "/search", Client),
    // Create or delete users.
    ("create a user", "POST", "/admin/clients", Server),
    ("create users", "POST", "/admin/clients/list", Server),
    ("list users", "GET", "/admin/clients?limit=20", Server),
    ("delete a user", "DELETE", "/admin/clients/u2", Server),
    // Manage the permissions of rooms.
    ("create a room", "POST", "/rooms/", Server),
    ("create a room", "POST", "/rooms", Server),
    ("delete a room", "DELETE", "/rooms/r1", Server),
    ("change or freeze a room", "PUT", "/rooms/r1", Server),
    ("change a role", "PUT", "/rooms/r1/member/u2", Server),
    ("mute a member", "POST", "/admin/clients/u2/mute/r1", Server),
    (
        "unmute a member",
        "DELETE",
        "/admin/clients/u2/mute/r1",
        Server,
    ),
    (
        "delete a message",
        "DELETE",
        "/rooms/r1/messages/m1",
        Server,
    ),
    // The interface for administration.
    ("create a group", "POST", "/admin/groups", Server),
    ("list groups", "GET", "/admin/groups", Server),
    ("read statistics", "GET", "/admin/stats", Server),
    (
        "count connections",
        "GET",
        "/admin/connection-count",
        Server,
    ),
    ("administration itself", "GET", "/admin", Server),
    ("whatever comes", "PATCH", "/admin/new/thing", Server),
    ("send a message as the system", "POST", "/messages", Server),
    (
        "send messages as the system",
        "POST",
        "/messages/batch",
        Server,
    ),
    ("read messages of all", "GET", "/messages/batch", Server),
    ("pin a message", "POST", "/messages/m1/pin", Server),
    ("unpin a message", "DELETE", "/messages/m1/pin", Server),
    ("push to clients", "POST", "/push/push2clients", Server),
    ("count for others", "POST", "/badges/byRoomTags", Server),
    // Change the settings of the app.
    ("change settings", "POST", "/config", Server),
    ("delete a setting", "DELETE", "/config/censorship", Server),
    ("delete settings", "DELETE", "/config", Server),
    // Revoke tokens of others.
    (
        "revoke a token",
        "DELETE",
        "/admin/clients/u2/token",
        Server,
    ),
    ("change a token", "PUT", "/admin/clients/u2/token", Server),
    ("bind a token", "PUT", "/admin/clients/u2/token", Server),
    ("issue a token", "POST", "/admin/clients", Server),
    ("assign a token", "POST", "/admin/clients", Server),
];

/// What a request brings, and what becomes of it.
type Row<'a> = (&'static str, &'a str, u16, &'static str);

fn row<'a>(with: &'static str, headers: &'a str, (status, error): (u16, &'static str)) -> Row<'a> {
    (with, headers, status, error)
}

/// Header lines with good and bad credentials.
struct Credentials {
    client: String,
    user: String,
    both: String,
    server: String,
    api_key_as_client: String,
    client_key_as_api: String,
}

impl Credentials {
    fn of(site: &Site) -> Self {
        let (client_key, api_key) = (site.key("imkit-client"), site.key("imkit-api"));
        let client = format!("IM-CLIENT-KEY: {client_key}\r\n");
        let user = format!("IM-Authorization: {}\r\n", site.token("7", 60));
        Self {
            both: format!("{client}{user}IM-CLIENT-ID: 7\r\n"),
            server: format!("IM-API-KEY: {api_key}\r\n"),
            api_key_as_client: format!("IM-CLIENT-KEY: {api_key}\r\n{user}"),
            client_key_as_api: format!("IM-API-KEY: {client_key}\r\n"),
            client,
            user,
        }
    }

    fn rows(&self, who: Who) -> [Row<'_>; 9] {
        let missing = match who {
            Client => "MISSING_CLIENT_KEY",
            Server => "MISSING_API_KEY",
        };
        let for_client = |client: (u16, &'static str), server: (u16, &'static str)| match who {
            Client => client,
            Server => server,
        };
        let insufficient = (403, "INSUFFICIENT_PERMISSIONS");
        [
            ("nothing", "", 401, missing),
            row(
                "the client key alone",
                &self.client,
                for_client((401, "UNAUTHORIZED"), insufficient),
            ),
            ("the token alone", &self.user, 401, missing),
            row(
                "client key and token",
                &self.both,
                for_client((200, ""), insufficient),
            ),
            row(
                "the API key",
                &self.server,
                for_client((401, missing), (200, "")),
            ),
            row(
                "the API key for a client key",
                &self.api_key_as_client,
                for_client((401, "INVALID_CLIENT_KEY"), (401, missing)),
            ),
            row(
                "the client key for an API key",
                &self.client_key_as_api,
                for_client((401, missing), insufficient),
            ),
            row(
                "a wrong client key",
                "IM-CLIENT-KEY: x\r\n",
                for_client((401, "INVALID_CLIENT_KEY"), (401, missing)),
            ),
            row(
                "a wrong API key",
                "IM-API-KEY: x\r\n",
                for_client((401, missing), (401, "INVALID_API_KEY")),
            ),
        ]
    }
}

#[test]
fn every_operation_is_for_those_whom_the_table_names() {
    let backend = Recorder::ok();
    let site = site(backend.address());
    let credentials = Credentials::of(&site);
    for (what, method, path, who) in OPERATIONS {
        for (with, headers, status, error) in credentials.rows(who) {
            let case = format!("{what}, {method} {path}, with {with}");
            let mut sent = site.gate.client();
            sent.send(request(method, path, headers));
            let answer = if method == "HEAD" {
                sent.answer_to_head()
            } else {
                sent.answer()
            };
            assert_eq!(answer.status(), status, "{case}: {}", answer.text());
            let reached = backend.take();
            if status == 200 {
                let [received] = &reached[..] else {
                    panic!("{case}: {} requests", reached.len())
                };
                let head = &received.head;
                assert_eq!((head.method(), head.target()), (method, path), "{case}");
                let app = if who == Client { "shop" } else { "server" };
                assert_eq!(head.header("x-auth-app-id"), Some(app), "{case}");
                let subject = (who == Client).then_some("7");
                assert_eq!(head.header("x-auth-subject"), subject, "{case}");
            } else {
                assert!(reached.is_empty(), "{case}");
                if method != "HEAD" {
                    assert_eq!(answer.json()["error"], error, "{case}");
                }
            }
        }
    }
}

#[test]
fn what_the_interface_does_not_have_is_closed() {
    let backend = Recorder::ok();
    let site = site(backend.address());
    let all = format!(
        "IM-CLIENT-KEY: {}\r\nIM-Authorization: {}\r\nIM-API-KEY: {}\r\n",
        site.key("imkit-client"),
        site.token("7", 60),
        site.key("imkit-api"),
    );
    for (method, path, status) in [
        ("GET", "/", 404),
        ("GET", "/internal", 404),
        ("POST", "/Admin/clients", 404),
        ("GET", "/ROOMS", 404),
        ("POST", "/rooms/createandjoin", 404),
        ("POST", "/rooms/r1/JOIN", 404),
        // A backend that ignores the slash would have a client do what only servers may, or the
        // other way round.
        ("POST", "/rooms/r1/join/", 404),
        ("POST", "/search/", 404),
        ("GET", "/search", 405),
        ("PATCH", "/rooms/r1", 405),
        ("PUT", "/config", 405),
        ("DELETE", "/files/bucket/f1", 405),
        ("GET", "/rooms/r1/join", 405),
        ("GET", "/socket.io/?EIO=4&transport=polling", 426),
    ] {
        let answer = site.gate.send(request(method, path, &all));
        assert_eq!(answer.status(), status, "{method} {path}");
    }
    assert!(backend.requests().is_empty());
}

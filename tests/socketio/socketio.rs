//! The real `socket.io-client` before the gate, a real `socket.io` server behind it, and between them
//! the configuration for IMKIT as it is shipped.
//!
//! README.md beside this file says what is pinned and how it is fetched.

use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};

use super::imkit::site;
use super::support::process::Process;
use super::support::wait::eventually_within;
use super::support::{Gate, net};

mod parsers;

/// Node has to start, on a machine that has other things to do.
const PATIENCE: Duration = Duration::from_mins(2);

/// The spellings of the two SDKs: for Vue, and for Flutter.
const SPELLINGS: [[&str; 2]; 2] = [
    ["CLIENT_KEY", "Authorization"],
    ["IM-CLIENT-KEY", "IM-Authorization"],
];

fn node(script: &str) -> Command {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let installed: PathBuf = root.join("target/socketio/node_modules");
    assert!(
        installed.is_dir(),
        "{} is missing, `make setup` installs it",
        installed.display()
    );
    let mut command = Command::new("node");
    command.env("NODE_PATH", installed);
    command.arg(root.join("tests/socketio").join(script));
    command
}

/// The server. It is ended by its process id when it is dropped.
struct Server {
    process: Process,
    address: SocketAddr,
}

impl Server {
    #[track_caller]
    fn start() -> Self {
        let address = net::free_address();
        let mut process = Process::start(node("server.js").arg(address.port().to_string()));
        eventually_within(PATIENCE, "the server listens", || {
            if let Some(status) = process.has_ended() {
                panic!("it ended, {status}:\n{}", process.output());
            }
            TcpStream::connect(address).ok().map(drop)
        });
        Self { process, address }
    }

    /// What it has said so far.
    fn lines(&self) -> Vec<Value> {
        lines(&self.process)
    }

    /// Waits until it has said this.
    #[track_caller]
    fn says(&self, line: &Value) {
        eventually_within(PATIENCE, "the server says it", || {
            self.lines().contains(line).then_some(())
        });
    }
}

fn lines(process: &Process) -> Vec<Value> {
    let output = process.output();
    let whole = output
        .split_inclusive('\n')
        .filter(|line| line.ends_with('\n'));
    whole
        .map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("not a line: {output}")))
        .collect()
}

/// What a client says that goes through these steps.
#[track_caller]
fn client(gate: &Gate, options: &Value, steps: &[Value]) -> Vec<Value> {
    let url = format!("http://{}", gate.address());
    let steps = Value::from(steps.to_vec());
    let mut process =
        Process::start(node("client.js").args([url, options.to_string(), steps.to_string()]));
    eventually_within(PATIENCE, "the client ends", || process.has_ended());
    lines(&process)
}

fn websocket() -> Value {
    json!({ "transports": ["websocket"] })
}

fn auth2(how: &str, [key_name, token_name]: [&str; 2], key: &str, token: &str) -> Value {
    json!([how, "auth2", token, { key_name: key, token_name: token }])
}

fn announcement() -> Value {
    json!(["event", "announcement", "for members"])
}

#[test]
fn a_client_is_let_in_in_both_spellings_with_and_without_an_answer() {
    let server = Server::start();
    let site = site(server.address);
    let (key, token) = (site.key("imkit-client"), site.token("7", 60));
    for spelling in SPELLINGS {
        for how in ["emit", "ask"] {
            let steps = [
                auth2(how, spelling, &key, &token),
                json!(["until", "announcement"]),
                json!(["emit", "chat message", "hello"]),
                json!(["until", "chat message"]),
                json!(["file", 100_000]),
            ];
            let said = client(&site.gate, &websocket(), &steps);
            // The announcement was made before, and waited.
            let mut expected = vec![json!(["connect"]), announcement()];
            if how == "ask" {
                expected.push(json!(["answer", "auth2", { "RC": 0, "RM": "OK" }]));
            }
            expected.extend([
                json!(["event", "chat message", "echo: hello"]),
                json!(["file", true, 100_000]),
                json!(["done"]),
                json!(["disconnect", "io client disconnect", null]),
            ]);
            assert_eq!(said, expected, "{spelling:?} {how}");
            let mut names = spelling;
            // So does JSON write them here.
            names.sort_unstable();
            server.says(&json!(["auth2", token.len(), names]));
        }
    }
}

#[test]
fn the_sdk_for_flutter_gets_both_answers_and_what_was_said_meanwhile_in_between() {
    let server = Server::start();
    let site = site(server.address);
    let (key, token) = (site.key("imkit-client"), site.token("7", 60));
    let steps = [
        json!(["ask", "conf", { "encoding": "base64" }]),
        auth2("ask", SPELLINGS[1], &key, &token),
    ];
    let said = client(&site.gate, &websocket(), &steps);
    let expected = [
        json!(["connect"]),
        json!(["answer", "conf", "ok"]),
        announcement(),
        // {"RC":0,"RM":"OK"}
        json!(["answer", "auth2", "eyJSQyI6MCwiUk0iOiJPSyJ9"]),
        json!(["done"]),
        json!(["disconnect", "io client disconnect", null]),
    ];
    assert_eq!(said, expected);
}

#[test]
fn a_bad_credential_is_answered_as_the_server_would_and_closed() {
    let server = Server::start();
    let site = site(server.address);
    let (key, token) = (site.key("imkit-client"), site.token("7", 60));
    let expired = site.token("7", -5);
    let api_key = site.key("imkit-api");
    let [vue, flutter] = SPELLINGS;
    for (case, spelling, key, token, code) in [
        ("no token", vue, &*key, "forged", "INVALID_TOKEN"),
        ("an old token", flutter, &key, &expired, "INVALID_TOKEN"),
        (
            "another key",
            flutter,
            "another",
            &token,
            "INVALID_CLIENT_KEY",
        ),
        (
            "the server's key",
            vue,
            &api_key,
            &token,
            "INVALID_CLIENT_KEY",
        ),
    ] {
        let steps = [
            auth2("ask", spelling, key, token),
            json!(["until", "never"]),
        ];
        let said = client(&site.gate, &websocket(), &steps);
        let [connect, answer, disconnect] = &said[..] else {
            panic!("{case}: {said:?}")
        };
        assert_eq!(*connect, json!(["connect"]), "{case}");
        let answer = &answer[2];
        let told = (&answer["RC"], &answer["RM"]);
        assert_eq!(told, (&json!(401), &json!("Unauthorized")), "{case}");
        assert_eq!(answer["error"]["code"], code, "{case}");
        let closed = json!(["disconnect", "transport close", 4401]);
        assert_eq!(*disconnect, closed, "{case}");
    }
    // Nobody waits for an answer: the packet that the client knows comes before the code.
    let steps = [
        auth2("emit", SPELLINGS[0], &key, "forged"),
        json!(["until", "never"]),
    ];
    let said = client(&site.gate, &websocket(), &steps);
    let told = json!(["disconnect", "io server disconnect", null]);
    assert_eq!(said, [json!(["connect"]), told]);
    let heard = server.lines();
    assert!(heard.iter().all(|line| line[0] != "auth2"), "{heard:?}");
}

#[test]
fn who_says_nothing_hears_nothing_and_is_closed() {
    let server = Server::start();
    let site = super::imkit::site_with(server.address, |text| {
        text.replace("deadline: 10s", "deadline: 1s")
    });
    let said = client(
        &site.gate,
        &websocket(),
        &[json!(["until", "announcement"])],
    );
    let closed = json!(["disconnect", "transport close", 4408]);
    assert_eq!(said, [json!(["connect"]), closed]);
}

#[test]
fn who_is_in_may_prove_it_again_but_not_be_somebody_else() {
    let server = Server::start();
    let site = site(server.address);
    let key = site.key("imkit-client");
    let first = auth2("ask", SPELLINGS[0], &key, &site.token("7", 60));
    let again = |subject: &str, seconds| {
        let again = auth2("ask", SPELLINGS[1], &key, &site.token(subject, seconds));
        [
            first.clone(),
            again,
            json!(["emit", "chat message", "hi"]),
            json!(["until", "chat message"]),
        ]
    };
    let welcome = json!(["answer", "auth2", { "RC": 0, "RM": "OK" }]);
    let said = client(&site.gate, &websocket(), &again("7", 120));
    let expected = [
        json!(["connect"]),
        announcement(),
        welcome.clone(),
        welcome.clone(),
        json!(["event", "chat message", "echo: hi"]),
        json!(["done"]),
        json!(["disconnect", "io client disconnect", null]),
    ];
    assert_eq!(said, expected);
    for (case, subject, seconds) in [("somebody else", "8", 60), ("an old token", "7", -5)] {
        let said = client(&site.gate, &websocket(), &again(subject, seconds));
        let expected = [
            json!(["connect"]),
            announcement(),
            welcome.clone(),
            json!(["disconnect", "transport close", 4401]),
        ];
        assert_eq!(said, expected, "{case}");
    }
    let heard = server.lines();
    let proofs = heard.iter().filter(|line| line[0] == "auth2").count();
    assert_eq!(proofs, 4, "{heard:?}");
}

#[test]
fn only_websocket_is_spoken() {
    let server = Server::start();
    let site = site(server.address);
    for transports in [json!(["polling"]), json!(["polling", "websocket"])] {
        let options = json!({ "transports": transports });
        let said = client(&site.gate, &options, &[]);
        assert_eq!(said.len(), 1, "{said:?}");
        assert_eq!(said[0][0], "connect_error");
    }
    assert!(server.lines().is_empty());
}

//! A page in a tab of its own, and what it does.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::chromium::Chromium;
use crate::support::eventually;

/// Cookies and cache are those of its profile; it ends when the page is dropped.
#[derive(Debug)]
pub(super) struct Page {
    chromium: Arc<Chromium>,
    profile: Arc<Profile>,
    /// Names the tab in commands.
    session: String,
}

/// What tabs share that know the same cookies.
#[derive(Debug)]
struct Profile {
    chromium: Arc<Chromium>,
    id: String,
}

/// A socket of a page.
#[derive(Clone, Debug)]
pub(super) struct Socket {
    number: Value,
    /// The subprotocol that was answered; empty if none was.
    pub(super) protocol: String,
}

/// What became of an attempt to connect.
#[derive(Debug)]
pub(super) enum Attempt {
    Opened(Socket),
    Failed(End),
}

/// How a socket ended, as the page was told.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct End {
    pub(super) code: u64,
    pub(super) reason: String,
    /// Both sides had said goodbye.
    pub(super) clean: bool,
}

/// What a page sees of a plain request.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Asked {
    Answered {
        status: u64,
        text: String,
    },
    /// The name of the error, which is all that there is.
    Failed(String),
}

impl Page {
    /// A page in a profile that nobody else has.
    pub(super) fn open(chromium: &Arc<Chromium>, address: &str) -> Self {
        let created = chromium.command(None, "Target.createBrowserContext", &json!({}));
        let profile = Profile {
            chromium: Arc::clone(chromium),
            id: text(&created["browserContextId"]),
        };
        Self::in_profile(Arc::new(profile), address)
    }

    /// A page in a second tab, which has the same cookies.
    pub(super) fn beside(&self, address: &str) -> Self {
        Self::in_profile(Arc::clone(&self.profile), address)
    }

    fn in_profile(profile: Arc<Profile>, address: &str) -> Self {
        let chromium = Arc::clone(&profile.chromium);
        let parameters = json!({ "url": "about:blank", "browserContextId": profile.id });
        let target = chromium.command(None, "Target.createTarget", &parameters);
        let parameters = json!({ "targetId": target["targetId"], "flatten": true });
        let attached = chromium.command(None, "Target.attachToTarget", &parameters);
        let page = Self {
            session: text(&attached["sessionId"]),
            chromium,
            profile,
        };
        page.go_to(address);
        page
    }

    pub(super) fn go_to(&self, address: &str) {
        let gone = self.command("Page.navigate", &json!({ "url": address }));
        assert!(gone.get("errorText").is_none(), "{address}: {gone}");
        let script = format!(
            "location.href === {} && document.readyState === 'complete'",
            json!(address)
        );
        eventually("the page is there", || {
            (self.run(&script) == json!(true)).then_some(())
        });
    }

    pub(super) fn connect(&self, address: &str, protocols: &[&str]) -> Attempt {
        let answer = self.run(&format!(
            "page.connect({}, {})",
            json!(address),
            json!(protocols)
        ));
        if answer.get("end").is_some() {
            return Attempt::Failed(end(&answer["end"]));
        }
        Attempt::Opened(Socket {
            number: answer["number"].clone(),
            protocol: text(&answer["protocol"]),
        })
    }

    /// Says something and hears the backend's echo.
    #[track_caller]
    pub(super) fn echo(&self, socket: &Socket, said: &str) {
        let number = &socket.number;
        let heard = self.run(&format!(
            "page.say({number}, {}), page.hear({number})",
            json!(said)
        ));
        assert_eq!(heard, json!(said), "the backend's echo");
    }

    /// Waits until the socket has ended.
    pub(super) fn end(&self, socket: &Socket) -> End {
        end(&self.run(&format!("page.end({})", socket.number)))
    }

    /// Sends a plain request by `fetch`.
    pub(super) fn ask(&self, address: &str, options: &Value) -> Asked {
        let answer = self.run(&format!("page.ask({}, {options})", json!(address)));
        match answer["status"].as_u64() {
            Some(status) => Asked::Answered {
                status,
                text: text(&answer["text"]),
            },
            None => Asked::Failed(text(&answer["error"])),
        }
    }

    /// Evaluates a script; a promise is waited for.
    #[track_caller]
    pub(super) fn run(&self, script: &str) -> Value {
        let parameters =
            json!({ "expression": script, "awaitPromise": true, "returnByValue": true });
        let answer = self.command("Runtime.evaluate", &parameters);
        let thrown = &answer["exceptionDetails"];
        assert!(thrown.is_null(), "the page throws: {thrown}");
        answer["result"]["value"].clone()
    }

    fn command(&self, method: &str, parameters: &Value) -> Value {
        self.chromium
            .command(Some(&self.session), method, parameters)
    }

    /// Keeps what the page shows, in the directory that `IMGATE_TEST_SCREENSHOTS` names.
    pub(super) fn photograph(&self, name: &str) {
        let Ok(directory) = std::env::var("IMGATE_TEST_SCREENSHOTS") else {
            return;
        };
        let picture = self.command("Page.captureScreenshot", &json!({}));
        let bytes = STANDARD.decode(text(&picture["data"])).unwrap();
        fs::write(Path::new(&directory).join(format!("{name}.png")), bytes).unwrap();
    }
}

impl Drop for Profile {
    fn drop(&mut self) {
        let parameters = json!({ "browserContextId": self.id });
        self.chromium
            .send(None, "Target.disposeBrowserContext", &parameters);
    }
}

impl Attempt {
    #[track_caller]
    pub(super) fn opened(self) -> Socket {
        match self {
            Self::Opened(socket) => socket,
            Self::Failed(end) => panic!("the socket did not open: {end:?}"),
        }
    }

    /// A refused handshake, of which a page may know nothing.
    #[track_caller]
    pub(super) fn expect_refused(self) {
        let nothing = End {
            code: 1006,
            reason: String::new(),
            clean: false,
        };
        match self {
            Self::Opened(socket) => panic!("the socket opened: {socket:?}"),
            Self::Failed(end) => assert_eq!(end, nothing),
        }
    }
}

impl End {
    pub(super) fn of(code: u64, reason: &str) -> Self {
        Self {
            code,
            reason: reason.to_owned(),
            clean: true,
        }
    }
}

fn end(value: &Value) -> End {
    End {
        code: value["code"].as_u64().unwrap(),
        reason: text(&value["reason"]),
        clean: value["clean"].as_bool().unwrap(),
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}

//! The steps themselves, in order.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rustix::process::{Signal, getpid, kill_process};
use serde_json::Value;

use super::{
    Answer, Ask, Duration, Event, Expected, Instant, Socket, Tour, TourError, Url, client, curl,
    hear, hear_within, say, tell,
};
use crate::cli::demo::command::quoted;

pub(in crate::cli::demo) const STEPS: u8 = 10;

/// How much earlier or later than its token a socket may end.
const TOLERANCE: Duration = Duration::from_secs(2);
const HITS: &str = "imgate_verdict_cache_hits_total";
const HITS_OF_TOKENS: &str = r#"imgate_verdict_cache_hits_total{authenticator="im-token"}"#;
const ADA: &str = r#"{"id":"7","nickname":"Ada","device":"im_web"}"#;
const BO: &str = r#"{"id":"8","nickname":"Bo","device":"im_pc_mac"}"#;
const ROOT: &str = r#"{"id":"1","nickname":"Root","device":"im_web","userType":"sys_user"}"#;
const DEVICES: [&str; 5] = [
    "im_app_ios",
    "im_app_android",
    "im_web",
    "im_pc_win",
    "im_pc_mac",
];

/// What the tour holds from one step to another.
struct Guests {
    ada: Socket,
    bo: Socket,
    /// As the login answers it, `Bearer` included.
    ada_token: String,
}

impl Tour {
    /// Takes every step; the first that fails is the last.
    ///
    /// Answers a token for the visitor's own tries, `Bearer` included.
    pub(in crate::cli::demo) async fn run(&mut self) -> Result<String, TourError> {
        self.introduce();
        self.wait_until_ready().await?;
        self.login_without_key().await?;
        self.login_with_a_wrong_key().await?;
        let ada_token = self.login_with_the_key().await?;
        let mut guests = self.two_sockets(ada_token).await?;
        self.no_token().await?;
        self.wrong_user_type().await?;
        self.wrong_device(&guests.ada_token).await?;
        self.token_ends().await?;
        self.cache_hit(&guests.ada_token).await?;
        self.key_changes(&mut guests).await
    }

    fn introduce(&self) {
        let ports = self.site.ports;
        say(&format!(
            "A chat backend listens on 127.0.0.1:{}. It knows one application key, and its\n\
             WebSocket room lets everybody in. The gate before it listens on 127.0.0.1:{},\n\
             its metrics are on 127.0.0.1:{}, its configuration is\n{}",
            ports.backend,
            ports.gate,
            ports.metrics,
            self.site.configuration().display(),
        ));
    }

    async fn login_without_key(&mut self) -> Result<(), TourError> {
        self.begin("A partner's server asks for a token, but shows no key");
        let ask = self.login(ADA).without_key();
        let expected = Expected {
            status: 401,
            reason: "no_credential",
            says: &[r#""code":401"#],
        };
        self.ask(&ask, expected).await.map(drop)
    }

    async fn login_with_a_wrong_key(&mut self) -> Result<(), TourError> {
        self.begin("The same with a wrong key");
        let ask = self.login(ADA).with_key("wrong");
        let expected = Expected {
            status: 401,
            reason: "unknown_key",
            says: &[r#""code":401"#],
        };
        self.ask(&ask, expected).await.map(drop)
    }

    async fn login_with_the_key(&mut self) -> Result<String, TourError> {
        self.begin("With the partner's key; the gate exchanges it for the one the backend knows");
        self.log_in(ADA).await
    }

    async fn two_sockets(&mut self, ada_token: String) -> Result<Guests, TourError> {
        self.begin("Two users come in: Ada with headers, Bo as a browser can, with a subprotocol");
        let (mut ada, _) = self.open(&self.with_header(&ada_token, "im_web")).await?;
        let bo_token = self.log_in(BO).await?;
        let bare = bo_token.strip_prefix("Bearer ").unwrap_or(&bo_token);
        let offer = format!("imgate.bearer.{}, chat", URL_SAFE_NO_PAD.encode(bare));
        let ask = Ask::get(self.socket("/ws?deviceType=im_pc_mac"))
            .header("Sec-WebSocket-Protocol", offer);
        let (mut bo, answer) = self.open(&ask).await?;
        if answer.header("sec-websocket-protocol") != Some("chat") {
            return Err(TourError::Unexpected("the subprotocol `chat`".to_owned()));
        }
        tell("Ada", &mut ada, "hello, room").await?;
        hear("Ada", &mut ada, &text("hello, room")).await?;
        // The name comes from the gate: the backend looks into no token.
        hear("Bo ", &mut bo, &text("7: hello, room")).await?;
        Ok(Guests { ada, bo, ada_token })
    }

    async fn no_token(&mut self) -> Result<(), TourError> {
        self.begin("A WebSocket without a token");
        let ask = Ask::get(self.socket("/ws")).header("deviceType", "im_web");
        let expected = Expected {
            status: 401,
            reason: "no_credential",
            says: &[r#""code":401"#],
        };
        self.refused(&ask, expected).await
    }

    async fn wrong_user_type(&mut self) -> Result<(), TourError> {
        self.begin("A genuine token, but of a user of the administration");
        let token = self.log_in(ROOT).await?;
        let expected = Expected {
            status: 403,
            reason: "user_type",
            says: &[r#""code":403"#],
        };
        self.refused(&self.with_header(&token, "im_web"), expected)
            .await
    }

    async fn wrong_device(&mut self, token: &str) -> Result<(), TourError> {
        self.begin("Ada's token from a device type that is not served; the answer lists those");
        let expected = Expected {
            status: 403,
            reason: "device_type",
            says: &DEVICES,
        };
        self.refused(&self.with_header(token, "web"), expected)
            .await
    }

    async fn token_ends(&mut self) -> Result<(), TourError> {
        let life = self.short_life;
        self.begin(&format!(
            "A token for {} seconds: the gate closes the socket when it ends",
            life.as_secs()
        ));
        let user = format!(
            r#"{{"id":"9","nickname":"Cy","device":"im_web","ttlSeconds":{}}}"#,
            life.as_secs()
        );
        let token = self.log_in(&user).await?;
        let minted = Instant::now();
        let (mut cy, answer) = self.open(&self.with_header(&token, "im_web")).await?;
        say("... nothing happens, until");
        let end = Event::Closed {
            code: Some(4401),
            reason: "token expired".to_owned(),
        };
        hear_within(life + TOLERANCE, "Cy ", &mut cy, &end).await?;
        let lived = minted.elapsed();
        say(&format!("after {:.1} seconds", lived.as_secs_f64()));
        drop(cy);
        if lived + TOLERANCE < life {
            return Err(TourError::Unexpected(
                "the socket to live as long as its token".to_owned(),
            ));
        }
        let id = answer.header("x-request-id").unwrap_or_default();
        self.logged(&[
            ("message", "session"),
            ("request_id", id),
            ("reason", "expired"),
        ])
        .await
    }

    async fn cache_hit(&mut self, token: &str) -> Result<(), TourError> {
        self.begin("Ada's token again: it was verified before, so its verdict is remembered");
        let before = self.cache_hits().await?;
        let (mut socket, _) = self.open(&self.with_header(token, "im_web")).await?;
        let after = self.cache_hits().await?;
        if after <= before {
            return Err(TourError::Unexpected(
                "a higher count than before".to_owned(),
            ));
        }
        self.leave("Ada", &mut socket).await
    }

    /// Prints the counters of remembered verdicts; that of the tokens.
    async fn cache_hits(&self) -> Result<u64, TourError> {
        say(&format!(
            "$ curl -s {} | grep {HITS}",
            self.metrics("/metrics")
        ));
        let answer = client::send(&Ask::get(self.metrics("/metrics"))).await?;
        let mut hits = 0;
        for line in answer.body.lines().filter(|line| line.starts_with(HITS)) {
            say(line);
            if let Some(count) = line.strip_prefix(HITS_OF_TOKENS) {
                hits = count.trim().parse().unwrap_or(0);
            }
        }
        Ok(hits)
    }

    async fn key_changes(&mut self, guests: &mut Guests) -> Result<String, TourError> {
        self.begin("The partner's key is changed while Ada and Bo stay connected");
        let old_key = self.site.partner_key.clone();
        self.site.change_partner_key().map_err(TourError::Site)?;
        say(&format!(
            "$ {}",
            self.change_command(&self.site.partner_key)
        ));
        kill_process(getpid(), Signal::HUP).map_err(|error| TourError::Signal(error.into()))?;
        self.logged(&[("message", "configuration reloaded")])
            .await?;

        let login = self.login(ADA);
        let expected = Expected {
            status: 401,
            reason: "unknown_key",
            says: &[r#""code":401"#],
        };
        self.ask(&login.clone().with_key(&old_key), expected)
            .await?;
        let token = self.log_in(ADA).await?;
        let Guests {
            ada,
            bo,
            ada_token: _,
        } = guests;
        tell("Ada", ada, "still here").await?;
        hear("Ada", ada, &text("still here")).await?;
        hear("Bo ", bo, &text("7: still here")).await?;
        self.leave("Ada", ada).await?;
        self.leave("Bo ", bo).await?;
        Ok(token)
    }

    /// Says what a visitor can try, with commands that work now.
    pub(in crate::cli::demo) fn suggest(&self, token: &str) {
        let ada = self.program.connect(&self.with_header(token, "im_web"));
        let room = Ask::get(Url::local("ws", self.site.ports.backend, "/ws"));
        say("\nThe gate and the backend stay up; Ctrl-C ends them. To try:");
        say(&format!(
            "\nthe room in a browser: {}#{}",
            self.gate("/"),
            self.site.partner_key
        ));
        for (what, command) in [
            ("a guest who stays", format!("{ada} --until-close")),
            (
                "one who talks, from another terminal",
                format!("{ada} --send hello"),
            ),
            (
                "the room without a gate before it",
                format!("{} --send hello", self.program.connect(&room)),
            ),
            ("a new token", curl(&self.login(ADA))),
            (
                "another key for the partner",
                self.change_command("another-key"),
            ),
            (
                "all that is counted",
                format!("curl -s {}", self.metrics("/metrics")),
            ),
        ] {
            say(&format!("\n# {what}\n$ {command}"));
        }
        say("\nThe gate's log goes on here.\n");
    }

    /// Logs in with the partner's key of the moment; the answer's token, `Bearer` included.
    async fn log_in(&mut self, user: &str) -> Result<String, TourError> {
        let ask = self.login(user);
        let expected = Expected {
            status: 200,
            reason: "ok",
            says: &[r#""code":200"#],
        };
        let answer = self.ask(&ask, expected).await?;
        token(&answer).ok_or_else(|| TourError::Unexpected("a token in the body".to_owned()))
    }

    fn login(&self, user: &str) -> Ask {
        Ask::post(self.gate("/openapi/v1/user/login"), user).with_key(&self.site.partner_key)
    }

    fn with_header(&self, token: &str, device_type: &str) -> Ask {
        Ask::get(self.socket("/ws"))
            .header("token", token)
            .header("deviceType", device_type)
    }

    async fn leave(&self, who: &str, socket: &mut Socket) -> Result<(), TourError> {
        say(&format!("{who} > close 1000"));
        socket.close().await?;
        let end = Event::Closed {
            code: Some(1000),
            reason: String::new(),
        };
        hear(who, socket, &end).await
    }

    fn change_command(&self, key: &str) -> String {
        let file = self.site.partner_key_file().display().to_string();
        let process = getpid().as_raw_nonzero();
        format!(
            "printf %s {} > {} && kill -HUP {process}",
            quoted(key),
            quoted(&file)
        )
    }
}

impl Ask {
    fn with_key(self, key: &str) -> Self {
        self.without_key().header("X-App-Key", key)
    }

    fn without_key(mut self) -> Self {
        self.headers.retain(|(name, _)| name != "X-App-Key");
        self
    }
}

fn text(text: &str) -> Event {
    Event::Text(text.to_owned())
}

fn token(answer: &Answer) -> Option<String> {
    let body: Value = serde_json::from_str(&answer.body).ok()?;
    Some(body.pointer("/data/token")?.as_str()?.to_owned())
}

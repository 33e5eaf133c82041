//! The tour: ten things that the gate does, each asked for over TCP and checked.
//!
//! Every step prints the command that asks the same, the answer, and what the gate logged about
//! it. The first answer that is not as expected ends the tour.

use std::io;
use std::time::Duration;

use tokio::time::{Instant, sleep, timeout};

use super::client::{self, Answer, Ask, ClientError, Event, Opened, Socket, Url};
use super::command::{Program, curl};
use super::log::Log;
use super::site::Site;
use crate::cli::say;

mod steps;

pub(super) use steps::STEPS;

/// How long the gate may take to be ready, and a frame to arrive.
const PATIENCE: Duration = Duration::from_secs(10);
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// What the tour knows.
#[derive(Debug)]
pub(super) struct Tour {
    site: Site,
    pub(super) log: Log,
    program: Program,
    /// Of the token that ends during the tour.
    short_life: Duration,
    step: u8,
}

/// What an answer must be.
#[derive(Clone, Copy, Debug)]
struct Expected<'a> {
    status: u16,
    /// As the gate logs it.
    reason: &'a str,
    /// All of these stand in the body.
    says: &'a [&'a str],
}

/// Why a step failed.
#[derive(Debug, thiserror::Error)]
pub(super) enum TourError {
    #[error(transparent)]
    Client(#[from] ClientError),
    #[error("the gate's log says nothing of it; is `IMGATE_LOG` set?")]
    NotLogged,
    #[error("the gate is not ready after {} seconds", PATIENCE.as_secs())]
    NotReady,
    #[error("the gate could not be signalled: {0}")]
    Signal(io::Error),
    #[error("the key could not be changed: {0}")]
    Site(io::Error),
    #[error("expected {0}")]
    Unexpected(String),
}

impl Tour {
    pub(super) fn new(site: Site, log: Log, short_life: Duration) -> Self {
        Self {
            site,
            log,
            program: Program::of_this_process(),
            short_life,
            step: 0,
        }
    }

    /// The step that was begun last.
    pub(super) const fn step(&self) -> u8 {
        self.step
    }

    fn begin(&mut self, title: &str) {
        self.step += 1;
        say(&format!("\n{}. {title}\n", self.step));
    }

    /// Sends a request through the gate and checks the answer.
    async fn ask(&mut self, ask: &Ask, expected: Expected<'_>) -> Result<Answer, TourError> {
        say(&format!("$ {}", curl(ask)));
        let answer = client::send(ask).await?;
        self.judge(&answer, expected).await?;
        Ok(answer)
    }

    /// Opens a WebSocket through the gate.
    async fn open(&mut self, ask: &Ask) -> Result<(Socket, Answer), TourError> {
        say(&format!("$ {} --until-close", self.program.connect(ask)));
        let (socket, answer) = match client::open(ask).await? {
            Opened::Socket(socket, answer) => (Some(socket), answer),
            Opened::Refused(answer) => (None, answer),
        };
        self.judge(
            &answer,
            Expected {
                status: 101,
                reason: "ok",
                says: &[],
            },
        )
        .await?;
        let socket = socket.ok_or_else(|| TourError::Unexpected("an open socket".to_owned()))?;
        Ok((*socket, answer))
    }

    /// Asks for a WebSocket that the gate must refuse.
    async fn refused(&mut self, ask: &Ask, expected: Expected<'_>) -> Result<(), TourError> {
        say(&format!("$ {}", self.program.connect(ask)));
        let (Opened::Socket(_, answer) | Opened::Refused(answer)) = client::open(ask).await?;
        self.judge(&answer, expected).await
    }

    /// Prints an answer and its log line, and compares both with what they must be.
    async fn judge(&mut self, answer: &Answer, expected: Expected<'_>) -> Result<(), TourError> {
        say(&answer.to_string());
        let Expected {
            status,
            reason,
            says,
        } = expected;
        if answer.status != status {
            return Err(TourError::Unexpected(format!("status {status}")));
        }
        if let Some(missing) = says.iter().find(|words| !answer.body.contains(**words)) {
            return Err(TourError::Unexpected(format!("`{missing}` in the body")));
        }
        let id = answer.header("x-request-id").unwrap_or_default().to_owned();
        self.logged(&[
            ("message", "request"),
            ("request_id", &id),
            ("reason", reason),
        ])
        .await
    }

    /// Prints the gate's line with these fields.
    async fn logged(&mut self, fields: &[(&str, &str)]) -> Result<(), TourError> {
        let line = self.log.line(fields).await.ok_or(TourError::NotLogged)?;
        say(&format!("the gate logs: {line}"));
        Ok(())
    }

    async fn wait_until_ready(&self) -> Result<(), TourError> {
        let ready = Ask::get(self.metrics("/readyz"));
        let attempt = async {
            while !client::send(&ready)
                .await
                .is_ok_and(|answer| answer.status == 200)
            {
                sleep(LOOK_AGAIN).await;
            }
        };
        timeout(PATIENCE, attempt)
            .await
            .map_err(|_| TourError::NotReady)
    }

    fn gate(&self, path: &str) -> Url {
        Url::local("http", self.site.ports.gate, path)
    }

    fn socket(&self, path: &str) -> Url {
        Url::local("ws", self.site.ports.gate, path)
    }

    fn metrics(&self, path: &str) -> Url {
        Url::local("http", self.site.ports.metrics, path)
    }
}

/// Sends a text and prints it.
async fn tell(who: &str, socket: &mut Socket, text: &str) -> Result<(), TourError> {
    say(&format!("{who} > {text}"));
    Ok(socket.send(text).await?)
}

/// Waits for a frame and prints it; it must be this one.
async fn hear(who: &str, socket: &mut Socket, expected: &Event) -> Result<(), TourError> {
    hear_within(PATIENCE, who, socket, expected).await
}

async fn hear_within(
    patience: Duration,
    who: &str,
    socket: &mut Socket,
    expected: &Event,
) -> Result<(), TourError> {
    let unexpected = || TourError::Unexpected(format!("`{expected}` from the socket"));
    let event = timeout(patience, socket.next())
        .await
        .map_err(|_| unexpected())?;
    say(&format!("{who} < {event}"));
    if event == *expected {
        Ok(())
    } else {
        Err(unexpected())
    }
}

//! The beginning of a Socket.IO connection, until the client says who it is.
//!
//! Both sides talk through the gate, but not freely: the upstream greets, pings and answers what
//! it has been asked; the client answers, connects, and says how it wants to be talked to.
//! Whatever else the upstream says is held back until the client is known, and what the client may
//! hear overtakes it: without the answer to its `conf` a client does not say who it is. Once so much
//! is held as the budget of that end allows, the upstream is not read any more.
//! Whatever else the client says ends the connection.

use std::future::poll_fn;
use std::task::Poll;

use smallvec::SmallVec;

use crate::tunnel::Side;
use crate::tunnel::first_message::{End, Lost, Unmet, client_closes};
use crate::wire::message::{Kind, Message};
use crate::wire::socketio::{self, Ack, Auth2, Flaw, FromClient, FromServer};

/// What has been said so far.
#[derive(Debug, Default)]
pub struct Introduction {
    /// The client wants answers in base64.
    base64: bool,
    has_connected: bool,
    /// Questions of the client that the upstream may answer.
    asked: SmallVec<[Ack; 2]>,
    /// What the upstream has said that is for a known client only, in its order.
    held: Vec<u8>,
    /// Nothing more of the upstream is read: there is no room for it, or it cannot be read here.
    is_full: bool,
}

/// The event by which a client says who it is.
#[derive(Debug)]
pub struct Auth2Event {
    pub ack: Option<Ack>,
    pub credentials: Result<Auth2, Flaw>,
    /// The message as it came.
    pub raw: Vec<u8>,
}

/// Who has said something.
enum Said {
    Client(Result<Message, Lost>),
    Upstream(Result<Message, Lost>),
}

impl Introduction {
    /// Carries what may be said, until the client says who it is.
    pub async fn auth2(
        &mut self,
        client: &mut End<impl Side>,
        upstream: &mut End<impl Side>,
    ) -> Result<Auth2Event, Unmet> {
        loop {
            let said = poll_fn(|cx| {
                if let Poll::Ready(message) = client.poll_message(cx) {
                    return Poll::Ready(Said::Client(message));
                }
                if self.is_full {
                    return Poll::Pending;
                }
                upstream.poll_message(cx).map(Said::Upstream)
            });
            match said.await {
                Said::Client(message) => {
                    if let Some(event) = self.hear_client(message?, client, upstream).await? {
                        return Ok(event);
                    }
                }
                Said::Upstream(Ok(message)) => {
                    if self.hear_upstream(&message, client).await? {
                        upstream.forget(&message);
                    } else {
                        self.held.extend_from_slice(&message.raw);
                    }
                }
                Said::Upstream(Err(Lost::Gone)) => return Err(Unmet::UpstreamGone),
                // More than can be held, or no text. It stays where it is.
                Said::Upstream(Err(Lost::Unreadable(_))) => self.is_full = true,
            }
        }
    }

    /// Whether the client wants answers in base64.
    pub const fn wants_base64(&self) -> bool {
        self.base64
    }

    /// What of the upstream has waited, in front of what is still unread.
    pub fn into_held(self) -> Vec<u8> {
        self.held
    }

    async fn hear_client(
        &mut self,
        message: Message,
        client: &mut End<impl Side>,
        upstream: &mut End<impl Side>,
    ) -> Result<Option<Auth2Event>, Unmet> {
        match message.kind {
            Kind::Ping | Kind::Pong => {}
            Kind::Close => {
                // The upstream hears it from the client itself.
                let _ = upstream.send(&message.raw).await;
                return Err(client_closes(client, &message).await);
            }
            Kind::Binary => return Err(Unmet::Unexpected),
            Kind::Text if message.is_fragmented => return Err(Unmet::Unexpected),
            Kind::Text => match socketio::from_client(&message.payload) {
                Ok(FromClient::Auth2 { ack, credentials }) => {
                    return Ok(Some(Auth2Event {
                        ack,
                        credentials,
                        raw: message.raw,
                    }));
                }
                Ok(FromClient::Conf { ack, base64 }) => {
                    self.base64 = base64;
                    self.asked.extend(ack);
                }
                // A second one would be a second client behind one credential.
                Ok(FromClient::Connect) if self.has_connected => return Err(Unmet::Unexpected),
                Ok(FromClient::Connect) => self.has_connected = true,
                Ok(FromClient::Disconnect | FromClient::Ping | FromClient::Pong) => {}
                Err(_) => return Err(Unmet::Unexpected),
            },
        }
        let sent = upstream.send(&message.raw).await;
        sent.map_err(|_| Unmet::UpstreamGone)?;
        Ok(None)
    }

    /// Passes on what the client may hear, and says whether that was so.
    async fn hear_upstream(
        &mut self,
        message: &Message,
        client: &mut End<impl Side>,
    ) -> Result<bool, Unmet> {
        let is_for_strangers = match message.kind {
            Kind::Ping | Kind::Pong => true,
            Kind::Close => return Err(Unmet::UpstreamGone),
            Kind::Binary => false,
            Kind::Text => {
                !message.is_fragmented
                    && match socketio::from_server(&message.payload) {
                        FromServer::Answer(ack) => self.takes_answer(ack),
                        FromServer::Greeting => true,
                        FromServer::Other => false,
                    }
            }
        };
        if is_for_strangers {
            let sent = client.send(&message.raw).await;
            sent.map_err(|_| Unmet::ClientGone)?;
        }
        Ok(is_for_strangers)
    }

    /// Whether the client waits for this answer; each comes once.
    fn takes_answer(&mut self, ack: Ack) -> bool {
        let position = self.asked.iter().position(|asked| *asked == ack);
        position.map(|at| self.asked.swap_remove(at)).is_some()
    }
}

//! Credentials that come in the first message of a socket: what the handshake is judged by, and
//! where in the message they are.
//!
//! [`await_it`] is asked when the handshake is there, [`extract()`] when the message is. What lies
//! between them, [`Entrance`], is all that is kept of the handshake for the second judgement; it
//! holds no credential, and neither does the [`Provisional`] permit that opens the way to the
//! upstream for those protocols in which the server speaks first.

use std::borrow::Cow;
use std::cell::Cell;
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use crate::gate::Brought;
use crate::gate::claims::Claims;
use crate::gate::denial::Denial;
use crate::gate::device::allowed_device;
use crate::gate::extract::{self, Extracted};
use crate::gate::permit::{Permit, Provisional};
use crate::policy::Policy;
use crate::policy::first_message::{Form, Member};
use crate::policy::route::Route;
use crate::request::{METHODS, Request};
use crate::scheme::Rejection;
use crate::secret::Secret;
use crate::wire::json::{self, Step};
use crate::wire::socketio::Auth2;

/// A socket that may open, but has proven nothing yet.
#[derive(Debug)]
pub struct Awaited<'r> {
    pub route: Arc<Route>,
    pub entrance: Entrance,
    /// How long it may live without a credential.
    pub deadline: Duration,
    pub form: AwaitedForm<'r>,
}

/// What the first message has to be, and what may happen before it.
#[derive(Debug)]
pub enum AwaitedForm<'r> {
    /// A JSON text. The upstream hears nothing until it is judged.
    Json,
    /// The event `auth2` of Socket.IO. The upstream greets first, so its handshake is made at once.
    SocketioAuth2(Provisional<'r>),
}

/// What is kept of a handshake that judging its message needs. It holds no credential.
#[derive(Clone, Debug)]
pub struct Entrance {
    pub(super) method: &'static str,
    pub(super) host: Box<str>,
    pub(super) path: Box<str>,
    /// It came over TLS.
    pub(super) secure: bool,
    pub(super) client: IpAddr,
    /// The device type as claimed.
    device: Option<Box<[u8]>>,
    /// What else was claimed.
    claims: Claims,
}

/// What a message presents, before anybody believes it.
#[derive(Clone, Copy)]
pub enum Presented<'m> {
    Auth2(&'m Auth2),
    Json(&'m Value),
    /// To prolong a session that was let in by its handshake.
    Renewal(&'m Value),
}

/// When a message comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Occasion {
    /// In a session that lives already. What was remembered of the credential does not count.
    Again,
    /// Before there is a session.
    First,
}

/// Shows nothing of it.
impl fmt::Debug for Presented<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Auth2(_) => "Auth2([redacted])",
            Self::Json(_) => "Json([redacted])",
            Self::Renewal(_) => "Renewal([redacted])",
        })
    }
}

impl Entrance {
    /// Of a request whose credentials are judged already.
    pub fn of(request: &Request<'_>) -> Self {
        Self::with(request, None, Claims::default())
    }

    /// Of a handshake that brought its credential, with the device type that it claimed.
    pub fn of_permitted(request: &Request<'_>, permit: &Permit<'_>) -> Self {
        let device = permit.device.as_ref().map(|device| &device.claim);
        Self::with(request, device, permit.claims.clone())
    }

    fn with(request: &Request<'_>, device: Option<&Extracted<'_>>, claims: Claims) -> Self {
        let method = METHODS.iter().find(|known| **known == request.head.method);
        Self {
            method: method.copied().unwrap_or_default(),
            host: request.host_name().into(),
            path: request.path.into(),
            secure: request.secure,
            client: request.client,
            device: device.map(|claim| claim.token.as_ref().into()),
            claims,
        }
    }

    fn claimed(&self) -> Option<Extracted<'_>> {
        self.device.as_deref().map(|claim| Extracted {
            token: Cow::Borrowed(claim),
            written: claim,
            carrier: None,
        })
    }
}

/// What a handshake has to wait for that does not bring its credentials itself.
pub(super) fn await_it<'r>(
    policy: &Policy,
    route: &Arc<Route>,
    request: &Request<'r>,
    (claimed, claims): (Option<&Extracted<'r>>, Claims),
) -> Result<Awaited<'r>, Denial> {
    let rule = route.require.first_message().ok_or(Denial::NoRoute)?;
    claims.check_presence(route.require.matches())?;
    let device = match route.require.device_rule() {
        Some(rule) => Some(allowed_device(rule, claimed.cloned())?),
        None => None,
    };
    let form = match rule.form {
        Form::Json { .. } => AwaitedForm::Json,
        Form::SocketioAuth2 { .. } if !is_engine_io(request) => return Err(Denial::Transport),
        Form::SocketioAuth2 { .. } => {
            AwaitedForm::SocketioAuth2(Provisional::new(policy, route, device))
        }
    };
    Ok(Awaited {
        route: Arc::clone(route),
        entrance: Entrance::with(request, claimed, claims),
        deadline: rule.deadline,
        form,
    })
}

/// Whether the query opens a connection of Engine.IO 4 that begins as a WebSocket. One with a `sid`
/// would take over another that began elsewhere.
fn is_engine_io(request: &Request<'_>) -> bool {
    let is = |name: &str, expected: &[&str]| {
        let mut values = request
            .query_pairs()
            .filter(|pair| *pair.name == *name.as_bytes())
            .map(|pair| pair.value);
        !request.query_ambiguous(name)
            && expected
                .iter()
                .all(|value| values.next().as_deref() == Some(value.as_bytes()))
            && values.next().is_none()
    };
    is("EIO", &["4"]) && is("transport", &["websocket"]) && is("sid", &[])
}

/// Finds the credentials in the message, and the device type in what is kept of the handshake.
pub(super) fn extract<'m>(
    policy: &Policy,
    route: &Route,
    entrance: &'m Entrance,
    presented: Presented<'m>,
) -> Result<Brought<'m>, Denial> {
    if route.require_tls && !entrance.secure {
        return Err(Denial::TlsRequired);
    }
    let ids = route.require.authenticators();
    let malformed = || Denial::Rejected {
        authenticator: ids.first().copied(),
        rejection: Rejection::Malformed,
    };
    let form = route.require.first_message().map(|rule| &rule.form);
    let stands_at = |message: &'m Value, pointer: &str| {
        let nothing = || Denial::NoCredential {
            authenticator: ids.first().copied(),
        };
        // The upstream reads the message, too, and must not find somebody else's credential there.
        let is_doubtful = Cell::new(false);
        let found = json::walk(message, pointer, |step| match step {
            Step::Key { object, key } => {
                let alike = json::count_alike(object, key);
                is_doubtful.set(is_doubtful.get() || alike > 1);
                alike == 1
            }
            Step::Index => true,
        });
        if is_doubtful.get() {
            return Err(malformed());
        }
        let value = found.ok_or_else(nothing)?;
        let value = value.as_str().ok_or_else(malformed)?;
        Ok(vec![Some(value.as_bytes()); ids.len()])
    };
    let values: Vec<Option<&[u8]>> = match (form, presented) {
        (Some(Form::Json { pointer, lines: _ }), Presented::Json(message)) => {
            stands_at(message, pointer)?
        }
        (None, Presented::Renewal(message)) => {
            stands_at(message, route.renewal_pointer().ok_or(Denial::NoRoute)?)?
        }
        (Some(Form::SocketioAuth2 { members }), Presented::Auth2(event)) => {
            let client_key = event.client_key.as_ref().map(Secret::expose);
            // What nobody proves is not forwarded, and a packet is forwarded whole.
            if client_key.is_some() && !members.contains(&Member::ClientKey) {
                return Err(malformed());
            }
            let value = |member: &Member| match member {
                Member::ClientKey => client_key,
                Member::Token => Some(event.token.expose()),
            };
            members.iter().map(value).collect()
        }
        // The configuration has changed meanwhile: what was asked for is not asked for any more.
        _ => return Err(Denial::NoRoute),
    };
    let found = ids.iter().zip(values).filter_map(|(&id, value)| {
        let authenticator = policy.authenticator(id)?;
        let found = value.map_or(extract::Found::Absent, |value| {
            extract::from_message(&authenticator.carriers, value)
        });
        Some((id, found))
    });
    Ok(Brought {
        credentials: found.collect(),
        device: entrance.claimed(),
        claims: entrance.claims.clone(),
    })
}

#[cfg(test)]
mod tests;

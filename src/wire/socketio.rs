//! Socket.IO packets in WebSocket texts (Engine.IO 4), as far as a gate has to know them.
//!
//! ```text
//!  0{"sid":…}                  Engine.IO: open
//!  2   3                       Engine.IO: ping, pong
//!  40  40{"sid":…}             Socket.IO: connect
//!  41                          disconnect
//!  42["conf",{…}]              an event; digits before the `[` ask for an answer
//!  420["auth2","<token>",{…}]  an event that brings credentials
//!  430[…]                      the answer to the event with this number
//! ```
//!
//! What a client may say before it is known is read strictly ([`from_client`]): one namespace, no
//! attachments, one reading of the JSON. Whether a later text is an `auth2` event is asked the
//! other way round ([`may_be_auth2`]): what some server may take for one is one.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use crate::secret::Secret;
use crate::wire::json::{self, Object};

#[cfg(test)]
mod tests;

/// What a client may send before it is known.
#[derive(Debug)]
pub enum FromClient {
    Auth2 {
        ack: Option<Ack>,
        /// The credentials, unless what the packet says of them is in doubt.
        credentials: Result<Auth2, Flaw>,
    },
    Conf {
        ack: Option<Ack>,
        /// From now on answers are to be the base64 of JSON.
        base64: bool,
    },
    Connect,
    Disconnect,
    Ping,
    Pong,
}

/// What a server may say to a client that is not known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FromServer {
    /// The answer to an event of the client's.
    Answer(Ack),
    /// Open, ping, pong, connect.
    Greeting,
    /// Everything else is for those who are known.
    Other,
}

/// The credentials in an `auth2` event.
#[derive(Debug)]
pub struct Auth2 {
    pub client_key: Option<Secret>,
    pub token: Secret,
}

/// The number under which an event is to be answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ack(u64);

/// Why a text is not what a client may send before it is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Flaw {
    #[error("a number for the answer is not written as numbers are")]
    Ack,
    #[error("`auth2` with a server's key")]
    ApiKey,
    #[error("`auth2` is not a token and an object")]
    Arguments,
    #[error("two places of `auth2` say different things")]
    Disagreement,
    #[error("an event is not json with one reading only")]
    Json,
    #[error("a packet that has to wait for the credential")]
    NotYet,
}

/// The most digits that every reader takes for the same whole number.
const ACK_DIGITS: usize = 15;

/// Reads a text of a client that is not known.
pub fn from_client(text: &[u8]) -> Result<FromClient, Flaw> {
    match text {
        b"2" => Ok(FromClient::Ping),
        b"3" => Ok(FromClient::Pong),
        b"40" => Ok(FromClient::Connect),
        b"41" => Ok(FromClient::Disconnect),
        [b'4', b'2', event @ ..] => from_event(event),
        _ => Err(Flaw::NotYet),
    }
}

/// Reads a text of the server, as far as a client that is not known may hear it.
pub fn from_server(text: &[u8]) -> FromServer {
    match text {
        b"2" | b"3" | b"40" | [b'0', b'{', ..] | [b'4', b'0', b'{', ..] => FromServer::Greeting,
        [b'4', b'3', answer @ ..] => match split_ack(answer) {
            Ok((Some(ack), [b'[', ..])) => FromServer::Answer(ack),
            _ => FromServer::Other,
        },
        _ => FromServer::Other,
    }
}

/// Whether some server may take this text for an `auth2` event: in any namespace, with
/// attachments, with escapes in its name, with anything for a number.
pub fn may_be_auth2(text: &[u8]) -> bool {
    let [b'4', b'2' | b'5', packet @ ..] = text else {
        return false;
    };
    let attachments = packet
        .iter()
        .take_while(|byte| byte.is_ascii_digit() || **byte == b'-');
    let packet = packet.get(attachments.count()..).unwrap_or_default();
    // A namespace ends with a comma and may hold brackets and quotes itself.
    let behind_namespace = match packet {
        [b'/', ..] => packet.splitn(2, |byte| *byte == b',').nth(1),
        _ => None,
    };
    is_array_of_auth2(packet) || behind_namespace.is_some_and(is_array_of_auth2)
}

/// Whether the first string is `auth2` and begins an array.
fn is_array_of_auth2(text: &[u8]) -> bool {
    let Some(quote) = text.iter().position(|byte| *byte == b'"') else {
        return false;
    };
    let (before, string) = text.split_at_checked(quote).unwrap_or_default();
    if before.trim_ascii_end().last() != Some(&b'[') {
        return false;
    }
    let mut strings = serde_json::Deserializer::from_slice(string).into_iter::<String>();
    matches!(strings.next(), Some(Ok(name)) if name == "auth2")
}

fn from_event(event: &[u8]) -> Result<FromClient, Flaw> {
    let (ack, arguments) = split_ack(event)?;
    if arguments.first() != Some(&b'[') {
        return Err(Flaw::NotYet);
    }
    let Ok(Value::Array(arguments)) = json::value(arguments) else {
        return Err(Flaw::Json);
    };
    let (name, arguments) = arguments.split_first().ok_or(Flaw::NotYet)?;
    match name.as_str() {
        Some("auth2") => Ok(FromClient::Auth2 {
            ack,
            credentials: Auth2::read(arguments),
        }),
        Some("conf") => Ok(FromClient::Conf {
            ack,
            base64: arguments
                .first()
                .and_then(|settings| settings.get("encoding"))
                .is_some_and(|encoding| encoding == "base64"),
        }),
        _ => Err(Flaw::NotYet),
    }
}

/// Takes off the number under which an answer is asked for.
fn split_ack(text: &[u8]) -> Result<(Option<Ack>, &[u8]), Flaw> {
    let digits = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let (digits, rest) = text.split_at_checked(digits).unwrap_or_default();
    match digits {
        [] => return Ok((None, rest)),
        [b'0', _, ..] => return Err(Flaw::Ack),
        _ if digits.len() > ACK_DIGITS => return Err(Flaw::Ack),
        _ => {}
    }
    let number = digits
        .iter()
        .fold(0, |number, digit| number * 10 + u64::from(digit - b'0'));
    Ok((Some(Ack(number)), rest))
}

/// What a member of the object is, however its name is written.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Member {
    ApiKey,
    ClientKey,
    Token,
}

impl Member {
    /// By the letters and digits of the name alone: a server may fold the rest.
    fn of(name: &str) -> Option<Self> {
        let letters = name.chars().filter(char::is_ascii_alphanumeric);
        let folded: String = letters.map(|c| c.to_ascii_lowercase()).collect();
        match folded.as_str() {
            "apikey" | "imapikey" => Some(Self::ApiKey),
            "clientkey" | "imclientkey" => Some(Self::ClientKey),
            "authorization" | "imauthorization" => Some(Self::Token),
            _ => None,
        }
    }

    /// The spellings that servers are known to read.
    fn is_known(name: &str) -> bool {
        [
            "CLIENT_KEY",
            "IM-CLIENT-KEY",
            "Authorization",
            "IM-Authorization",
        ]
        .contains(&name)
    }
}

impl Auth2 {
    /// The token stands there alone and, as a rule, once more in the object beside the client key.
    fn read(arguments: &[Value]) -> Result<Self, Flaw> {
        let [Value::String(token), Value::Object(members)] = arguments else {
            return Err(Flaw::Arguments);
        };
        if token.is_empty() {
            return Err(Flaw::Arguments);
        }
        if one_value(members, Member::Token)?.is_some_and(|copy| copy != token) {
            return Err(Flaw::Disagreement);
        }
        if one_value(members, Member::ApiKey)?.is_some() {
            return Err(Flaw::ApiKey);
        }
        let client_key = one_value(members, Member::ClientKey)?;
        Ok(Self {
            client_key: client_key.map(|key| Secret::new(key.as_bytes())),
            token: Secret::new(token.as_bytes()),
        })
    }
}

/// The value that all spellings of a member have; one spelling must be a known one.
fn one_value(members: &Object, member: Member) -> Result<Option<&str>, Flaw> {
    let mut spelt = members
        .iter()
        .filter(|(name, _)| Member::of(name) == Some(member));
    let Some((first, value)) = spelt.next() else {
        return Ok(None);
    };
    let value = value.as_str().ok_or(Flaw::Arguments)?;
    let mut is_known = Member::is_known(first);
    for (name, other) in spelt {
        is_known |= Member::is_known(name);
        if other.as_str() != Some(value) {
            return Err(Flaw::Disagreement);
        }
    }
    if is_known || member == Member::ApiKey {
        Ok(Some(value))
    } else {
        Err(Flaw::Arguments)
    }
}

/// The answer to an `auth2` event that is refused, in the form in which the server would give it.
pub fn refusal(ack: Ack, base64: bool, answer: &Value) -> String {
    let argument = if base64 {
        Value::String(STANDARD.encode(answer.to_string()))
    } else {
        answer.clone()
    };
    format!("43{ack}[{argument}]")
}

/// The packet that ends a connection to the namespace.
pub const DISCONNECT: &str = "41";

impl fmt::Display for Ack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

//! Credentials that come in the first message of a WebSocket, compiled.

use std::sync::Arc;
use std::time::Duration;

use crate::config::document::{self, MessageForm};
use crate::credential::Carrier;
use crate::policy::authenticator::Authenticator;

/// The compiled `first_message` of a requirement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FirstMessage {
    pub form: Form,
    /// How long the socket may live without a credential.
    pub deadline: Duration,
}

/// What the message is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Form {
    /// A JSON text with the credential at this place (RFC 6901).
    Json {
        pointer: Box<str>,
        /// Only the first line of the message is this text.
        lines: bool,
    },
    /// The event `auth2` of Socket.IO. For each authenticator of the requirement, in file order,
    /// the member that it takes.
    SocketioAuth2 { members: Vec<Member> },
}

/// What an `auth2` event can bring.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Member {
    ClientKey,
    Token,
}

impl FirstMessage {
    /// Relates the members of an `auth2` event to those who prove them.
    ///
    /// # Errors
    ///
    /// Why it cannot be told who takes what.
    pub(super) fn new(
        document: &document::FirstMessage,
        required: &[&Arc<Authenticator>],
    ) -> Result<Self, &'static str> {
        let form = match &document.form {
            MessageForm::Json { pointer, lines } => Form::Json {
                pointer: pointer.as_str().into(),
                lines: *lines,
            },
            MessageForm::SocketioAuth2 => Form::SocketioAuth2 {
                members: members(required).ok_or(WHO_TAKES_WHAT)?,
            },
        };
        Ok(Self {
            form,
            deadline: document.deadline,
        })
    }
}

impl Form {
    /// The part of a message that brings the credential. No JSON text has a line feed in it that is
    /// more than a blank.
    pub fn text_in<'m>(&self, message: &'m [u8]) -> &'m [u8] {
        match self {
            Self::Json { lines: true, .. } => message
                .split(|byte| *byte == b'\n')
                .next()
                .unwrap_or_default(),
            Self::Json { lines: false, .. } | Self::SocketioAuth2 { .. } => message,
        }
    }
}

const WHO_TAKES_WHAT: &str = "expected one authenticator with `header: IM-Authorization` in `from`, \
    which takes the user's token, and beside it at most one with `header: IM-CLIENT-KEY`, which \
    takes the client key";

/// By the headers in which each of them finds the same credential elsewhere.
fn members(required: &[&Arc<Authenticator>]) -> Option<Vec<Member>> {
    let members: Vec<Member> = required
        .iter()
        .map(|authenticator| Member::taken_by(&authenticator.carriers))
        .collect::<Option<_>>()?;
    let count = |member| members.iter().filter(|taken| **taken == member).count();
    (count(Member::Token) == 1 && count(Member::ClientKey) <= 1).then_some(members)
}

impl Member {
    /// What somebody takes who finds credentials in these places.
    pub fn taken_by(carriers: &[Carrier]) -> Option<Self> {
        let has = |names: [&str; 2]| {
            let mut headers = carriers.iter().filter_map(Carrier::header_name);
            headers.any(|header| names.iter().any(|name| header.eq_ignore_ascii_case(name)))
        };
        match (
            has(["IM-CLIENT-KEY", "CLIENT_KEY"]),
            has(["IM-Authorization", "Authorization"]),
        ) {
            (true, false) => Some(Self::ClientKey),
            (false, true) => Some(Self::Token),
            (true, true) | (false, false) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::testing::try_policy;

    #[test]
    fn of_several_lines_the_first_one_counts() {
        let form = |lines| Form::Json {
            pointer: "/a".into(),
            lines,
        };
        for (message, first) in [
            ("{}", "{}"),
            ("{}\n", "{}"),
            ("{}\n{\"a\":1}", "{}"),
            ("\n{}", ""),
            ("{}\r\n{}", "{}\r"),
            ("", ""),
        ] {
            assert_eq!(form(true).text_in(message.as_bytes()), first.as_bytes());
            assert_eq!(form(false).text_in(message.as_bytes()), message.as_bytes());
        }
    }

    #[test]
    fn who_takes_what_is_told_by_headers() {
        let places = [
            ("client", "header: IM-CLIENT-KEY"),
            ("other-client", "header: client_key"),
            ("user", "header: im-authorization"),
            ("other-user", "header: Authorization"),
            ("both", "header: Authorization }, { header: CLIENT_KEY"),
            ("neither", "query: token"),
        ];
        let authenticators = places.map(|(name, place)| {
            format!(
                "  {name}: {{ from: [{{ {place} }}], \
                 app_key: {{ keys: [{{ id: a, secret: {{ value: k }} }}] }} }}\n"
            )
        });
        let authenticators = authenticators.concat();
        for (names, is_clear) in [
            ("user", true),
            ("client, user", true),
            ("other-user, other-client", true),
            ("client", false),
            ("client, both", false),
            ("client, neither", false),
            ("user, other-user", false),
            ("client, other-client, user", false),
        ] {
            let outcome = try_policy(&format!(
                "authenticators:\n{authenticators}routes:\n  - {{ match: {{ path: /a }}, websocket: true, \
                 require: {{ first_message: {{ socketio_auth2: {{ all_of: [{names}] }} }} }}, upstream: im }}"
            ));
            match outcome {
                Ok(_) => assert!(is_clear, "{names}"),
                Err(problems) => {
                    assert!(!is_clear, "{names}: {problems}");
                    let expected = "routes[0].require.first_message: expected one authenticator";
                    assert!(problems.starts_with(expected), "{problems}");
                }
            }
        }
    }
}

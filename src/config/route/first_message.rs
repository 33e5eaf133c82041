//! `require: { first_message: … }`: the credentials come in the first message of a WebSocket.

use std::sync::Arc;
use std::time::Duration;

use crate::config::cursor::{Cursor, Fields, Keys};
use crate::config::document::{Combine, CredentialForm, CredentialRule, FirstMessage};
use crate::config::document::{Located, MessageForm, Requirement};
use crate::config::names::Names;
use crate::config::route::{misplaced, requirement};
use crate::wire::json;

/// What the message has to bring, and whom it convinces.
pub(super) struct FirstMessageRule {
    pub(super) combine: Combine,
    pub(super) authenticators: Vec<Located<Arc<str>>>,
    pub(super) first_message: FirstMessage,
}

const FIRST_MESSAGE: Keys = Keys {
    known: &["deadline", "json", "socketio_auth2"],
    later: &[],
};

const JSON: Keys = Keys {
    known: &["any_of", "lines", "pointer"],
    later: &[],
};

const SOCKETIO_AUTH2: Keys = Keys {
    known: &["all_of"],
    later: &[],
};

const DEADLINE: Duration = Duration::from_secs(10);
/// A socket that nobody has vouched for is not kept for longer.
const LATEST: Duration = Duration::from_mins(5);

pub(super) fn first_message(cursor: &Cursor<'_>, names: &Names<'_>) -> Option<FirstMessageRule> {
    let fields = cursor.map(&FIRST_MESSAGE)?;
    let deadline = fields.or_default("deadline", DEADLINE, |deadline| {
        deadline.duration(Duration::from_secs(1)..=LATEST)
    });
    let (combine, authenticators, form) = match fields.among(&["json", "socketio_auth2"])[..] {
        ["json"] => {
            // One credential, whoever knows it.
            let message = fields.get("json")?.map(&JSON)?;
            let pointer = message
                .required("pointer")
                .and_then(|place| pointer(&place));
            let any_of = authenticators(&message, "any_of", names);
            let lines = message.or_default("lines", false, Cursor::boolean);
            let pointer = pointer?;
            (
                Combine::AnyOf,
                any_of?,
                MessageForm::Json { pointer, lines },
            )
        }
        ["socketio_auth2"] => {
            // All of it is forwarded, so all of it has to be proven.
            let message = fields.get("socketio_auth2")?.map(&SOCKETIO_AUTH2)?;
            let all_of = authenticators(&message, "all_of", names)?;
            (Combine::AllOf, all_of, MessageForm::SocketioAuth2)
        }
        ref found => return fields.choose(found.len(), "one of `json` and `socketio_auth2`"),
    };
    Some(FirstMessageRule {
        combine,
        authenticators,
        first_message: FirstMessage {
            form,
            deadline,
            place: cursor.place(),
        },
    })
}

fn authenticators(
    message: &Fields<'_>,
    key: &str,
    names: &Names<'_>,
) -> Option<Vec<Located<Arc<str>>>> {
    let list = message.required(key)?;
    requirement::authenticators(&list, names)
}

pub(super) fn pointer(cursor: &Cursor<'_>) -> Option<String> {
    cursor.parsed("a JSON Pointer (RFC 6901), such as `/data/token`", |text| {
        json::is_pointer(text).then(|| text.to_owned())
    })
}

/// Reports what does not go together with a credential that comes in a message.
pub(super) fn check(
    route: &Fields<'_>,
    require: &Requirement,
    credential: &CredentialRule,
    websocket: bool,
) {
    let Requirement::Credentials {
        first_message: Some(first_message),
        ..
    } = require
    else {
        return;
    };
    let place = route
        .get("require")
        .and_then(|require| require.as_map()?.get("first_message"));
    if let (false, Some(place)) = (websocket, place) {
        place.problem("expected only beside `websocket: true`");
    }
    match first_message.form {
        MessageForm::SocketioAuth2 => misplaced(
            route,
            "credential",
            "the packet goes to the upstream as it came, expected no `credential`",
        ),
        MessageForm::Json { lines: true, .. } => misplaced(
            route,
            "credential",
            "with `lines` the message goes to the upstream as it came, expected no `credential`",
        ),
        MessageForm::Json { lines: false, .. } => {
            let changes_it = matches!(
                credential.form,
                CredentialForm::Bare | CredentialForm::Bearer
            );
            if changes_it && credential.carried_as.is_none() {
                misplaced(
                    route,
                    "credential",
                    "a message goes to the upstream as it came; expected `as` beside this form, \
                     or `form: strip`",
                );
            }
        }
    }
}

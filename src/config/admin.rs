//! `admin`: where an operator talks to the running gate, over a socket file or an address with a
//! token.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use super::cursor::{Cursor, Keys};
use super::document::{Admin, AdminPlace, AdminToken, Listener};
use super::{source, strength};
use crate::secret::Secret;

/// Decodes the section; `listeners` and `metrics` have their addresses already.
pub(super) fn admin(
    cursor: &Cursor<'_>,
    listeners: &[Listener],
    metrics: Option<SocketAddr>,
) -> Option<Admin> {
    let fields = cursor.map(&ADMIN)?;
    match fields.among(&["address", "unix"]).as_slice() {
        ["unix"] => {
            if fields.has("token") {
                fields.problem("`token` is for `address`; the socket file has mode 0600");
                return None;
            }
            let place = AdminPlace::Unix(socket_path(&fields.get("unix")?)?);
            Some(Admin { place, token: None })
        }
        ["address"] => {
            let address = fields.get("address").and_then(|address| {
                let taken = listeners.iter().map(|listener| listener.address);
                free_address(&address, taken.chain(metrics))
            });
            // Whoever may open a connection is not yet whoever may give orders, on loopback too.
            let token = fields.required("token").and_then(|token| token_of(&token));
            Some(Admin {
                place: AdminPlace::Tcp(address?),
                token: Some(token?),
            })
        }
        kinds => fields.choose(kinds.len(), "either `unix`, or `address` with `token`"),
    }
}

const ADMIN: Keys = Keys {
    known: &["address", "token", "unix"],
    later: &[],
};

const TOKEN: Keys = Keys {
    known: &["env", "file", "key", "previous", "value", "yaml"],
    later: &[],
};

/// What fits into a socket address, with the zero at its end (unix(7)).
const MAX_SOCKET_PATH: usize = 107;

fn socket_path(cursor: &Cursor<'_>) -> Option<PathBuf> {
    let name = cursor.non_empty_text()?;
    let path = cursor.source.directory.join(name);
    if !is_socket_path(name, &path) {
        cursor.problem(format!(
            "expected the path of a socket, of {MAX_SOCKET_PATH} bytes at most with the \
             configuration's own directory"
        ));
        return None;
    }
    Some(path)
}

/// Whether a socket can be at a path, which was written like that.
pub(super) fn is_socket_path(written: &str, path: &Path) -> bool {
    // pingora takes the path as a text.
    !written.contains('\0')
        && !written.ends_with('/')
        && path.file_name().is_some()
        && path
            .to_str()
            .is_some_and(|text| text.len() <= MAX_SOCKET_PATH)
}

fn free_address(
    cursor: &Cursor<'_>,
    mut taken: impl Iterator<Item = SocketAddr>,
) -> Option<SocketAddr> {
    let address = cursor.socket_address()?;
    if address.port() == 0 {
        cursor.problem("expected a port that `imgate drain` can know");
        return None;
    }
    if taken.any(|other| other == address) {
        cursor.problem("a listener, or `metrics`, has the same address");
        return None;
    }
    if !address.ip().is_loopback() {
        cursor.warn("the token crosses the network in plain text, better listen on loopback");
    }
    Some(address)
}

fn token_of(cursor: &Cursor<'_>) -> Option<AdminToken> {
    let fields = source::map(cursor, &TOKEN)?;
    let mut previous = Vec::new();
    let older = fields.get("previous").and_then(|list| list.list());
    for element in older.into_iter().flatten() {
        let Some(fields) = source::map(&element, &strength::PREVIOUS) else {
            continue;
        };
        let not_after = fields.required("not_after").and_then(|end| end.timestamp());
        let secret = source::from_fields(&fields).filter(|secret| can_be_sent(&element, secret));
        previous.extend(secret.zip(not_after));
    }
    let current = source::from_fields(&fields)?;
    can_be_sent(cursor, &current).then_some(AdminToken { current, previous })
}

/// Blanks at its ends would be lost on the way, and line ends never arrive.
fn can_be_sent(cursor: &Cursor<'_>, token: &Secret) -> bool {
    let can = token.expose().iter().all(u8::is_ascii_graphic);
    if !can {
        cursor.problem("expected a token of visible ASCII characters, as a header can carry it");
    }
    can
}

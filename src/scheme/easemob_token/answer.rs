//! What the backend answers to whoever gets a token from it.
//!
//! ```text
//! {"access_token":"YWMt…","expires_in":1024000,"application":"<uuid>"}                client_credentials
//! {"access_token":"YWMt…","expires_in":1024000,
//!  "user":{"uuid":"<uuid>","username":"c","activated":true,…}}                         password, inherit
//! ```
//!
//! Whatever is not exactly this teaches nothing. What the token says of itself must agree with what
//! is said beside it.

use std::fmt;
use std::time::Duration;

use serde_json::Value;

use crate::scheme::easemob_token::layout::{self, Kind, Layout, Uuid};
use crate::scheme::json::{self, Object};
use crate::scheme::learner::Lost;

/// In what `expires_in` counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    Seconds,
    /// Of the clusters called VIP 5.
    Millis,
}

/// A token that was given out.
pub struct Issued {
    pub token: Box<[u8]>,
    /// As far as it can be read.
    pub layout: Option<Layout>,
    pub holder: Holder,
    /// `None` for a permanent one.
    pub lifetime: Option<Duration>,
}

/// Shows no token.
impl fmt::Debug for Issued {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Issued")
            .field("holder", &self.holder)
            .field("lifetime", &self.lifetime)
            .finish_non_exhaustive()
    }
}

/// Who got it.
#[derive(Debug, PartialEq, Eq)]
pub enum Holder {
    App,
    User(String),
}

impl Holder {
    pub const fn kind(&self) -> Kind {
        match self {
            Self::App => Kind::App,
            Self::User(_) => Kind::User,
        }
    }
}

/// Reads the body of an answer.
pub fn read(body: &[u8], unit: Unit) -> Result<Issued, Lost> {
    let answer = json::object(body).map_err(|_| Lost::Unlike)?;
    // Whoever looks for it elsewhere must not find another.
    if occurrences(&answer) != 1 {
        return Err(Lost::Unlike);
    }
    let token = text(&answer, "access_token")?.as_bytes();
    if !layout::recognises(token) {
        return Err(Lost::Unlike);
    }
    let lifetime = match answer.get("expires_in").and_then(Value::as_u64) {
        None => return Err(Lost::Unlike),
        Some(0) => None,
        Some(number) => Some(match unit {
            Unit::Seconds => Duration::from_secs(number),
            Unit::Millis => Duration::from_millis(number),
        }),
    };
    let (holder, uuid) = match (answer.get("user"), answer.get("application")) {
        (Some(Value::Object(user)), None) => user_of(user)?,
        (None, Some(Value::String(application))) => {
            (Holder::App, Uuid::parse(application).ok_or(Lost::Unlike)?)
        }
        _ => return Err(Lost::Unlike),
    };
    let layout = Layout::read(token);
    if layout.is_some_and(|layout| layout.kind != holder.kind() || layout.entity != uuid) {
        return Err(Lost::Contradictory);
    }
    Ok(Issued {
        token: token.into(),
        layout,
        holder,
        lifetime,
    })
}

fn user_of(user: &Object) -> Result<(Holder, Uuid), Lost> {
    match user.get("activated") {
        Some(Value::Bool(true)) | None => {}
        Some(Value::Bool(false)) => return Err(Lost::Banned),
        Some(_) => return Err(Lost::Unlike),
    }
    let username = text(user, "username")?;
    let uuid = Uuid::parse(text(user, "uuid")?).ok_or(Lost::Unlike)?;
    if !is_username(username) {
        return Err(Lost::Unlike);
    }
    Ok((Holder::User(username.to_owned()), uuid))
}

/// Whether a name can be a user's. Wider than Easemob's own rule, but nothing that a header or a log
/// could be confused by.
pub(super) fn is_username(name: &str) -> bool {
    !name.is_empty() && name.len() <= 256 && !name.chars().any(char::is_control)
}

fn text<'o>(object: &'o Object, name: &str) -> Result<&'o str, Lost> {
    object.get(name).and_then(Value::as_str).ok_or(Lost::Unlike)
}

/// How many tokens there are in it, at whatever depth; the JSON is nested no deeper than a claim.
fn occurrences(object: &Object) -> usize {
    let here = usize::from(object.contains_key("access_token"));
    here + object.values().map(inside).sum::<usize>()
}

fn inside(value: &Value) -> usize {
    match value {
        Value::Object(object) => occurrences(object),
        Value::Array(items) => items.iter().map(inside).sum(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => 0,
    }
}

#[cfg(test)]
mod tests;

//! What the claims of a Sa-Token JWT say (dromara/sa-token, `SaJwtTemplate`).
//!
//! ```text
//! {"loginType":"login","loginId":"im_user:7","deviceType":"im_web","eff":1760000000000,
//!  "rnStr":"…","userId":7,…}          deviceType and eff: only in the modes mixin and stateless
//! ```

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use crate::clock::UnixTime;
use crate::principal::Principal;
use crate::scheme::json::Object;
use crate::scheme::{Rejection, claims};

/// `eff` of a token that never expires.
const NEVER: i64 = -1;

/// How this deployment writes its logins.
#[derive(Debug)]
pub(super) struct Shape {
    pub(super) login_type: String,
    pub(super) separator: char,
}

/// What the claims of one token prove.
pub(super) struct Claims {
    pub(super) login_id: String,
    pub(super) principal: Principal,
    pub(super) expires: Option<UnixTime>,
}

impl Shape {
    /// Judges the claims of a token whose signature is good.
    ///
    /// A login of another type, or a `userId` that is not the one of `loginId`, is
    /// [`Rejection::WrongPrincipal`].
    pub(super) fn judge(&self, claims: &Object, now: UnixTime) -> Result<Claims, Rejection> {
        if text(claims, "loginType")? != self.login_type {
            return Err(Rejection::WrongPrincipal);
        }
        let login_id = text(claims, "loginId")?;
        let (user_type, subject) = login_id
            .split_once(self.separator)
            .ok_or(Rejection::Malformed)?;
        if !claims::is_name(user_type) || !claims::is_name(subject) {
            return Err(Rejection::Malformed);
        }
        let user_id = claims::name(claims, "userId")?;
        if user_id.is_some_and(|user_id| *user_id != *subject) {
            return Err(Rejection::WrongPrincipal);
        }
        let device_type = device_type(claims)?;
        let expires = expiry(claims, device_type.is_some(), now)?;
        let principal = Principal {
            subject: Some(subject.into()),
            user_type: Some(user_type.into()),
            device_type,
            app: None,
        };
        Ok(Claims {
            login_id: login_id.to_owned(),
            principal,
            expires,
        })
    }
}

fn text<'c>(claims: &'c Object, name: &str) -> Result<&'c str, Rejection> {
    claims
        .get(name)
        .and_then(Value::as_str)
        .ok_or(Rejection::Malformed)
}

/// The claim is `device` up to Sa-Token 1.39 and `deviceType` from 1.42 on; where both are, they
/// must agree.
fn device_type(claims: &Object) -> Result<Option<Arc<str>>, Rejection> {
    let device = |name| match claims.get(name) {
        Some(Value::Number(_)) => Err(Rejection::Malformed),
        _ => claims::name(claims, name),
    };
    match (device("deviceType")?, device("device")?) {
        (Some(one), Some(other)) if one != other => Err(Rejection::Malformed),
        (one, other) => Ok(one.or(other)),
    }
}

/// The end of the token: `eff`, in milliseconds.
///
/// A token of simple mode has none; one with a device is of another mode, where Sa-Token takes a
/// missing `eff` as 0, that is, as expired. Sa-Token itself writes no `exp` and no `nbf`, but a
/// token that has one is held to it.
fn expiry(claims: &Object, has_device: bool, now: UnixTime) -> Result<Option<UnixTime>, Rejection> {
    let eff = match claims.get("eff") {
        None if has_device => return Err(Rejection::Expired),
        None => None,
        Some(value) => match value.as_i64().ok_or(Rejection::Malformed)? {
            NEVER => None,
            millis => Some(UnixTime::from_millis(millis)),
        },
    };
    if eff.is_some_and(|end| now >= end) {
        return Err(Rejection::Expired);
    }
    let exp = claims::validity(claims, Duration::ZERO, now)?;
    Ok([eff, exp].into_iter().flatten().min())
}

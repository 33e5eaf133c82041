//! What is inside a Token04.
//!
//! ```text
//! {"app_id":1234567890,"user_id":"demo","nonce":626114709,"ctime":1619769776,"expire":1619773376,"payload":""}
//! ```
//!
//! The order differs among ZEGO's generators. `payload` is a text, by which ZEGO's own services
//! know rooms and privileges; it says nothing about who somebody is.

use serde_json::Value;

use crate::scheme::claims::is_name;
use crate::scheme::json::{self, Object};

/// ZEGO's limit, in characters.
const MAX_USER: usize = 64;

pub(crate) struct Claims {
    pub(crate) app_id: u64,
    pub(crate) user: String,
    /// Both in seconds.
    pub(crate) ctime: i64,
    pub(crate) expire: i64,
}

impl Claims {
    /// `None` if it is not exactly what a generator writes: whole numbers, texts, no key twice.
    pub(crate) fn read(text: &[u8]) -> Option<Self> {
        let object = json::object(text).ok()?;
        let user = object.get("user_id")?.as_str()?;
        let claims = Self {
            app_id: object.get("app_id")?.as_u64()?,
            user: user.to_owned(),
            ctime: object.get("ctime")?.as_i64()?,
            expire: object.get("expire")?.as_i64()?,
        };
        let is_sound = is_name(user)
            && user.chars().count() <= MAX_USER
            && is_absent_or(&object, "nonce", Value::is_i64)
            && is_absent_or(&object, "payload", Value::is_string);
        is_sound.then_some(claims)
    }
}

fn is_absent_or(object: &Object, key: &str, is_sound: fn(&Value) -> bool) -> bool {
    object.get(key).is_none_or(is_sound)
}

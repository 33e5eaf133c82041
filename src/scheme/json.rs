//! JSON as a token may contain it: one object, strictly one reading (see [`wire::json`]).
//!
//! [`wire::json`]: crate::wire::json

use serde_json::Value;

use crate::scheme::Rejection;
use crate::wire::json;
pub(crate) use crate::wire::json::Object;

/// Decodes one JSON object and nothing after it. The only error is [`Rejection::Malformed`].
pub(crate) fn object(bytes: &[u8]) -> Result<Object, Rejection> {
    match json::value(bytes) {
        Ok(Value::Object(object)) => Ok(object),
        Ok(
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_),
        )
        | Err(json::NotStrict) => Err(Rejection::Malformed),
    }
}

//! What a dynamic token of Easemob says.

use serde_json::{Map, Value};

use super::{Lines, date, moment, printable};
use crate::clock::UnixTime;
use crate::scheme::easemob_dynamic::is_app_key;
use crate::scheme::easemob_dynamic::token::{self, Token};
use crate::secret::Secret;

pub(super) fn describe(
    text: &str,
    client_id: Option<&str>,
    secret: Option<&Secret>,
    now: UnixTime,
) -> String {
    let bytes = token::decode(text.as_bytes()).unwrap_or_default();
    let json = bytes.strip_prefix(b"dt-").unwrap_or_default();
    let claims: Map<String, Value> = serde_json::from_slice(json).unwrap_or_default();
    let app_key = claims.get("appkey").and_then(Value::as_str);
    let parsed = Token::parse(text.as_bytes()).ok();

    let mut lines = Lines::default();
    lines.add("kind", "dynamic user token of Easemob");
    if app_key.is_none_or(is_app_key) {
        lines.add("claims", &printable(json));
    } else {
        // One of Easemob's generators mixes its arguments up.
        lines.add(
            "claims",
            "not shown: `appkey` holds no app key, but perhaps the client secret",
        );
    }
    if let Some(value) = claims.get("curTime") {
        lines.add("curTime", &moment(value, UnixTime::from_secs, now));
    }
    if let Some(token) = &parsed {
        let end = UnixTime::from_secs(token.cur_time.saturating_add(token.ttl));
        lines.add("end", &date(end, now));
    }
    lines.add_form_and_name(text, parsed.is_some());
    let signature = match (&parsed, client_id, secret) {
        (None, ..) => "not checked, since the gate would not",
        (Some(token), Some(client_id), Some(secret)) => {
            let signature = token.sign(client_id, secret.expose());
            if signature.matches(&token.signature) {
                "good"
            } else {
                "BAD"
            }
        }
        (Some(_), ..) => "not checked (give --client-id, and --secret-file or --secret-env)",
    };
    lines.add("signature", signature);
    lines.0
}

//! `imgate token inspect`: what a token says, in words.
//!
//! It shows also what the gate would refuse, and says so. Nothing is verified without a secret.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::io::Read;
use std::time::{Duration, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use clap::Args;
use serde_json::{Map, Value};

use crate::cli::token::{SecretArgs, TokenError, easemob_token};
use crate::clock::UnixTime;
use crate::scheme::compact::Compact;
use crate::scheme::easemob_token::layout;
use crate::scheme::jwt::{Algorithm, Key, KeyMaterial, VerifyingKey};
use crate::scheme::token_digest;
use crate::scheme::{easemob_dynamic, json, zego_token04};
use crate::secret::Secret;

mod easemob;
mod zego;

/// More than any token; the rest of the input is not read.
const MAX_INPUT: u64 = 128 * 1024;
/// 9999-12-31T23:59:59Z, the last moment that can be written down.
const LAST_SECOND: u64 = 253_402_300_799;

#[derive(Debug, Args)]
pub(super) struct InspectArgs {
    #[command(flatten)]
    secret: SecretArgs,
    /// The client id of an Easemob app, which is part of what is signed.
    #[arg(long, value_name = "ID")]
    client_id: Option<String>,
    /// The token, with or without `Bearer`; from the standard input when it is absent or `-`.
    token: Option<String>,
}

pub(super) fn run(
    args: &InspectArgs,
    input: &mut dyn Read,
    now: UnixTime,
) -> Result<String, TokenError> {
    let text = match args.token.as_deref() {
        Some(token) if token != "-" => token.to_owned(),
        Some(_) | None => {
            let mut text = String::new();
            input
                .take(MAX_INPUT)
                .read_to_string(&mut text)
                .map_err(TokenError::UnreadableInput)?;
            text
        }
    };
    let token = without_prefix(text.trim());
    let secret = args.secret.read()?;
    if easemob_dynamic::token::recognises(token.as_bytes()) {
        let client_id = args.client_id.as_deref();
        Ok(easemob::describe(token, client_id, secret.as_ref(), now))
    } else if zego_token04::envelope::recognises(token.as_bytes()) {
        zego::describe(token, secret.as_ref(), now)
    } else {
        describe(token, secret.as_ref(), now)
    }
}

fn without_prefix(text: &str) -> &str {
    match text.split_once(' ') {
        Some((prefix, rest)) if prefix.eq_ignore_ascii_case("Bearer") => rest.trim_start(),
        Some(_) | None => text,
    }
}

fn describe(token: &str, secret: Option<&Secret>, now: UnixTime) -> Result<String, TokenError> {
    if layout::recognises(token.as_bytes()) {
        return Ok(easemob_token::inspect(token, now));
    }
    let mut parts = token.splitn(3, '.');
    let (Some(header), Some(payload), Some(_)) = (parts.next(), parts.next(), parts.next()) else {
        return opaque(token);
    };
    let decode = |part: &str| {
        URL_SAFE_NO_PAD
            .decode(part)
            .map_err(|_| TokenError::NotAToken)
    };
    let (header, payload) = (decode(header)?, decode(payload)?);
    let claims: Map<String, Value> = serde_json::from_slice(&payload).unwrap_or_default();

    let mut lines = Lines::default();
    lines.add("header", &printable(&header));
    lines.add("claims", &printable(&without_api_key(&payload)));
    if let Some(kind) = sa_token_mode(&claims).or_else(|| imkit_client_key(&claims)) {
        lines.add("kind", kind);
    }
    for (claim, words) in times(&claims, now) {
        lines.add(claim, &words);
    }
    let compact = Compact::parse(token.as_bytes());
    let has_form = compact.is_ok() && json::object(&payload).is_ok();
    lines.add_form_and_name(token, has_form);
    let signature = match (secret, &compact) {
        (None, _) => "not checked (give --secret-file or --secret-env)",
        (Some(_), Err(_)) => "not checked, since the gate would not",
        (Some(secret), Ok(token)) => check_signature(token, secret)?,
    };
    lines.add("signature", signature);
    Ok(lines.into_text())
}

/// A token that says nothing by itself.
fn opaque(token: &str) -> Result<String, TokenError> {
    if token.is_empty() || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(TokenError::NotAToken);
    }
    let mut lines = Lines::default();
    let kind = "opaque: whether it is good is known to the server that issued it (introspection)";
    lines.add("kind", kind);
    lines.add("length", &token.len().to_string());
    lines.add("sha256", &token_digest(token.as_bytes()).to_hex());
    Ok(lines.0)
}

fn check_signature(token: &Compact<'_>, secret: &Secret) -> Result<&'static str, TokenError> {
    let Some(algorithm) = Algorithm::from_name(&token.header.alg) else {
        return Ok("not checked: no algorithm of the gate");
    };
    let material = if algorithm.is_hmac() {
        KeyMaterial::Hmac(secret.clone())
    } else {
        KeyMaterial::Pem(secret.expose().to_vec())
    };
    let key = VerifyingKey::new(Key {
        kid: None,
        algorithm,
        material,
        not_after: None,
    })
    .map_err(|expected| TokenError::KeyUnfit { expected })?;
    Ok(if key.signed(token) { "good" } else { "BAD" })
}

/// The claims, but for an API key, which is a server's secret: client keys of IMKIT hold one.
fn without_api_key(payload: &[u8]) -> Cow<'_, [u8]> {
    let folded = payload.to_ascii_lowercase();
    let is_named = |name: &[u8]| folded.windows(name.len()).any(|window| window == name);
    // An escape may spell it, too.
    if !is_named(b"apikey") && !is_named(b"\\u") {
        return Cow::Borrowed(payload);
    }
    match serde_json::from_slice(payload) {
        Ok(mut value) => {
            hide_api_keys(&mut value);
            Cow::Owned(value.to_string().into_bytes())
        }
        Err(_) => Cow::Borrowed(b"not shown: no JSON, and it may hold an API key"),
    }
}

fn hide_api_keys(value: &mut Value) {
    match value {
        Value::Object(members) => {
            for (name, value) in members {
                if name.eq_ignore_ascii_case("apikey") {
                    *value = "[not shown]".into();
                } else {
                    hide_api_keys(value);
                }
            }
        }
        Value::Array(elements) => elements.iter_mut().for_each(hide_api_keys),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn imkit_client_key(claims: &Map<String, Value>) -> Option<&'static str> {
    claims
        .contains_key("apiKey")
        .then_some("IMKIT client key: it has no end, and names an app")
}

fn sa_token_mode(claims: &Map<String, Value>) -> Option<&'static str> {
    if !claims.contains_key("loginId") {
        None
    } else if claims.contains_key("eff") {
        Some("Sa-Token in mixin or stateless mode")
    } else {
        Some("Sa-Token in simple mode: device and expiry are known to its Redis alone")
    }
}

/// The claims that are times: seconds, but for Sa-Token's `eff`.
fn times(claims: &Map<String, Value>, now: UnixTime) -> Vec<(&'static str, String)> {
    let seconds = |claim| Some((claim, moment(claims.get(claim)?, UnixTime::from_secs, now)));
    let eff = || {
        let value = claims.get("eff")?;
        let never = value.as_i64() == Some(-1);
        let words = if never {
            "never expires".to_owned()
        } else {
            moment(value, UnixTime::from_millis, now)
        };
        Some(("eff", words))
    };
    let created = || {
        let value = claims.get("createAt")?;
        Some(("createAt", moment(value, UnixTime::from_millis, now)))
    };
    let seconds = [seconds("iat"), seconds("nbf"), seconds("exp")];
    let millis = [eff(), created()];
    [seconds.as_slice(), &millis]
        .concat()
        .into_iter()
        .flatten()
        .collect()
}

/// A time as a date, and from now.
fn moment(value: &Value, unit: fn(i64) -> UnixTime, now: UnixTime) -> String {
    value.as_i64().map_or_else(
        || "not a whole number".to_owned(),
        |number| date(unit(number), now),
    )
}

/// The same of a time.
pub(super) fn date(time: UnixTime, now: UnixTime) -> String {
    let seconds = u64::try_from(time.as_secs())
        .ok()
        .filter(|seconds| *seconds <= LAST_SECOND);
    let Some(date) = seconds.map(|seconds| UNIX_EPOCH + Duration::from_secs(seconds)) else {
        return "not a date between 1970 and 9999".to_owned();
    };
    let date = humantime::format_rfc3339_seconds(date);
    let words =
        |duration: Duration| humantime::format_duration(Duration::from_secs(duration.as_secs()));
    if time > now {
        format!("{date} (in {})", words(time.since(now)))
    } else {
        format!("{date} ({} ago)", words(now.since(time)))
    }
}

/// A text that a terminal shows and does not obey.
fn printable(bytes: &[u8]) -> String {
    let mut text = String::new();
    for c in String::from_utf8_lossy(bytes).chars() {
        if c.is_control() {
            text.extend(c.escape_unicode());
        } else {
            text.push(c);
        }
    }
    text
}

/// A name in one column, what is said about it in the next.
#[derive(Default)]
pub(super) struct Lines(String);

impl Lines {
    pub(super) fn into_text(self) -> String {
        self.0
    }

    /// Whether the gate takes a token apart, and by what `revocations` name it.
    fn add_form_and_name(&mut self, token: &str, has_form: bool) {
        self.add(
            "form",
            if has_form {
                "as the gate demands it"
            } else {
                "refused by the gate"
            },
        );
        self.add("sha256", &token_digest(token.as_bytes()).to_hex());
    }

    pub(super) fn add(&mut self, name: &str, words: &str) {
        if !self.0.is_empty() {
            self.0.push('\n');
        }
        // Writing to a string cannot fail.
        let _ = write!(self.0, "{name:<10} {words}");
    }
}

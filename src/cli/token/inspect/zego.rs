//! What a Token04 of ZEGO says; most of it can be seen with the server secret alone.

use super::{Lines, date, printable};
use crate::cli::token::TokenError;
use crate::clock::UnixTime;
use crate::scheme::zego_token04::claims::Claims;
use crate::scheme::zego_token04::envelope::{Envelope, Mode};
use crate::scheme::zego_token04::{Opened, SecretKey};
use crate::secret::Secret;

pub(super) fn describe(
    text: &str,
    secret: Option<&Secret>,
    now: UnixTime,
) -> Result<String, TokenError> {
    let mut lines = Lines::default();
    let Some(envelope) = Envelope::parse(text.as_bytes()) else {
        lines.add("kind", "Token04 of ZEGO");
        lines.add_form_and_name(text, false);
        return Ok(lines.0);
    };
    lines.add(
        "kind",
        match envelope.mode {
            Mode::Cbc => "Token04 of ZEGO in the old mode, CBC: refused unless `allow_cbc` is set",
            Mode::Gcm => "Token04 of ZEGO",
        },
    );
    let outer = UnixTime::from_secs(envelope.expire);
    let opened = match secret {
        // The app is part of the key's name alone.
        Some(secret) => SecretKey::new(0, secret, None)
            .ok_or(TokenError::KeyUnfit {
                expected: "expected 32 characters",
            })?
            .open(&envelope)
            .filter(|opened: &Opened| opened.is_whole),
        None => None,
    };
    let claims = opened
        .as_ref()
        .and_then(|opened| Claims::read(&opened.text));
    if let Some(opened) = &opened {
        lines.add("claims", &printable(&opened.text));
    }
    if let Some(claims) = &claims {
        lines.add("ctime", &date(UnixTime::from_secs(claims.ctime), now));
    }
    lines.add("expire", &date(outer, now));
    let has_form = secret.is_none() || claims.as_ref().is_some_and(|c| c.expire == envelope.expire);
    lines.add_form_and_name(text, has_form);
    lines.add(
        "secret",
        match (secret, &opened) {
            (None, _) => "not given: the rest is encrypted (give --secret-file or --secret-env)",
            (Some(_), Some(_)) => "good",
            (Some(_), None) => "BAD",
        },
    );
    Ok(lines.0)
}

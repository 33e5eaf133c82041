//! `zego_token04`: one project of ZEGO's console.

use std::time::Duration;

use crate::config::cursor::{Cursor, Keys};
use crate::config::strength;
use crate::scheme::zego_token04::{Config, MAX_LIFETIME, Previous, SECRET_BYTES};
use crate::secret::Secret;

pub(super) fn decode(cursor: &Cursor<'_>) -> Option<Config> {
    let fields = cursor.map(&ZEGO_TOKEN04)?;
    let app_id = fields
        .required("app_id")
        .and_then(|id| id.integer(1..=u32::MAX));
    let secrets = strength::rotating(&fields, "server_secret", fits);
    let max_lifetime = fields.or_default("max_lifetime", MAX_LIFETIME, |lifetime| {
        lifetime.duration(Duration::from_secs(1)..=MAX_LIFETIME)
    });
    let allow_cbc = fields.or_default("allow_cbc", false, |allow| {
        let is_allowed = allow.boolean()?;
        if is_allowed {
            allow.warn(
                "tokens of the old mode are not authenticated: whoever has one may be able to turn it \
                 into another user's",
            );
        }
        Some(is_allowed)
    });
    let secrets = secrets?;
    let previous = secrets.previous.into_iter();
    Some(Config {
        app_id: app_id?,
        server_secret: secrets.current,
        previous: previous
            .map(|(server_secret, not_after)| Previous {
                server_secret,
                not_after,
            })
            .collect(),
        max_lifetime,
        allow_cbc,
    })
}

const ZEGO_TOKEN04: Keys = Keys {
    known: &[
        "allow_cbc",
        "app_id",
        "max_lifetime",
        "previous",
        "server_secret",
    ],
    later: &[],
};

fn fits(cursor: &Cursor<'_>, secret: &Secret) -> bool {
    let fits = secret.len() == SECRET_BYTES;
    if !fits {
        cursor.problem(format!(
            "expected {SECRET_BYTES} characters, as ZEGO's console shows the server secret: it is used \
             as it is, not decoded"
        ));
    }
    fits
}

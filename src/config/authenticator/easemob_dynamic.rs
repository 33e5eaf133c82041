//! `easemob_dynamic`: the apps whose servers make tokens, and which ttls they may choose.

use crate::config::cursor::{Cursor, Keys};
use crate::config::strength;
use crate::scheme::easemob_dynamic::{App, Config, MAX_TTL, Previous, Ttls, are_alike, is_app_key};

pub(super) fn decode(cursor: &Cursor<'_>) -> Option<Config> {
    let fields = cursor.map(&EASEMOB_DYNAMIC)?;
    let apps = fields.required("apps").and_then(|list| apps(&list));
    let ttls = fields.required("ttls").and_then(|list| ttls(&list));
    Some(Config {
        apps: apps?,
        ttls: ttls?,
    })
}

const EASEMOB_DYNAMIC: Keys = Keys {
    known: &["apps", "ttls"],
    later: &[],
};

const APP: Keys = Keys {
    known: &["app_key", "client_id", "client_secret", "previous"],
    later: &[],
};

fn apps(cursor: &Cursor<'_>) -> Option<Vec<App>> {
    let mut apps: Vec<App> = Vec::new();
    for element in cursor.non_empty_list()? {
        let Some(app) = app(&element) else { continue };
        if apps.iter().any(|other| other.app_key == app.app_key) {
            element.problem("the same app key is already listed above");
        } else if apps.iter().any(|other| are_alike(other, &app)) {
            element.problem(
                "`client_id` and `app_key` together begin like those of an app above, so a token of \
                 one app could be one of the other",
            );
        } else {
            apps.push(app);
        }
    }
    (!apps.is_empty()).then_some(apps)
}

fn app(cursor: &Cursor<'_>) -> Option<App> {
    let fields = cursor.map(&APP)?;
    let app_key = fields.required("app_key").and_then(|key| {
        key.parsed("an app key such as `org#app`", |text| {
            is_app_key(text).then(|| text.into())
        })
    });
    let client_id = fields
        .required("client_id")
        .and_then(|id| id.non_empty_text())
        .map(str::to_owned);
    let secrets = strength::rotating(&fields, "client_secret", |_, _| true)?;
    let previous = secrets.previous.into_iter();
    Some(App {
        app_key: app_key?,
        client_id: client_id?,
        client_secret: secrets.current,
        previous: previous
            .map(|(client_secret, not_after)| Previous {
                client_secret,
                not_after,
            })
            .collect(),
    })
}

fn ttls(cursor: &Cursor<'_>) -> Option<Ttls> {
    let elements = cursor.non_empty_list()?;
    // Each is looked at, whatever is wrong with those before it.
    let seconds: Vec<Option<u32>> = elements
        .iter()
        .map(|element| element.integer(1..=MAX_TTL))
        .collect();
    match Ttls::new(seconds.into_iter().collect::<Option<_>>()?) {
        Ok(ttls) => Some(ttls),
        Err(unfit) => {
            cursor.problem(unfit.to_string());
            None
        }
    }
}

//! The apps of one authenticator, each with its present secret and older ones.

use std::collections::HashMap;
use std::sync::Arc;

use crate::clock::UnixTime;
use crate::scheme::easemob_dynamic::App;
use crate::scheme::easemob_dynamic::token::Token;
use crate::scheme::{KeyProblem, Rejection, SchemeName, WhichKey, latest_end};
use crate::secret::{Digest, Secret};

/// By app key. Clients look one up but never add one, so the map need not be made against chosen
/// collisions.
#[derive(Debug)]
pub(super) struct Apps(HashMap<Arc<str>, Compiled, foldhash::fast::RandomState>);

#[derive(Debug)]
pub(super) struct Compiled {
    pub(super) app_key: Arc<str>,
    client_id: String,
    /// The present one first.
    keys: Vec<Key>,
}

/// What verifies: a client secret in its app.
#[derive(Debug)]
pub(super) struct Key {
    secret: Secret,
    pub(super) not_after: Option<UnixTime>,
    pub(super) digest: Digest,
}

impl Apps {
    pub(super) fn new(apps: Vec<App>) -> Result<Self, KeyProblem> {
        for (index, app) in apps.iter().enumerate() {
            if let Some(expected) = unfit(app, apps.iter().take(index)) {
                let name = is_app_key(&app.app_key).then(|| Arc::clone(&app.app_key));
                let which = WhichKey::App { index, name };
                return Err(KeyProblem { which, expected });
            }
        }
        let compiled = apps.into_iter().map(Compiled::new);
        Ok(Self(
            compiled
                .map(|app| (Arc::clone(&app.app_key), app))
                .collect(),
        ))
    }

    pub(super) fn get(&self, app_key: &str) -> Option<&Compiled> {
        self.0.get(app_key)
    }

    /// The end of a key that verified something earlier, if it is still here and in date.
    pub(super) fn uphold(
        &self,
        digest: &Digest,
        now: UnixTime,
    ) -> Result<Option<UnixTime>, Rejection> {
        let keys = self.0.values().flat_map(|app| &app.keys);
        let same = keys.filter(|key| key.digest == *digest);
        latest_end(same.map(|key| key.not_after), now)
    }
}

impl Compiled {
    fn new(app: App) -> Self {
        let App {
            app_key,
            client_id,
            client_secret,
            previous,
        } = app;
        let key = |secret: Secret, not_after| {
            let digest = Digest::of_parts([
                SchemeName::EasemobDynamic.as_str().as_bytes(),
                app_key.as_bytes(),
                client_id.as_bytes(),
                Digest::of(secret.expose()).as_bytes(),
            ]);
            Key {
                secret,
                not_after,
                digest,
            }
        };
        let older = previous
            .into_iter()
            .map(|old| key(old.client_secret, Some(old.not_after)));
        let keys = std::iter::once(key(client_secret, None))
            .chain(older)
            .collect();
        Self {
            app_key,
            client_id,
            keys,
        }
    }

    /// The key that signed the token.
    pub(super) fn verify(&self, token: &Token, now: UnixTime) -> Result<&Key, Rejection> {
        self.keys
            .iter()
            .filter(|key| key.not_after.is_none_or(|end| now < end))
            .find(|key| {
                let signature = token.sign(&self.client_id, key.secret.expose());
                signature.matches(&token.signature)
            })
            .ok_or(Rejection::BadSignature)
    }
}

/// Whether a text is an app key, `org#app`, that a path can name.
pub fn is_app_key(text: &str) -> bool {
    let is_part = |part: &str| {
        !part.is_empty()
            && part
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-'))
    };
    text.split_once('#')
        .is_some_and(|(org, app)| is_part(org) && is_part(app))
}

/// Whether a token of one app could be one of the other: nothing stands between the client id, the
/// app key and the user that follows, so neither of the two may begin like the other.
pub fn are_alike(one: &App, other: &App) -> bool {
    let start = |app: &App| format!("{}{}", app.client_id, app.app_key);
    let (one, other) = (start(one), start(other));
    one.starts_with(&other) || other.starts_with(&one)
}

fn unfit<'a>(app: &App, mut earlier: impl Iterator<Item = &'a App>) -> Option<&'static str> {
    let is_empty = |old: &super::Previous| old.client_secret.is_empty();
    if !is_app_key(&app.app_key) {
        Some("expected an app key such as `org#app`")
    } else if app.client_id.is_empty() {
        Some("expected a client id that is not empty")
    } else if app.client_secret.is_empty() || app.previous.iter().any(is_empty) {
        Some("expected a client secret that is not empty")
    } else if earlier.any(|other| other.app_key == app.app_key || are_alike(app, other)) {
        Some("expected an app key and a client id unlike those of another app")
    } else {
        None
    }
}

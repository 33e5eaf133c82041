//! `jwt`: keys that fix the algorithm, from a list or from a JWKS.

use std::collections::HashSet;
use std::time::Duration;

use super::jwk;
use super::public_key::{self, PublicKey};
use crate::config::cursor::{Cursor, Fields, Keys};
use crate::config::{source, spelling, strength};
use crate::scheme::jwt::{self as scheme, Algorithm, Claims, Config, Expected, Key, KeyMaterial};

pub(super) fn decode(cursor: &Cursor<'_>) -> Option<Config> {
    let fields = cursor.map(&JWT)?;
    let keys = match (fields.get("keys"), fields.get("jwks")) {
        (Some(keys), None) => listed(&keys).map(scheme::Keys::Listed),
        (None, Some(jwks)) => jwk::decode(&jwks),
        (Some(_), Some(jwks)) => {
            jwks.problem("`keys` and `jwks` exclude each other");
            None
        }
        (None, None) => fields.choose(0, "`keys` or `jwks`"),
    };
    let issuer = fields.required("issuer").and_then(|value| expected(&value));
    let audience = fields
        .required("audience")
        .and_then(|value| expected(&value));
    let leeway = fields.or_default("leeway", Duration::ZERO, |leeway| {
        leeway.duration(Duration::ZERO..=MAX_LEEWAY)
    });
    let claims = fields.or_default("claims", subject_only(), claims);
    Some(Config {
        keys: keys?,
        issuer: issuer?,
        audience: audience?,
        leeway,
        claims,
    })
}

/// Reads an algorithm's name; ES512 is refused by name, since it is a good algorithm elsewhere.
pub(super) fn algorithm(cursor: &Cursor<'_>) -> Option<Algorithm> {
    if cursor.is_word("ES512") {
        cursor.problem("jsonwebtoken cannot verify ES512, expected another algorithm");
        return None;
    }
    let name = cursor.text()?;
    let found = ALGORITHMS.iter().find(|(known, _)| *known == name);
    if found.is_none() {
        let known = ALGORITHMS.map(|(known, _)| known);
        cursor.problem(format!(
            "unknown algorithm, expected {}",
            spelling::list(&known)
        ));
    }
    found.map(|(_, algorithm)| *algorithm)
}

/// Reports a key id that another key of the same authenticator has.
pub(super) fn take_kid(cursor: &Cursor<'_>, kid: Option<&str>, taken: &mut HashSet<String>) {
    if let Some(kid) = kid
        && !taken.insert(kid.to_owned())
    {
        cursor.problem("another key above has the same `kid`");
    }
}

pub(super) const fn is_hmac(algorithm: Algorithm) -> bool {
    match algorithm {
        Algorithm::HS256 | Algorithm::HS384 | Algorithm::HS512 => true,
        Algorithm::EdDSA
        | Algorithm::ES256
        | Algorithm::ES384
        | Algorithm::PS256
        | Algorithm::PS384
        | Algorithm::PS512
        | Algorithm::RS256
        | Algorithm::RS384
        | Algorithm::RS512 => false,
    }
}

const JWT: Keys = Keys {
    known: &["audience", "claims", "issuer", "jwks", "keys", "leeway"],
    later: &[],
};

const KEY: Keys = Keys {
    known: &[
        "algorithm",
        "allow_weak_secret",
        "kid",
        "not_after",
        "previous",
        "public_key",
        "secret",
    ],
    later: &[],
};

const CLAIMS: Keys = Keys {
    known: &["app", "device_type", "subject", "user_type"],
    later: &[],
};

/// Clocks further apart than this are broken.
const MAX_LEEWAY: Duration = Duration::from_mins(5);

const ALGORITHMS: [(&str, Algorithm); 12] = [
    ("EdDSA", Algorithm::EdDSA),
    ("ES256", Algorithm::ES256),
    ("ES384", Algorithm::ES384),
    ("HS256", Algorithm::HS256),
    ("HS384", Algorithm::HS384),
    ("HS512", Algorithm::HS512),
    ("PS256", Algorithm::PS256),
    ("PS384", Algorithm::PS384),
    ("PS512", Algorithm::PS512),
    ("RS256", Algorithm::RS256),
    ("RS384", Algorithm::RS384),
    ("RS512", Algorithm::RS512),
];

fn listed(cursor: &Cursor<'_>) -> Option<Vec<Key>> {
    let mut keys = Vec::new();
    let mut kids = HashSet::new();
    for element in cursor.non_empty_list()? {
        take_key(&element, &mut keys, &mut kids);
    }
    (!keys.is_empty()).then_some(keys)
}

/// Decodes one key, and its predecessors as further keys of the same id.
fn take_key(cursor: &Cursor<'_>, keys: &mut Vec<Key>, kids: &mut HashSet<String>) -> Option<()> {
    let fields = cursor.map(&KEY)?;
    let kid = fields
        .optional("kid", Cursor::non_empty_text)
        .map(str::to_owned);
    take_kid(cursor, kid.as_deref(), kids);
    let not_after = fields.optional("not_after", Cursor::timestamp);
    let algorithm = fields
        .required("algorithm")
        .and_then(|name| algorithm(&name))?;
    if is_hmac(algorithm) {
        if let Some(public) = fields.get("public_key") {
            public.problem("expected `secret` instead: this algorithm is an HMAC");
            return None;
        }
        let secrets = strength::rotating_hmac(&fields, "secret")?;
        let material = KeyMaterial::Hmac(secrets.current);
        keys.push(Key {
            kid: kid.clone(),
            algorithm,
            material,
            not_after,
        });
        for (secret, end) in secrets.previous {
            let material = KeyMaterial::Hmac(secret);
            keys.push(Key {
                kid: kid.clone(),
                algorithm,
                material,
                // With the entry its older secrets end too.
                not_after: Some(not_after.map_or(end, |entry_end| end.min(entry_end))),
            });
        }
        return Some(());
    }
    for (key, message) in [
        (
            "secret",
            "expected `public_key` instead: this algorithm has a public key",
        ),
        (
            "previous",
            "list the older public key as a key of its own, with `not_after`",
        ),
        ("allow_weak_secret", "expected only beside a `secret`"),
    ] {
        if let Some(misplaced) = fields.get(key) {
            misplaced.problem(message);
        }
    }
    let material = public_key(&fields, algorithm)?;
    keys.push(Key {
        kid,
        algorithm,
        material,
        not_after,
    });
    Some(())
}

fn public_key(fields: &Fields<'_>, algorithm: Algorithm) -> Option<KeyMaterial> {
    if fields.has("secret") && !fields.has("public_key") {
        return None;
    }
    let cursor = fields.required("public_key")?;
    let pem = source::public(&cursor)?;
    let key = match public_key::classify(pem.expose()) {
        Ok(key) => key,
        Err(reason) => {
            cursor.problem(reason.message());
            return None;
        }
    };
    if !fits(key, algorithm) {
        cursor.problem("this key is of another kind than `algorithm` says");
        return None;
    }
    Some(KeyMaterial::Pem(pem.expose().to_vec()))
}

fn fits(key: PublicKey, algorithm: Algorithm) -> bool {
    match algorithm {
        Algorithm::EdDSA => key == PublicKey::Ed25519,
        Algorithm::ES256 => key == PublicKey::P256,
        Algorithm::ES384 => key == PublicKey::P384,
        Algorithm::PS256
        | Algorithm::PS384
        | Algorithm::PS512
        | Algorithm::RS256
        | Algorithm::RS384
        | Algorithm::RS512 => key == PublicKey::Rsa,
        Algorithm::HS256 | Algorithm::HS384 | Algorithm::HS512 => false,
    }
}

fn expected(cursor: &Cursor<'_>) -> Option<Expected> {
    let text = cursor.non_empty_text()?;
    Some(if text == "any" {
        Expected::Any
    } else {
        Expected::Value(text.to_owned())
    })
}

fn subject_only() -> Claims {
    Claims {
        subject: "sub".to_owned(),
        user_type: None,
        device_type: None,
        app: None,
    }
}

fn claims(cursor: &Cursor<'_>) -> Option<Claims> {
    let fields = cursor.map(&CLAIMS)?;
    let claim = |key| {
        fields
            .optional(key, Cursor::non_empty_text)
            .map(str::to_owned)
    };
    Some(Claims {
        subject: claim("subject").unwrap_or_else(|| subject_only().subject),
        user_type: claim("user_type"),
        device_type: claim("device_type"),
        app: claim("app"),
    })
}

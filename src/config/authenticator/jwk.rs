//! `jwks`: a JSON Web Key Set (RFC 7517), in a file or behind a URL.
//!
//! A key of a file is taken only if it says, alone, which algorithm it is for. Only the public members are
//! kept; members that nobody here reads are allowed, as the RFC asks.

use std::collections::HashSet;
use std::ops::RangeInclusive;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::jwt::{algorithm, is_hmac, take_kid};
use super::public_key::{MODULUS_SIZE, is_modulus_size};
use crate::config::cursor::{Cursor, Fields, Keys, Source};
use crate::config::tree::{SyntaxError, Tree};
use crate::config::{http, source, strength, yaml};
use crate::scheme::jwt::{self, Algorithm, Key, KeyMaterial, MAX_JWKS_BYTES};
use crate::secret::Secret;

/// Reads the set that `jwks: { file }` names, or how to come to that of `jwks: { url }`.
pub(super) fn decode(cursor: &Cursor<'_>) -> Option<jwt::Keys> {
    let fields = cursor.map(&JWKS)?;
    match (fields.has("file"), fields.has("url")) {
        (true, false) => {
            only_beside(&fields, OF_URL, "expected only beside `url`");
            from_file(cursor, &fields).map(jwt::Keys::Listed)
        }
        (false, true) => {
            only_beside(&fields, OF_FILE, "expected only beside `file`");
            from_url(&fields).map(jwt::Keys::Remote)
        }
        (_, is_both) => fields.choose(2 * usize::from(is_both), "either `file` or `url`"),
    }
}

fn only_beside(fields: &Fields<'_>, keys: &[&'static str], message: &str) {
    for key in fields.among(keys) {
        if let Some(misplaced) = fields.get(key) {
            misplaced.problem(message);
        }
    }
}

fn from_url(fields: &Fields<'_>) -> Option<jwt::Jwks> {
    let time = |key, default, range: RangeInclusive<Duration>| {
        fields.or_default(key, default, |time| time.duration(range))
    };
    let refresh = time("refresh", MINUTE * 10, SECOND..=DAY);
    let cooldown = time("cooldown", SECOND * 30, SECOND..=HOUR);
    let max_age = time("max_age", DAY.max(refresh * 2), SECOND..=DAY * 30);
    if max_age < refresh
        && let Some(written) = fields.get("max_age")
    {
        written.problem("expected at least `refresh`, or the set would be too old in between");
    }
    let rules = http::Defaults {
        timeout: SECOND * 5,
        max_body: MAX_JWKS_BYTES,
        in_flight: 1,
    };
    let (url, http) = http::endpoint(fields, &rules, &[])?;
    Some(jwt::Jwks {
        url,
        http,
        refresh,
        cooldown,
        max_age,
    })
}

fn from_file(cursor: &Cursor<'_>, fields: &Fields<'_>) -> Option<Vec<Key>> {
    let weak_is_allowed = fields.or_default("allow_weak_secret", false, Cursor::boolean);
    let file = fields.required("file")?;
    let (path, bytes) = source::read_file(&file, MAX_FILE)?;
    let source = Source::new(&path);
    let tree = match parse(&bytes) {
        Ok(tree) => tree,
        Err(error) => {
            cursor
                .findings
                .problem(yaml::error_place(&error, &source), error.message);
            return None;
        }
    };
    yaml::report_form(&tree, &source, cursor.findings);
    let root = Cursor::root(&tree.root, &source, cursor.findings);
    let mut kids = HashSet::new();
    let elements = root.open_map()?.required("keys")?.non_empty_list()?;
    let keys: Vec<Key> = elements
        .iter()
        .filter_map(|element| key(element, &mut kids, weak_is_allowed))
        .collect();
    (!keys.is_empty()).then_some(keys)
}

const JWKS: Keys = Keys {
    known: &[
        "allow_http",
        "allow_weak_secret",
        "ca",
        "cooldown",
        "file",
        "max_age",
        "refresh",
        "timeout",
        "url",
    ],
    later: &[],
};

const OF_URL: &[&str] = &[
    "allow_http",
    "ca",
    "cooldown",
    "max_age",
    "refresh",
    "timeout",
];
const OF_FILE: &[&str] = &["allow_weak_secret"];

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_mins(1);
const HOUR: Duration = Duration::from_hours(1);
const DAY: Duration = Duration::from_hours(24);

const MAX_FILE: usize = 1024 * 1024;

/// RFC 7518, sections 6.2.2 and 6.3.2; RFC 8037, section 2.
const PRIVATE: [&str; 7] = ["d", "dp", "dq", "oth", "p", "q", "qi"];

fn parse(bytes: &[u8]) -> Result<Tree, SyntaxError> {
    let text = std::str::from_utf8(bytes).map_err(|_| SyntaxError {
        line: None,
        message: "expected UTF-8 text",
    })?;
    Tree::from_json(text)
}

fn key(cursor: &Cursor<'_>, kids: &mut HashSet<String>, weak_is_allowed: bool) -> Option<Key> {
    let fields = cursor.open_map()?;
    let kid = fields
        .optional("kid", Cursor::non_empty_text)
        .map(str::to_owned);
    take_kid(cursor, kid.as_deref(), kids);
    if let Some(purpose) = fields.get("use")
        && !purpose.is_word("sig")
    {
        purpose.problem("expected `sig`, a key for signatures");
        return None;
    }
    if let Some(operations) = fields.get("key_ops")
        && !operations
            .list()?
            .iter()
            .any(|operation| operation.is_word("verify"))
    {
        operations.problem("expected `verify` among the operations");
        return None;
    }
    let named = match fields.get("alg") {
        Some(name) => Some(algorithm(&name)?),
        None => None,
    };
    let (algorithm, material) = match fields.required("kty")?.text()? {
        "oct" => oct(&fields, named, weak_is_allowed)?,
        "RSA" => rsa(&fields, named)?,
        "EC" => elliptic(&fields, named)?,
        "OKP" => edwards(&fields, named)?,
        _ => {
            fields
                .get("kty")?
                .problem("expected `RSA`, `EC`, `OKP` or `oct`");
            return None;
        }
    };
    Some(Key {
        kid,
        algorithm,
        material,
        not_after: None,
    })
}

type Decoded = Option<(Algorithm, KeyMaterial)>;

fn oct(fields: &Fields<'_>, named: Option<Algorithm>, weak_is_allowed: bool) -> Decoded {
    let Some(algorithm) = named.filter(|algorithm| is_hmac(*algorithm)) else {
        fields.problem("expected `alg` with `HS256`, `HS384` or `HS512` for an `oct` key");
        return None;
    };
    let value = fields.required("k")?;
    let secret = Secret::new(base64url(&value)?.1);
    strength::is_strong(&value, &secret, weak_is_allowed)
        .then_some((algorithm, KeyMaterial::Hmac(secret)))
}

fn rsa(fields: &Fields<'_>, named: Option<Algorithm>) -> Decoded {
    let algorithm = agreed(
        fields,
        named,
        &[
            Algorithm::RS256,
            Algorithm::RS384,
            Algorithm::RS512,
            Algorithm::PS256,
            Algorithm::PS384,
            Algorithm::PS512,
        ],
    )?;
    let modulus = fields.required("n")?;
    let (n, bytes) = base64url(&modulus)?;
    if !is_modulus_size(&bytes) {
        modulus.problem(MODULUS_SIZE);
        return None;
    }
    let exponent = fields.required("e")?;
    let (e, bytes) = base64url(&exponent)?;
    // With an exponent of one everyone can sign.
    let is_odd = bytes.last().is_some_and(|byte| byte % 2 == 1);
    if !is_odd || bytes.len() > 8 || bytes.iter().map(|byte| u64::from(*byte)).sum::<u64>() == 1 {
        exponent.problem("expected an odd exponent of at least 3");
        return None;
    }
    public(fields, algorithm, &[("kty", "RSA"), ("n", n), ("e", e)])
}

fn elliptic(fields: &Fields<'_>, named: Option<Algorithm>) -> Decoded {
    let curve = fields.required("crv")?;
    let (name, algorithm, size) = match curve.text()? {
        "P-256" => ("P-256", Algorithm::ES256, 32),
        "P-384" => ("P-384", Algorithm::ES384, 48),
        "P-521" => {
            curve.problem("jsonwebtoken cannot verify ES512, expected another curve");
            return None;
        }
        _ => {
            curve.problem("expected `P-256` or `P-384`");
            return None;
        }
    };
    let algorithm = agreed(fields, named, &[algorithm])?;
    let x = sized(&fields.required("x")?, size);
    let y = sized(&fields.required("y")?, size);
    public(
        fields,
        algorithm,
        &[("kty", "EC"), ("crv", name), ("x", x?), ("y", y?)],
    )
}

fn edwards(fields: &Fields<'_>, named: Option<Algorithm>) -> Decoded {
    let curve = fields.required("crv")?;
    if !curve.is_word("Ed25519") {
        curve.problem("expected `Ed25519`");
        return None;
    }
    let algorithm = agreed(fields, named, &[Algorithm::EdDSA])?;
    let x = sized(&fields.required("x")?, 32)?;
    public(
        fields,
        algorithm,
        &[("kty", "OKP"), ("crv", "Ed25519"), ("x", x)],
    )
}

/// The algorithm that the key names, or the first that its kind allows.
fn agreed(
    fields: &Fields<'_>,
    named: Option<Algorithm>,
    allowed: &[Algorithm],
) -> Option<Algorithm> {
    let algorithm = named.or_else(|| allowed.first().copied());
    let agreed = algorithm.filter(|algorithm| allowed.contains(algorithm));
    if agreed.is_none() {
        fields.problem("`alg` is for another kind of key than `kty` and `crv` say");
    }
    agreed
}

/// Writes the public members alone, all of which are known words or base64url.
fn public(fields: &Fields<'_>, algorithm: Algorithm, members: &[(&str, &str)]) -> Decoded {
    if !fields.among(&PRIVATE).is_empty() {
        fields.problem("a private key, expected only its public members");
        return None;
    }
    let members: Vec<String> = members
        .iter()
        .map(|(name, value)| format!("\"{name}\":\"{value}\""))
        .collect();
    Some((
        algorithm,
        KeyMaterial::Jwk(format!("{{{}}}", members.join(","))),
    ))
}

fn sized<'a>(cursor: &Cursor<'a>, size: usize) -> Option<&'a str> {
    let (text, bytes) = base64url(cursor)?;
    if bytes.len() != size {
        cursor.problem(format!("expected {size} bytes in base64url"));
        return None;
    }
    Some(text)
}

/// The text, which is unpadded base64url, and its bytes.
fn base64url<'a>(cursor: &Cursor<'a>) -> Option<(&'a str, Vec<u8>)> {
    cursor.parsed("unpadded base64url", |text| {
        let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
        (!bytes.is_empty()).then_some((text, bytes))
    })
}

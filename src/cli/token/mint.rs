//! `imgate token mint`: one token of each scheme that a machine can mint.

use std::time::Duration;

use clap::{Args, Subcommand};
use serde_json::Value;

use crate::cli::token::easemob_token::{self, EasemobTokenArgs};
use crate::cli::token::{SecretArgs, TokenError};
use crate::clock::UnixTime;
use crate::scheme::imkit_client_key;
use crate::scheme::jwt::{self, Algorithm, SigningKey};
use crate::scheme::sa_token::{self, Mixin};
use crate::scheme::{easemob_dynamic, zego_token04};
use crate::secret::Secret;

#[derive(Debug, Subcommand)]
pub(super) enum MintCommand {
    /// A token of the form of Easemob's own (`YWMt…`), with a tag that only a backend of one's own
    /// would take.
    #[command(name = "easemob_token")]
    EasemobToken(EasemobTokenArgs),
    /// A dynamic user token of Easemob; the secret is the app's client secret.
    #[command(name = "easemob_dynamic")]
    EasemobDynamic(EasemobDynamicArgs),
    /// A client key of IMKIT. The API key in it is made up.
    ///
    /// Without a secret it is signed with one that nobody knows, for a gate that compares whole keys.
    #[command(name = "imkit_client_key")]
    ImkitClientKey(ImkitClientKeyArgs),
    /// A JSON Web Token, with `--secret-file` for an HMAC and `--key-file` for a private key.
    Jwt(JwtArgs),
    /// A Sa-Token JWT as RuoYi issues it.
    ///
    /// In simple mode, the default, the token holds neither device nor expiry: its session is in
    /// Redis. `--device`, `--expires-in` and `--mixin` make a token of mixin mode.
    #[command(name = "sa_token")]
    SaToken(SaTokenArgs),
    /// A Token04 of ZEGO (GCM); the secret is the project's server secret.
    #[command(name = "zego_token04")]
    ZegoToken04(ZegoToken04Args),
}

#[derive(Debug, Args)]
pub(super) struct EasemobDynamicArgs {
    #[command(flatten)]
    secret: SecretArgs,
    /// Such as `org#app`.
    #[arg(long)]
    app_key: String,
    #[arg(long)]
    client_id: String,
    #[arg(long)]
    user: String,
    /// In seconds.
    #[arg(long, default_value = "600")]
    ttl: u32,
}

#[derive(Debug, Args)]
pub(super) struct ZegoToken04Args {
    #[command(flatten)]
    secret: SecretArgs,
    #[arg(long)]
    app_id: u32,
    #[arg(long)]
    user: String,
    #[arg(long, default_value = "1h", value_parser = humantime::parse_duration)]
    expires_in: Duration,
    /// A text with JSON in it, by which ZEGO's own services know rooms and privileges.
    #[arg(long, default_value = "")]
    payload: String,
}

#[derive(Debug, Args)]
pub(super) struct ImkitClientKeyArgs {
    #[command(flatten)]
    secret: SecretArgs,
    /// A random UUID unless given.
    #[arg(long)]
    client_id: Option<String>,
}

#[derive(Debug, Args)]
pub(super) struct JwtArgs {
    #[command(flatten)]
    secret: SecretArgs,
    /// Such as `HS256` or `ES256`; a wrong one is answered with the list.
    #[arg(long, value_parser = algorithm)]
    alg: Algorithm,
    #[arg(long)]
    kid: Option<String>,
    #[arg(long)]
    subject: Option<String>,
    #[arg(long)]
    issuer: Option<String>,
    #[arg(long)]
    audience: Option<String>,
    /// Another claim; a value that is JSON is taken as such, any other as a text.
    #[arg(long = "claim", value_name = "NAME=VALUE", value_parser = claim)]
    claims: Vec<(String, Value)>,
    #[arg(long, default_value = "1h", value_parser = humantime::parse_duration)]
    expires_in: Duration,
}

#[derive(Debug, Args)]
pub(super) struct SaTokenArgs {
    #[command(flatten)]
    secret: SecretArgs,
    /// The user's id, without its type.
    #[arg(long)]
    user: String,
    /// The user's type, which stands before the id in `loginId`.
    #[arg(long, default_value = "im_user")]
    user_type: String,
    /// The device type.
    #[arg(long)]
    device: Option<String>,
    #[arg(long, value_parser = humantime::parse_duration)]
    expires_in: Option<Duration>,
    /// Puts an expiry into the token, `never` without `--expires-in`.
    #[arg(long)]
    mixin: bool,
    #[arg(long, default_value = "login")]
    login_type: String,
    /// Between user type and id.
    #[arg(long, default_value = ":")]
    separator: char,
}

pub(super) fn run(command: &MintCommand, now: UnixTime) -> Result<String, TokenError> {
    match command {
        MintCommand::EasemobToken(args) => easemob_token::mint(args, now),
        MintCommand::EasemobDynamic(args) => easemob_dynamic(args, now),
        MintCommand::ImkitClientKey(args) => imkit_client_key(args, now),
        MintCommand::Jwt(args) => jwt(args, now),
        MintCommand::SaToken(args) => sa_token(args, now),
        MintCommand::ZegoToken04(args) => zego_token04(args, now),
    }
}

fn easemob_dynamic(args: &EasemobDynamicArgs, now: UnixTime) -> Result<String, TokenError> {
    let secret = args.secret.read()?.ok_or(TokenError::NoSecret)?;
    let order = easemob_dynamic::Mint {
        app_key: args.app_key.clone(),
        client_id: args.client_id.clone(),
        user: args.user.clone(),
        ttl: args.ttl,
    };
    Ok(easemob_dynamic::mint(&secret, &order, now))
}

fn zego_token04(args: &ZegoToken04Args, now: UnixTime) -> Result<String, TokenError> {
    let secret = args.secret.read()?.ok_or(TokenError::NoSecret)?;
    let (mut number, mut iv) = ([0; 4], [0; 12]);
    getrandom::fill(&mut number).map_err(TokenError::Random)?;
    getrandom::fill(&mut iv).map_err(TokenError::Random)?;
    let order = zego_token04::Mint {
        app_id: args.app_id,
        user: args.user.clone(),
        expires_in: args.expires_in,
        payload: args.payload.clone(),
        number: i32::from_be_bytes(number),
        iv,
    };
    zego_token04::mint(&secret, &order, now).map_err(TokenError::Unsealed)
}

fn imkit_client_key(args: &ImkitClientKeyArgs, now: UnixTime) -> Result<String, TokenError> {
    let secret = match args.secret.read()? {
        Some(secret) => secret,
        None => Secret::new(random()?),
    };
    let client_id = match &args.client_id {
        Some(client_id) => client_id.clone(),
        None => uuid()?,
    };
    let order = imkit_client_key::Mint {
        client_id,
        random: random()?,
    };
    Ok(imkit_client_key::mint(&secret, &order, now))
}

fn jwt(args: &JwtArgs, now: UnixTime) -> Result<String, TokenError> {
    let secret = args.secret.read()?.ok_or(TokenError::NoSecret)?;
    let key = SigningKey::new(args.alg, &secret).map_err(TokenError::Unminted)?;
    let order = jwt::Mint {
        kid: args.kid.clone(),
        subject: args.subject.clone(),
        issuer: args.issuer.clone(),
        audience: args.audience.clone(),
        claims: args.claims.clone(),
        expires_in: Some(args.expires_in),
    };
    jwt::mint(&key, &order, now).map_err(TokenError::Unminted)
}

fn sa_token(args: &SaTokenArgs, now: UnixTime) -> Result<String, TokenError> {
    let secret = args.secret.read()?.ok_or(TokenError::NoSecret)?;
    let is_mixin = args.mixin || args.device.is_some() || args.expires_in.is_some();
    let order = sa_token::Mint {
        login_type: args.login_type.clone(),
        user_type: args.user_type.clone(),
        separator: args.separator,
        user: args.user.clone(),
        random: random_text()?,
        mixin: is_mixin.then(|| Mixin::new(args.device.clone(), args.expires_in, now)),
    };
    Ok(sa_token::mint(&secret, &order))
}

fn random() -> Result<[u8; 32], TokenError> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).map_err(TokenError::Random)?;
    Ok(bytes)
}

/// Of version 4 (RFC 9562 §5.4).
fn uuid() -> Result<String, TokenError> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(TokenError::Random)?;
    let bits = u128::from_be_bytes(bytes);
    let bits = bits & !(0xf << 76) & !(0x3 << 62) | 0x4 << 76 | 0x2 << 62;
    let digits = format!("{bits:032x}");
    let mut text = String::new();
    for (position, digit) in digits.chars().enumerate() {
        if matches!(position, 8 | 12 | 16 | 20) {
            text.push('-');
        }
        text.push(digit);
    }
    Ok(text)
}

/// 32 random letters and digits, as `rnStr` has them.
fn random_text() -> Result<String, TokenError> {
    const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    let mut text = String::new();
    while text.len() < 32 {
        let mut bytes = [0; 32];
        getrandom::fill(&mut bytes).map_err(TokenError::Random)?;
        // Six bits choose; the two values beyond the alphabet choose nothing.
        let chosen = bytes
            .iter()
            .filter_map(|byte| ALPHABET.get(usize::from(byte & 63)));
        text.extend(chosen.map(|letter| char::from(*letter)));
    }
    text.truncate(32);
    Ok(text)
}

fn algorithm(name: &str) -> Result<Algorithm, String> {
    Algorithm::from_name(name).ok_or_else(|| {
        format!(
            "expected one of {}",
            Algorithm::ALL.map(Algorithm::as_str).join(", ")
        )
    })
}

fn claim(text: &str) -> Result<(String, Value), &'static str> {
    let (name, value) = text.split_once('=').ok_or("expected NAME=VALUE")?;
    let value = serde_json::from_str(value).unwrap_or_else(|_| value.into());
    Ok((name.to_owned(), value))
}

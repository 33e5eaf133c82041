//! Easemob's own tokens: made without its key, for a backend of one's own, and taken apart.

use std::time::Duration;

use clap::{Args, ValueEnum};

use crate::cli::token::TokenError;
use crate::cli::token::inspect::{Lines, date};
use crate::clock::UnixTime;
use crate::scheme::easemob_token::{Kind, Layout, Uuid};
use crate::scheme::token_digest;

#[derive(Debug, Args)]
pub(super) struct EasemobTokenArgs {
    /// Whose token it is to be.
    #[arg(long, value_enum)]
    principal: Principal,
    /// The user's UUID, or that of the app whose token it is; drawn unless given.
    #[arg(long, value_parser = uuid)]
    entity: Option<Uuid>,
    /// The UUID of the app that a user belongs to; drawn unless given.
    #[arg(long, value_parser = uuid)]
    application: Option<Uuid>,
    /// `0s` is for ever.
    #[arg(long, default_value = "60days", value_parser = humantime::parse_duration)]
    expires_in: Duration,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Principal {
    App,
    User,
}

/// Makes a token. Its tag is drawn: Easemob would not take it, a backend in a test may.
pub(super) fn mint(args: &EasemobTokenArgs, now: UnixTime) -> Result<String, TokenError> {
    let drawn = || Ok(Uuid(random()?));
    let entity = args.entity.map_or_else(drawn, Ok)?;
    let (kind, application) = match args.principal {
        Principal::App => (Kind::App, None),
        Principal::User => (Kind::User, Some(args.application.map_or_else(drawn, Ok)?)),
    };
    let lifetime = Duration::from_secs(args.expires_in.as_secs());
    let layout = Layout {
        kind,
        application,
        entity,
        issued: now,
        lifetime: (!lifetime.is_zero()).then_some(lifetime),
    };
    Ok(layout.write(&random()?))
}

/// What a token says of itself.
pub(super) fn inspect(token: &str, now: UnixTime) -> String {
    let mut lines = Lines::default();
    match Layout::read(token.as_bytes()) {
        None => lines.add("kind", "Easemob, of a layout that is not known: opaque"),
        Some(layout) => {
            lines.add(
                "kind",
                match layout.kind {
                    Kind::App => "Easemob, an app's",
                    Kind::User => "Easemob, a user's",
                },
            );
            if let Some(application) = layout.application {
                lines.add("app", &application.to_string());
            }
            lines.add("entity", &layout.entity.to_string());
            lines.add("issued", &date(layout.issued, now));
            let ends = layout.ends().map(|end| date(end, now));
            lines.add("expires", ends.as_deref().unwrap_or("never"));
        }
    }
    lines.add("sha256", &token_digest(token.as_bytes()).to_hex());
    lines.add("signature", "not checked: only Easemob can");
    lines.into_text()
}

fn uuid(text: &str) -> Result<Uuid, &'static str> {
    Uuid::parse(text).ok_or("expected a UUID such as `8be024f0-e978-11e8-b697-5d598d5f8402`")
}

fn random<const N: usize>() -> Result<[u8; N], TokenError> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(TokenError::Random)?;
    Ok(bytes)
}

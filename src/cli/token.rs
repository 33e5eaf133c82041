//! `imgate token`: makes credentials for trying a gate out, and takes them apart.
//!
//! Secrets come from a file or from the environment, never from the arguments, which every process
//! of the machine can read.

use std::io;
use std::path::PathBuf;

use clap::{Args, Subcommand};

use crate::clock::UnixTime;
use crate::scheme::jwt::MintError;
use crate::scheme::zego_token04;
use crate::secret::Secret;

mod easemob_token;
mod inspect;
mod mint;

/// `imgate token …`
#[derive(Debug, Args)]
pub struct TokenArgs {
    #[command(subcommand)]
    command: TokenCommand,
}

#[derive(Debug, Subcommand)]
enum TokenCommand {
    /// Shows what a token says, and whether it has the form that the gate demands.
    Inspect(inspect::InspectArgs),
    /// Makes a token.
    #[command(subcommand)]
    Mint(mint::MintCommand),
}

/// Where a secret is.
#[derive(Debug, Args)]
#[group(multiple = false)]
struct SecretArgs {
    /// A file with the secret, or with a key in PEM; one newline at its end does not count.
    #[arg(long, visible_alias = "key-file", value_name = "FILE")]
    secret_file: Option<PathBuf>,
    /// The environment variable that holds the secret.
    #[arg(long, value_name = "NAME")]
    secret_env: Option<String>,
}

/// Why a command about tokens failed.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    #[error("the key in the file or variable does not fit the token's algorithm: {expected}")]
    KeyUnfit { expected: &'static str },
    #[error("expected a secret: give `--secret-file` or `--secret-env`")]
    NoSecret,
    #[error(
        "expected a token: three parts of base64url with dots between them, or one that begins with \
         `ZHQt` or `YWMt` (Easemob) or `04` (ZEGO)"
    )]
    NotAToken,
    #[error("the system gives no random bytes")]
    Random(#[source] getrandom::Error),
    #[error("expected a secret that is not empty")]
    SecretEmpty,
    #[error("the token could not be made: {0}")]
    Unminted(MintError),
    #[error("the token could not be made: {0}")]
    Unsealed(zego_token04::MintError),
    #[error("cannot read `{}`", path.display())]
    UnreadableFile { path: PathBuf, source: io::Error },
    #[error("cannot read the standard input")]
    UnreadableInput(#[source] io::Error),
    #[error("expected text in the environment variable `{name}`")]
    UnsetVariable { name: String },
}

/// Answers what is to be printed. `input` is read only where the arguments say so.
pub fn run(
    args: &TokenArgs,
    input: &mut dyn io::Read,
    now: UnixTime,
) -> Result<String, TokenError> {
    match &args.command {
        TokenCommand::Inspect(args) => inspect::run(args, input, now),
        TokenCommand::Mint(command) => mint::run(command, now),
    }
}

impl SecretArgs {
    fn read(&self) -> Result<Option<Secret>, TokenError> {
        let secret = match (&self.secret_file, &self.secret_env) {
            (None, None) => return Ok(None),
            (Some(path), _) => {
                let read = std::fs::read(path).map(Secret::new);
                let whole = read.map_err(|source| TokenError::UnreadableFile {
                    path: path.clone(),
                    source,
                })?;
                Secret::new(without_newline(whole.expose()))
            }
            (None, Some(name)) => match std::env::var(name) {
                Ok(value) => Secret::new(value),
                Err(_) => return Err(TokenError::UnsetVariable { name: name.clone() }),
            },
        };
        if secret.is_empty() {
            Err(TokenError::SecretEmpty)
        } else {
            Ok(Some(secret))
        }
    }
}

/// One newline at the end of a file is the editor's, not the secret's.
fn without_newline(bytes: &[u8]) -> &[u8] {
    let bytes_before = bytes.strip_suffix(b"\n").unwrap_or(bytes);
    if bytes.len() == bytes_before.len() {
        bytes
    } else {
        bytes_before.strip_suffix(b"\r").unwrap_or(bytes_before)
    }
}

#[cfg(test)]
mod tests;

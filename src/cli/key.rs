//! `imgate key new`: a fresh application key, and the line that the configuration has for it.
//!
//! The key is shown this once; the configuration holds its digest alone.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use clap::{Args, Subcommand};

use crate::secret::Digest;

/// `imgate key …`
#[derive(Debug, Args)]
pub struct KeyArgs {
    #[command(subcommand)]
    command: KeyCommand,
}

#[derive(Debug, Subcommand)]
enum KeyCommand {
    /// Makes an application key.
    ///
    /// The first line is the key, for the partner; the second goes into the configuration.
    New {
        /// Names the partner in logs and towards the upstream.
        #[arg(long, default_value = "partner")]
        id: String,
    },
}

/// Why no key could be made.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    #[error("the system gives no random bytes")]
    Random(#[source] getrandom::Error),
}

/// Answers what is to be printed.
pub fn run(args: &KeyArgs) -> Result<String, KeyError> {
    match &args.command {
        KeyCommand::New { id } => {
            let mut bytes = [0; 32];
            getrandom::fill(&mut bytes).map_err(KeyError::Random)?;
            let key = URL_SAFE_NO_PAD.encode(bytes);
            Ok(format!("{key}\n{}", configuration_line(id, &key)))
        }
    }
}

/// An entry of `keys`.
fn configuration_line(id: &str, key: &str) -> String {
    let digest = Digest::of(key.as_bytes());
    let mut hex = String::new();
    for byte in digest.as_bytes() {
        // Writing to a string cannot fail.
        let _ = write!(hex, "{byte:02x}");
    }
    format!("- {{ id: {}, sha256: \"{hex}\" }}", yaml(id))
}

/// A text as a YAML scalar: bare where nobody could take it for anything else.
fn yaml(text: &str) -> String {
    const WORDS: [&str; 9] = ["false", "n", "no", "null", "off", "on", "true", "y", "yes"];
    let is_bare = text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'))
        && !WORDS.contains(&text.to_ascii_lowercase().as_str());
    if is_bare {
        text.to_owned()
    } else {
        serde_json::Value::from(text).to_string()
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Program {
        #[command(flatten)]
        args: KeyArgs,
    }

    fn key_new(arguments: &[&str]) -> (String, String) {
        let arguments = ["key", "new"].iter().chain(arguments);
        let printed = run(&Program::try_parse_from(arguments).unwrap().args).unwrap();
        let (key, line) = printed.split_once('\n').unwrap();
        (key.to_owned(), line.to_owned())
    }

    #[test]
    fn a_key_is_fresh_and_its_line_fits() {
        let (key, line) = key_new(&["--id", "partner-a"]);
        assert_eq!(URL_SAFE_NO_PAD.decode(&key).unwrap().len(), 32);
        assert_eq!(line, configuration_line("partner-a", &key));
        assert_ne!(key_new(&[]).0, key, "another one each time");
    }

    #[test]
    fn digests_are_those_of_another_implementation() {
        let vectors = include_str!("../../tests/vectors/app_key/vectors.json");
        let vectors: Vec<serde_json::Value> = serde_json::from_str(vectors).unwrap();
        for vector in vectors {
            let (key, digest) = (vector["key"].as_str().unwrap(), &vector["sha256"]);
            assert_eq!(
                configuration_line("a", key),
                format!("- {{ id: a, sha256: {digest} }}")
            );
        }
    }

    #[test]
    fn an_id_is_the_same_text_in_yaml() {
        for id in [
            "partner-a",
            "a.b_c",
            "7",
            "1e3",
            "true",
            "No",
            "a: b",
            "x\"y",
            "",
            "钥匙",
            "-",
        ] {
            let line = configuration_line(id, "key");
            let entries: Vec<serde_yaml::Value> = serde_yaml::from_str(&line).unwrap();
            assert_eq!(entries[0]["id"].as_str(), Some(id), "{line}");
        }
        assert!(configuration_line("partner-a", "k").starts_with("- { id: partner-a, sha256: \""));
    }
}

//! The configurations in rendered ConfigMaps, as the gate reads them.

use std::fs;
use std::process::Command;

use serde_yaml::Value;

use super::super::support::tools::{output, text};
use super::{files, name_of, named, of_file, of_kind, render};

/// Where pods find their Secrets.
const SECRETS: &str = "/etc/imgate/secrets/";

/// The words that follow this one in a text: `file: /etc/x` gives `/etc/x`.
fn values_of(text: &str, key: &str) -> Vec<String> {
    let parts = text.split(key).skip(1);
    let words = parts.map(|rest| {
        let end = |letter: char| letter.is_whitespace() || ",}\"'".contains(letter);
        rest.trim_start().split(end).next().unwrap_or_default()
    });
    words.map(str::to_owned).collect()
}

/// `imgate check` says yes to every configuration in every ci file, with some secret in each place
/// that they name.
#[test]
fn the_gate_accepts_every_configuration() {
    let mut checked = 0;
    for file in files("ci") {
        let objects = render("1.33", &of_file(&file));
        for object in of_kind(&objects, "ConfigMap") {
            let data = object["data"].as_mapping();
            if object["data"]["imgate.yaml"].is_null() {
                continue;
            }
            let directory = tempfile::tempdir().unwrap();
            let secrets = format!("{}/secrets/", directory.path().display());
            let mut command = Command::new(env!("CARGO_BIN_EXE_imgate"));
            for (key, value) in data.into_iter().flatten() {
                let text = value.as_str().unwrap().replace(SECRETS, &secrets);
                fs::write(directory.path().join(key.as_str().unwrap()), &text).unwrap();
                for path in values_of(&text, "file:") {
                    if path.starts_with(&secrets) {
                        fs::create_dir_all(path.rsplit_once('/').unwrap().0).unwrap();
                        fs::write(path, "a-secret-for-this-check-alone-0123456789").unwrap();
                    }
                }
                for name in values_of(&text, "env:") {
                    command.env(name, "a-secret-for-this-check-alone-0123456789");
                }
            }
            let said = output(
                command
                    .args(["check", "--config"])
                    .arg(directory.path().join("imgate.yaml")),
            );
            let name = format!("{} of {}", name_of(object), file.display());
            assert!(said.status.success(), "{name}: {}", text(&said));
            checked += 1;
        }
    }
    assert!(checked >= 5, "{checked}");
}

/// A text keeps its comments; a map keeps numbers and dates as they were.
#[test]
fn nothing_is_changed_on_the_way_into_a_configuration() {
    let file = files("ci").into_iter();
    let mut file = file.filter(|file| file.ends_with("gated-namespaces-values.yaml"));
    let objects = render("1.33", &of_file(&file.next().unwrap()));
    let text = named(&objects, "ConfigMap", "notes")["data"]["imgate.yaml"].as_str();
    assert!(text.unwrap().starts_with("# A text stays as it is.\n"));
    let map = named(&objects, "ConfigMap", "chat-gate")["data"]["imgate.yaml"].as_str();
    let map: Value = serde_yaml::from_str(map.unwrap()).unwrap();
    assert_eq!(map["cache"]["max_entries"], 1_000_000);
    let key = &map["authenticators"]["keys"]["app_key"]["keys"][0];
    assert_eq!(key["not_after"], "2037-01-01T00:00:00Z");
}

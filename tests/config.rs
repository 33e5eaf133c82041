//! What the configuration says about its mistakes, what it never says, and what it loads.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on says where"
)]

#[path = "config/schema.rs"]
mod schema;

use std::fs;
use std::path::Path;

use imgate::config::document::SchemeConfig;
use imgate::config::{Loaded, load};
use imgate::problem::{LoadError, Problem};
use proptest::prelude::*;
use saphyr_parser::{Event, Parser};

/// Loads a file: its problems, and its warnings.
fn findings(path: &Path) -> (Vec<Problem>, Vec<Problem>) {
    match load(path) {
        Ok(Loaded { document, problems }) => (problems, document.warnings),
        Err(LoadError::Problems { problems }) => (problems, Vec::new()),
        Err(error @ (LoadError::Unreadable { .. } | LoadError::Unsettled { .. })) => {
            panic!("{error}")
        }
    }
}

/// Everything that loading a file tells its operator, one line each.
fn report(path: &Path) -> String {
    let (problems, warnings) = findings(path);
    let problems = problems.iter().map(ToString::to_string);
    let warnings = warnings.iter().map(|warning| format!("warning: {warning}"));
    problems.chain(warnings).collect::<Vec<_>>().join("\n")
}

/// Loads a text from a directory of its own.
fn report_text(text: &str) -> String {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("imgate.yaml");
    fs::write(&path, text).unwrap();
    report(&path)
}

/// One file of `tests/config/` for each kind of mistake; the snapshot is all that it draws.
#[test]
fn every_mistake_has_its_message() {
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path("config/snapshots");
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(|| {
        insta::glob!("config/*.yaml", |path| {
            let path = path.strip_prefix(env!("CARGO_MANIFEST_DIR")).unwrap();
            let report = report(path);
            let is_good = path
                .file_name()
                .unwrap()
                .to_string_lossy()
                .starts_with("good-");
            let has_problems = report.lines().any(|line| !line.starts_with("warning: "));
            assert_eq!(has_problems, !is_good, "{}", path.display());
            insta::assert_snapshot!(report);
        });
    });
}

#[test]
fn problems_come_in_the_order_of_their_lines() {
    let (problems, _) = findings(Path::new("tests/config/many-mistakes.yaml"));
    let lines: Vec<_> = problems.iter().map(|problem| problem.place.line).collect();
    assert!(lines.is_sorted(), "{lines:?}");
    assert!(lines.len() >= 10, "{lines:?}");
}

/// Puts a secret where any key or value is, one at a time, in every file of mistakes and in every
/// working configuration: no message may show it.
#[test]
fn no_message_shows_what_was_found() {
    let directory = workplace();
    let path = directory.path().join("imgate.yaml");
    let mut tried = 0;
    for text in texts() {
        for scalar in scalars(&text) {
            // The first one cannot be a name; the second one could, so it is not tried where names
            // are shown.
            let canaries = ["s3cret canary/+==", "s3cretCanary"];
            for canary in &canaries[..if scalar.is_name { 1 } else { 2 }] {
                let changed = format!(
                    "{}\"{canary}\"{}",
                    &text[..scalar.start],
                    &text[scalar.end..]
                );
                fs::write(&path, &changed).unwrap();
                let report = report(&path);
                assert!(!report.contains("s3cret"), "{changed}\n\n{report}");
                tried += 1;
            }
        }
    }
    assert!(tried > 2000, "{tried}");
}

#[test]
fn every_shipped_configuration_loads() {
    let directory = workplace();
    let mut seen = 0;
    for entry in fs::read_dir("conf").unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "yaml") {
            continue;
        }
        let copy = directory.path().join(path.file_name().unwrap());
        fs::copy(&path, &copy).unwrap();
        let (problems, _) = findings(&copy);
        assert!(problems.is_empty(), "{problems:?}");
        seen += 1;
    }
    assert!(seen >= 4, "{seen}");
}

/// What the README shows must be what the binary takes, compiled as a whole.
#[test]
fn every_configuration_in_the_readme_loads() {
    let readme =
        fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md")).unwrap();
    let blocks: Vec<_> = readme
        .split("```yaml\n")
        .skip(1)
        .map(|rest| rest.split("```").next().unwrap())
        // tests/k8s looks at those of Kubernetes.
        .filter(|block| !block.contains("\napiVersion: "))
        .collect();
    assert!(!blocks.is_empty(), "the README has a configuration");
    for block in blocks {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("imgate.yaml");
        fs::write(&path, block).unwrap();
        if let Err(error) = imgate::reload::load(&path, None) {
            panic!("{error}");
        }
    }
}

#[test]
fn a_hundred_thousand_keys_are_fine() {
    let directory = tempfile::tempdir().unwrap();
    let keys: Vec<String> = (0..100_000)
        .map(|n| format!("- {{ id: partner-{n}, sha256: \"{n:064x}\", routes: [all] }}\n"))
        .collect();
    fs::write(directory.path().join("keys.yaml"), keys.concat()).unwrap();
    let path = directory.path().join("imgate.yaml");
    fs::write(
        &path,
        "listeners: [{ address: 127.0.0.1:9688 }]\n\
         upstreams: { im: { address: 127.0.0.1:19688 } }\n\
         authenticators: { keys: { from: [{ header: k }], app_key: { keys_file: keys.yaml } } }\n\
         routes: [{ name: all, match: { path: /** }, require: { any_of: [keys] }, upstream: im }]\n",
    )
    .unwrap();
    let loaded = load(&path).unwrap();
    assert_eq!(loaded.problems, []);
    let SchemeConfig::AppKey(config) = &loaded.document.authenticators[0].scheme else {
        panic!("not app_key");
    };
    assert_eq!(config.keys.len(), 100_000);
    assert_eq!(&*config.keys[99_999].id, "partner-99999");
}

proptest! {
    #[test]
    fn no_text_makes_loading_panic(text in any::<String>()) {
        report_text(&text);
    }

    /// A configuration with a part of another one, or of itself, in a random place.
    #[test]
    fn no_mixed_up_configuration_makes_loading_panic(
        (into, from) in (any::<prop::sample::Index>(), any::<prop::sample::Index>()),
        cuts in any::<[prop::sample::Index; 4]>(),
    ) {
        let texts = texts();
        let (into, from) = (into.get(&texts), from.get(&texts));
        let cut = |text: &str, index: &prop::sample::Index| index.index(text.len() + 1);
        let (a, b) = (cut(into, &cuts[0]), cut(into, &cuts[1]));
        let (c, d) = (cut(from, &cuts[2]), cut(from, &cuts[3]));
        let (a, b, c, d) = (a.min(b), a.max(b), c.min(d), c.max(d));
        report_text(&format!("{}{}{}", &into[..a], &from[c..d], &into[b..]));
    }
}

/// A directory with all files that the configurations refer to.
fn workplace() -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    let keys = directory.path().join("keys");
    fs::create_dir(&keys).unwrap();
    for entry in fs::read_dir("tests/config/keys").unwrap() {
        let path = entry.unwrap().path();
        fs::copy(&path, keys.join(path.file_name().unwrap())).unwrap();
    }
    for name in [
        "backend-app-key",
        "centrifugo",
        "centrifugo-api",
        "easemob",
        "idp",
        "imkit-api",
        "imkit-client",
        "imkit-user",
        "k2",
        "openim",
        "partner-a",
        "sa-token",
        "server",
        "stream",
        "stream-api-key",
    ] {
        let secret = format!("a long enough secret for {name}, and no other\n");
        fs::write(keys.join(name), secret).unwrap();
    }
    fs::write(keys.join("zego"), "0f8c2e94b7a35d61c0f8e2b49a7d3651\n").unwrap();
    fs::copy(keys.join("rsa-2048.pem"), keys.join("k1.pem")).unwrap();
    directory
}

/// All configurations of this repository, good and bad; ASCII only.
fn texts() -> Vec<String> {
    let entries = ["conf", "tests/config"].map(|directory| fs::read_dir(directory).unwrap());
    let paths = entries
        .into_iter()
        .flatten()
        .map(|entry| entry.unwrap().path());
    let texts = paths
        .filter(|path| {
            path.extension()
                .is_some_and(|extension| extension == "yaml")
        })
        .map(|path| fs::read_to_string(path).unwrap());
    let texts: Vec<String> = texts.collect();
    assert!(texts.iter().all(|text| text.is_ascii()));
    texts
}

/// One key or value of a text.
struct Scalar {
    start: usize,
    end: usize,
    /// Whether it is a name that the configuration gives or refers to, which may be shown.
    is_name: bool,
}

/// Keys whose values are names; maps whose keys are.
const NAMES: [&str; 6] = ["env", "file", "keys_file", "name", "one_of", "yaml"];
const NAMED: [&str; 5] = [
    "aliases",
    "authenticators",
    "headers",
    "set_headers",
    "upstreams",
];

fn scalars(text: &str) -> Vec<Scalar> {
    let mut scalars = Vec::new();
    // For each open container the key that led to it, and for a map the key that waits.
    let mut open: Vec<(String, Option<Option<String>>)> = Vec::new();
    for event in Parser::new_from_str(text) {
        let Ok((event, span)) = event else { break };
        let (outer, waiting) = open.last().cloned().unwrap_or_default();
        let place = waiting.clone().flatten().unwrap_or_else(|| outer.clone());
        match event {
            Event::MappingStart(..) => open.push((place, Some(None))),
            Event::SequenceStart(..) => open.push((place, None)),
            Event::MappingEnd | Event::SequenceEnd => {
                open.pop();
                if let Some((_, Some(waiting))) = open.last_mut() {
                    *waiting = None;
                }
            }
            Event::Alias(_) => {
                if let Some((_, Some(waiting))) = open.last_mut() {
                    *waiting = None;
                }
            }
            Event::Scalar(value, ..) => {
                let is_key = waiting == Some(None);
                let is_name = if is_key {
                    NAMED.contains(&outer.as_str())
                } else {
                    NAMES.contains(&place.as_str())
                };
                scalars.push(Scalar {
                    start: span.start.index(),
                    end: span.end.index(),
                    is_name,
                });
                if let Some((_, Some(waiting))) = open.last_mut() {
                    *waiting = is_key.then(|| value.into_owned());
                }
            }
            Event::Nothing
            | Event::StreamStart
            | Event::StreamEnd
            | Event::DocumentStart(_)
            | Event::DocumentEnd => {}
        }
    }
    scalars
}

//! The injector's template file: what an injected gate is like where a pod's annotations say
//! nothing.
//!
//! Charts write the file, so a key with nothing behind it (`config:` or `config: null`) is one that
//! is not there. Only `runAsUser` and `runAsGroup` tell the two apart: `null` leaves the choice to
//! the platform, as OpenShift wants it.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;
use std::time::Duration;

use super::cursor::{Cursor, Fields, Keys, Source};
use super::files::FileState;
use super::findings::Findings;
use super::{notation, spelling, yaml};
use crate::problem::{LoadError, Problem};

/// How an injected gate is made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template {
    pub image: String,
    pub image_pull_policy: Option<&'static str>,
    pub native_sidecar: NativeSidecar,
    pub port: u16,
    pub metrics_port: u16,
    pub bind_address: IpAddr,
    pub log_level: Option<String>,
    /// The `ConfigMap` of pods that name none.
    pub config: Option<String>,
    pub resources: Resources,
    pub run_as_user: Option<u32>,
    pub run_as_group: Option<u32>,
    pub rewrite_probes: bool,
    pub require_loopback: bool,
    pub drain: Duration,
    pub scrape_annotations: bool,
    pub env: Vec<(String, String)>,
}

/// Whether the gate is a native sidecar (an init container that keeps running).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NativeSidecar {
    Always,
    /// Where the cluster has them.
    Auto,
    Never,
}

/// What a container asks for and may take, by the resource's name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Resources {
    pub requests: BTreeMap<String, String>,
    pub limits: BTreeMap<String, String>,
}

/// What reading a template came to.
#[derive(Debug)]
pub struct Reading {
    /// The file as it was, also if nothing could be made of it.
    pub files: Vec<FileState>,
    pub outcome: Result<Template, LoadError>,
}

/// Reads a template.
pub fn read(path: &Path) -> Reading {
    let findings = Findings::default();
    let template = read_template(path, &findings);
    let (problems, _, files) = findings.finish();
    let outcome = template.and_then(|template| match template {
        Some(template) if problems.is_empty() => Ok(template),
        Some(_) | None => Err(LoadError::Problems { problems }),
    });
    Reading { files, outcome }
}

fn read_template(path: &Path, findings: &Findings) -> Result<Option<Template>, LoadError> {
    let source = Source::new(path);
    let bytes = findings
        .read(path, MAX_BYTES)
        .map_err(|source| LoadError::Unreadable {
            path: path.to_owned(),
            source,
        })?;
    let tree = yaml::parse_strictly(&bytes).map_err(|error| LoadError::Problems {
        problems: vec![Problem::new(
            yaml::error_place(&error, &source),
            error.message,
        )],
    })?;
    let template = decode(&Cursor::root(&tree.root, &source, findings));
    yaml::report_form(&tree, &source, findings);
    Ok(template)
}

/// No template is larger.
const MAX_BYTES: usize = 1024 * 1024;

const TEMPLATE: Keys = Keys {
    known: &[
        "bindAddress",
        "config",
        "drain",
        "env",
        "image",
        "imagePullPolicy",
        "logLevel",
        "metricsPort",
        "nativeSidecar",
        "port",
        "requireLoopback",
        "resources",
        "rewriteProbes",
        "runAsGroup",
        "runAsUser",
        "scrapeAnnotations",
    ],
    later: &[],
};

const RESOURCES: Keys = Keys {
    known: &["limits", "requests"],
    later: &[],
};

const VARIABLE: Keys = Keys {
    known: &["name", "value"],
    later: &[],
};

/// Variables that the injector sets itself.
pub const OWN_VARIABLES: [&str; 2] = ["IMGATE_APP_PROBES", "IMGATE_LOG"];

pub const PULL_POLICIES: [&str; 3] = ["Always", "IfNotPresent", "Never"];

/// The user of the image.
const NOBODY: u32 = 65_532;

/// As the gate itself takes it.
pub const LONGEST_DRAIN: Duration = Duration::from_hours(24);

fn decode(root: &Cursor<'_>) -> Option<Template> {
    let fields = root.map(&TEMPLATE)?;
    let image = fields
        .required("image")
        .and_then(|image| image.parsed(IMAGE, |text| is_image(text).then(|| text.to_owned())));
    let port = given(&fields, "port", Cursor::port).unwrap_or(9688);
    let metrics_port = given(&fields, "metricsPort", Cursor::port).unwrap_or(9690);
    if port == metrics_port {
        fields.problem("expected two different ports in `port` and `metricsPort`");
    }
    let words = PULL_POLICIES.map(|word| (word, word));
    Some(Template {
        image: image?,
        image_pull_policy: given(&fields, "imagePullPolicy", |word| word.word(&words, &[])),
        native_sidecar: given(&fields, "nativeSidecar", native_sidecar)
            .unwrap_or(NativeSidecar::Auto),
        port,
        metrics_port,
        bind_address: given(&fields, "bindAddress", |address| {
            address.parsed("an IP address", |text| text.parse().ok())
        })
        .unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED)),
        log_level: given(&fields, "logLevel", |level| {
            level.parsed(LOG_LEVEL, |text| {
                is_log_level(text).then(|| text.to_owned())
            })
        }),
        config: given(&fields, "config", |name| {
            name.parsed(OBJECT_NAME, |text| {
                is_object_name(text).then(|| text.to_owned())
            })
        }),
        resources: given(&fields, "resources", resources).unwrap_or_default(),
        run_as_user: id(&fields, "runAsUser"),
        run_as_group: id(&fields, "runAsGroup"),
        rewrite_probes: given(&fields, "rewriteProbes", Cursor::boolean).unwrap_or(true),
        require_loopback: given(&fields, "requireLoopback", Cursor::boolean).unwrap_or(false),
        drain: given(&fields, "drain", |time| {
            time.duration(Duration::ZERO..=LONGEST_DRAIN)
        })
        .unwrap_or(Duration::from_secs(15)),
        scrape_annotations: given(&fields, "scrapeAnnotations", Cursor::boolean).unwrap_or(false),
        env: given(&fields, "env", variables).unwrap_or_default(),
    })
}

/// The decoded value of a key behind which there is something.
fn given<'a, T>(
    fields: &Fields<'a>,
    key: &str,
    decode: impl FnOnce(&Cursor<'a>) -> Option<T>,
) -> Option<T> {
    let value = fields.get(key)?;
    if value.is_null() || value.as_text() == Some("") {
        return None;
    }
    decode(&value)
}

fn id(fields: &Fields<'_>, key: &str) -> Option<u32> {
    match fields.get(key) {
        Some(value) if value.is_null() => None,
        // Nobody has 0 behind an authentication gate.
        Some(value) => value.integer(1..=u32::MAX),
        None => Some(NOBODY),
    }
}

fn native_sidecar(cursor: &Cursor<'_>) -> Option<NativeSidecar> {
    if cursor.is_word("auto") {
        return Some(NativeSidecar::Auto);
    }
    let boolean = cursor.as_boolean().or_else(|| {
        // `--set-string`, and quotes too many.
        cursor.as_text().and_then(|text| text.parse().ok())
    });
    match boolean {
        Some(true) => Some(NativeSidecar::Always),
        Some(false) => Some(NativeSidecar::Never),
        None => {
            cursor.problem("expected `auto`, `true` or `false`");
            None
        }
    }
}

fn resources(cursor: &Cursor<'_>) -> Option<Resources> {
    let fields = cursor.map(&RESOURCES)?;
    Some(Resources {
        requests: given(&fields, "requests", quantities).unwrap_or_default(),
        limits: given(&fields, "limits", quantities).unwrap_or_default(),
    })
}

fn quantities(cursor: &Cursor<'_>) -> Option<BTreeMap<String, String>> {
    let mut quantities = BTreeMap::new();
    for (name, value) in cursor.entries()? {
        if value.is_null() {
            continue;
        }
        let Some(scalar) = value.scalar(QUANTITY) else {
            continue;
        };
        let text = scalar
            .as_str()
            .map_or_else(|| scalar.to_string(), str::to_owned);
        if is_quantity(&text) {
            quantities.insert(name.to_owned(), text);
        } else {
            value.problem(format!("expected {QUANTITY}"));
        }
    }
    Some(quantities)
}

fn variables(cursor: &Cursor<'_>) -> Option<Vec<(String, String)>> {
    let mut variables: Vec<(String, String)> = Vec::new();
    for element in cursor.list()? {
        let Some(fields) = element.map(&VARIABLE) else {
            continue;
        };
        let name = fields
            .required("name")
            .and_then(|name| name.parsed(VARIABLE_NAME, |text| is_variable(text).then_some(text)));
        let value = fields.required("value").and_then(|value| value.text());
        let (Some(name), Some(value)) = (name, value) else {
            continue;
        };
        if OWN_VARIABLES.contains(&name) {
            element.problem("the injector sets this variable itself; `logLevel` is the log's");
        } else if variables.iter().any(|(other, _)| other == name) {
            element.problem("this variable is already set above");
        } else {
            variables.push((name.to_owned(), value.to_owned()));
        }
    }
    Some(variables)
}

// === Notations of Kubernetes ===

/// What an image is called.
pub const IMAGE: &str = "an image such as `ghcr.io/imgate/imgate:0.1.0`";
/// What the log's level looks like.
pub const LOG_LEVEL: &str = "a level such as `info`, or directives such as `info,imgate=debug`";
/// What a `ConfigMap` or a `Secret` is called.
pub const OBJECT_NAME: &str =
    "a name of lower case letters, digits, `-` and `.`, of 253 characters at most";
/// What an amount looks like.
pub const QUANTITY: &str = "a quantity such as `50m`, `64Mi` or (in quotes) `0.5`";
/// What an environment variable is called.
pub const VARIABLE_NAME: &str = "a variable's name of letters, digits and `_`";

/// Whether this may be an image; the container runtime looks at the rest.
pub fn is_image(text: &str) -> bool {
    (1..=512).contains(&text.len())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"._-/:@+".contains(&byte))
}

/// Whether `tracing` could make something of it: levels and targets, nothing that needs quoting.
pub fn is_log_level(text: &str) -> bool {
    (1..=256).contains(&text.len())
        && text.split(',').all(|directive| {
            let level = directive
                .rsplit_once('=')
                .map_or(directive, |(_, level)| level);
            ["trace", "debug", "info", "warn", "error", "off"]
                .iter()
                .any(|known| known.eq_ignore_ascii_case(level))
                && directive
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || b"_:=".contains(&byte))
        })
}

/// Whether a `ConfigMap` or a `Secret` may be called so (RFC 1123).
pub fn is_object_name(text: &str) -> bool {
    text.len() <= 253 && text.split('.').all(is_label)
}

/// Whether a container or a volume may be called so (RFC 1123).
pub fn is_label(text: &str) -> bool {
    let is_end = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let bytes = text.as_bytes();
    (1..=63).contains(&bytes.len())
        && bytes.iter().all(|byte| is_end(byte) || *byte == b'-')
        && bytes.first().is_some_and(is_end)
        && bytes.last().is_some_and(is_end)
}

/// Whether this is an amount of something that is not negative.
pub fn is_quantity(text: &str) -> bool {
    let end = text
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(text.len());
    let Some((number, suffix)) = text.split_at_checked(end) else {
        return false;
    };
    let exponent = |suffix: &str| {
        let digits = suffix
            .strip_prefix(['e', 'E'])
            .map(|rest| rest.strip_prefix(['+', '-']).unwrap_or(rest));
        digits.is_some_and(|digits| {
            (1..=3).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit())
        })
    };
    (1..=32).contains(&number.len())
        && number.bytes().any(|byte| byte.is_ascii_digit())
        && number.bytes().filter(|byte| *byte == b'.').count() <= 1
        && (SUFFIXES.contains(&suffix) || exponent(suffix))
}

const SUFFIXES: [&str; 16] = [
    "", "n", "u", "m", "k", "M", "G", "T", "P", "E", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei",
];

/// Whether an environment variable may be called so.
pub fn is_variable(text: &str) -> bool {
    (1..=128).contains(&text.len())
        && !text.starts_with(|first: char| first.is_ascii_digit())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

/// A duration as the gate's command line takes it.
pub fn format_duration(duration: Duration) -> String {
    notation::format_duration(duration)
}

/// The known name that `found` is most likely a misspelling of.
pub fn nearest<'k>(found: &str, known: &[&'k str]) -> Option<&'k str> {
    spelling::nearest(found, known)
}

impl Cursor<'_> {
    fn port(&self) -> Option<u16> {
        self.integer(1..=u16::MAX)
    }
}

#[cfg(test)]
mod tests;

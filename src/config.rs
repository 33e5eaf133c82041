//! From YAML text to a [`Document`]: everything that the text alone can tell is settled here.
//!
//! The text becomes a tree of values with lines; a cursor walks the tree, turns it into the types
//! of [`document`], reads the files that are named, and collects every mistake on its way. What
//! cannot be decoded is reported and left out. Whether the whole makes sense (routes that collide,
//! keys that will not parse) is found out when the document is compiled into a policy.
//!
//! No message ever shows what was found: a value, or a misspelt key, may be a secret in the wrong
//! place. Names that the configuration gives, and files it refers to, are shown if they look like
//! names.

pub mod document;
pub mod files;
pub mod overrides;

mod admin;
mod authenticator;
mod carrier;
mod cursor;
mod findings;
mod header;
mod http;
mod listener;
pub(crate) mod loopback;
mod mode;
mod names;
mod notation;
mod origin;
mod redis;
mod revocations;
mod route;
mod settings;
mod shutdown;
mod source;
mod spelling;
mod spring;
mod store;
mod strength;
mod throttle;
mod tls;
mod tree;
mod yaml;

use std::path::Path;
use std::time::Duration;

use crate::clock::UnixTime;
use crate::problem::{LoadError, Problem};

use cursor::{Cursor, Keys, Source};
use document::{
    CacheLimits, Document, ErrorFormat, Identity, Limits, Mode, Reload, ShutdownRule, Store,
};
use files::FileState;
use findings::Findings;
use names::Names;

/// A configuration, as far as it could be decoded, and everything that is wrong with it.
#[derive(Debug)]
pub struct Loaded {
    /// Complete only if there are no problems; elements with a mistake are left out.
    pub document: Document,
    /// In file order.
    pub problems: Vec<Problem>,
}

/// What reading a configuration came to.
#[derive(Debug)]
pub struct Reading {
    /// Every file that was read or looked for, the configuration itself first; also after a failure.
    pub files: Vec<FileState>,
    /// An error is what leaves nothing to decode: the file cannot be read, or is not YAML.
    pub outcome: Result<Loaded, LoadError>,
}

/// Reads a configuration and all files that it names.
///
/// # Errors
///
/// Only what leaves nothing to decode: the file cannot be read, or is not YAML.
pub fn load(path: &Path) -> Result<Loaded, LoadError> {
    read(path).outcome
}

/// As [`load`], and tells which files it read.
pub fn read(path: &Path) -> Reading {
    let findings = Findings::default();
    let document = read_document(path, &findings);
    let (problems, warnings, files) = findings.finish();
    let outcome = document.map(|mut document| {
        document.warnings = warnings;
        Loaded { document, problems }
    });
    Reading { files, outcome }
}

fn read_document(path: &Path, findings: &Findings) -> Result<Document, LoadError> {
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
    let document = decode(&Cursor::root(&tree.root, &source, findings));
    yaml::report_form(&tree, &source, findings);
    Ok(document)
}

/// Reads `500ms`, `30s`, `5m`, `24h` or `30d`, as in a configuration.
pub fn duration(text: &str) -> Option<Duration> {
    notation::duration(text)
}

/// Reads a time such as `2027-01-01T00:00:00Z`, as in a configuration.
pub fn timestamp(text: &str) -> Option<UnixTime> {
    notation::timestamp(text)
}

/// No configuration is larger; long lists of keys have files of their own.
const MAX_BYTES: usize = 4 * 1024 * 1024;

/// Enough for any machine; each is a thread with its own pool.
const MAX_WORKERS: usize = 64;

const ROOT: Keys = Keys {
    known: &[
        "admin",
        "authenticators",
        "cache",
        "cors",
        "errors",
        "identity",
        "limits",
        "listeners",
        "metrics",
        "mode",
        "reload",
        "revocations",
        "routes",
        "shutdown",
        "store",
        "throttle",
        "until",
        "upstreams",
        "workers",
    ],
    later: &[],
};

fn decode(root: &Cursor<'_>) -> Document {
    let mut document = Document {
        listeners: Vec::new(),
        upstreams: Vec::new(),
        authenticators: Vec::new(),
        routes: Vec::new(),
        errors: ErrorFormat::Json,
        identity: Identity::default(),
        cors: None,
        metrics: None,
        admin: None,
        limits: Limits::default(),
        mode: Mode::Enforce,
        cache: CacheLimits::default(),
        workers: None,
        reload: Reload::default(),
        revocations: Vec::new(),
        shutdown: ShutdownRule::default(),
        store: Store::default(),
        throttle: None,
        warnings: Vec::new(),
    };
    let Some(fields) = root.map(&ROOT) else {
        return document;
    };
    let names = Names::declared(&fields);
    if let Some(listeners) = fields.required("listeners") {
        document.listeners = listener::listeners(&listeners);
    }
    if let Some(upstreams) = fields.required("upstreams") {
        document.upstreams = listener::upstreams(&upstreams);
    }
    if let Some(authenticators) = fields.get("authenticators") {
        document.authenticators = authenticator::authenticators(&authenticators, &names);
    }
    if let Some(routes) = fields.required("routes") {
        document.routes = route::routes(&routes, &names);
    }
    document.errors = fields.or_default("errors", document.errors, settings::error_format);
    document.identity = fields.or_default("identity", document.identity, settings::identity);
    document.cors = fields.optional("cors", settings::cors);
    document.metrics = fields.optional("metrics", |metrics| {
        settings::metrics(metrics, &document.listeners)
    });
    document.admin = fields.optional("admin", |admin| {
        admin::admin(admin, &document.listeners, document.metrics)
    });
    document.limits = fields.or_default("limits", document.limits, settings::limits);
    document.mode = mode::mode(&fields).unwrap_or(document.mode);
    document.cache = fields.or_default("cache", document.cache, settings::cache);
    document.reload = fields.or_default("reload", document.reload, settings::reload);
    document.revocations = fields.or_default("revocations", Vec::new(), revocations::revocations);
    document.shutdown = fields.or_default("shutdown", document.shutdown, shutdown::shutdown);
    document.store = fields.or_default("store", document.store, store::store);
    document.throttle = fields.optional("throttle", throttle::throttle);
    document.workers = fields.optional("workers", |number| number.integer(1..=MAX_WORKERS));
    throttle::warn_of_balancers(&document, root);
    document
}

#[cfg(test)]
mod tests;

//! `imgate explain`: which route, which credential, which verdict, and why.
//!
//! The request comes in by standard input as it would by a socket and takes the same way. Nobody
//! but those who prove credentials is asked, nothing is forwarded, and no credential is printed.

use std::fmt::Write as _;
use std::io::{self, Read as _};
use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;

use clap::Args;

use crate::cli::{Exit, complain, complain_about, say};
use crate::clock::{self, UnixTime};
use crate::policy::Policy;
use crate::proxy::dry_run::{self, Attempt, Change, Entry, Explanation};
use crate::reload;

/// More than any head, and more of a body than anybody reads.
const MOST_INPUT: u64 = 4 << 20;

const NOTE: &str = "revocations that were made while gates run, and what limits and sessions have \
                    used up there, are not known here";

/// The exit code tells the verdict: 0 if the gate admits the request or answers it itself, 1 if it
/// refuses it (or would, where its route only observes) or nobody can tell, 64 if there is no configuration or no request to judge by.
#[derive(Debug, Args)]
pub struct ExplainArgs {
    /// As JSON
    #[arg(long)]
    json: bool,
    /// The address that the request comes from
    #[arg(long, value_name = "IP", default_value_t = IpAddr::V4(Ipv4Addr::LOCALHOST))]
    from: IpAddr,
    /// It comes over TLS
    #[arg(long)]
    tls: bool,
    /// Which of `listeners` it comes to, counted from 0
    #[arg(long, value_name = "NUMBER", default_value_t = 0)]
    listener: usize,
    /// Take the lines as they are, also where none of them ends as HTTP has it (CR LF)
    #[arg(long)]
    raw: bool,
}

/// Reads the request from standard input and tells what would become of it.
pub fn explain(path: &Path, args: &ExplainArgs) -> Exit {
    let loaded = match reload::load(path, None) {
        Ok(loaded) => loaded,
        Err(error) => {
            complain_about(&error);
            return Exit::Usage;
        }
    };
    let policy = loaded.policy;
    if policy.listeners.get(args.listener).is_none() {
        complain("there is no such listener");
        return Exit::Usage;
    }
    let mut bytes = Vec::new();
    if let Err(error) = io::stdin().take(MOST_INPUT).read_to_end(&mut bytes) {
        complain(&format!("cannot read the request: {error}"));
        return Exit::Failed;
    }
    if bytes.is_empty() {
        complain("expected a request on standard input");
        return Exit::Usage;
    }
    if !args.raw && !bytes.contains(&b'\r') {
        bytes = as_http(&bytes);
    }
    match run(&policy, &bytes, args) {
        Ok(explanation) => {
            say(render(&explanation, args.json).trim_end());
            if explanation.verdict.admitted {
                Exit::Done
            } else {
                Exit::Failed
            }
        }
        Err(error) => {
            complain(&format!("cannot ask anybody: {error}"));
            Exit::Failed
        }
    }
}

fn run(policy: &Policy, bytes: &[u8], args: &ExplainArgs) -> io::Result<Explanation> {
    // Nobody knows here what was revoked elsewhere; the note says so.
    policy.revocations.set_complete();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let entry = Entry {
        listener: args.listener,
        peer: args.from.to_canonical(),
        secure: args.tls,
    };
    Ok(runtime.block_on(dry_run::explain(policy, bytes, entry, clock::now())))
}

/// A head as an editor writes it, with the line ends that it has on a socket and the empty line at
/// its end. The body stays as it is.
fn as_http(bytes: &[u8]) -> Vec<u8> {
    let end = memchr::memmem::find(bytes, b"\n\n");
    let (head, body) = match end {
        Some(end) => (bytes.get(..end), bytes.get(end + 2..)),
        None => (Some(bytes.trim_ascii_end()), None),
    };
    let mut converted = Vec::with_capacity(bytes.len() + 64);
    for line in head.unwrap_or_default().split(|byte| *byte == b'\n') {
        converted.extend_from_slice(line);
        converted.extend_from_slice(b"\r\n");
    }
    converted.extend_from_slice(b"\r\n");
    converted.extend_from_slice(body.unwrap_or_default());
    converted
}

fn render(explanation: &Explanation, as_json: bool) -> String {
    if !as_json {
        return text(explanation);
    }
    let mut value = serde_json::to_value(explanation).unwrap_or_default();
    if let Some(object) = value.as_object_mut() {
        object.insert("notes".to_owned(), vec![NOTE].into());
    }
    format!("{value:#}")
}

/// One line for each thing to know. Writing to a `String` cannot fail.
fn text(explanation: &Explanation) -> String {
    let mut text = String::new();
    let mut line = |what: &str, how: &str| {
        let _ = writeln!(text, "{what:<10} {how}");
    };
    if let Some(client) = explanation.client {
        let over = match explanation.secure {
            Some(true) => "over TLS",
            Some(false) | None => "in plain text",
        };
        line("client", &format!("{client}, {over}"));
    }
    match &explanation.route {
        Some(route) => {
            let kind = if route.websocket { ", WebSocket" } else { "" };
            let host = route.host.as_deref().unwrap_or_default();
            line(
                "route",
                &format!(
                    "{} ({host}{}{kind}) -> {} ({})",
                    route.name, route.path, route.upstream, route.address
                ),
            );
        }
        None => line("route", "none"),
    }
    for attempt in &explanation.authenticators {
        line("credential", &credential(attempt));
    }
    if let Some(limit) = &explanation.limit {
        line(
            "limit",
            &format!(
                "{} per {}s by {}",
                limit.requests, limit.per_seconds, limit.by
            ),
        );
    }
    let verdict = &explanation.verdict;
    line(
        "verdict",
        &match (verdict.admitted, verdict.status) {
            (true, None) => format!("admitted: {}", verdict.message),
            (true, Some(status)) => format!("{status}: {}", verdict.message),
            (false, status) => {
                let status = status.map_or_else(String::new, |status| format!("{status} "));
                format!("refused: {status}{} ({})", verdict.reason, verdict.message)
            }
        },
    );
    if let Some(until) = verdict.observed_until {
        let until = UnixTime::from_secs(until);
        line(
            "observed",
            &format!(
                "forwarded all the same, without credential: the route observes until {until}"
            ),
        );
    }
    if let Some(rewriting) = &explanation.forwarded {
        for change in &rewriting.removed {
            line("removed", &written(change));
        }
        for change in &rewriting.added {
            line("added", &written(change));
        }
    }
    line("note", NOTE);
    text
}

fn credential(attempt: &Attempt) -> String {
    let Attempt {
        authenticator,
        scheme,
        verdict,
        reason,
        found_in,
        who,
    } = attempt;
    let mut text = format!("{authenticator} ({scheme}): {verdict}");
    if let Some(reason) = reason {
        let _ = write!(text, ", {reason}");
    }
    for (what, value) in [
        ("subject", &who.subject),
        ("user type", &who.user_type),
        ("device type", &who.device_type),
        ("app", &who.app),
    ] {
        if let Some(value) = value {
            let _ = write!(text, ", {what} {value}");
        }
    }
    if let Some(end) = who.expires_at.map(UnixTime::from_secs) {
        let _ = write!(text, ", until {end}");
    }
    if let Some(place) = found_in {
        let _ = write!(text, ", from {place}");
    }
    text
}

fn written(change: &Change) -> String {
    let Change { place, name, value } = change;
    match value {
        Some(value) => format!("{place} {name}: {value}"),
        None => format!("{place} {name}"),
    }
}

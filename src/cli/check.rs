//! `imgate check`: a dry run of the configuration.

use std::collections::HashSet;
use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;

use crate::cli::{Exit, complain, complain_about, say};
use crate::clock::{self, UnixTime};
use crate::config::document::{Combine, Rate, Store};
use crate::policy::Policy;
use crate::policy::first_message::Form;
use crate::policy::requirement::Requirement;
use crate::policy::route::Route;
use crate::policy::tls::Tls;
use crate::principal::Claim;
use crate::reload::{self, Loaded};
use crate::replicas;
use crate::scheme::VerifyError;

/// Compiles everything; prints all problems, or what the routes ask. With `live` it also asks the
/// upstreams, identity providers and every Redis, the shared store among them, whether they are there.
pub fn check(path: &Path, live: bool) -> Exit {
    let Loaded {
        policy,
        warnings,
        snapshot: _,
    } = match reload::load(path, None) {
        Ok(loaded) => loaded,
        Err(error) => {
            complain_about(&error);
            return Exit::Usage;
        }
    };
    for warning in warnings {
        complain(&format!("warning: {warning}"));
    }
    say(&summary(&policy, clock::now()));
    if live { probe(&policy) } else { Exit::Done }
}

/// Asks everyone that the policy depends on.
fn probe(policy: &Policy) -> Exit {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => {
            complain(&format!("cannot ask anybody: {error}"));
            return Exit::Failed;
        }
    };
    let mut all_there = true;
    let mut report = |what: String, answer: Result<(), String>| match answer {
        Ok(()) => say(&format!("live: {what} answers")),
        Err(problem) => {
            all_there = false;
            complain(&format!("live: {what}: {problem}"));
        }
    };
    runtime.block_on(async {
        let mut seen = HashSet::new();
        for upstream in policy.routes().all().iter().map(|route| &route.upstream) {
            if seen.insert(&upstream.name) {
                for address in upstream.addresses() {
                    let what = format!("upstream {} ({address})", upstream.name);
                    report(what, connect(address, upstream.connect_timeout).await);
                }
            }
        }
        for authenticator in policy.authenticators() {
            let answer = authenticator.probe().await.map_err(|error| match error {
                VerifyError::Unavailable { source } => source.to_string(),
                VerifyError::Throttled { .. } => "too many questions".to_owned(),
                VerifyError::Rejected(rejection) => rejection.as_str().to_owned(),
            });
            report(format!("authenticator {}", authenticator.name), answer);
        }
        if let Store::Redis(store) = &policy.store {
            let answer = replicas::probe(store).await;
            let what = format!("store ({})", store.address.address);
            report(what, answer.map_err(|error| error.to_string()));
        }
    });
    if all_there { Exit::Done } else { Exit::Failed }
}

async fn connect(address: &str, limit: Duration) -> Result<(), String> {
    let connect = tokio::net::TcpStream::connect(address);
    match tokio::time::timeout(limit, connect).await {
        Ok(Ok(_)) => Ok(()),
        Ok(Err(error)) => Err(error.to_string()),
        Err(_) => Err("no connection in time".to_owned()),
    }
}

fn summary(policy: &Policy, now: UnixTime) -> String {
    let mut text = String::new();
    for listener in &policy.listeners {
        // Writing to a `String` cannot fail.
        let tls = listener.tls.as_ref().map_or("", Tls::summary);
        let _ = writeln!(text, "listener {}{tls}", listener.address);
    }
    for authenticator in policy.authenticators() {
        let (name, scheme) = (&authenticator.name, authenticator.scheme().as_str());
        let _ = writeln!(text, "authenticator {name} ({scheme})");
    }
    for route in policy.routes().all() {
        let _ = writeln!(text, "route {}", route_line(policy, route, now));
    }
    let count = policy.routes().all().len();
    let _ = write!(
        text,
        "ok: {count} route{}",
        if count == 1 { "" } else { "s" }
    );
    text
}

fn route_line(policy: &Policy, route: &Route, now: UnixTime) -> String {
    let methods = match &route.methods {
        _ if route.websocket => "WebSocket".to_owned(),
        Some(methods) => methods.join(","),
        None => "any method".to_owned(),
    };
    let host = route.host.as_deref().unwrap_or("");
    let require = match &route.require {
        Requirement::Public => "public".to_owned(),
        Requirement::Credentials {
            combine,
            authenticators,
            device_type,
            first_message,
            matches,
        } => {
            let names: Vec<_> = authenticators
                .iter()
                .filter_map(|id| policy.authenticator(*id))
                .map(|authenticator| &*authenticator.name)
                .collect();
            let word = match combine {
                Combine::AllOf => " and ",
                Combine::AnyOf => " or ",
            };
            let device = device_type.as_ref().map_or_else(String::new, |rule| {
                format!(", device {}", rule.one_of.join("|"))
            });
            let message = match first_message.as_ref().map(|rule| &rule.form) {
                Some(Form::Json { .. }) => ", in the first message",
                Some(Form::SocketioAuth2 { .. }) => ", in Socket.IO's auth2",
                None => "",
            };
            let matched = matches.iter().map(|rule| match rule.claim {
                Claim::App => ", own app",
                Claim::DeviceType => ", own device type",
                Claim::Subject => ", own subject",
                Claim::UserType => ", own user type",
            });
            let matched: String = matched.collect();
            format!("{}{message}{device}{matched}", names.join(word))
        }
    };
    let upstream = &route.upstream;
    let tls = if route.require_tls { ", TLS" } else { "" };
    let limit = route.limit.as_ref().map_or_else(String::new, |limiter| {
        let Rate { count, per } = limiter.rate();
        format!(", {count} per {per:?} by {}", limiter.by().as_str())
    });
    let observe = match &route.observe {
        Some(observe) if route.observing(now).is_some() => {
            format!(", OBSERVES until {}", observe.until)
        }
        Some(_) | None => String::new(),
    };
    format!(
        "{} ({host}{}, {methods}{tls}{limit}{observe}): {require} -> {} ({})",
        route.name,
        route.pattern,
        upstream.name,
        upstream.place()
    )
}

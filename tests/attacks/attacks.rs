//! Tricks that have worked against respected proxies, each as the raw bytes of its attacker.
//!
//! `README.md` beside this file lists them. A test is named after what must not happen; what did
//! arrive is read from the backend's side, byte by byte, and never inferred from the answer.

mod arena;

/// Where the client says it comes from, and where it says it goes.
mod forwarding;
/// Lengths, chunks and bodies that hide a second request.
mod framing;
/// Nominated, doubled, forged and misspelt headers.
mod headers;
/// Heads that are too large.
mod limits;
/// Bytes that are no line of a head.
mod lines;
/// Methods that are not served, and requests that claim another one.
mod methods;
/// One path, spelled as another.
mod paths;
/// Heads that never end.
mod slow;
/// Targets that are more, or less, than a path and a query.
mod targets;
/// Upgrades that are none, and what comes behind them.
mod upgrade;

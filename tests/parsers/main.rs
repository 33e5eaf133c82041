//! The proof of the parsers: what they accept, others read alike, and nothing makes them fail.
//!
//! `readers`, `invariants`, `tokens`, `issued`, `policies` and `targets` are shared with the fuzz targets in `tests/fuzz`, whose corpora run
//! here as ordinary tests.

// The modules are marked as test code, as clippy's leave to unwrap asks for it.

/// The seeds of the fuzz targets, and what earlier runs found.
#[cfg(test)]
mod corpora;
/// What holds for decoders of credentials.
#[cfg(test)]
mod credentials;
/// What holds for a parser without looking at any other.
#[cfg(test)]
mod invariants;
/// What holds for tokens of others, and for the answers that give them out.
#[cfg(test)]
mod issued;
/// Every target's seeds, spoiled in a hundred thousand ways.
#[cfg(test)]
mod mutations;
/// Spoils good inputs.
#[cfg(test)]
mod mutator;
/// What holds for configurations and routes.
#[cfg(test)]
mod policies;
/// Messages made at random, most of them good, some of them spoiled.
#[cfg(test)]
mod properties;
/// Our reading of a message beside pingora's and Node's.
#[cfg(test)]
mod readers;
/// What each fuzz target does with its input.
#[cfg(test)]
mod targets;
/// Our reading of vendors' tokens beside a simple one.
#[cfg(test)]
mod tokens;

//! The gate with pingora-proxy in the place of its own exchange: the reference that the tests
//! compare it with (`tests/it/other_exchange.rs`).
//!
//! The command line is the gate's, and so is everything up to the permitted request and its
//! outgoing head. From there pingora-proxy reads that head as if a client had sent it, carries
//! the exchange, and gives the client's connection back.

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

mod carrier;
mod lent;
mod proxy;

use carrier::Reference;

fn main() -> ExitCode {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments.as_slice() {
        ["run", "-c", path] => {
            imgate::cli::run::run_with(Path::new(path), Some(Arc::new(Reference::new()))).into()
        }
        // Only what runs a gate is different here.
        _ => imgate::cli::main(),
    }
}

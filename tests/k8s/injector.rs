//! The injector's binary without a cluster.

mod answers;
mod api;
mod commands;
mod exchanges;
mod golden;
mod https;
mod own;
mod webhook;

/// The binary under test.
fn binary() -> &'static str {
    env!("CARGO_BIN_EXE_imgate-injector")
}

/// The least that a template says.
const TEMPLATE: &str = "image: ghcr.io/imgate/imgate:0.1.0\nconfig: gate\n";

//! The `imgate` binary.

use std::process::ExitCode;

/// Measured beside glibc's allocator and mimalloc: least CPU per request, least memory per idle
/// WebSocket (figures in ARCHITECTURE.md).
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    // Before anything speaks TLS: one provider for pingora, Redis and ourselves.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    imgate::cli::main()
}

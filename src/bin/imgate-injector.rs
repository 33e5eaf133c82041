//! The `imgate-injector` binary.

use std::process::ExitCode;

fn main() -> ExitCode {
    // Before anything speaks TLS: one provider for the webhook and for the client of the cluster.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    imgate::injector::cli::main()
}

//! The flags of `imgate run` that replace what the configuration says.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use crate::config::overrides::{self, Overrides, UpstreamAddress};

/// `imgate run …`; they hold at every reload, too.
#[derive(Debug, Args)]
pub struct OverrideArgs {
    /// Listen there, in the place of the first of `listeners`
    #[arg(long, value_name = "ADDRESS", value_parser = overrides::listen_address)]
    listen: Option<SocketAddr>,
    /// Serve metrics and health there, in the place of `metrics`
    #[arg(long, value_name = "ADDRESS", value_parser = overrides::listen_address)]
    metrics: Option<SocketAddr>,
    /// Take orders over this socket file, unless the configuration has `admin`
    #[arg(long, value_name = "PATH", value_parser = overrides::socket_path)]
    admin_socket: Option<PathBuf>,
    /// Connect there, in the place of an upstream's `address`; without a name, of the only one
    #[arg(long = "upstream", value_name = "[NAME=]ADDRESS")]
    upstreams: Vec<UpstreamAddress>,
    /// Spread the ends of sessions over this, in the place of `shutdown.drain`
    #[arg(long, value_name = "DURATION", value_parser = overrides::drain)]
    drain: Option<Duration>,
    /// Be unready while a backend at loopback also listens elsewhere
    #[arg(long)]
    require_loopback: bool,
}

impl From<OverrideArgs> for Overrides {
    fn from(args: OverrideArgs) -> Self {
        let OverrideArgs {
            listen,
            metrics,
            admin_socket,
            upstreams,
            drain,
            require_loopback,
        } = args;
        Self {
            listen,
            metrics,
            admin_socket,
            upstreams,
            drain,
            require_loopback,
        }
    }
}

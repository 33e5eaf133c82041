//! Builders for the black-box tests.
//!
//! All of it but the crowd is blocking and on plain threads: a test reads from top to bottom, and
//! what it writes to a socket is what goes out.

pub(crate) mod command;
pub(crate) mod conf;
pub(crate) mod crowd;
pub(crate) mod door;
pub(crate) mod frames;
pub(crate) mod gate;
pub(crate) mod idp;
pub(crate) mod member;
pub(crate) mod metrics;
pub(crate) mod mint;
pub(crate) mod net;
pub(crate) mod operator;
pub(crate) mod process;
pub(crate) mod proxy;
pub(crate) mod raw;
pub(crate) mod recorder;
pub(crate) mod redis;
pub(crate) mod server;
pub(crate) mod sources;
pub(crate) mod tls;
pub(crate) mod volume;
pub(crate) mod wait;
pub(crate) mod wire;
pub(crate) mod ws_backend;
pub(crate) mod ws_client;

pub(crate) use gate::Gate;
pub(crate) use raw::RawClient;
pub(crate) use recorder::Recorder;
pub(crate) use wait::eventually;

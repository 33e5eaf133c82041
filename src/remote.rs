//! Network clients, each behind a small trait that a scheme declares.

pub mod http;
pub mod redis;

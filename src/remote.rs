//! Network clients, each behind a small trait that a scheme declares.

pub mod redis;

//! Who may use which route, and what the backend learns of it.

mod answers;
mod cors;
mod credentials;
mod forwarding;
mod identity;
mod reloads;
mod routes;

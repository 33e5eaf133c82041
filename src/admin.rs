//! What the gate says and does beside the traffic, for the platform and for operators.
//!
//! [`Health`] answers probes and Prometheus, whoever asks. [`Desk`] takes orders, so it is guarded
//! from the first byte: a socket file that only its owner can open, or an address and a token; and
//! nothing that a browser sends on behalf of a page gets through (`protect`). A new endpoint is a
//! line in `endpoints` and a function that gets what was [`Asked`] and gives a [`Reply`].

mod asked;
mod caveats;
mod desk;
mod drain;
mod endpoints;
mod health;
mod protect;
mod reply;
mod revocations;
mod sessions;
pub mod socket;
mod status;

pub use asked::Asked;
pub use desk::Desk;
pub use health::Health;
pub use protect::Trespass;
pub use reply::Reply;

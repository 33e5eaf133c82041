//! Bytes to meaning: HTTP/1 heads, the PROXY protocol, the end of a body, WebSocket frames and messages, and what of
//! JSON and of Socket.IO a message may hold.
//!
//! Pure functions and small state machines, without I/O. They decide where things begin and end
//! and leave the bytes alone: what was judged is what is forwarded. Whatever two readers could
//! read in two ways is an error here, never a repair. They do not know what a request means; its
//! target, its methods and its routes are judged above.

pub mod body;
pub mod frames;
pub mod head;
pub mod json;
pub mod message;
pub mod proxy_protocol;
pub mod record;
pub mod socket_table;
pub mod socketio;

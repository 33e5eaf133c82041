//! What each client, message and body may take at most.

/// `max_request` and `max_response`.
#[cfg(test)]
mod bodies;
/// `limits.connections_per_client`.
#[cfg(test)]
mod connections;
/// `session.max_message`.
#[cfg(test)]
mod messages;

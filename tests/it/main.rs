//! The black-box tests: the real binary, between raw sockets on both sides.
//!
//! One binary, so that it links once. What a test writes and expects is the wire format itself:
//! a client library would repair hostile input and hide a wrong answer. Everything a test needs
//! is built by `support`; nothing here sleeps in the hope that something has happened.

// The modules are marked as test code, as clippy's leave to unwrap asks for it.

/// Builders: the gate, its clients, its backends, Redis, credentials.
#[cfg(test)]
mod support;

/// The admin listener: who may ask, and what it answers.
#[cfg(test)]
mod admin;
/// Tricks that have worked against other proxies; see the README beside them.
#[cfg(test)]
#[path = "../attacks/attacks.rs"]
mod attacks;
/// What each client, message and body may take at most.
#[cfg(test)]
mod bounds;
/// Pages in a real Chromium, and what they see of the gate.
#[cfg(test)]
#[path = "../browser/browser.rs"]
mod browser;
/// What a request claims has to be what is proven.
#[cfg(test)]
mod claims;
/// The command line: exit codes, what `check` prints, keys and tokens.
#[cfg(test)]
mod cli;
/// The clock for tests, which no production has.
#[cfg(test)]
mod clock;
/// Autobahn's cases with the gate in between and without.
#[cfg(test)]
#[path = "../conformance/conformance.rs"]
mod conformance;
/// What the documents say of tests.
#[cfg(test)]
mod documents;
/// How the gate leaves: what is still served, who is told when, and what a second signal does.
#[cfg(test)]
mod drain;
/// Easemob's own tokens, learned from a backend's answers and asked about.
#[cfg(test)]
mod easemob;
/// `imgate explain`: verdicts without a gate that runs.
#[cfg(test)]
mod explain;
/// What is around the gate fails: backends, Redis, key servers, the log, descriptors, the clock.
#[cfg(test)]
mod faults;
/// Credentials in the first message of a socket.
#[cfg(test)]
mod first_message;
/// Enemies with time: spoiled messages and slow clients by the thousand.
#[cfg(test)]
mod hostile;
/// Plain HTTP is carried to the backend and back unharmed.
#[cfg(test)]
mod http;
/// IMKIT: client keys, the API key, and who may do what.
#[cfg(test)]
mod imkit;
/// JSON Web Tokens, the verdict cache, and keys that go away.
#[cfg(test)]
mod jwt;
/// App keys, routes, identity, forwarding headers, CORS, answers.
#[cfg(test)]
mod keys;
/// Request limits of routes.
#[cfg(test)]
mod limits;
/// Nobody reads the memory of a running gate.
#[cfg(test)]
mod memory;
/// What the gate says about itself, and what it must not say.
#[cfg(test)]
mod metrics;
/// Spoils good inputs.
#[cfg(test)]
#[path = "../parsers/mutator.rs"]
mod mutator;
/// Routes that observe: whoever would be refused passes as nobody, for a time.
#[cfg(test)]
mod observe;
/// The same exchanges through the gate's own code and through pingora-proxy.
#[cfg(test)]
mod other_exchange;
/// nginx, Express, Tomcat, Jetty and Spring choose the route that the gate has judged.
#[cfg(test)]
#[path = "../paths/paths.rs"]
mod paths;
/// In a pod: flags in the place of the configuration, probes of the applications beside the gate,
/// and backends that can be reached past it.
#[cfg(test)]
mod pods;
/// Connections that begin with a header of the PROXY protocol.
#[cfg(test)]
mod proxy_protocol;
/// The configuration in `conf/`, as it is shipped.
#[cfg(test)]
mod reference;
/// Files that change while traffic flows.
#[cfg(test)]
mod reloads;
/// Key sets behind a URL, and tokens that only a server can tell about.
#[cfg(test)]
mod remote;
/// Several gates that share a store.
#[cfg(test)]
mod replicas;
/// Sa-Token sessions in a real Redis.
#[cfg(test)]
mod sa_token;
/// No credential in any log, whatever happens to it.
#[cfg(test)]
mod secrets;
/// What governs a WebSocket after its handshake.
#[cfg(test)]
mod sessions;
/// The configurations of `conf/` for other systems.
#[cfg(test)]
mod shipped;
/// The real Socket.IO on both sides.
#[cfg(test)]
#[path = "../socketio/socketio.rs"]
mod socketio;
/// Failed attempts, and who has too many of them.
#[cfg(test)]
mod throttle;
/// Listeners with TLS, their certificates, and routes that require it.
#[cfg(test)]
mod tls;
/// Many upgrades at once: none is torn down.
#[cfg(test)]
mod upgrades;
/// Several addresses of an upstream: how requests are spread, and who is left out.
#[cfg(test)]
mod upstreams;
/// Credentials of every system, at the moment that each is about.
#[cfg(test)]
mod vectors;
/// WebSocket: who gets in, what passes, and when it ends.
#[cfg(test)]
mod websocket;

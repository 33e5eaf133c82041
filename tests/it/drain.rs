//! The end of the gate, from the signal to the exit code.

mod crowds;
mod early;
mod steps;

use super::support::Gate;
use super::support::gate::Builder;
use super::support::mint::SA_TOKEN_SECRET;

const POLICY: &str = "
authenticators:
  im-token:
    from: [{ header: token, prefix: Bearer }]
    sa_token:
      secret: { value: \"$SECRET\" }
      user_types: [im_user]
      sessions: { none: { max_age: 12h } }
routes:
  - { name: ws, match: { path: /ws }, websocket: true, require: { any_of: [im-token] }, upstream: ws }
  - { name: api, match: { path: /api/** }, require: { any_of: [im-token] }, upstream: im }
  - { name: open, match: { path: /open/** }, require: public, upstream: im }
";

fn gate() -> Builder {
    Gate::with(&POLICY.replace("$SECRET", SA_TOKEN_SECRET))
}

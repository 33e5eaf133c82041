//! One policy for all of them: a key on `/openapi/**`, nothing on `/open/**`.

mod answers;
mod bodies;
mod connections;
mod failures;
mod shutdown;

use super::support::gate::Builder;
use super::support::{Gate, Recorder};

const POLICY: &str = "
authenticators:
  keys:
    from: [{ header: X-App-Key }]
    app_key: { keys: [{ id: demo, secret: { value: keyAbcd123 } }] }
routes:
  - { name: openapi, match: { path: /openapi/** }, require: { any_of: [keys] }, upstream: im }
  - { name: open, match: { path: /open/** }, require: public, upstream: im }
";

const KEY: &str = "X-App-Key: keyAbcd123\r\n";

/// One worker, so that the pool of backend connections is one too.
fn gate_before(backend: &Recorder) -> Builder {
    Gate::with(POLICY)
        .upstream("im", backend.address())
        .workers(1)
}

/// Bytes in which a lost, doubled or moved piece shows.
pub(crate) fn patterned(count: usize) -> Vec<u8> {
    let words = (0_u32..).flat_map(|number| number.wrapping_mul(2_654_435_761).to_be_bytes());
    words.take(count).collect()
}

//! What is around the gate fails. A fault is told as what it is, once; it ends nothing that does not
//! rest on it; and it is over when it is over, without a restart.
//!
//! | fault | what becomes of it | tests |
//! | --- | --- | --- |
//! | **a backend** drips its head | 504 after `response_timeout` | `http::failures::an_answer_whose_head_drips_is_504` |
//! | drips its body | arrives as it comes; others on the same worker are not delayed | `backend::an_answer_that_drips_…` |
//! | never answers | 504 | `http::failures::a_backend_that_never_answers_is_504` |
//! | ends (FIN) or resets before its answer, or within its head | 502, one warning that names the upstream | `backend::a_backend_that_ends_before_its_answer_does_is_502` |
//! | ends or resets within a body | the client is cut off; the access line says `cut` | `http::failures::a_backend_that_dies_within_a_body_…`, `backend::a_reset_within_a_body_…` |
//! | answers, though its client has sent FIN | carried | `other_exchange::doubtful`, `http::bodies` |
//! | speaks no HTTP | 502 | `http::failures::an_answer_that_is_not_http_is_502` |
//! | refuses connections, and comes back | 502 with the system's reason in the log; the next request is served | `backend::a_backend_that_was_away_…` |
//! | accepts nobody (full backlog) | 502 after `connect_timeout` | `backend::a_backend_that_accepts_nobody_is_502` |
//! | speaks garbage behind its 101 | whole frames before it arrive, then 1002 | `sockets::garbage_behind_a_101_…` |
//! | breaks off within a frame | no Close frame can stand there: the client sees the end (1006); `backend` in line and metric | `sockets::a_backend_that_breaks_off_within_a_frame_…` |
//! | breaks off between two frames | the end without a Close frame, as without a gate (1006) | `sockets::a_backend_that_is_gone_between_two_frames_…` |
//! | **Redis of `sa_token`** is slow | late answers count within `timeout`, then 503; public routes are not delayed | `redis::a_redis_that_is_slow_…` |
//! | hangs, is restarted | 503, or what `on_outage` says; it is asked again at once | `sa_token::an_outage_is_503_…`, `sa_token::living`, `sa_token::hanging` |
//! | speaks nonsense, `LOADING`, `MASTERDOWN`, `BUSY`, `MOVED` | 503; the log has the code, never the key | `redis::a_redis_that_talks_nonsense_…` |
//! | `WRONGTYPE` under one key | 503 for that token alone | `redis::a_key_of_another_type_…` |
//! | `NOAUTH`, wrong password | 503; the password is in no line | `redis::a_redis_that_refuses_the_gate_…` |
//! | maximum of clients | 503 | `redis::a_redis_without_room_…` |
//! | read-only replica, out of memory | read as before | `redis::a_redis_that_takes_no_writes_…` |
//! | **the store** is emptied, hangs, is gone | nobody loses a session | `replicas::outages` |
//! | is a read-only replica, out of memory, speaks nonsense | each gate counts for itself, told once; `durable: false` until it is over | `store` |
//! | **a key set** is empty, huge, a page, other JSON, 404, 500, elsewhere | the last good one goes on; one warning, one line when it is over | `key_sets::a_set_that_is_no_set_…`, `remote::bad_answers` |
//! | has a name twice | both keys count | `key_sets::a_set_with_the_same_key_twice_…` |
//! | drips, is silent | given up after `timeout` | `key_sets::servers_that_drip_…`, `remote::key_sets` |
//! | is not there at the start | 503, one warning; found when it comes | `key_sets::servers_that_are_not_there_yet_…` |
//! | **the log** is not read | nobody waits; lost lines are counted, and told when somebody reads | `logs::a_log_that_nobody_reads_…` |
//! | is closed (EPIPE), full (ENOSPC) | lines are lost and counted | `logs::a_log_that_is_closed_or_full_…` |
//! | **descriptors** run out | who is in is served, nobody new comes in, a new connection to a backend is 502; no busy loop, a line a second | `descriptors` |
//! | **the clock** is set forth | tokens and sessions end; what was revoked stays so when it comes back | `clock`, `revocation::tests` |
//! | is set back | no remembered answer lives longer, no limit locks out, no session hangs | `clock`, `scheme::jwt::remote::tests`, `scheme::learned::tests` |

mod backend;
mod clock;
mod descriptors;
mod key_sets;
mod logs;
mod redis;
mod sockets;
mod store;

use serde_json::Value;

use super::support::{Gate, eventually};

/// The warnings that hold this, as lines.
fn warnings(gate: &Gate, about: &str) -> Vec<String> {
    let lines = gate.lines("WARN").into_iter().map(|line| line.to_string());
    lines.filter(|line| line.contains(about)).collect()
}

/// The one warning that has come after so many.
#[track_caller]
fn only_warning(gate: &Gate, before: usize) -> Value {
    let mut lines = eventually("a line about it", || {
        let lines = gate.lines("WARN");
        (lines.len() > before).then_some(lines)
    });
    assert_eq!(lines.len(), before + 1, "one line: {lines:#?}");
    lines.pop().unwrap()
}

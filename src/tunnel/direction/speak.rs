//! What the gate says to the client in the upstream's place: notices and pings.

use std::sync::OnceLock;
use std::task::{Context, Poll, ready};

use crate::session::SessionId;
use crate::session::signal::CloseSignal;
use crate::tunnel::Side;
use crate::tunnel::direction::{Broken, Direction};
use crate::wire::frames::{ping_frame, text_frame};

impl Direction {
    /// Carries on to where the gate may say what waits, and says it: a notice between two
    /// messages, a ping between two frames. Ready when nothing is left to say.
    ///
    /// What waits is taken only when the client has accepted everything before it, so that a
    /// client that does not read costs no more memory than it does now.
    pub(in crate::tunnel) fn poll_speak(
        &mut self,
        cx: &mut Context<'_>,
        (from, to): (&mut impl Side, &mut impl Side),
        moved: impl Fn(usize),
        signal: &CloseSignal,
        ping: [u8; 16],
        mut on_ping: impl FnMut(),
    ) -> Poll<Result<(), Broken>> {
        loop {
            if ready!(self.poll_flush(cx, to)).is_err() {
                return Poll::Ready(Err(self.broke(Broken::Sink)));
            }
            // Nothing may come behind a Close frame.
            if self.saw_close() || !signal.has_more_to_say() {
                return Poll::Ready(Ok(()));
            }
            if self.frames.at_boundary() && signal.take_ping() {
                self.pending.extend_from_slice(&ping_frame(ping));
                on_ping();
                continue;
            }
            if self.frames.between_messages()
                && let Some(notice) = signal.take_notice()
            {
                self.pending = text_frame(&notice);
                continue;
            }
            // Reads end where the frame does.
            let limit = self.frames.max_take();
            match ready!(self.poll_fill(cx, from, to, limit)) {
                Ok(n) => moved(n),
                Err(broken) => return Poll::Ready(Err(self.broke(broken))),
            }
        }
    }
}

/// What the gate's own pings to this session say: nothing to anybody else, and the same each time,
/// so that an answer that is late is known too.
pub(in crate::tunnel) fn ping_payload(id: SessionId) -> [u8; 16] {
    static PAD: OnceLock<[u8; 16]> = OnceLock::new();
    let pad = PAD.get_or_init(|| {
        let mut pad = [0; 16];
        // Without randomness it is still like no ping of a backend.
        let _ = getrandom::fill(&mut pad);
        pad
    });
    (id.0 ^ u128::from_be_bytes(*pad)).to_be_bytes()
}

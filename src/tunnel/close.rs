//! How the gate ends a session: between two frames, with a Close frame, and with both sides read.
//!
//! Both sides are read all the while. A side that waits for us to read does not read itself, and
//! would never see its Close frame; and closing a socket that holds unread bytes makes the kernel
//! send a reset, which may overtake what was written last.

use std::future::poll_fn;
use std::time::Duration;

use tokio::time::timeout;

use crate::session::CloseReason;
use crate::tunnel::direction::Direction;
use crate::tunnel::{Side, both};
use crate::wire::frames::close_frame;

/// How long a direction may take to reach the end of the frame it is in.
const TO_BOUNDARY: Duration = Duration::from_millis(1500);
/// How long a side may take to accept its Close frame.
pub(super) const TO_GOODBYE: Duration = Duration::from_millis(1500);
/// How long both sides may go on after the gate has closed.
pub(super) const TO_HANG_UP: Duration = Duration::from_secs(1);
/// So many times as long an upstream may, while it works off what it was sent before.
const HANG_UPS: usize = 5;

/// The purpose of a mask is to keep a script from choosing the bytes on the wire; our text is
/// fixed, so a fixed mask gives nothing away. RFC 6455 §5.3 wants it of every frame to a server.
pub(super) const MASK: [u8; 4] = [0x1d, 0x2e, 0x3f, 0x40];

pub(super) async fn close(
    reason: CloseReason,
    (client, upstream): (&mut impl Side, &mut impl Side),
    up: &mut Direction,
    down: &mut Direction,
) {
    // Finish the frames that are under way, so that the Close frame is not read as payload.
    let to_boundary = poll_fn(|cx| {
        let up_is_there = up.poll_to_boundary(cx, client, upstream);
        let down_is_there = down.poll_to_boundary(cx, upstream, client);
        if up_is_there.is_ready() {
            let _ = up.poll_discard(cx, client);
        }
        if down_is_there.is_ready() {
            let _ = down.poll_discard(cx, upstream);
        }
        both(up_is_there, down_is_there)
    });
    let _ = timeout(TO_BOUNDARY, to_boundary).await;

    up.close(&close_frame(reason.code(), reason.text(), Some(MASK)));
    down.close(&close_frame(reason.code(), reason.text(), None));
    let goodbye = poll_fn(|cx| {
        let _ = up.poll_discard(cx, client);
        let _ = down.poll_discard(cx, upstream);
        let up = up.poll_drain(cx, client, upstream);
        let down = down.poll_drain(cx, upstream, client);
        both(up, down)
    });
    let _ = timeout(TO_GOODBYE, goodbye).await;

    up.discard();
    down.discard();
    for _ in 0..HANG_UPS {
        let before = down.may_discard();
        let hang_up = poll_fn(|cx| {
            let up = up.poll_drain(cx, client, upstream);
            let down = down.poll_drain(cx, upstream, client);
            both(up, down)
        });
        if timeout(TO_HANG_UP, hang_up).await.is_ok() || down.may_discard() == before {
            return;
        }
    }
}

//! The Close frames that the gate itself sends.

use tokio::io::AsyncWriteExt as _;

use crate::session::CloseReason;
use crate::tunnel::Side;
use crate::wire::frames::close_frame;

/// Sends a Close frame to each side that gets one, and tells both that nothing more comes.
pub(super) async fn say_goodbye(
    client: &mut impl Side,
    client_gets: Option<CloseReason>,
    upstream: &mut impl Side,
    upstream_gets: Option<CloseReason>,
) {
    // Masking hides nothing here; RFC 6455 §5.3 wants it of every frame to a server.
    let (one, other) = tokio::join!(
        goodbye(client, client_gets, None),
        goodbye(upstream, upstream_gets, Some(MASK)),
    );
    // A side that is gone needs no goodbye.
    drop((one, other));
}

pub(super) async fn goodbye(
    side: &mut impl Side,
    reason: Option<CloseReason>,
    mask: Option<[u8; 4]>,
) -> std::io::Result<()> {
    if let Some(reason) = reason {
        side.write_all(&close_frame(reason.code(), reason.text(), mask))
            .await?;
    }
    side.shutdown().await
}

/// The purpose of a mask is to keep a script from choosing the bytes on the wire; our text is
/// fixed, so a fixed mask gives nothing away.
pub(super) const MASK: [u8; 4] = [0x1d, 0x2e, 0x3f, 0x40];

//! The frames that the gate itself sends.

use smallvec::SmallVec;

use crate::wire::frames::{CLOSE, CONTROL_BYTES, PING, PONG, TEXT};

/// The bit of a frame that ends its message.
const FIN: u8 = 0x80;
/// The bit of a frame that is masked.
const MASKED: u8 = 0x80;

/// A Close frame, masked if a client is to send it.
///
/// The reason is cut to the 123 bytes that a control frame has room for, at the end of a
/// character.
pub fn close_frame(code: u16, reason: &str, mask: Option<[u8; 4]>) -> SmallVec<[u8; 131]> {
    let room = usize::from(CONTROL_BYTES) - 2;
    let reason = reason
        .get(..reason.floor_char_boundary(room))
        .unwrap_or_default();
    let payload = code.to_be_bytes().into_iter().chain(reason.bytes());
    // The reason was cut to make it fit.
    let length = u8::try_from(2 + reason.len()).unwrap_or(CONTROL_BYTES);

    let mut frame = SmallVec::new();
    match mask {
        None => {
            frame.extend([FIN | CLOSE, length]);
            frame.extend(payload);
        }
        Some(mask) => {
            frame.extend([FIN | CLOSE, MASKED | length]);
            frame.extend(mask);
            frame.extend(
                payload
                    .zip(mask.into_iter().cycle())
                    .map(|(byte, mask)| byte ^ mask),
            );
        }
    }
    frame
}

/// A text message of a server, in one frame.
pub fn text_frame(text: &str) -> Vec<u8> {
    let mut frame = vec![FIN | TEXT];
    let length = text.len();
    if let Ok(length @ ..126) = u8::try_from(length) {
        frame.push(length);
    } else if let Ok(length) = u16::try_from(length) {
        frame.push(126);
        frame.extend(length.to_be_bytes());
    } else {
        frame.push(127);
        frame.extend((length as u64).to_be_bytes());
    }
    frame.extend_from_slice(text.as_bytes());
    frame
}

/// A Ping frame of a server.
pub fn ping_frame(payload: [u8; 16]) -> [u8; 18] {
    let mut frame = [0; 18];
    let (header, rest) = frame.split_at_mut(2);
    header.copy_from_slice(&[FIN | PING, 16]);
    rest.copy_from_slice(&payload);
    frame
}

/// A server's answer to a Ping. The payload is that of the Ping, at most 125 bytes.
pub fn pong_frame(payload: &[u8]) -> Vec<u8> {
    let payload = payload.get(..usize::from(CONTROL_BYTES)).unwrap_or(payload);
    let length = u8::try_from(payload.len()).unwrap_or(CONTROL_BYTES);
    [&[FIN | PONG, length], payload].concat()
}

/// Whether a complete frame of a client is the Pong to this Ping.
pub fn answers_ping(frame: &[u8], payload: [u8; 16]) -> bool {
    let Some(([first, length, mask @ ..], masked)) = frame.split_first_chunk::<6>() else {
        return false;
    };
    let unmasked = masked
        .iter()
        .zip(mask.iter().cycle())
        .map(|(byte, mask)| byte ^ mask);
    (*first, *length) == (FIN | PONG, MASKED | 16) && unmasked.eq(payload)
}

//! Frames read by `max_take` are the frames read at once.
#![no_main]

use imgate::wire::frames::{Frames, Sender};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (bool, &[u8])| {
    let (client, mut rest) = input;
    let sender = if client {
        Sender::Client
    } else {
        Sender::Server
    };
    let mut whole = Frames::new(sender);
    let outcome = whole.feed(rest);
    let mut frames = Frames::new(sender);
    while !rest.is_empty() {
        let (read, after) = rest.split_at(frames.max_take().min(rest.len()));
        if let Err(error) = frames.feed(read) {
            return assert_eq!(outcome, Err(error));
        }
        rest = after;
    }
    assert_eq!(outcome, Ok(()));
    assert_eq!(whole.between_messages(), frames.between_messages());
    assert_eq!(whole.saw_close(), frames.saw_close());
});

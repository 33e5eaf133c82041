//! Frames read by `max_take` are the frames read at once.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| imgate_fuzz::frames(data));

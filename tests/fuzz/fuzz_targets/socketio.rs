//! What is read as the event `auth2` has one reading, and is noticed as one.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| imgate_fuzz::socketio(data));

//! WebSocket messages do not depend on how their bytes come, and no byte is lost.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| imgate_fuzz::messages(data));

//! Who listens, by a table of sockets.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| imgate_fuzz::socket_table(data));

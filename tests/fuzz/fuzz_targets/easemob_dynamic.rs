//! A dynamic token of Easemob that is let in says what a simple reading finds in it, too.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| imgate_fuzz::easemob_dynamic(data));

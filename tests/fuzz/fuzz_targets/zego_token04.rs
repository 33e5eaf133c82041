//! A Token04 of ZEGO that is let in says what is inside, in either mode; any other has one answer.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| imgate_fuzz::zego_token04(data));

//! What a JSON body is counted by is what others find in it.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| imgate_fuzz::json_name(data));

//! Whatever is read as a head consists of its lines, and reads the same without what follows.
#![no_main]

use imgate::wire::head::{HeadLimits, request, response};
use libfuzzer_sys::fuzz_target;

const LIMITS: HeadLimits = HeadLimits {
    head_bytes: 16 * 1024,
    headers: 100,
    target_bytes: 8192,
};

fuzz_target!(|data: &[u8]| {
    if let Ok(Some(head)) = request(data, &LIMITS) {
        let start = data.iter().position(|byte| *byte == b'\n').unwrap() + 1;
        let end = head.headers.iter().fold(start, |at, header| {
            assert_eq!(header.line.start, at);
            header.line.end
        });
        assert_eq!(&data[end..head.len], b"\r\n");
        assert_eq!(request(&data[..head.len], &LIMITS), Ok(Some(head)));
    }
    let _ = response(data, &LIMITS);
});

//! A request that passes is its target, and its path has no segment that could be folded.
#![no_main]

use imgate::proxy::syntax::{check, websocket};
use imgate::wire::head::{HeadLimits, request};
use libfuzzer_sys::fuzz_target;

const LIMITS: HeadLimits = HeadLimits {
    head_bytes: 16 * 1024,
    headers: 100,
    target_bytes: 8192,
};

fuzz_target!(|data: &[u8]| {
    let Ok(Some(head)) = request(data, &LIMITS) else {
        return;
    };
    let _ = websocket(&head);
    if let Ok(checked) = check(&head) {
        assert!(head.target.starts_with(checked.path) && checked.path.starts_with('/'));
        assert!(!checked.path.contains(['\\', ';', '#', '?']) && !checked.path.contains("//"));
        assert!(
            checked
                .path
                .split('/')
                .all(|segment| segment != "." && segment != "..")
        );
    }
});

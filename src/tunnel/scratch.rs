//! One read buffer per worker thread, lent only while bytes are in it.

use std::cell::RefCell;

/// Large enough that a busy tunnel needs few reads, small enough to stay in the cache.
const SCRATCH_BYTES: usize = 32 * 1024;

thread_local! {
    static SCRATCH: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// Lends the thread's buffer for the duration of `use_it`, which cannot await.
pub(super) fn with_scratch<T>(use_it: impl FnOnce(&mut [u8]) -> T) -> T {
    SCRATCH.with(|cell| match cell.try_borrow_mut() {
        Ok(mut scratch) => {
            if scratch.is_empty() {
                scratch.resize(SCRATCH_BYTES, 0);
            }
            use_it(&mut scratch)
        }
        // Only a stream that polls another tunnel inside its own read could come here.
        Err(_) => use_it(&mut [0; 1024]),
    })
}

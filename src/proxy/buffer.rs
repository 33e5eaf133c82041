//! Read buffers that belong to a worker thread and are lent while bytes are in them.
//!
//! An idle connection holds none, so that ten thousand of them cost little.

use std::cell::RefCell;
use std::ops::{Deref, DerefMut};

/// Fits a head and, mostly, a whole small answer in one read.
pub(crate) const BUFFER_BYTES: usize = 32 * 1024;

/// Buffers that a thread keeps for later; more are given back to the allocator.
const KEPT: usize = 64;

thread_local! {
    static FREE: RefCell<Vec<Box<[u8]>>> = const { RefCell::new(Vec::new()) };
}

/// A lent buffer. It returns to its thread's list when dropped.
pub(crate) struct Buffer(Box<[u8]>);

impl Buffer {
    /// Lends a buffer of at least `bytes`.
    pub(crate) fn lend(bytes: usize) -> Self {
        if bytes > BUFFER_BYTES {
            return Self(vec![0; bytes].into_boxed_slice());
        }
        let free = FREE.with(|list| list.try_borrow_mut().ok()?.pop());
        Self(free.unwrap_or_else(|| vec![0; BUFFER_BYTES].into_boxed_slice()))
    }
}

impl Buffer {
    /// Lends a buffer of at least `room` bytes that begins with these.
    pub(crate) fn copy_of(bytes: &[u8], room: usize) -> Self {
        let mut buffer = Self::lend(room.max(bytes.len()));
        if let Some(beginning) = buffer.get_mut(..bytes.len()) {
            beginning.copy_from_slice(bytes);
        }
        buffer
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        if self.0.len() != BUFFER_BYTES {
            return;
        }
        let bytes = std::mem::take(&mut self.0);
        // A thread that is ending has no list any more; then the buffer is simply freed.
        let _ = FREE.try_with(|list| {
            if let Ok(mut list) = list.try_borrow_mut()
                && list.len() < KEPT
            {
                list.push(bytes);
            }
        });
    }
}

impl Deref for Buffer {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}

impl DerefMut for Buffer {
    fn deref_mut(&mut self) -> &mut [u8] {
        &mut self.0
    }
}

impl std::fmt::Debug for Buffer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Buffer")
            .field("bytes", &self.0.len())
            .finish()
    }
}

/// Bytes that were read and belong to what comes next.
#[derive(Debug, Default)]
pub(crate) struct Leftover {
    buffer: Option<Buffer>,
    start: usize,
    end: usize,
}

impl Leftover {
    pub(crate) fn new(buffer: Buffer, start: usize, end: usize) -> Self {
        if start < end {
            Self {
                buffer: Some(buffer),
                start,
                end,
            }
        } else {
            Self::default()
        }
    }

    /// These bytes, out of a buffer that is about to be reused.
    pub(crate) fn copy_of(bytes: &[u8]) -> Self {
        if bytes.is_empty() {
            Self::default()
        } else {
            Self::new(Buffer::copy_of(bytes, 0), 0, bytes.len())
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.start == self.end
    }

    /// Gives the bytes back at the beginning of a buffer, with their number.
    pub(crate) fn take(&mut self) -> Option<(Buffer, usize)> {
        let mut buffer = self.buffer.take()?;
        buffer.copy_within(self.start..self.end, 0);
        Some((buffer, self.end - self.start))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_keeps_so_many_buffers_and_frees_the_rest() {
        let lent: Vec<_> = (0..KEPT + 50).map(|_| Buffer::lend(0)).collect();
        let large = Buffer::lend(BUFFER_BYTES + 1);
        drop((lent, large));
        FREE.with(|list| assert_eq!(list.borrow().len(), KEPT));
    }
}

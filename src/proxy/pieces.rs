//! A message head as it leaves: runs of the bytes that were judged, and bytes that we add.

use std::io::IoSlice;
use std::ops::Range;

use smallvec::SmallVec;

/// The order in which kept and added bytes leave.
#[derive(Debug, Default)]
pub(crate) struct Pieces {
    order: SmallVec<[Piece; 16]>,
    added: Vec<u8>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    /// A range of the head that was read.
    Kept(Range<usize>),
    /// A range of `added`.
    Added(Range<usize>),
}

impl Pieces {
    pub(crate) fn with_capacity(added: usize) -> Self {
        Self {
            order: SmallVec::new(),
            added: Vec::with_capacity(added),
        }
    }

    /// Keeps a range; ranges that touch become one.
    pub(crate) fn keep(&mut self, range: Range<usize>) {
        if range.is_empty() {
            return;
        }
        match self.order.last_mut() {
            Some(Piece::Kept(last)) if last.end == range.start => last.end = range.end,
            _ => self.order.push(Piece::Kept(range)),
        }
    }

    /// Keeps a range, or adds `instead` in its place.
    pub(crate) fn keep_or_add(&mut self, range: Range<usize>, instead: &[u8], is_kept: bool) {
        if is_kept {
            self.keep(range);
        } else {
            self.add(instead);
        }
    }

    pub(crate) fn add(&mut self, bytes: &[u8]) {
        let start = self.added.len();
        self.added.extend_from_slice(bytes);
        let end = self.added.len();
        match self.order.last_mut() {
            Some(Piece::Added(last)) if last.end == start => last.end = end,
            _ if start == end => {}
            _ => self.order.push(Piece::Added(start..end)),
        }
    }

    /// Adds a whole header line. Name and value were checked when they were configured or made.
    pub(crate) fn add_header(&mut self, name: &str, value: &[u8]) {
        self.add(name.as_bytes());
        self.add(b": ");
        self.add(value);
        self.add(b"\r\n");
    }

    /// The slices to write, followed by `rest`.
    pub(crate) fn slices<'s>(
        &'s self,
        head: &'s [u8],
        rest: &'s [u8],
    ) -> SmallVec<[IoSlice<'s>; 18]> {
        let mut slices: SmallVec<[IoSlice<'s>; 18]> = self
            .order
            .iter()
            .filter_map(|piece| match piece {
                Piece::Kept(range) => head.get(range.clone()),
                Piece::Added(range) => self.added.get(range.clone()),
            })
            .map(IoSlice::new)
            .collect();
        if !rest.is_empty() {
            slices.push(IoSlice::new(rest));
        }
        slices
    }

    #[cfg(test)]
    pub(crate) fn text(&self, head: &[u8]) -> String {
        self.slices(head, b"")
            .iter()
            .map(|s| String::from_utf8_lossy(s).into_owned())
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn touching_ranges_become_one_slice() {
        let head = b"GET / HTTP/1.1\r\nA: 1\r\nB: 2\r\n\r\n";
        let mut pieces = Pieces::default();
        pieces.keep(0..16);
        pieces.keep(16..22);
        pieces.keep(28..28);
        pieces.add_header("C", b"3");
        pieces.add(b"\r\n");
        assert_eq!(pieces.text(head), "GET / HTTP/1.1\r\nA: 1\r\nC: 3\r\n\r\n");
        assert_eq!(pieces.slices(head, b"body").len(), 3);
    }
}

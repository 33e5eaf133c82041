//! The walk along the bytes of a head, which finds where each line stands and that nothing else
//! stands between the parts.

use std::ops::Range;

use super::{HeadError, Header, Headers, Version};

pub(super) struct Walk<'b> {
    buf: &'b [u8],
    at: usize,
}

impl<'b> Walk<'b> {
    pub(super) const fn new(buf: &'b [u8]) -> Self {
        Self { buf, at: 0 }
    }

    /// Passes bytes whose content is known, and says where they stand.
    pub(super) fn pass(&mut self, len: usize) -> Result<Range<usize>, HeadError> {
        self.part(len).ok_or(HeadError::StartLine)?;
        let start = self.at - len;
        Ok(start..self.at)
    }

    /// Passes exactly these bytes.
    pub(super) fn literal(&mut self, expected: &[u8]) -> Option<()> {
        if !self.rest().starts_with(expected) {
            return None;
        }
        self.at += expected.len();
        Some(())
    }

    pub(super) fn version(&mut self) -> Result<Version, HeadError> {
        match self.part(8) {
            Some(b"HTTP/1.0") => Ok(Version::Http10),
            Some(b"HTTP/1.1") => Ok(Version::Http11),
            Some(_) | None => Err(HeadError::StartLine),
        }
    }

    /// Passes a reason phrase, which httparse checked but does not always hand out.
    pub(super) fn reason(&mut self) -> Result<&'b [u8], HeadError> {
        let len = self
            .rest()
            .iter()
            .position(|byte| matches!(byte, b'\r' | b'\n'));
        len.and_then(|len| self.part(len)).ok_or(HeadError::LineEnd)
    }

    /// Passes all header lines and the empty line that ends them at `end`.
    pub(super) fn headers(
        &mut self,
        parsed: &[httparse::Header<'b>],
        end: usize,
    ) -> Result<Headers<'b>, HeadError> {
        let mut headers = Headers::default();
        for header in parsed {
            headers.push(self.header(header)?);
        }
        self.literal(b"\r\n").ok_or(HeadError::LineEnd)?;
        if self.at != end {
            return Err(HeadError::LineEnd);
        }
        Ok(headers)
    }

    fn header(&mut self, parsed: &httparse::Header<'b>) -> Result<Header<'b>, HeadError> {
        let start = self.at;
        self.part(parsed.name.len()).ok_or(HeadError::HeaderName)?;
        self.literal(b":").ok_or(HeadError::HeaderName)?;
        let before = self.blanks();
        let value = self
            .part(parsed.value.len())
            .ok_or(HeadError::HeaderValue)?;
        let after = self.blanks();
        // Not every reader takes a tab for a blank, and here they must not differ.
        if is_framing(parsed.name) && (before.contains(&b'\t') || after.contains(&b'\t')) {
            return Err(HeadError::HeaderValue);
        }
        self.literal(b"\r\n").ok_or(HeadError::LineEnd)?;
        Ok(Header {
            name: parsed.name,
            value,
            line: start..self.at,
            is_plain: matches!(before, b"" | b" ") && after.is_empty(),
        })
    }

    fn blanks(&mut self) -> &'b [u8] {
        let is_blank = |byte: &&u8| matches!(byte, b' ' | b'\t');
        let count = self.rest().iter().take_while(is_blank).count();
        self.part(count).unwrap_or_default()
    }

    fn part(&mut self, len: usize) -> Option<&'b [u8]> {
        let part = self.rest().get(..len)?;
        self.at += len;
        Some(part)
    }

    fn rest(&self) -> &'b [u8] {
        self.buf.get(self.at..).unwrap_or_default()
    }
}

/// Whether the header says where the body ends.
fn is_framing(name: &str) -> bool {
    match name.len() {
        14 => name.eq_ignore_ascii_case("content-length"),
        17 => name.eq_ignore_ascii_case("transfer-encoding"),
        _ => false,
    }
}

//! What the texts between chunks may be: extensions and the names of trailers.

/// The names that a trailer must not have (RFC 9110 §6.5.1).
const RESERVED: [&[u8]; 3] = [b"connection", b"content-length", b"transfer-encoding"];

/// Where in an extension's value a byte stands (RFC 9110 §5.6.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Quotes {
    Outside,
    Inside,
    /// Behind a backslash.
    Escaped,
}

impl Quotes {
    pub(super) const fn after(self, byte: u8) -> Self {
        match (self, byte) {
            (Self::Outside, b'"') | (Self::Escaped, _) => Self::Inside,
            (Self::Outside, _) | (Self::Inside, b'"') => Self::Outside,
            (Self::Inside, b'\\') => Self::Escaped,
            (Self::Inside, _) => Self::Inside,
        }
    }
}

/// The name of a trailer as far as it has come, told apart from the reserved ones: some readers
/// take such a trailer for a header, and then doubt where the message ends or what may follow it.
#[derive(Clone, Copy, Debug)]
pub(super) struct TrailerName {
    bytes: u8,
    begins: [bool; RESERVED.len()],
}

impl TrailerName {
    pub(super) fn of(first: u8) -> Self {
        let empty = Self {
            bytes: 0,
            begins: [true; RESERVED.len()],
        };
        empty.with(first)
    }

    pub(super) fn with(mut self, byte: u8) -> Self {
        for (begins, reserved) in self.begins.iter_mut().zip(RESERVED) {
            let expected = reserved.get(usize::from(self.bytes));
            *begins &= expected.is_some_and(|expected| byte.eq_ignore_ascii_case(expected));
        }
        // Longer than every one of them by then.
        self.bytes = self.bytes.saturating_add(1);
        self
    }

    pub(super) fn is_reserved(self) -> bool {
        self.begins
            .iter()
            .zip(RESERVED)
            .any(|(begins, reserved)| *begins && usize::from(self.bytes) == reserved.len())
    }
}

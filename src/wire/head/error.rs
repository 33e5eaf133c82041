//! What can be wrong with a head, and the status that says so.

/// Why bytes are not a head.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HeadError {
    #[error("the head is too large")]
    HeadTooLarge,
    #[error("a header name is not a token directly followed by a colon")]
    HeaderName,
    #[error("a header value is not text without control characters")]
    HeaderValue,
    #[error("a line does not end with CRLF")]
    LineEnd,
    #[error("the first line is malformed")]
    StartLine,
    #[error("the request target is too long")]
    TargetTooLong,
    #[error("there are too many headers")]
    TooManyHeaders,
    #[error("the version is neither HTTP/1.0 nor HTTP/1.1")]
    Version,
}

impl HeadError {
    /// The status that answers such a request; to such a response it is always 502.
    pub const fn status(self) -> u16 {
        match self {
            Self::HeaderName | Self::HeaderValue | Self::LineEnd | Self::StartLine => 400,
            Self::TargetTooLong => 414,
            Self::HeadTooLarge | Self::TooManyHeaders => 431,
            Self::Version => 505,
        }
    }
}

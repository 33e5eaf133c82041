//! How an answer's body passes, and how long it may be.

use crate::metrics::sizes::{REQUEST, RESPONSE};
use crate::proxy::exchange::Failure;
use crate::proxy::pump::{Pump, PumpError};
use crate::wire::body::{Body, Framing, Side};
use crate::wire::head::Version;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    AsIs,
    /// It gets chunks: one that ends with its connection could not be told from one that is cut.
    Chunking,
    /// It loses its chunks, which the client does not know.
    Dechunking,
}

impl Way {
    /// The way of a body with this framing, which may have so many bytes.
    pub(super) fn of(
        framing: Framing,
        version: Version,
        most: Option<u64>,
    ) -> Result<Self, Failure> {
        match (framing, most) {
            (Framing::Length(length), Some(most)) if length > most => {
                Err(Failure::ResponseTooLarge)
            }
            (Framing::Chunked, _) if version == Version::Http10 => Ok(Self::Dechunking),
            (Framing::UntilClose, Some(_)) if version == Version::Http11 => Ok(Self::Chunking),
            (
                Framing::None | Framing::Length(_) | Framing::Chunked | Framing::UntilClose,
                None | Some(_),
            ) => Ok(Self::AsIs),
        }
    }

    pub(super) fn pump(self, framing: Framing, most: Option<u64>) -> Pump {
        let pump = match self {
            Self::AsIs => Pump::new(Body::new(framing, Side::Response)),
            Self::Chunking => Pump::chunking(),
            Self::Dechunking => Pump::dechunking(),
        };
        pump.bounded(most)
    }
}

/// What the beginning of a request's body says.
pub(super) fn unfit_request(error: PumpError) -> Failure {
    match error {
        PumpError::TooLarge => Failure::RequestTooLarge,
        PumpError::Body | PumpError::Sink | PumpError::Source => Failure::ClientBody,
    }
}

/// What the beginning of an answer's body says.
pub(super) fn unfit_answer(error: PumpError) -> Failure {
    match error {
        PumpError::TooLarge => Failure::ResponseTooLarge,
        PumpError::Body | PumpError::Sink | PumpError::Source => {
            Failure::Upstream("a malformed body")
        }
    }
}

/// Why an answer that had begun is not whole.
pub(super) fn cut(status: u16, upload: &Pump, download: &Pump) -> Failure {
    let message = if download.is_too_large() {
        RESPONSE
    } else if upload.is_too_large() {
        REQUEST
    } else {
        return Failure::Cut { status };
    };
    Failure::Outgrown { status, message }
}

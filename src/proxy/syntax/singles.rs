//! The headers of which a request has one at most.

use super::SyntaxError;
use crate::request::fold_byte;
use crate::wire::body::FramingError;
use crate::wire::head::{Header, Headers};

/// The values that are of interest, from one walk over the headers.
#[derive(Default)]
pub(super) struct Singles<'b> {
    pub(super) expect: Option<&'b [u8]>,
    pub(super) host: Option<&'b [u8]>,
    pub(super) upgrade: Option<&'b [u8]>,
    authorization: Option<&'b [u8]>,
    content_type: Option<&'b [u8]>,
    origin: Option<&'b [u8]>,
    sec_websocket_key: Option<&'b [u8]>,
    sec_websocket_version: Option<&'b [u8]>,
}

impl<'b> Singles<'b> {
    /// Refuses doubled headers, and lines that some servers take for the framing and others do
    /// not.
    pub(super) fn find(headers: &Headers<'b>) -> Result<Self, SyntaxError> {
        let mut singles = Self::default();
        for header in headers.iter() {
            refuse_doubtful_framing(header)?;
            if let Some((name, slot)) = singles.slot(header.name)
                && slot.replace(header.value).is_some()
            {
                return Err(if name == "host" {
                    SyntaxError::Host
                } else {
                    SyntaxError::Doubled(name)
                });
            }
        }
        Ok(singles)
    }

    fn slot(&mut self, name: &str) -> Option<(&'static str, &mut Option<&'b [u8]>)> {
        let initial = name.bytes().next()?.to_ascii_lowercase();
        // Length and initial leave one candidate.
        let (single, slot) = match (name.len(), initial) {
            (4, b'h') => ("host", &mut self.host),
            (6, b'e') => ("expect", &mut self.expect),
            (6, b'o') => ("origin", &mut self.origin),
            (7, b'u') => ("upgrade", &mut self.upgrade),
            (12, b'c') => ("content-type", &mut self.content_type),
            (13, b'a') => ("authorization", &mut self.authorization),
            (17, b's') => ("sec-websocket-key", &mut self.sec_websocket_key),
            (21, b's') => ("sec-websocket-version", &mut self.sec_websocket_version),
            _ => return None,
        };
        name.eq_ignore_ascii_case(single).then_some((single, slot))
    }
}

/// A name that only a server which folds marks into `-` takes for the framing, or a value with
/// blanks around it that another one takes for a part of it.
fn refuse_doubtful_framing(header: &Header<'_>) -> Result<(), SyntaxError> {
    let (framing, error) = match header.name.len() {
        14 => ("content-length", FramingError::ContentLength),
        17 => ("transfer-encoding", FramingError::TransferEncoding),
        _ => return Ok(()),
    };
    if header.name.eq_ignore_ascii_case(framing) {
        return if header.is_plain {
            Ok(())
        } else {
            Err(error.into())
        };
    }
    let folded = header.name.bytes().map(fold_byte);
    if folded.eq(framing.bytes()) {
        return Err(SyntaxError::LookAlike(framing));
    }
    Ok(())
}

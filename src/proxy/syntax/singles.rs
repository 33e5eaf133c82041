//! The headers of which a request has one at most.

use super::SyntaxError;
use crate::wire::head::Headers;

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
    /// Refuses doubled headers, and names that a server which folds `_` or `.` into `-` would
    /// take for the framing.
    pub(super) fn find(headers: &Headers<'b>) -> Result<Self, SyntaxError> {
        let mut singles = Self::default();
        for header in headers.iter() {
            refuse_look_alike(header.name)?;
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

fn refuse_look_alike(name: &str) -> Result<(), SyntaxError> {
    let framing = match name.len() {
        14 => "content-length",
        17 => "transfer-encoding",
        _ => return Ok(()),
    };
    let folded = name.bytes().map(|byte| match byte {
        b'_' | b'.' => b'-',
        byte => byte.to_ascii_lowercase(),
    });
    if folded.eq(framing.bytes()) && !name.eq_ignore_ascii_case(framing) {
        return Err(SyntaxError::LookAlike(framing));
    }
    Ok(())
}

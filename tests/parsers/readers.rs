//! One message, three readers: the gate's parsers, pingora's sessions and Node's llhttp.
//!
//! pingora finds the parts of a head with httparse, as the gate does, but reads framing and bodies
//! with code of its own. llhttp shares nothing with either. Whatever the gate accepts, both must
//! read alike: the start line, the headers, the body, and where the next message begins. A reader
//! that refuses is safe, but hints at a lenience of ours; the few that we want are in [`lenience`].

mod compare;
pub(crate) mod lenience;
mod ours;
mod pingora;

pub(crate) use compare::{body, request, response};

use lenience::Lenience;

/// What became of one message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// The gate does not accept it: there is nothing to compare.
    Refused,
    /// All readers read the same.
    Agreed,
    /// A reader refuses it, for a reason that is known and wanted.
    Lenient(Lenience),
}

/// An outcome, or what was read in two ways.
pub(crate) type Compared = Result<Outcome, String>;

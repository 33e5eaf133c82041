//! One HTTP/1 message as llhttp reads it, the parser of Node, in its strict default mode.
//!
//! It shares nothing with httparse: its state machine is generated from a description of its own.

use std::ffi::{CStr, c_char, c_int};
use std::mem::MaybeUninit;

// Links the C code.
use libgit2_sys as _;

mod sys;

use sys::{HPE_OK, HPE_PAUSED, HPE_PAUSED_UPGRADE, Parser, Settings};

/// What is to be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Request,
    /// `to_head`: it answers a HEAD request and has no body.
    Response {
        to_head: bool,
    },
}

/// How far the message goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// So many bytes; the next message begins there.
    At(usize),
    /// With the bytes it was shown it has not ended.
    Open,
    /// It is refused, for this reason.
    Refused(&'static str),
}

/// One message.
#[derive(Clone, Debug)]
pub struct Message {
    pub method: Vec<u8>,
    pub target: Vec<u8>,
    /// Major and minor.
    pub version: (u8, u8),
    pub status: u16,
    pub reason: Vec<u8>,
    /// As written; llhttp leaves the blanks behind a value in it.
    pub headers: Vec<(Vec<u8>, Vec<u8>)>,
    /// The empty line behind the headers was read.
    pub head_complete: bool,
    pub body: Vec<u8>,
    pub end: End,
    /// Another message may follow; of use once the message has ended.
    pub keep_alive: bool,
}

/// Reads one message from the bytes, shown in pieces of that size; `closed` says that the
/// connection ends behind them.
pub fn read(kind: Kind, bytes: &[u8], piece: usize, closed: bool) -> Message {
    let mut reader = Reader {
        parser: MaybeUninit::uninit(),
        kind,
        message: Message {
            method: Vec::new(),
            target: Vec::new(),
            version: (0, 0),
            status: 0,
            reason: Vec::new(),
            headers: Vec::new(),
            head_complete: false,
            body: Vec::new(),
            end: End::Open,
            keep_alive: false,
        },
        in_header: false,
    };
    // The callbacks find the reader by this pointer: its parser is its first field.
    let raw = &raw mut reader;
    let parser = raw.cast::<Parser>();
    let c_kind = match kind {
        Kind::Request => sys::HTTP_REQUEST,
        Kind::Response { .. } => sys::HTTP_RESPONSE,
    };
    // SAFETY: `parser` points to memory for a parser, which `llhttp_init` fills; the settings
    // live for ever.
    unsafe { sys::llhttp_init(parser, c_kind, &raw const SETTINGS) };

    let mut end = End::Open;
    let mut at = 0;
    for piece in bytes.chunks(piece.max(1)) {
        // SAFETY: the parser is initialised and the piece lives longer than the call.
        let error = unsafe { sys::llhttp_execute(parser, piece.as_ptr().cast(), piece.len()) };
        match error {
            HPE_OK => at += piece.len(),
            HPE_PAUSED | HPE_PAUSED_UPGRADE => {
                // SAFETY: after a pause the position lies within the piece or one behind it.
                let position = unsafe { sys::llhttp_get_error_pos(parser) };
                end = End::At(at + (position.addr() - piece.as_ptr().addr()));
                break;
            }
            error => {
                end = End::Refused(name(error));
                break;
            }
        }
    }
    if end == End::Open && closed {
        // SAFETY: the parser is initialised.
        end = match unsafe { sys::llhttp_finish(parser) } {
            // The pause of `on_message_complete`: the connection's end was the message's end.
            HPE_PAUSED => End::At(at),
            HPE_OK => End::Open,
            error => End::Refused(name(error)),
        };
    }
    reader.message.end = end;
    reader.message
}

fn name(error: c_int) -> &'static str {
    // SAFETY: it answers with a literal for every number it returns itself.
    let name = unsafe { CStr::from_ptr(sys::llhttp_errno_name(error)) };
    name.to_str().unwrap_or("an error without a name")
}

#[repr(C)]
struct Reader {
    parser: MaybeUninit<Parser>,
    kind: Kind,
    message: Message,
    /// The last header is not complete: more of its name may come, or its value.
    in_header: bool,
}

/// The reader of a callback's parser.
///
/// # Safety
///
/// `parser` is the one that [`read`] made.
unsafe fn reader<'r>(parser: *mut Parser) -> &'r mut Reader {
    // SAFETY: the parser is the first field of its reader, and the pointer that went in was to
    // the whole of it.
    unsafe { &mut *parser.cast::<Reader>() }
}

macro_rules! on_bytes {
    ($name:ident, |$reader:ident, $bytes:ident| $do:block) => {
        unsafe extern "C" fn $name(parser: *mut Parser, at: *const c_char, len: usize) -> c_int {
            // SAFETY: llhttp calls with the parser of `read`.
            let $reader = unsafe { reader(parser) };
            let $bytes = match len {
                0 => &[],
                // SAFETY: the span lies within the piece that llhttp was shown.
                len => unsafe { std::slice::from_raw_parts(at.cast::<u8>(), len) },
            };
            $do
            HPE_OK
        }
    };
}

on_bytes!(on_method, |reader, bytes| {
    reader.message.method.extend_from_slice(bytes);
});
on_bytes!(on_url, |reader, bytes| {
    reader.message.target.extend_from_slice(bytes);
});
on_bytes!(on_status, |reader, bytes| {
    reader.message.reason.extend_from_slice(bytes);
});
on_bytes!(on_body, |reader, bytes| {
    reader.message.body.extend_from_slice(bytes);
});
on_bytes!(on_header_field, |reader, bytes| {
    if !reader.message.head_complete {
        if !reader.in_header {
            reader.message.headers.push((Vec::new(), Vec::new()));
            reader.in_header = true;
        }
        if let Some((name, _)) = reader.message.headers.last_mut() {
            name.extend_from_slice(bytes);
        }
    }
});
on_bytes!(on_header_value, |reader, bytes| {
    if !reader.message.head_complete
        && let Some((_, value)) = reader.message.headers.last_mut()
    {
        value.extend_from_slice(bytes);
    }
});

unsafe extern "C" fn on_header_value_complete(parser: *mut Parser) -> c_int {
    // SAFETY: llhttp calls with the parser of `read`.
    let reader = unsafe { reader(parser) };
    reader.in_header = false;
    HPE_OK
}

unsafe extern "C" fn on_headers_complete(parser: *mut Parser) -> c_int {
    // SAFETY: llhttp calls with the parser of `read`, initialised.
    let (version, status) = unsafe {
        (
            (
                sys::llhttp_get_http_major(parser),
                sys::llhttp_get_http_minor(parser),
            ),
            sys::llhttp_get_status_code(parser),
        )
    };
    // SAFETY: likewise.
    let reader = unsafe { reader(parser) };
    reader.message.version = version;
    reader.message.status = u16::try_from(status).unwrap_or_default();
    reader.message.head_complete = true;
    // 1 means that no body follows.
    c_int::from(reader.kind == Kind::Response { to_head: true })
}

unsafe extern "C" fn on_message_complete(parser: *mut Parser) -> c_int {
    // SAFETY: llhttp calls with the parser of `read`, initialised.
    let keep_alive = unsafe { sys::llhttp_should_keep_alive(parser) } != 0;
    // SAFETY: likewise.
    let reader = unsafe { reader(parser) };
    reader.message.keep_alive = keep_alive;
    HPE_PAUSED
}

static SETTINGS: Settings = Settings {
    on_message_begin: None,
    on_url: Some(on_url),
    on_status: Some(on_status),
    on_method: Some(on_method),
    on_version: None,
    on_header_field: Some(on_header_field),
    on_header_value: Some(on_header_value),
    on_chunk_extension_name: None,
    on_chunk_extension_value: None,
    on_headers_complete: Some(on_headers_complete),
    on_body: Some(on_body),
    on_message_complete: Some(on_message_complete),
    on_url_complete: None,
    on_status_complete: None,
    on_method_complete: None,
    on_version_complete: None,
    on_header_field_complete: None,
    on_header_value_complete: Some(on_header_value_complete),
    on_chunk_extension_name_complete: None,
    on_chunk_extension_value_complete: None,
    on_chunk_header: None,
    on_chunk_complete: None,
    on_reset: None,
};

//! The C side: what `llhttp.h` of llhttp 9.2.1 declares, as far as it is used.

use std::ffi::{c_char, c_int, c_void};

/// `llhttp_t`. Only llhttp looks at the fields; they are here for their size and order.
#[repr(C)]
#[derive(Debug)]
pub(crate) struct Parser {
    _index: i32,
    _span_pos0: *mut c_void,
    _span_cb0: *mut c_void,
    error: i32,
    reason: *const c_char,
    error_pos: *const c_char,
    data: *mut c_void,
    _current: *mut c_void,
    content_length: u64,
    kind: u8,
    method: u8,
    http_major: u8,
    http_minor: u8,
    header_state: u8,
    lenient_flags: u16,
    upgrade: u8,
    finish: u8,
    flags: u16,
    status_code: u16,
    initial_message_completed: u8,
    settings: *mut c_void,
}

type OnEvent = Option<unsafe extern "C" fn(*mut Parser) -> c_int>;
type OnBytes = Option<unsafe extern "C" fn(*mut Parser, *const c_char, usize) -> c_int>;

/// `llhttp_settings_t`.
#[repr(C)]
#[derive(Debug)]
pub(crate) struct Settings {
    pub(crate) on_message_begin: OnEvent,
    pub(crate) on_url: OnBytes,
    pub(crate) on_status: OnBytes,
    pub(crate) on_method: OnBytes,
    pub(crate) on_version: OnBytes,
    pub(crate) on_header_field: OnBytes,
    pub(crate) on_header_value: OnBytes,
    pub(crate) on_chunk_extension_name: OnBytes,
    pub(crate) on_chunk_extension_value: OnBytes,
    pub(crate) on_headers_complete: OnEvent,
    pub(crate) on_body: OnBytes,
    pub(crate) on_message_complete: OnEvent,
    pub(crate) on_url_complete: OnEvent,
    pub(crate) on_status_complete: OnEvent,
    pub(crate) on_method_complete: OnEvent,
    pub(crate) on_version_complete: OnEvent,
    pub(crate) on_header_field_complete: OnEvent,
    pub(crate) on_header_value_complete: OnEvent,
    pub(crate) on_chunk_extension_name_complete: OnEvent,
    pub(crate) on_chunk_extension_value_complete: OnEvent,
    pub(crate) on_chunk_header: OnEvent,
    pub(crate) on_chunk_complete: OnEvent,
    pub(crate) on_reset: OnEvent,
}

pub(crate) const HPE_OK: c_int = 0;
pub(crate) const HPE_PAUSED: c_int = 21;
pub(crate) const HPE_PAUSED_UPGRADE: c_int = 22;
pub(crate) const HTTP_REQUEST: c_int = 1;
pub(crate) const HTTP_RESPONSE: c_int = 2;

unsafe extern "C" {
    pub(crate) fn llhttp_init(parser: *mut Parser, kind: c_int, settings: *const Settings);
    pub(crate) fn llhttp_execute(parser: *mut Parser, data: *const c_char, len: usize) -> c_int;
    pub(crate) fn llhttp_finish(parser: *mut Parser) -> c_int;
    pub(crate) fn llhttp_get_error_pos(parser: *const Parser) -> *const c_char;
    pub(crate) fn llhttp_get_http_major(parser: *mut Parser) -> u8;
    pub(crate) fn llhttp_get_http_minor(parser: *mut Parser) -> u8;
    pub(crate) fn llhttp_get_status_code(parser: *mut Parser) -> c_int;
    pub(crate) fn llhttp_should_keep_alive(parser: *const Parser) -> c_int;
    pub(crate) fn llhttp_errno_name(error: c_int) -> *const c_char;
}

//! The fuzz targets' code, which is that of the tests in `tests/parsers`.

#[path = "../../parsers"]
mod parsers {
    mod invariants;
    mod readers;
    pub(crate) mod targets;
}

use parsers::targets;

macro_rules! targets {
    ($($name:ident)*) => {
        $(pub fn $name(data: &[u8]) {
            targets::$name(data);
        })*
    };
}

targets!(body body_readers head_request head_response json_name messages request_readers response_readers);

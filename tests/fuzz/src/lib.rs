//! The fuzz targets' code, which is that of the tests in `tests/parsers`.

#[path = "../../parsers"]
mod parsers {
    mod credentials;
    mod invariants;
    mod issued;
    mod policies;
    mod readers;
    pub(crate) mod targets;
    mod tokens;
}

use parsers::targets;

macro_rules! targets {
    ($($name:ident)*) => {
        $(pub fn $name(data: &[u8]) {
            targets::$name(data);
        })*
    };
}

targets!(
    body body_readers configuration easemob_dynamic easemob_token frames head_request head_response
    imkit_client_key introspection json_name jwks messages request_readers response_readers routes
    socket_table socketio token_answer zego_token04
);

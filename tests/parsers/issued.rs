//! What holds for Easemob's tokens, and for the answers by which tokens are given out, whatever the
//! bytes are.

use imgate::scheme::easemob_token::answer::{self, Holder, Unit};
use imgate::scheme::easemob_token::layout::{self, Kind, Layout};
use imgate::scheme::sa_token::token_in_login;

/// What is read in a token can be written, and read again.
pub(crate) fn easemob_token(bytes: &[u8]) {
    let Some(read) = Layout::read(bytes) else {
        return;
    };
    assert!(layout::recognises(bytes), "it is a token");
    let again = read.write(&[0x5a; 40]);
    assert_eq!(Layout::read(again.as_bytes()), Some(read));
    assert_eq!(read.application.is_some(), read.kind == Kind::User);
}

/// An answer that teaches something is a JSON object with one token, whose holder it is said to be.
pub(crate) fn token_answer(bytes: &[u8]) {
    if let Ok(issued) = answer::read(bytes, Unit::Seconds) {
        let whole: serde_json::Value = serde_json::from_slice(bytes).expect("it is JSON");
        let token = whole["access_token"].as_str().expect("it has a token");
        assert_eq!(token.as_bytes(), &*issued.token);
        assert!(layout::recognises(&issued.token));
        if let Some(layout) = issued.layout {
            assert_eq!(layout.kind, issued.holder.kind());
        }
        if let Holder::User(name) = &issued.holder {
            assert_eq!(whole["user"]["username"], **name);
            assert_ne!(whole["user"]["activated"], false);
        }
    }
    if let Ok(token) = token_in_login(bytes) {
        let whole: serde_json::Value = serde_json::from_slice(bytes).expect("it is JSON");
        assert_eq!(whole["code"], 200);
        let there = whole["data"]["token"].as_str().expect("it has a token");
        assert!(there.ends_with(&token));
    }
}

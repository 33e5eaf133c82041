//! Origins of web pages, which `cors` and cookies are trusted by.

use super::cursor::Cursor;
use super::notation;

/// Single origins, at least one.
pub(super) fn origins(cursor: &Cursor<'_>) -> Option<Vec<String>> {
    let elements = cursor.non_empty_list()?;
    let origins: Vec<String> = elements.iter().filter_map(origin).collect();
    (origins.len() == elements.len()).then_some(origins)
}

/// An origin as browsers send it (RFC 6454, section 6.2).
fn origin(cursor: &Cursor<'_>) -> Option<String> {
    if cursor.is_word("*") {
        cursor.problem("every site could use its visitors' credentials, expected single origins");
        return None;
    }
    cursor.parsed(
        "an origin such as `https://chat.example.com`, without a path or a default port",
        |text| {
            let lower = text.to_ascii_lowercase();
            let (scheme, authority) = lower.split_once("://")?;
            let is_scheme = scheme.starts_with(|c: char| c.is_ascii_alphabetic())
                && scheme
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte));
            let is_default_port = (scheme == "https" && authority.ends_with(":443"))
                || (scheme == "http" && authority.ends_with(":80"));
            let is_authority = notation::is_host(authority) || notation::is_host_port(authority);
            (is_scheme && is_authority && !is_default_port).then_some(lower)
        },
    )
}

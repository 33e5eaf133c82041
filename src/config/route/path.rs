//! Path patterns: `/exact`, `/with/{name}/segments`, `/everything/below/**`.

use std::collections::HashSet;

use crate::config::cursor::Cursor;
use crate::config::spelling;

/// Reads a pattern and says what is wrong with a malformed one.
pub(super) fn pattern(cursor: &Cursor<'_>) -> Option<String> {
    let text = cursor.text()?;
    match check(text) {
        Ok(()) => Some(text.to_owned()),
        Err(message) => {
            cursor.problem(message);
            None
        }
    }
}

/// The position of the segment `{name}`. Reports a name that the pattern does not have.
pub(super) fn parameter(cursor: &Cursor<'_>, pattern: &str, name: &str) -> Option<usize> {
    let mut segments = pattern.split('/').skip(1);
    let segment = segments.position(|segment| is_parameter(segment, name));
    if segment.is_none() {
        cursor.problem("expected a `{name}` that the path of this route has");
    }
    segment
}

fn is_parameter(segment: &str, name: &str) -> bool {
    let inner = segment
        .strip_prefix('{')
        .and_then(|rest| rest.strip_suffix('}'));
    inner == Some(name)
}

/// Longer than any target that is let in by default.
const MAX_LENGTH: usize = 2048;

fn check(text: &str) -> Result<(), &'static str> {
    let path = text
        .strip_prefix('/')
        .ok_or("expected a path that begins with `/`")?;
    if text.len() > MAX_LENGTH {
        return Err("expected a shorter path");
    }
    let path = match path.strip_suffix("**") {
        Some("") => return Ok(()),
        Some(prefix) => prefix
            .strip_suffix('/')
            .ok_or("expected `**` as a whole segment")?,
        None => path,
    };
    let mut names = HashSet::new();
    let mut segments = path.split('/').peekable();
    while let Some(segment) = segments.next() {
        // Only the last segment may be empty: the root itself, or a trailing slash.
        let is_last = segments.peek().is_none();
        let is_open = text.ends_with("**");
        if segment.is_empty() && (!is_last || is_open) {
            return Err("expected no empty segment (`//`)");
        }
        check_segment(segment, &mut names)?;
    }
    Ok(())
}

fn check_segment<'p>(segment: &'p str, names: &mut HashSet<&'p str>) -> Result<(), &'static str> {
    if segment == "." || segment == ".." {
        return Err("expected no `.` or `..` segment, no request can have one");
    }
    if segment.contains(['{', '}']) {
        let name = segment
            .strip_prefix('{')
            .and_then(|rest| rest.strip_suffix('}'));
        let name = name.filter(|name| spelling::is_name(name));
        let name = name.ok_or("expected `{name}` as a whole segment")?;
        if !names.insert(name) {
            return Err("expected each `{name}` only once");
        }
        return Ok(());
    }
    if segment.contains('*') {
        return Err("expected `*` only as `/**` at the end");
    }
    // RFC 3986, section 3.3, without `%` and `;`: what servers read in different ways has no
    // place in a rule about who may come in.
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~!$&'()+,=:@".contains(&byte);
    if segment.bytes().all(allowed) {
        Ok(())
    } else {
        Err("expected only letters, digits and `-._~!$&'()+,=:@` in a segment")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_have_one_meaning() {
        for (case, pattern, good) in [
            ("the root", "/", true),
            ("an exact path", "/openapi/v1", true),
            ("a trailing slash", "/socket.io/", true),
            ("everything", "/**", true),
            ("everything below", "/openapi/**", true),
            ("named segments", "/{org}/{app}/users/**", true),
            ("empty", "", false),
            ("no slash", "openapi", false),
            ("an empty segment", "/a//b", false),
            ("an empty segment before the end", "/a//**", false),
            ("an empty segment at the start", "//a", false),
            ("two trailing slashes", "/a//", false),
            ("a dot", "/a/./b", false),
            ("two dots", "/a/../b", false),
            ("a query", "/a?b", false),
            ("a fragment", "/a#b", false),
            ("an escape", "/a%2fb", false),
            ("a parameter", "/a;b", false),
            ("stars in the middle", "/a/**/b", false),
            ("one star", "/a/*", false),
            ("stars after a letter", "/a**", false),
            ("three stars", "/a/***", false),
            ("half a name", "/a{b}", false),
            ("an open brace", "/{a", false),
            ("no name", "/{}", false),
            ("a name twice", "/{a}/{a}", false),
            ("a space", "/a b", false),
            ("not ASCII", "/ä", false),
        ] {
            assert_eq!(check(pattern).is_ok(), good, "{case}: {pattern}");
        }
    }
}

//! Where a redirect leads.

use http::uri::PathAndQuery;

use super::definition::target;

/// The host that is asked, as it stands in redirects to itself.
const HOST: &str = "127.0.0.1";

/// Where one request goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Hop {
    pub(super) is_secure: bool,
    pub(super) port: u16,
    pub(super) target: PathAndQuery,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// On this host, perhaps on another port.
    Here {
        hop: Hop,
        /// The redirect names no host.
        is_relative: bool,
    },
    /// To another host, where nobody follows.
    Elsewhere,
    /// To nowhere.
    Nowhere,
}

/// Resolves a `Location` as browsers, and the kubelet, do (RFC 3986 §5.2).
pub(super) fn follow(from: &Hop, location: &str) -> Next {
    let (is_secure, rest, is_relative) = match scheme(location) {
        Some((scheme, rest)) => match scheme.to_ascii_lowercase().as_str() {
            "http" => (false, rest, false),
            "https" => (true, rest, false),
            _ => return other_scheme(rest),
        },
        None => (from.is_secure, location, true),
    };
    let Some(behind) = rest.strip_prefix("//") else {
        if !is_relative {
            // A scheme without a host is a place on no host.
            return Next::Elsewhere;
        }
        return match relative(from, rest) {
            Some(target) => Next::Here {
                hop: Hop {
                    target,
                    ..from.clone()
                },
                is_relative,
            },
            None => Next::Nowhere,
        };
    };
    let end = behind.find(['/', '?', '#']).unwrap_or(behind.len());
    let (authority, path) = behind.split_at(end);
    let host = authority
        .rsplit_once('@')
        .map_or(authority, |(_, host)| host);
    let (host, port) = match host.rsplit_once(':') {
        Some((host, "")) => (host, None),
        Some((host, port)) => match port.parse() {
            Ok(port) => (host, Some(port)),
            // Half of an IPv6 address is no port.
            Err(_) if host.starts_with('[') => return Next::Elsewhere,
            Err(_) => return Next::Nowhere,
        },
        None => (host, None),
    };
    if host != HOST {
        return Next::Elsewhere;
    }
    let usual = if is_secure { 443 } else { 80 };
    match without_dots(path) {
        Some(target) => Next::Here {
            hop: Hop {
                is_secure,
                port: port.unwrap_or(usual),
                target,
            },
            is_relative,
        },
        None => Next::Nowhere,
    }
}

/// Something else than HTTP on the same host is asked for in vain.
fn other_scheme(rest: &str) -> Next {
    let authority = rest.strip_prefix("//").unwrap_or_default();
    let authority = authority.split(['/', '?', '#', ':']).next();
    if authority == Some(HOST) {
        Next::Nowhere
    } else {
        Next::Elsewhere
    }
}

fn scheme(location: &str) -> Option<(&str, &str)> {
    let (scheme, rest) = location.split_once(':')?;
    let mut bytes = scheme.bytes();
    let is_scheme = bytes
        .next()
        .is_some_and(|first| first.is_ascii_alphabetic())
        && bytes.all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte));
    is_scheme.then_some((scheme, rest))
}

fn relative(from: &Hop, location: &str) -> Option<PathAndQuery> {
    let path = from.target.path();
    if location.is_empty() || location.starts_with('#') {
        return Some(from.target.clone());
    }
    if location.starts_with('?') {
        return target(&format!("{path}{location}"));
    }
    if location.starts_with('/') {
        return without_dots(location);
    }
    let (directory, _) = path.rsplit_once('/').unwrap_or_default();
    without_dots(&format!("{directory}/{location}"))
}

/// Undoes `.` and `..` in the path, not in the query.
fn without_dots(text: &str) -> Option<PathAndQuery> {
    let (text, _) = text.split_once('#').unwrap_or((text, ""));
    let (path, query) = match text.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (text, None),
    };
    let mut kept: Vec<&str> = Vec::new();
    let mut segments = path.trim_start_matches('/').split('/').peekable();
    while let Some(segment) = segments.next() {
        let is_last = segments.peek().is_none();
        match segment {
            "." | ".." => {
                if segment == ".." {
                    kept.pop();
                }
                if is_last {
                    kept.push("");
                }
            }
            segment => kept.push(segment),
        }
    }
    let query = query.map_or_else(String::new, |query| format!("?{query}"));
    target(&format!("/{}{query}", kept.join("/")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hop(is_secure: bool, port: u16, path: &str) -> Hop {
        Hop {
            is_secure,
            port,
            target: target(path).unwrap(),
        }
    }

    #[test]
    fn redirects_are_resolved_as_browsers_do() {
        let from = hop(false, 8080, "/a/b?x=1");
        let here = |is_secure, port, path: &str, is_relative| Next::Here {
            hop: hop(is_secure, port, path),
            is_relative,
        };
        for (location, expected) in [
            ("/login", here(false, 8080, "/login", true)),
            (
                "/login?next=/a#top",
                here(false, 8080, "/login?next=/a", true),
            ),
            ("login", here(false, 8080, "/a/login", true)),
            ("../login", here(false, 8080, "/login", true)),
            ("../../../login/./x/..", here(false, 8080, "/login/", true)),
            ("?y=2", here(false, 8080, "/a/b?y=2", true)),
            ("#top", here(false, 8080, "/a/b?x=1", true)),
            ("/a b", here(false, 8080, "/a%20b", true)),
            ("//127.0.0.1:81/x", here(false, 81, "/x", true)),
            ("http://127.0.0.1:8080/x", here(false, 8080, "/x", false)),
            ("HTTP://127.0.0.1/x", here(false, 80, "/x", false)),
            ("https://127.0.0.1", here(true, 443, "/", false)),
            ("https://127.0.0.1:8443?x", here(true, 8443, "/?x", false)),
            (
                "http://user@127.0.0.1:8080/x",
                here(false, 8080, "/x", false),
            ),
            ("http://localhost:8080/x", Next::Elsewhere),
            ("http://127.0.0.1@evil.example/x", Next::Elsewhere),
            ("//evil.example/x", Next::Elsewhere),
            ("https://im.example.com/login", Next::Elsewhere),
            ("http://[::1]:8080/x", Next::Elsewhere),
            ("http://[::1]/x", Next::Elsewhere),
            ("http:x", Next::Elsewhere),
            ("mailto:somebody", Next::Elsewhere),
            ("ftp://ftp.example.com/x", Next::Elsewhere),
            ("ftp://127.0.0.1/x", Next::Nowhere),
            ("http://127.0.0.1:99999/x", Next::Nowhere),
            ("http://127.0.0.1:http/x", Next::Nowhere),
        ] {
            assert_eq!(follow(&from, location), expected, "{location}");
        }
        let secure = hop(true, 8443, "/");
        assert_eq!(follow(&secure, "x"), here(true, 8443, "/x", true));
    }
}

//! The addresses that this client can ask: `ws://host:port/path?query` and `http://…`.

use std::fmt;
use std::str::FromStr;

use http::Uri;

/// Where to ask, and what for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::cli) struct Url {
    /// `ws` or `http`; both are plain TCP.
    scheme: &'static str,
    /// As in the `Host` header.
    pub(super) authority: String,
    host: String,
    pub(super) port: u16,
    /// Path and query.
    pub(super) target: String,
}

/// Why an address cannot be asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(in crate::cli) enum UrlError {
    #[error(
        "expected an address such as `http://127.0.0.1:9690/readyz` or `ws://127.0.0.1:9688/ws`"
    )]
    Malformed,
    #[error("this small client speaks no TLS, expected `ws://` or `http://`")]
    Tls,
    #[error("a user and a password belong into a header, expected `host:port` only")]
    UserInfo,
}

impl Url {
    /// An address on this machine; `target` begins with `/`.
    pub(in crate::cli::demo) fn local(scheme: &'static str, port: u16, target: &str) -> Self {
        Self {
            scheme,
            authority: format!("127.0.0.1:{port}"),
            host: "127.0.0.1".to_owned(),
            port,
            target: target.to_owned(),
        }
    }

    /// A name, or an address without the brackets of IPv6.
    pub(super) fn host(&self) -> &str {
        &self.host
    }
}

impl FromStr for Url {
    type Err = UrlError;

    fn from_str(text: &str) -> Result<Self, UrlError> {
        let uri: Uri = text.parse().map_err(|_| UrlError::Malformed)?;
        let scheme = match uri.scheme_str() {
            Some("ws") => "ws",
            Some("http") => "http",
            Some("wss" | "https") => return Err(UrlError::Tls),
            Some(_) | None => return Err(UrlError::Malformed),
        };
        let authority = uri.authority().ok_or(UrlError::Malformed)?;
        if authority.as_str().contains('@') {
            return Err(UrlError::UserInfo);
        }
        let host = authority.host();
        if host.is_empty() {
            return Err(UrlError::Malformed);
        }
        let bare = host
            .strip_prefix('[')
            .and_then(|host| host.strip_suffix(']'));
        // A port that is no number counts as none.
        let port = authority.port_u16();
        if port.is_none() && authority.as_str() != host {
            return Err(UrlError::Malformed);
        }
        let target = match uri.path_and_query().map_or("", |target| target.as_str()) {
            // A query alone belongs to the root (RFC 9112, section 3.2.1).
            query if !query.starts_with('/') => format!("/{query}"),
            target => target.to_owned(),
        };
        Ok(Self {
            scheme,
            authority: authority.as_str().to_owned(),
            host: bare.unwrap_or(host).to_owned(),
            port: port.unwrap_or(80),
            target,
        })
    }
}

impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}{}", self.scheme, self.authority, self.target)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn addresses_are_taken_apart() {
        for (text, host, port, target) in [
            ("ws://127.0.0.1:9688/ws", "127.0.0.1", 9688, "/ws"),
            ("ws://im.example.com", "im.example.com", 80, "/"),
            ("http://[::1]:8080/a?b=c%20d", "::1", 8080, "/a?b=c%20d"),
            ("ws://h?token=t", "h", 80, "/?token=t"),
        ] {
            let url: Url = text.parse().unwrap();
            assert_eq!(
                (url.host(), url.port, &*url.target),
                (host, port, target),
                "{text}"
            );
        }
    }

    #[test]
    fn what_cannot_be_asked_is_told() {
        for (text, error) in [
            ("wss://im.example.com/ws", UrlError::Tls),
            ("ws://u:p@im.example.com/ws", UrlError::UserInfo),
            ("im.example.com/ws", UrlError::Malformed),
            ("/ws", UrlError::Malformed),
            ("ftp://im.example.com/", UrlError::Malformed),
            ("ws://im.example.com:99999/ws", UrlError::Malformed),
            ("ws://im.example.com/a b", UrlError::Malformed),
            ("", UrlError::Malformed),
        ] {
            assert_eq!(text.parse::<Url>(), Err(error), "{text}");
        }
    }

    proptest! {
        #[test]
        fn an_address_cannot_break_the_request(text in "(ws://)?\\PC{0,40}[\r\n ]?\\PC{0,10}") {
            if let Ok(url) = text.parse::<Url>() {
                let parts = [&url.authority, &url.target];
                let is_clean = |part: &&String| part.bytes().all(|byte| byte > b' ' && byte != 0x7f);
                prop_assert!(parts.iter().all(is_clean), "{text:?}");
                prop_assert!(url.target.starts_with('/'));
            }
        }
    }
}

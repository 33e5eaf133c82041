//! Probes as Kubernetes writes them, with ports that are numbers already.
//!
//! Nothing that was found is shown: a header of a probe may hold a credential.

use std::fmt;
use std::time::Duration;

use http::header::{ACCEPT, CONNECTION, CONTENT_LENGTH, HOST, TRANSFER_ENCODING, USER_AGENT};
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderName, HeaderValue};
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use serde_json::Value;

use super::Kind;
use super::http::HttpGet;
use crate::wire::json::{self, Object};

/// One probe.
pub(super) struct Definition {
    pub(super) timeout: Duration,
    pub(super) action: Action,
}

/// What is asked of the application.
pub(super) enum Action {
    Grpc { port: u16, service: String },
    Http(HttpGet),
    Tcp { port: u16 },
}

/// What is wrong, and where.
#[derive(Debug, PartialEq, Eq)]
pub struct Mistake {
    /// Such as `chat.livenessProbe.httpGet.port`; empty for the whole.
    path: String,
    expected: &'static str,
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.path.is_empty() {
            write!(f, "{}: ", self.path)?;
        }
        write!(f, "expected {}", self.expected)
    }
}

impl std::error::Error for Mistake {}

/// All probes of a text.
pub(super) fn parse(text: &str) -> Result<Vec<(Box<str>, Kind, Definition)>, Mistake> {
    let whole = json::value(text.as_bytes()).ok();
    let root = Node {
        path: String::new(),
        value: whole.as_ref().unwrap_or(&Value::Null),
    };
    let mut probes = Vec::new();
    let expected = "a JSON object of containers that names nothing twice";
    for (container, value) in root.object(expected)? {
        if !is_container(container) {
            return Err(root.expected("names of containers as keys"));
        }
        let node = Node {
            path: container.clone(),
            value,
        };
        node.only(
            &Kind::ALL.map(Kind::key),
            "`livenessProbe`, `readinessProbe` and `startupProbe` alone",
        )?;
        for kind in Kind::ALL {
            if let Some(probe) = node.get(kind.key())? {
                probes.push((container.as_str().into(), kind, definition(&probe)?));
            }
        }
    }
    Ok(probes)
}

/// A DNS label (RFC 1123), as Kubernetes asks for.
fn is_container(name: &str) -> bool {
    let is_inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    (1..=63).contains(&name.len())
        && name.bytes().all(is_inner)
        && !name.starts_with('-')
        && !name.ends_with('-')
}

/// What else a probe says is the kubelet's business.
const PROBE: &[&str] = &[
    "failureThreshold",
    "grpc",
    "httpGet",
    "initialDelaySeconds",
    "periodSeconds",
    "successThreshold",
    "tcpSocket",
    "terminationGracePeriodSeconds",
    "timeoutSeconds",
];

/// Nobody waits longer for an answer.
const LONGEST: u64 = 3600;

fn definition(node: &Node<'_>) -> Result<Definition, Mistake> {
    node.only(
        PROBE,
        "the keys of a probe with `httpGet`, `tcpSocket` or `grpc`",
    )?;
    let seconds = match node.get("timeoutSeconds")? {
        Some(seconds) => seconds
            .value
            .as_u64()
            .ok_or_else(|| seconds.expected("a number of seconds"))?,
        None => 0,
    };
    // The default of Kubernetes, which writes it for 0.
    let timeout = Duration::from_secs(if seconds == 0 {
        1
    } else {
        seconds.min(LONGEST)
    });
    let (get, socket, grpc) = (
        node.get("httpGet")?,
        node.get("tcpSocket")?,
        node.get("grpc")?,
    );
    let action = match (get, socket, grpc) {
        (Some(get), None, None) => Action::Http(http_get(&get)?),
        (None, Some(socket), None) => {
            socket.only(&["host", "port"], "`port` alone")?;
            socket.no_host()?;
            Action::Tcp {
                port: socket.port()?,
            }
        }
        (None, None, Some(grpc)) => {
            grpc.only(&["port", "service"], "`port` and `service` alone")?;
            let service = grpc.get("service")?;
            Action::Grpc {
                port: grpc.port()?,
                service: match service {
                    Some(service) => service.text()?.to_owned(),
                    None => String::new(),
                },
            }
        }
        _ => return Err(node.expected("exactly one of `httpGet`, `tcpSocket` and `grpc`")),
    };
    Ok(Definition { timeout, action })
}

const HTTP_GET: &[&str] = &["host", "httpHeaders", "path", "port", "scheme"];

fn http_get(node: &Node<'_>) -> Result<HttpGet, Mistake> {
    node.only(HTTP_GET, "`path`, `port`, `scheme` and `httpHeaders` alone")?;
    node.no_host()?;
    let is_secure = match node.get("scheme")? {
        Some(scheme) => match scheme.text()? {
            "HTTPS" => true,
            "HTTP" | "" => false,
            _ => return Err(scheme.expected("`HTTP` or `HTTPS`")),
        },
        None => false,
    };
    let target = match node.get("path")? {
        Some(path) => target(path.text()?).ok_or_else(|| path.expected("a path"))?,
        None => PathAndQuery::from_static("/"),
    };
    let mut headers = HeaderMap::new();
    let mut host = None;
    if let Some(list) = node.get("httpHeaders")? {
        for header in list.elements()? {
            header.only(&["name", "value"], "`name` and `value` alone")?;
            let (name, value) = header_of(&header)?;
            match name {
                HOST => host = host.or(Some(value)),
                // What the connection itself needs is not for others to say.
                CONTENT_LENGTH | TRANSFER_ENCODING | CONNECTION => {}
                name => {
                    headers.append(name, value);
                }
            }
        }
    }
    // As the kubelet does: an empty one sends none.
    for (name, ours) in [
        (USER_AGENT, AGENT),
        (ACCEPT, HeaderValue::from_static("*/*")),
    ] {
        if headers.get(&name).is_some_and(HeaderValue::is_empty) {
            headers.remove(name);
        } else if !headers.contains_key(&name) {
            headers.insert(name, ours);
        }
    }
    Ok(HttpGet {
        is_secure,
        port: node.port()?,
        target,
        host: host.filter(|host| !host.is_empty()),
        headers,
    })
}

/// Applications know the kubelet's probes by the beginning of this.
pub(super) const AGENT: HeaderValue = HeaderValue::from_static("kube-probe/imgate");

fn header_of(header: &Node<'_>) -> Result<(HeaderName, HeaderValue), Mistake> {
    let name = header.required("name")?;
    let text = name.text()?;
    let parsed = HeaderName::from_bytes(text.as_bytes());
    let parsed = parsed.map_err(|_| name.expected("the name of a header"))?;
    let mut value = HeaderValue::from_static("");
    if let Some(node) = header.get("value")? {
        let text = node.text()?;
        value = HeaderValue::from_str(text)
            .or_else(|_| HeaderValue::from_bytes(text.as_bytes()))
            .map_err(|_| node.expected("the value of a header, without control characters"))?;
    }
    value.set_sensitive(true);
    Ok((parsed, value))
}

/// What no request line may hold as it is.
const ESCAPED: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'<')
    .add(b'>')
    .add(b'\\')
    .add(b'^')
    .add(b'`')
    .add(b'{')
    .add(b'|')
    .add(b'}');

/// A path with its query, if there is one; a beginning without a slash gets one.
pub(super) fn target(text: &str) -> Option<PathAndQuery> {
    let slash = if text.starts_with('/') { "" } else { "/" };
    let (text, _) = text.split_once('#').unwrap_or((text, ""));
    let escaped = utf8_percent_encode(text, ESCAPED);
    PathAndQuery::try_from(format!("{slash}{escaped}")).ok()
}

/// A value and where it stands.
struct Node<'v> {
    path: String,
    value: &'v Value,
}

impl<'v> Node<'v> {
    fn expected(&self, expected: &'static str) -> Mistake {
        Mistake {
            path: self.path.clone(),
            expected,
        }
    }

    fn object(&self, expected: &'static str) -> Result<&'v Object, Mistake> {
        self.value
            .as_object()
            .ok_or_else(|| self.expected(expected))
    }

    fn only(&self, known: &[&str], expected: &'static str) -> Result<(), Mistake> {
        let mut keys = self.object("an object")?.keys();
        if keys.all(|key| known.contains(&key.as_str())) {
            Ok(())
        } else {
            Err(self.expected(expected))
        }
    }

    /// What stands under a key; nothing is the same as `null`.
    fn get(&self, key: &str) -> Result<Option<Node<'v>>, Mistake> {
        let value = self.object("an object")?.get(key);
        Ok(value.filter(|value| !value.is_null()).map(|value| Node {
            path: format!("{}.{key}", self.path),
            value,
        }))
    }

    fn required(&self, key: &str) -> Result<Node<'v>, Mistake> {
        Ok(self.get(key)?.unwrap_or(Node {
            path: format!("{}.{key}", self.path),
            value: &Value::Null,
        }))
    }

    fn elements(&self) -> Result<Vec<Node<'v>>, Mistake> {
        let list = self
            .value
            .as_array()
            .ok_or_else(|| self.expected("a list"))?;
        let elements = list.iter().enumerate().map(|(number, value)| Node {
            path: format!("{}[{number}]", self.path),
            value,
        });
        Ok(elements.collect())
    }

    fn text(&self) -> Result<&'v str, Mistake> {
        self.value.as_str().ok_or_else(|| self.expected("a text"))
    }

    fn port(&self) -> Result<u16, Mistake> {
        let port = self.required("port")?;
        let number = port
            .value
            .as_u64()
            .and_then(|number| u16::try_from(number).ok());
        let number = number.filter(|number| *number != 0);
        number.ok_or_else(|| port.expected("a port as a number from 1 to 65535"))
    }

    /// Elsewhere the kubelet can ask itself.
    fn no_host(&self) -> Result<(), Mistake> {
        match self.get("host")? {
            Some(host) if host.value.as_str() != Some("") => {
                Err(host.expected("no host: only the pod itself is asked"))
            }
            Some(_) | None => Ok(()),
        }
    }
}

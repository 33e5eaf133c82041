//! Which request headers may reach an upstream, compiled from the whole policy.
//!
//! Names are compared *folded*: in lower case, with every mark (`_`, `.`, `~`) read as `-`, because
//! backends that turn headers into variables merge such spellings. A header that folds to one of ours without
//! being spelled like it is a look-alike and never passes.

use std::sync::Arc;

use smallvec::SmallVec;

use crate::config::document::{self, Identity, Requirement};
use crate::credential::Carrier;
use crate::policy::Names;
use crate::policy::authenticator::Authenticator;
use crate::request::{fold_byte, is_alike};

/// Header names longer than this are compared by their beginning only; no name of ours is longer.
const FOLD_BYTES: usize = 128;

/// What becomes of a client's header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HeaderFate {
    /// Passes unless something else says so.
    Keep,
    /// Never passes: hop-by-hop, ours to set, or a look-alike.
    Cut,
    /// Carries a credential of some authenticator; passes only if verified or waved through.
    Credential,
}

/// Compiled header and query rules of a policy.
#[derive(Debug)]
pub struct HeaderRules {
    /// As written, to set the identity headers with.
    pub identity_prefix: String,
    folded_prefix: Vec<u8>,
    /// By folded name: the names that fold to it. Whatever else folds to it is a
    /// look-alike.
    known: Names<Box<[u8]>, Spellings>,
    /// Query parameters that carry credentials, decoded names.
    pub credential_queries: Vec<String>,
    /// Cookies that carry credentials.
    pub credential_cookies: Vec<String>,
    /// Prefixes of subprotocol entries that carry credentials.
    pub credential_subprotocols: Vec<String>,
}

/// Names that fold alike, each with its fate. Nearly always it is one.
type Spellings = SmallVec<[(Box<[u8]>, HeaderFate); 1]>;

/// For one connection only (RFC 9110 §7.6.1), or set by us on the way to the upstream.
///
/// `HTTP2-Settings` belongs to `Upgrade: h2c`, which is never passed on. Those that name a URL, a
/// host or a method make some servers act on another request than the one that was judged; those
/// that name a client's address are believed like `X-Forwarded-For`.
const NEVER_PASSED: [&str; 29] = [
    "connection",
    "forwarded",
    "http2-settings",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "upgrade",
    "x-client-ip",
    "x-cluster-client-ip",
    "x-envoy-external-address",
    "x-envoy-original-host",
    "x-envoy-original-path",
    "x-forwarded",
    "x-forwarded-for",
    "x-host",
    "x-http-method",
    "x-http-method-override",
    "x-method-override",
    "x-original-forwarded-for",
    "x-original-host",
    "x-original-method",
    "x-original-uri",
    "x-original-url",
    "x-real-ip",
    "x-request-id",
    "x-rewrite-url",
];
/// What the client's side says about itself. Only a trusted proxy is believed.
const FORWARDING: &[u8] = b"x-forwarded-";

/// Framing and routing: they pass as they are, their look-alikes do not.
const SPELLED_EXACTLY: [&str; 7] = [
    "content-length",
    "content-type",
    "cookie",
    "host",
    "sec-websocket-extensions",
    "sec-websocket-protocol",
    "transfer-encoding",
];

impl HeaderRules {
    pub fn new(
        identity: &Identity,
        authenticators: &[Arc<Authenticator>],
        routes: &[document::Route],
    ) -> Self {
        let mut rules = Self::ours(identity);
        for name in SPELLED_EXACTLY {
            rules.set(name, HeaderFate::Keep);
        }
        for route in routes {
            for (name, _) in &route.set_headers {
                rules.set(name, HeaderFate::Keep);
            }
            let device = match &route.require {
                Requirement::Credentials { device_type, .. } => device_type.as_ref(),
                Requirement::Public => None,
            };
            let carriers = device.map_or(&[][..], |rule| &rule.from).iter();
            for name in carriers
                .chain(&route.credential.carried_as)
                .filter_map(Carrier::header_name)
            {
                rules.set(name, HeaderFate::Keep);
            }
        }
        for carrier in authenticators
            .iter()
            .flat_map(|authenticator| &authenticator.carriers)
        {
            match carrier {
                Carrier::Cookie { name, .. } => rules.credential_cookies.push(name.clone()),
                Carrier::Header { name, .. } => rules.set(name, HeaderFate::Credential),
                Carrier::Query { name } => rules.credential_queries.push(name.clone()),
                Carrier::Subprotocol { prefix } => {
                    rules.credential_subprotocols.push(prefix.clone());
                }
            }
        }
        rules.credential_queries.sort();
        rules.credential_queries.dedup();
        rules.credential_cookies.sort();
        rules.credential_cookies.dedup();
        for name in NEVER_PASSED
            .into_iter()
            .chain(identity.remove.iter().map(|name| &**name))
        {
            rules.set(name, HeaderFate::Cut);
        }
        rules
    }

    /// Only what the gate sets itself.
    pub fn ours(identity: &Identity) -> Self {
        let mut rules = Self {
            identity_prefix: identity.prefix.clone(),
            folded_prefix: fold_owned(&identity.prefix),
            known: Names::default(),
            credential_queries: Vec::new(),
            credential_cookies: Vec::new(),
            credential_subprotocols: Vec::new(),
        };
        for name in NEVER_PASSED {
            rules.set(name, HeaderFate::Cut);
        }
        rules
    }

    /// Decides by the name alone.
    pub fn fate(&self, name: &str) -> HeaderFate {
        let mut buffer = [0; FOLD_BYTES];
        let folded = write_mapped(name, &mut buffer, fold_byte);
        if folded.starts_with(&self.folded_prefix) || folded.starts_with(FORWARDING) {
            return HeaderFate::Cut;
        }
        let Some(spellings) = self.known.get(folded) else {
            return HeaderFate::Keep;
        };
        spellings
            .iter()
            .find(|(known, _)| known.eq_ignore_ascii_case(name.as_bytes()))
            .map_or(HeaderFate::Cut, |(_, fate)| *fate)
    }

    /// Whether the header is one of those that a trusted proxy may set: one of the family, spelled
    /// like it, except the list of hops, which the gate continues itself.
    pub fn is_forwarding(name: &str) -> bool {
        let beginning = name.as_bytes().get(..FORWARDING.len());
        beginning.is_some_and(|beginning| beginning.eq_ignore_ascii_case(FORWARDING))
            && name
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
            && !name.eq_ignore_ascii_case("x-forwarded-for")
    }

    /// Whether a query parameter of this (decoded) name carries a credential, or might to some server.
    pub fn is_credential_query(&self, name: &[u8]) -> bool {
        self.credential_queries
            .iter()
            .any(|known| is_alike(name, known))
    }

    /// Whether a cookie of this name carries a credential, or might to some server.
    pub fn is_credential_cookie(&self, name: &[u8]) -> bool {
        self.credential_cookies
            .iter()
            .any(|known| is_alike(name, known))
    }

    /// Whether a subprotocol entry carries a credential.
    pub fn is_credential_subprotocol(&self, entry: &[u8]) -> bool {
        self.credential_subprotocols
            .iter()
            .any(|prefix| entry.starts_with(prefix.as_bytes()))
    }

    fn set(&mut self, name: &str, fate: HeaderFate) {
        let spellings = self.known.entry(fold_owned(name).into()).or_default();
        spellings.retain(|(known, _)| !known.eq_ignore_ascii_case(name.as_bytes()));
        spellings.push((name.as_bytes().into(), fate));
    }
}

fn write_mapped<'b>(
    name: &str,
    buffer: &'b mut [u8; FOLD_BYTES],
    map: impl Fn(u8) -> u8,
) -> &'b [u8] {
    let mut len = 0;
    for (to, from) in buffer.iter_mut().zip(name.bytes()) {
        *to = map(from);
        len += 1;
    }
    buffer.get(..len).unwrap_or_default()
}

fn fold_owned(name: &str) -> Vec<u8> {
    name.bytes().map(fold_byte).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(remove: &[&str]) -> HeaderRules {
        let identity = Identity {
            prefix: "X-Auth-".to_owned(),
            remove: remove.iter().map(|name| (*name).to_owned()).collect(),
            sign: None,
        };
        HeaderRules::new(&identity, &[], &[])
    }

    #[test]
    fn identity_headers_and_their_look_alikes_are_cut() {
        let rules = rules(&["SA-SAME-TOKEN"]);
        for name in [
            "X-Auth-Subject",
            "x-auth-subject",
            "X_Auth_Subject",
            "x.auth.anything",
            "sa-same-token",
            "SA_SAME_TOKEN",
            "X-Forwarded-For",
            "x_forwarded_for",
            "Content_Length",
            "transfer.encoding",
            "X-Forwarded-Prefix",
            "X-Original-URL",
            "x_rewrite_url",
            "X~Auth~Subject",
            "X|Forwarded|For",
            "X-HTTP-Method-Override",
        ] {
            assert_eq!(rules.fate(name), HeaderFate::Cut, "{name}");
        }
    }

    #[test]
    fn ordinary_headers_pass() {
        let rules = rules(&[]);
        for name in [
            "Accept",
            "Content-Length",
            "X-Authority",
            "X_Custom",
            "Host",
            "X-Auth",
        ] {
            assert_eq!(rules.fate(name), HeaderFate::Keep, "{name}");
        }
    }

    #[test]
    fn a_configured_name_with_an_underscore_passes_only_as_written() {
        let mut rules = rules(&[]);
        rules.set("app_token", HeaderFate::Credential);
        assert_eq!(rules.fate("App_Token"), HeaderFate::Credential);
        assert_eq!(rules.fate("App.Token"), HeaderFate::Cut);
        assert_eq!(rules.fate("App-Token"), HeaderFate::Cut);
    }
}

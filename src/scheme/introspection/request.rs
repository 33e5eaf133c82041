//! How a server is asked about a token.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderName, HeaderValue, Method, header};
use percent_encoding::percent_encode;

use crate::scheme::fingerprint::Fingerprint;
use crate::scheme::http::{FORM_ENCODED, Question, UrlTemplate};
use crate::secret::Secret;

const FORM: HeaderValue = HeaderValue::from_static("application/x-www-form-urlencoded");
const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// The way of asking.
#[derive(Debug)]
pub enum Asking {
    /// RFC 7662 §2.1: the token is posted as a form.
    Standard {
        /// As whom the gate asks.
        client: Option<ClientLogin>,
        headers: Vec<(HeaderName, HeaderText)>,
    },
    /// The token is in the URL or in a header.
    OfItsOwn {
        method: Method,
        headers: Vec<(HeaderName, HeaderText)>,
    },
}

/// The gate's own login at the server.
#[derive(Debug)]
pub struct ClientLogin {
    pub id: String,
    pub secret: Secret,
    pub auth: ClientAuth,
}

/// Where the login is sent (RFC 6749 §2.3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientAuth {
    Basic,
    Post,
}

/// The value of a header.
#[derive(Debug)]
pub enum HeaderText {
    /// The token, between these.
    AroundToken(String, String),
    Fixed(Secret),
}

impl Asking {
    /// Whether the token arrives there at all.
    pub fn sends_the_token(&self, url: &UrlTemplate) -> bool {
        match self {
            Self::Standard { .. } => true,
            Self::OfItsOwn { headers, .. } => {
                let has_token = |(_, text): &(_, _)| matches!(text, HeaderText::AroundToken(..));
                url.variables().next().is_some() || headers.iter().any(has_token)
            }
        }
    }

    /// The question about a token; `None` if it cannot be asked, as with a token that can stand in
    /// no URL.
    pub(super) fn question(&self, url: &UrlTemplate, token: &[u8]) -> Option<Question> {
        let mut question = Question::get(url.fill(|_| Some(token))?);
        question.headers.push((header::ACCEPT, JSON));
        let headers = match self {
            Self::Standard { client, headers } => {
                question.method = Method::POST;
                question.headers.push((header::CONTENT_TYPE, FORM));
                question.body = form(&[("token", token), ("token_type_hint", b"access_token")]);
                if let Some(client) = client {
                    client.add_to(&mut question)?;
                }
                headers
            }
            Self::OfItsOwn { method, headers } => {
                question.method = method.clone();
                headers
            }
        };
        for (name, text) in headers {
            let value = match text {
                HeaderText::AroundToken(before, after) => {
                    [before.as_bytes(), token, after.as_bytes()].concat()
                }
                HeaderText::Fixed(secret) => secret.expose().to_vec(),
            };
            let value = HeaderValue::from_bytes(&value).ok()?;
            question.headers.push((name.clone(), value));
        }
        Some(question)
    }

    pub(super) fn print(&self, print: Fingerprint) -> Fingerprint {
        let (print, headers) = match self {
            Self::Standard { client, headers } => (
                print
                    .text("standard")
                    .option(client.as_ref(), |print, client| {
                        let auth = match client.auth {
                            ClientAuth::Basic => "basic",
                            ClientAuth::Post => "post",
                        };
                        print.text(&client.id).secret(&client.secret).text(auth)
                    }),
                headers,
            ),
            Self::OfItsOwn { method, headers } => (print.text(method.as_str()), headers),
        };
        print.list(headers, |print, (name, text)| {
            let print = print.text(name.as_str());
            match text {
                HeaderText::AroundToken(before, after) => {
                    print.text("around").text(before).text(after)
                }
                HeaderText::Fixed(secret) => print.text("fixed").secret(secret),
            }
        })
    }
}

impl ClientLogin {
    fn add_to(&self, question: &mut Question) -> Option<()> {
        let (id, secret) = (self.id.as_bytes(), self.secret.expose());
        match self.auth {
            ClientAuth::Basic => {
                // Both are encoded as in a form first, so a colon in the id is no border.
                let login = format!("{}:{}", encoded(id), encoded(secret));
                let value = format!("Basic {}", STANDARD.encode(login));
                let value = HeaderValue::try_from(value).ok()?;
                question.headers.push((header::AUTHORIZATION, value));
            }
            ClientAuth::Post => {
                question.body.push(b'&');
                let fields = form(&[("client_id", id), ("client_secret", secret)]);
                question.body.extend(fields);
            }
        }
        Some(())
    }
}

fn form(fields: &[(&str, &[u8])]) -> Vec<u8> {
    let fields: Vec<_> = fields
        .iter()
        .map(|(name, value)| format!("{name}={}", encoded(value)))
        .collect();
    fields.join("&").into_bytes()
}

fn encoded(value: &[u8]) -> String {
    percent_encode(value, FORM_ENCODED).to_string()
}

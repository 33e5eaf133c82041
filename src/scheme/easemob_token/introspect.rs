//! Asking the backend whose token it is: a request for the user, with the user's own token.
//!
//! The address of the question may be wrong, since it is made of what the client says: the user in
//! the path need not be the one whose token it is. So the subject comes out of the answer, and the
//! answer has to agree with the token (`must_equal`). A token proves nobody else's name.

use std::sync::Arc;
use std::time::Duration;

use http::{HeaderValue, Uri, header};
use serde_json::Value;

use crate::clock::UnixTime;
use crate::scheme::easemob_token::answer;
use crate::scheme::easemob_token::layout::{Layout, Uuid};
use crate::scheme::fingerprint::Fingerprint;
use crate::scheme::http::{HttpClient, HttpRules, Question, Reply, UrlTemplate};
use crate::scheme::json;
use crate::scheme::{Guesses, Recheck, Rejection, VerifyError};

/// Questions about living sessions that are under way at a time.
pub(super) const AT_ONCE: usize = 16;
/// How far a clock may have gone back before a remembered answer counts no more.
const STEP_BACK: Duration = Duration::from_secs(5);

/// `introspect`: whom to ask and what to make of the answer.
#[derive(Clone, Debug)]
pub struct Introspect {
    /// With `{org}`, `{app}` and `{username}`.
    pub url: UrlTemplate,
    /// Where the answer has the user (RFC 6901).
    pub subject: String,
    /// What in the answer has to be as the token says.
    pub must_equal: Vec<Agreement>,
    pub max_stale: Duration,
    pub rules: HttpRules,
    /// Unknown tokens that a client may have asked about.
    pub guesses: Option<Guesses>,
    pub recheck: Option<Recheck>,
}

/// A place in the answer, and what has to stand there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Agreement {
    pub pointer: String,
    pub part: TokenPart,
}

/// A part of a token that can be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenPart {
    /// `token.application`
    Application,
    /// `token.entity`
    Entity,
}

impl Introspect {
    pub(super) fn print(&self, print: Fingerprint) -> Fingerprint {
        print.text(self.url.as_str()).text(&self.subject).list(
            &self.must_equal,
            |print, agreement| {
                print.text(&agreement.pointer).text(match agreement.part {
                    TokenPart::Application => "application",
                    TokenPart::Entity => "entity",
                })
            },
        )
    }

    pub(super) fn print_limits(&self, print: Fingerprint) -> Fingerprint {
        self.rules
            .print(print.duration(self.max_stale))
            .option(self.guesses.as_ref(), |print, guesses| {
                print.number(guesses.count.into()).duration(guesses.per)
            })
            .option(self.recheck.as_ref(), |print, recheck| {
                print.duration(recheck.every).duration(recheck.live_grace)
            })
    }
}

/// What is asked.
pub(super) struct About<'q> {
    pub(super) token: &'q [u8],
    pub(super) layout: Option<&'q Layout>,
    /// `org#app`.
    pub(super) app: Option<&'q str>,
    /// Whose the token was when it was last heard of.
    pub(super) known_user: Option<&'q str>,
    /// Whom the request names.
    pub(super) named_user: Option<&'q str>,
}

/// Whose token it is.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) app: Option<Arc<str>>,
    pub(super) subject: Arc<str>,
}

#[derive(Debug)]
pub(super) struct Asking {
    introspect: Introspect,
    client: Arc<dyn HttpClient>,
}

impl Asking {
    pub(super) fn new(introspect: Introspect, client: Arc<dyn HttpClient>) -> Self {
        Self { introspect, client }
    }

    pub(super) fn guesses(&self) -> Option<Guesses> {
        self.introspect.guesses
    }

    pub(super) fn client(&self) -> &dyn HttpClient {
        &*self.client
    }

    pub(super) fn recheck(&self) -> Option<Recheck> {
        self.introspect.recheck
    }

    /// Whether what was said at the time `at` counts no more. A clock that was set back prolongs
    /// nothing.
    pub(super) fn is_stale(&self, at: UnixTime, now: UnixTime) -> bool {
        now >= at.plus(self.introspect.max_stale) || at.since(now) > STEP_BACK
    }

    /// Asks by every name that the user may have, until one is the token's.
    ///
    /// The name by which the request asks need not be the user's own; the entity's UUID is a name as
    /// well (Apache Usergrid).
    pub(super) async fn ask(&self, question: About<'_>) -> Result<Found, VerifyError> {
        let mut rejection = Rejection::UnknownKey;
        for url in self.urls(question.app, &question) {
            let reply = self.client.ask(asked(url, question.token)?).await;
            let reply = reply.map_err(|error| VerifyError::Unavailable {
                source: error.to_string().into(),
            })?;
            match self.judge(&reply, question.layout) {
                Said::Good(subject) => {
                    return Ok(Found {
                        app: question.app.map(Arc::from),
                        subject,
                    });
                }
                Said::Bad(rejection) => return Err(VerifyError::Rejected(rejection)),
                Said::Nobody => {}
                Said::SomebodyElse => rejection = Rejection::WrongPrincipal,
                Said::Nonsense(source) => {
                    return Err(VerifyError::Unavailable {
                        source: source.into(),
                    });
                }
            }
        }
        Err(VerifyError::Rejected(rejection))
    }

    fn urls(&self, app: Option<&str>, question: &About<'_>) -> Vec<Uri> {
        let entity = question.layout.map(|layout| layout.entity.to_string());
        let names = [question.known_user, question.named_user, entity.as_deref()];
        let asks_by_name = self
            .introspect
            .url
            .variables()
            .any(|name| name == "username");
        let names = if asks_by_name {
            names
        } else {
            [Some("-"), None, None]
        };
        let mut urls: Vec<Uri> = Vec::new();
        for name in names.into_iter().flatten() {
            let url = url(&self.introspect.url, app, name);
            urls.extend(url.filter(|url| !urls.contains(url)));
        }
        urls
    }

    fn judge(&self, reply: &Reply, layout: Option<&Layout>) -> Said {
        match reply.status {
            200 => {}
            // Expired, withdrawn and never given out look alike from here.
            401 => return Said::Bad(Rejection::Expired),
            404 => return Said::Nobody,
            _ => return Said::Nonsense("the backend answered with an unexpected status"),
        }
        let Ok(answer) = json::object(&reply.body) else {
            return Said::Nonsense("the backend's answer is not understood");
        };
        let answer = Value::Object(answer);
        for Agreement { pointer, part } in &self.introspect.must_equal {
            let own = layout.and_then(|layout| match part {
                TokenPart::Application => layout.application,
                TokenPart::Entity => Some(layout.entity),
            });
            // What cannot be compared does not agree.
            let theirs = answer.pointer(pointer).and_then(Value::as_str);
            let theirs = theirs.and_then(Uuid::parse);
            if own.is_none() || own != theirs {
                return Said::SomebodyElse;
            }
        }
        let subject = answer.pointer(&self.introspect.subject);
        let Some(subject) = subject.and_then(Value::as_str) else {
            return Said::Nonsense("the backend's answer names nobody");
        };
        if !answer::is_username(subject) {
            return Said::Nonsense("the backend's answer names nobody");
        }
        match self.beside_subject(&answer, "activated") {
            None | Some(Value::Bool(true)) => Said::Good(subject.into()),
            Some(_) => Said::Bad(Rejection::Banned),
        }
    }

    /// What the object says that has the subject in it.
    fn beside_subject<'a>(&self, answer: &'a Value, name: &str) -> Option<&'a Value> {
        let (parent, _) = self.introspect.subject.rsplit_once('/')?;
        answer.pointer(parent)?.get(name)
    }
}

/// What an answer means.
#[derive(Debug, PartialEq, Eq)]
enum Said {
    Bad(Rejection),
    Good(Arc<str>),
    /// There is nobody of that name.
    Nobody,
    Nonsense(&'static str),
    /// It is about another user than the token.
    SomebodyElse,
}

/// Fills in the address; `None` if something would not be one segment of it.
fn url(template: &UrlTemplate, app_key: Option<&str>, username: &str) -> Option<Uri> {
    let app = app_key.and_then(|app_key| app_key.split_once('#'));
    template.fill(|name| match name {
        "org" => app.map(|(org, _)| org.as_bytes()),
        "app" => app.map(|(_, app)| app.as_bytes()),
        "username" => Some(username.as_bytes()),
        _ => None,
    })
}

/// The question with the user's own token.
fn asked(url: Uri, token: &[u8]) -> Result<Question, VerifyError> {
    let bearer = HeaderValue::from_bytes(&[b"Bearer ", token].concat());
    // Every token is of letters that a header may have.
    let bearer = bearer.map_err(|_| VerifyError::Rejected(Rejection::Malformed))?;
    Ok(Question {
        headers: vec![
            (header::AUTHORIZATION, bearer),
            (header::ACCEPT, HeaderValue::from_static("application/json")),
        ],
        ..Question::get(url)
    })
}

#[cfg(test)]
mod tests;

//! Opaque tokens: whether one is good, and whose it is, only the server knows that issued it.
//!
//! The server is asked as RFC 7662 has it, or in whatever way it has of its own (`request`), and
//! its answer is read by the rules of the configuration (`answer`). An answer counts for
//! `max_stale`; living sessions are asked about again. A server that does not answer, or not in a
//! way that is understood, has said nothing about the token.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::future::join_all;

use crate::clock::UnixTime;
use crate::credential::Credential;
use crate::scheme::fingerprint::Fingerprint;
use crate::scheme::grace::{Grace, OnOutage, reusable_for};
use crate::scheme::http::{HttpClient, HttpRules, UrlTemplate};
use crate::scheme::{
    Guesses, Judgement, Recheck, Rejection, SchemeName, Verified, Verifier, VerifyError, compact,
};
use crate::secret::Digest;

mod answer;
mod request;

pub use answer::{Active, Expiry, Reading, Unit, exercise};
pub use request::{Asking, ClientAuth, ClientLogin, HeaderText};

/// Bytes of an answer.
pub const MAX_ANSWER: usize = 64 * 1024;

/// Living sessions that are asked about at once, so that handshakes have their turns too.
const AT_ONCE: usize = 8;

#[derive(Debug)]
pub struct Config {
    /// May have the variable `token` where `asking` is of the server's own way.
    pub url: UrlTemplate,
    pub http: HttpRules,
    pub asking: Asking,
    pub reading: Reading,
    /// The longest reuse of an answer.
    pub max_stale: Duration,
    pub on_outage: OnOutage,
    /// `None`: a living session is not asked about again.
    pub recheck: Option<Recheck>,
    /// Tokens with the shape of a signed one are somebody else's.
    pub opaque_only: bool,
    /// How many unknown tokens a client may have asked about.
    pub guesses: Option<Guesses>,
}

/// Verifies tokens by asking.
#[derive(Debug)]
pub struct Introspection {
    client: Arc<dyn HttpClient>,
    url: UrlTemplate,
    asking: Asking,
    rules: answer::Rules,
    max_stale: Duration,
    grace: Option<Grace>,
    recheck: Option<Recheck>,
    opaque_only: bool,
    guesses: Option<Guesses>,
    fingerprint: Digest,
}

impl Introspection {
    /// `open` makes the client; it should not connect before it is asked.
    pub fn new(config: Config, open: impl FnOnce(&HttpRules) -> Arc<dyn HttpClient>) -> Self {
        let fingerprint = fingerprint(&config);
        let Config {
            url,
            http,
            asking,
            reading,
            max_stale,
            on_outage,
            recheck,
            opaque_only,
            guesses,
        } = config;
        Self {
            client: open(&http),
            rules: answer::Rules::new(reading, &url, &asking),
            url,
            asking,
            max_stale,
            grace: on_outage.memory(http.timeout),
            recheck,
            opaque_only,
            guesses,
            fingerprint,
        }
    }

    /// Asks, and reads the answer.
    async fn ask_about(&self, token: &[u8], now: UnixTime) -> Result<Verified, VerifyError> {
        let question = self
            .asking
            .question(&self.url, token)
            .ok_or(VerifyError::Rejected(Rejection::Malformed))?;
        let reply = self.client.ask(question).await;
        let reply = reply.map_err(|error| VerifyError::Unavailable {
            source: error.to_string().into(),
        })?;
        let proof = self.rules.judge(&reply, token, now)?;
        Ok(reusable_for(proof, self.max_stale))
    }

    /// Asks, and remembers the answer for the next outage.
    async fn ask_and_remember(
        &self,
        credential: &Credential<'_>,
        now: UnixTime,
    ) -> Result<Verified, VerifyError> {
        let outcome = self.ask_about(credential.bytes(), now).await;
        if let Some(grace) = &self.grace {
            let key = credential.digest(&self.fingerprint);
            match &outcome {
                Ok(proof) => grace.remember(key, proof, now),
                Err(VerifyError::Rejected(_)) => grace.forget(key, now),
                Err(VerifyError::Throttled { .. } | VerifyError::Unavailable { .. }) => {}
            }
        }
        outcome
    }
}

#[async_trait]
impl Verifier for Introspection {
    fn scheme(&self) -> SchemeName {
        SchemeName::Introspection
    }

    fn fingerprint(&self) -> Digest {
        self.fingerprint
    }

    /// Tokens are of visible characters (RFC 6750 §2.1 has fewer).
    fn recognises(&self, credential: &Credential<'_>) -> bool {
        let token = credential.bytes();
        !token.is_empty()
            && token.iter().all(u8::is_ascii_graphic)
            && !(self.opaque_only && compact::recognises(token))
    }

    fn judge(&self, credential: &Credential<'_>, _: UnixTime) -> Judgement {
        if self
            .asking
            .question(&self.url, credential.bytes())
            .is_none()
        {
            return Judgement::Settled(Err(Rejection::Malformed));
        }
        Judgement::AskRemote
    }

    async fn ask(
        &self,
        credential: &Credential<'_>,
        now: UnixTime,
    ) -> Result<Verified, VerifyError> {
        let outcome = self.ask_and_remember(credential, now).await;
        if let Err(VerifyError::Unavailable { .. }) = outcome
            && let Some(grace) = &self.grace
            && let Some(graced) = grace.admit(&credential.digest(&self.fingerprint), now)
        {
            return Ok(graced);
        }
        outcome
    }

    fn recheck_rule(&self) -> Option<Recheck> {
        self.recheck
    }

    async fn recheck(
        &self,
        credentials: &[Credential<'_>],
        now: UnixTime,
    ) -> Vec<Result<Verified, VerifyError>> {
        let mut answers = Vec::with_capacity(credentials.len());
        for some in credentials.chunks(AT_ONCE) {
            let questions = some.iter().map(|one| self.ask_and_remember(one, now));
            answers.extend(join_all(questions).await);
            let is_away =
                |answer: &Result<_, _>| matches!(answer, Err(VerifyError::Unavailable { .. }));
            if let Some(Err(error)) = answers.last().filter(|_| answers.iter().all(is_away)) {
                // The rest would only wait as long again.
                let error = error.clone();
                answers.resize_with(credentials.len(), || Err(error.clone()));
                break;
            }
        }
        answers
    }

    /// What the server says of the token is asked when the token is there to ask with.
    fn uphold(&self, proof: &Verified, _: UnixTime) -> Result<Verified, Rejection> {
        self.rules.uphold(proof)?;
        Ok(proof.clone())
    }

    fn guesses(&self) -> Option<Guesses> {
        self.guesses
    }

    fn graced(&self) -> Option<u64> {
        self.grace.as_ref().map(Grace::len)
    }

    fn http(&self) -> Option<&dyn HttpClient> {
        Some(&*self.client)
    }

    /// Asks about a token that nobody has; that it is none is a good answer.
    async fn probe(&self) -> Result<(), VerifyError> {
        match self
            .ask_about(b"imgate-check", UnixTime::from_secs(0))
            .await
        {
            Ok(_) | Err(VerifyError::Rejected(_)) => Ok(()),
            Err(error) => Err(error),
        }
    }
}

fn fingerprint(config: &Config) -> Digest {
    let Config {
        url,
        http,
        asking,
        reading,
        max_stale,
        on_outage,
        recheck,
        opaque_only,
        guesses,
    } = config;
    let print = Fingerprint::of(SchemeName::Introspection.as_str()).text(url.as_str());
    let print = reading.print(asking.print(http.print(print)));
    on_outage
        .print(print.duration(*max_stale))
        .option(recheck.as_ref(), |print, recheck| {
            print.duration(recheck.every).duration(recheck.live_grace)
        })
        .text(if *opaque_only { "opaque" } else { "any" })
        .option(guesses.as_ref(), |print, guesses| {
            print.number(guesses.count.into()).duration(guesses.per)
        })
        .finish()
}

#[cfg(test)]
mod tests;

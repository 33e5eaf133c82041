//! What a request leaves behind: one log line and the counters. Never a credential.

use std::fmt::Display;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tracing::{info, warn};

use crate::gate::Lookups;
use crate::gate::denial::{Cause, Denial};
use crate::gate::permit::Permit;
use crate::metrics::sizes::{REQUEST, RESPONSE};
use crate::metrics::{NO_ROUTE, RouteSeries};
use crate::policy::Policy;
use crate::policy::route::Route;
use crate::policy::throttle::Throttled;
use crate::proxy::Shared;
use crate::proxy::exchange::Failure;
use crate::request_id::RequestId;

/// Which request it is, for every line about it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Who {
    pub(crate) request_id: RequestId,
    pub(crate) client: IpAddr,
    pub(crate) started: Instant,
}

/// A request whose end is still to be told.
pub(crate) struct Record<'a> {
    shared: &'a Shared,
    method: &'a str,
    series: Arc<RouteSeries>,
    who: Who,
    reason: &'static str,
    /// Why it would have been refused, had its route not only observed.
    observed: Option<&'static str>,
    authenticator: Option<Arc<str>>,
    subject: Option<Arc<str>>,
}

/// How a request ended.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Outcome {
    /// The upstream's answer went through.
    Carried {
        status: u16,
        upstream: Duration,
    },
    /// The gate refused.
    Answered {
        status: u16,
    },
    /// The gate answered in the upstream's stead.
    Failed {
        status: u16,
        reason: &'static str,
    },
    /// The answer broke off.
    Cut {
        status: u16,
    },
    ClientGone,
    /// It was a WebSocket, and ended before it was a session.
    Closed {
        reason: &'static str,
    },
    /// It is a WebSocket now; its end is told separately.
    Upgraded,
}

impl<'a> Record<'a> {
    pub(crate) fn begin(
        shared: &'a Shared,
        method: &'a str,
        route: Option<&Route>,
        who: Who,
    ) -> Self {
        Self {
            shared,
            method,
            series: shared
                .metrics
                .of_route(route.map_or(NO_ROUTE, |route| &route.name)),
            who,
            reason: "ok",
            observed: None,
            authenticator: None,
            subject: None,
        }
    }

    pub(crate) fn series(&self) -> &RouteSeries {
        &self.series
    }

    /// Counts an admission, or a refusal that is not carried out.
    pub(crate) fn admitted(
        mut self,
        policy: &Policy,
        permit: &Permit<'_>,
        lookups: &Lookups,
    ) -> Self {
        if let Some(admission) = &permit.admission {
            self.authenticator = Some(Arc::clone(&admission.authenticator));
            self.subject.clone_from(&admission.principal.subject);
        }
        match &permit.observed {
            None => self.series.allowed(),
            Some(observed) => {
                let reason = observed.denial.reason();
                self.note_unavailable(&observed.denial);
                self.series.observed(reason);
                self.observed = Some(reason);
            }
        }
        self.shared.metrics.lookups(policy, lookups);
        self
    }

    /// Counts a denial.
    pub(crate) fn denied(mut self, policy: &Policy, denial: &Denial, lookups: &Lookups) -> Self {
        self.reason = denial.reason();
        if let Denial::Throttled(Throttled { by, .. }) = denial {
            self.shared.metrics.throttled(*by);
        }
        self.note_unavailable(denial);
        let result = match denial.cause() {
            Cause::Unavailable => "error",
            Cause::Other | Cause::Rejected(_) | Cause::Throttled => "deny",
        };
        self.series.decision(result, self.reason);
        self.shared.metrics.lookups(policy, lookups);
        self
    }

    /// Tells that nobody could tell.
    fn note_unavailable(&self, denial: &Denial) {
        if let Denial::Unavailable { source } = denial {
            warn!(
                request_id = %self.who.request_id,
                route = self.series.route(),
                error = &**source,
                "a credential could not be checked"
            );
        }
    }

    /// Tells what went wrong with an upstream.
    pub(crate) fn note_upstream(&self, upstream: &str, problem: &dyn Display) {
        warn!(request_id = %self.who.request_id, upstream, %problem, "upstream failed");
    }

    /// Tells what went wrong with an exchange, if it was the upstream, and counts what was too large.
    pub(crate) fn note_failure(&self, upstream: &str, failure: &Failure) {
        match failure {
            Failure::Connect(error) => self.note_upstream(upstream, error),
            Failure::Upstream(problem) => self.note_upstream(upstream, problem),
            Failure::UpstreamTimeout => self.note_upstream(upstream, &"no answer in time"),
            Failure::ResponseTooLarge
            | Failure::Outgrown {
                message: RESPONSE, ..
            } => self.note_upstream(upstream, &"an answer over `max_response`"),
            Failure::ClientBody
            | Failure::ClientGone
            | Failure::ClientTimeout
            | Failure::Cut { .. }
            | Failure::Leaving
            | Failure::Outgrown { .. }
            | Failure::RequestTooLarge => {}
        }
        let message = match failure {
            Failure::Outgrown { message, .. } => message,
            Failure::RequestTooLarge => REQUEST,
            Failure::ResponseTooLarge => RESPONSE,
            Failure::ClientBody
            | Failure::ClientGone
            | Failure::ClientTimeout
            | Failure::Connect(_)
            | Failure::Cut { .. }
            | Failure::Leaving
            | Failure::Upstream(_)
            | Failure::UpstreamTimeout => return,
        };
        self.shared.metrics.too_large(self.series.route(), message);
    }

    /// Writes the access line and counts the answer.
    pub(crate) fn finish(self, outcome: Outcome) {
        let (status, reason, upstream) = match outcome {
            Outcome::Carried { status, upstream } => (status, self.reason, Some(upstream)),
            Outcome::Answered { status } => (status, self.reason, None),
            Outcome::Failed { status, reason } => (status, reason, None),
            Outcome::Cut { status } => (status, "cut", None),
            // The status that nginx made common for it; nothing was sent.
            Outcome::ClientGone => (499, "client_gone", None),
            Outcome::Closed { reason } => (101, reason, None),
            Outcome::Upgraded => (101, self.reason, None),
        };
        let took = self.who.started.elapsed();
        self.series.request(self.method, status);
        if status != 101 {
            self.series.duration(took);
        }
        if let Some(upstream) = upstream {
            self.series.upstream_time(upstream);
        }
        info!(
            target: "imgate::access",
            request_id = %self.who.request_id,
            client = %self.who.client,
            method = self.method,
            route = self.series.route(),
            status,
            reason,
            observed = self.observed,
            authenticator = self.authenticator.as_deref(),
            subject = self.subject.as_deref(),
            seconds = took.as_secs_f64(),
            "request"
        );
    }
}

//! Routes: who may enter, and what becomes of whoever does.

use std::sync::Arc;

use crate::clock::UnixTime;
use crate::config::document::{CredentialRule, ErrorFormat, SessionRule, Sizes};
use crate::policy::authenticator::AuthenticatorId;
use crate::policy::limit::Limiter;
use crate::policy::observe::Observe;
use crate::policy::requirement::Requirement;
use crate::policy::upstream::Upstream;
use crate::problem::Place;
use crate::secret::Secret;

mod table;

pub use table::{RouteTable, Unrouted};
use table::{segments, unescaped};

/// One compiled route.
#[derive(Debug)]
pub struct Route {
    pub name: Arc<str>,
    /// In lower case, without a port.
    pub host: Option<String>,
    pub pattern: Arc<str>,
    /// `None` allows every method.
    pub methods: Option<Vec<String>>,
    pub websocket: bool,
    /// Nothing is served that came in plain text.
    pub require_tls: bool,
    pub require: Requirement,
    /// Some credential of the requirement is good on certain routes only.
    pub limits_credentials: bool,
    pub credential: CredentialRule,
    pub pass_unverified: Vec<AuthenticatorId>,
    pub set_headers: Vec<(String, Secret)>,
    pub session: Arc<SessionRule>,
    /// How many requests may pass. It is the same as long as the rule is, whatever is reloaded.
    pub limit: Option<Arc<Limiter>>,
    /// How long bodies may be.
    pub sizes: Sizes,
    /// A request here prolongs a session of the route of this name and is not forwarded.
    pub renews: Option<Arc<str>>,
    pub upstream: Arc<Upstream>,
    pub errors: Option<ErrorFormat>,
    /// Where its paths name an app that credentials belong to; `None` where none of its credentials
    /// does.
    pub app_in_path: Option<AppInPath>,
    /// Who learns tokens from its answers.
    pub taught: Vec<AuthenticatorId>,
    /// Until when whoever would be refused is let pass as nobody; `None` where refusals are carried
    /// out.
    pub observe: Option<Observe>,
}

/// The segments of a pattern that are `{org}` and `{app}`: together they name an app of Easemob.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AppInPath {
    org: usize,
    app: usize,
}

impl AppInPath {
    pub(super) fn of(pattern: &str) -> Option<Self> {
        let position = |name| segments(pattern).position(|segment| segment == name);
        Some(Self {
            org: position("{org}")?,
            app: position("{app}")?,
        })
    }

    /// The app key, `org#app`, that a path names which fits the pattern. A path with a second reading
    /// names an app that does not exist.
    pub fn app_key(&self, path: &str) -> String {
        let path = unescaped(path);
        let segment = |position| segments(&path).nth(position).unwrap_or_default();
        format!("{}#{}", segment(self.org), segment(self.app))
    }
}

impl Route {
    /// The route by which sessions of another are prolonged, if that has one, and where the
    /// configuration says so. Whoever may open a session may prolong it.
    pub(super) fn renewing(opening: &Self) -> Option<(Self, Place)> {
        let path = opening.session.renew.as_ref()?.path.as_ref()?;
        let route = Self {
            name: format!("{}.renew", opening.name).into(),
            host: opening.host.clone(),
            pattern: path.value.as_str().into(),
            methods: Some(vec!["POST".to_owned()]),
            websocket: false,
            require_tls: opening.require_tls,
            // What a socket says in its first message, a request says in its head.
            require: opening.require.of_renewals(),
            limits_credentials: opening.limits_credentials,
            credential: CredentialRule::default(),
            pass_unverified: Vec::new(),
            set_headers: Vec::new(),
            session: Arc::default(),
            limit: None,
            sizes: Sizes::default(),
            renews: Some(Arc::clone(&opening.name)),
            upstream: Arc::clone(&opening.upstream),
            errors: opening.errors,
            app_in_path: opening.app_in_path.and_then(|_| AppInPath::of(&path.value)),
            taught: Vec::new(),
            // It is not forwarded, so there is nothing that a refusal could break behind the gate.
            observe: None,
        };
        Some((route, path.place.clone()))
    }

    /// Until when whoever would be refused now is let pass; `None` if refusals are carried out.
    pub fn observing(&self, now: UnixTime) -> Option<UnixTime> {
        let until = self.observe.as_ref()?.until;
        (now < until).then_some(until)
    }

    /// Where a new credential stands in a message of the client, if one may come so.
    pub fn renewal_pointer(&self) -> Option<&Arc<str>> {
        self.session.renew.as_ref()?.pointer.as_ref()
    }

    /// Whether the gate itself reads what is said, so that no extension may change it.
    pub fn is_read(&self) -> bool {
        self.require.first_message().is_some() || self.renewal_pointer().is_some()
    }

    /// The user whom a path names, if the pattern has `{username}`.
    pub fn user_in_path(&self, path: &str) -> Option<String> {
        let position = segments(&self.pattern).position(|segment| segment == "{username}")?;
        let path = unescaped(path);
        segments(&path).nth(position).map(str::to_owned)
    }

    fn allows(&self, method: &str) -> bool {
        self.methods
            .as_ref()
            .is_none_or(|methods| methods.iter().any(|allowed| allowed == method))
    }

    /// Whether the same people may enter both, in the same way.
    fn guards_like(&self, other: &Self) -> bool {
        // A credential that is limited to routes tells them apart by name.
        self.require == other.require
            && self.require_tls == other.require_tls
            && self.app_in_path == other.app_in_path
            && self.limit.is_some() == other.limit.is_some()
            && self.observe == other.observe
            && (!self.limits_credentials || Arc::ptr_eq(&self.name, &other.name))
    }

    fn shares_a_method(&self, other: &Self) -> bool {
        match (&self.methods, &other.methods) {
            (None, _) | (_, None) => true,
            (Some(ours), Some(theirs)) => ours.iter().any(|method| theirs.contains(method)),
        }
    }
}

#[cfg(test)]
mod tests;

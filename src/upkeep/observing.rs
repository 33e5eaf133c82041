//! Says loudly which routes refuse nobody: at the start, whenever that changes, and once a minute
//! while it lasts.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{MissedTickBehavior, interval};
use tracing::{info, warn};

use crate::clock::{self, Steady, UnixTime};
use crate::policy::Policy;
use crate::proxy::Shared;

/// How late a change is told of.
const TICK: Duration = Duration::from_millis(500);
/// How often it is told that nothing has changed.
const AGAIN: Duration = Duration::from_mins(1);

/// Keeps at it for as long as the process runs.
pub(super) async fn keep(shared: Arc<Shared>) {
    let mut herald = Herald::default();
    let mut tick = interval(TICK);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tick.tick().await;
        match herald.news(&shared.policy(), clock::now(), clock::steady()) {
            Some(News::Observing(routes)) => warn!(
                routes,
                "these routes OBSERVE: whoever would be refused is forwarded without credential"
            ),
            Some(News::Over) => info!("no route observes any more; all refusals are carried out"),
            None => {}
        }
    }
}

/// Knows what was said last.
#[derive(Debug, Default)]
struct Herald {
    said: Option<Said>,
}

#[derive(Debug)]
struct Said {
    /// Of the policy.
    generation: u64,
    routes: String,
    when: Steady,
}

/// What there is to say.
#[derive(Debug, PartialEq, Eq)]
enum News {
    /// The routes, each with its end.
    Observing(String),
    Over,
}

impl Herald {
    fn news(&mut self, policy: &Policy, now: UnixTime, steady: Steady) -> Option<News> {
        let observing = policy.observing(now);
        let routes: Vec<String> = observing
            .map(|(route, until)| format!("{} until {until}", route.name))
            .collect();
        let routes = routes.join(", ");
        if let Some(said) = &self.said
            && said.generation == policy.generation
            && said.routes == routes
            && (routes.is_empty() || steady < said.when.plus(AGAIN))
        {
            return None;
        }
        let before = self.said.replace(Said {
            generation: policy.generation,
            routes: routes.clone(),
            when: steady,
        });
        if !routes.is_empty() {
            return Some(News::Observing(routes));
        }
        before
            .is_some_and(|before| !before.routes.is_empty())
            .then_some(News::Over)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::testing::{policy, try_policy_after};

    const TEXT: &str = r"
authenticators:
  keys: { from: [{ header: key }], app_key: { keys: [{ id: a, secret: { value: key-a } }] } }
routes:
  - { name: old, match: { path: /old }, require: { any_of: [keys] }, mode: observe, until: 2027-01-31T00:00:00Z, upstream: im }
  - { name: new, match: { path: /new }, require: { any_of: [keys] }, upstream: im }
";

    #[test]
    fn it_is_said_at_once_and_every_minute_until_it_is_over() {
        let policy = policy(TEXT);
        let until = policy.routes().all()[0].observe.as_ref().unwrap().until;
        let before = until.minus(Duration::from_hours(1));
        let at = |seconds: u64| Steady::from_millis(seconds * 1000);
        let observing = Some(News::Observing("old until 2027-01-31T00:00:00Z".to_owned()));
        let mut herald = Herald::default();
        assert_eq!(herald.news(&policy, before, at(0)), observing);
        assert_eq!(herald.news(&policy, before, at(59)), None);
        assert_eq!(herald.news(&policy, before, at(60)), observing);
        // Another policy of which the same is to be said.
        let next = try_policy_after(Some(&policy), TEXT).unwrap();
        assert_eq!(herald.news(&next, before, at(61)), observing);
        assert_eq!(herald.news(&next, before, at(62)), None);
        assert_eq!(herald.news(&next, until, at(63)), Some(News::Over));
        assert_eq!(herald.news(&next, until, at(300)), None);
        // A gate that observes nothing says nothing.
        assert_eq!(Herald::default().news(&next, until, at(0)), None);
    }
}

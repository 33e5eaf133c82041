//! `mode: observe`: until when a route refuses nobody, and what its operator should know of that.

use std::time::Duration;

use crate::clock::UnixTime;
use crate::config::document::Located;
use crate::policy::route::Route;
use crate::problem::{Place, Problem};

/// Whoever leaves a gate open for longer has probably forgotten it.
const LONG: Duration = Duration::from_hours(90 * 24);

/// The end of an observation.
#[derive(Clone, Debug)]
pub struct Observe {
    pub until: UnixTime,
    /// Where the configuration says so; of several routes perhaps the same.
    place: Place,
}

/// Two routes guard alike if they do so until the same moment, wherever that is written.
impl PartialEq for Observe {
    fn eq(&self, other: &Self) -> bool {
        self.until == other.until
    }
}

impl Observe {
    pub fn new(until: &Located<UnixTime>) -> Self {
        Self {
            until: until.value,
            place: until.place.clone(),
        }
    }

    fn warning(&self, now: UnixTime) -> Option<Problem> {
        let text = if self.until <= now {
            "is over: everything is enforced, `mode: observe` can go"
        } else if now.plus(LONG) < self.until {
            "is more than 90 days away; until then nobody is refused here"
        } else {
            return None;
        };
        Some(Problem::new(self.place.clone(), text))
    }
}

/// What is worth a warning about these routes, each place once.
pub fn warnings<'a>(routes: impl IntoIterator<Item = &'a Route>, now: UnixTime) -> Vec<Problem> {
    let mut warnings: Vec<Problem> = Vec::new();
    let observing = routes
        .into_iter()
        .filter_map(|route| route.observe.as_ref());
    for warning in observing.filter_map(|observe| observe.warning(now)) {
        if !warnings.contains(&warning) {
            warnings.push(warning);
        }
    }
    warnings
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::testing::{policy, try_policy};

    const TEXT: &str = r"
mode: observe
until: 2027-01-31T00:00:00Z
authenticators:
  keys: { from: [{ header: key }], app_key: { keys: [{ id: a, secret: { value: key-a } }] } }
routes:
  - { name: a, match: { path: /a }, require: { any_of: [keys] }, upstream: im }
  - { name: b, match: { path: /b }, require: { any_of: [keys] }, upstream: im }
  - { name: c, match: { path: /c }, require: { any_of: [keys] }, mode: observe, until: 2027-06-01T00:00:00Z, upstream: im }
  - { name: d, match: { path: /d }, require: { any_of: [keys] }, mode: enforce, upstream: im }
  - { name: e, match: { path: /e }, require: public, upstream: im }
";

    #[test]
    fn an_end_that_is_past_or_far_away_is_worth_a_warning() {
        let policy = policy(TEXT);
        let day = |number: u64| {
            // 2027-01-31T00:00:00Z.
            let until = UnixTime::from_secs(1_801_353_600);
            until
                .minus(Duration::from_hours(24 * 100))
                .plus(Duration::from_hours(24 * number))
        };
        let over = "is over: everything is enforced, `mode: observe` can go";
        let far = "is more than 90 days away; until then nobody is refused here";
        for (now, observing, expected) in [
            (
                day(0),
                &["a", "b", "c"][..],
                vec![("until", far), ("routes[2].until", far)],
            ),
            (day(10), &["a", "b", "c"], vec![("routes[2].until", far)]),
            (day(99), &["a", "b", "c"], vec![("routes[2].until", far)]),
            (day(150), &["c"], vec![("until", over)]),
            (
                day(300),
                &[],
                vec![("until", over), ("routes[2].until", over)],
            ),
        ] {
            let routes = policy.routes().all().iter();
            let warnings = warnings(routes.map(|route| &**route), now);
            let told: Vec<_> = warnings
                .iter()
                .map(|one| (one.place.path.as_str(), one.message.as_str()))
                .collect();
            assert_eq!(told, expected, "{now}");
            let names: Vec<_> = policy
                .observing(now)
                .map(|(route, _)| &*route.name)
                .collect();
            assert_eq!(names, observing, "{now}");
        }
    }

    #[test]
    fn a_route_whose_credential_comes_in_a_message_has_to_enforce() {
        let route = |mode: &str| {
            let route = "  - { name: f, match: { path: /f }, websocket: true, require: { \
                         first_message: { json: { pointer: /key, any_of: [keys] } } }, MODE upstream: im }\n";
            try_policy(&format!("{TEXT}{}", route.replace("MODE", mode)))
        };
        let expected = "routes[5].require.first_message: expected `mode: enforce` on this route: a \
                        message cannot go on without the credential in it, so nobody could pass who \
                        is not known";
        for mode in ["", "mode: observe, until: 2027-01-31T00:00:00Z,"] {
            assert_eq!(route(mode).unwrap_err(), expected, "{mode}");
        }
        assert!(route("mode: enforce,").is_ok());
    }
}

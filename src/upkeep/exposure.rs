//! Looks where backends listen, and says when that changes.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::sleep;
use tracing::{error, info, warn};

use crate::clock;
use crate::exposure::{Reach, Sight};
use crate::proxy::Shared;

/// How late it is noticed that a backend has begun to listen.
const EVERY: Duration = Duration::from_secs(2);
/// A look costs time where there are many connections. Not more than one part in so many.
const SHARE: u32 = 100;

/// Keeps at it for as long as the process runs.
pub(super) async fn keep(shared: Arc<Shared>) {
    let mut herald = Herald::default();
    loop {
        let began = clock::steady();
        let policy = shared.policy();
        let mut upstreams = policy.upstreams().iter();
        let sight = if upstreams.any(|upstream| upstream.loopback_port().is_some()) {
            // The kernel writes the table while it is read.
            match tokio::task::spawn_blocking(Sight::look).await {
                Ok(sight) => sight,
                Err(error) => {
                    error!(%error, "a look at the sockets did not come to an end");
                    Sight::NotYet
                }
            }
        } else {
            Sight::NotYet
        };
        shared.exposure.saw(sight);
        tell(&shared, &mut herald);
        let took = clock::steady().since(began);
        sleep(EVERY.max(took * SHARE)).await;
    }
}

fn tell(shared: &Shared, herald: &mut Herald) {
    let policy = shared.policy();
    let seen = shared.exposure.of(&policy);
    let seen = seen
        .iter()
        .map(|(upstream, reach)| (Arc::clone(&upstream.name), *reach));
    for (upstream, turn) in herald.news(seen.collect()) {
        match turn {
            Reach::Beyond(socket) => warn!(
                %upstream,
                %socket,
                "the backend's port is OPEN beyond loopback: whoever reaches it gets past the gate"
            ),
            Reach::Loopback => info!(%upstream, "the backend's port is open at loopback only"),
            Reach::Unknown => {
                let sight = shared.exposure.sight();
                let reason = match &*sight {
                    Sight::Nothing(reason) => reason.to_string(),
                    Sight::NotYet | Sight::Beyond(_) => "not seen yet".to_owned(),
                };
                warn!(%upstream, reason, "whether the backend's port is open beyond loopback cannot be told");
            }
        }
    }
}

/// Knows what was said last.
#[derive(Debug, Default)]
struct Herald {
    said: BTreeMap<Arc<str>, Reach>,
}

impl Herald {
    /// What has changed. That nothing is wrong is no news at first.
    fn news(&mut self, seen: BTreeMap<Arc<str>, Reach>) -> Vec<(Arc<str>, Reach)> {
        let is_news = |(name, reach): &(&Arc<str>, &Reach)| match (self.said.get(*name), reach) {
            // Another socket is the same state of things.
            (Some(Reach::Beyond(_)), Reach::Beyond(_)) => false,
            (None, Reach::Loopback) => false,
            (before, now) => before != Some(*now),
        };
        let news = seen
            .iter()
            .filter(is_news)
            .map(|(name, reach)| (Arc::clone(name), *reach));
        let news = news.collect();
        self.said = seen;
        news
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_change_is_said_once() {
        let mut herald = Herald::default();
        let mut news = |seen: &[(&str, Reach)]| -> Vec<(String, Reach)> {
            let seen = seen.iter().map(|(name, reach)| (Arc::from(*name), *reach));
            let news = herald.news(seen.collect());
            news.into_iter()
                .map(|(name, reach)| (name.to_string(), reach))
                .collect()
        };
        let open = Reach::Beyond("0.0.0.0:8080".parse().unwrap());
        let open_too = Reach::Beyond("[::]:8080".parse().unwrap());
        let said = |name: &str, reach| vec![(name.to_owned(), reach)];
        assert_eq!(news(&[("api", Reach::Loopback)]), []);
        assert_eq!(news(&[("api", open)]), said("api", open));
        assert_eq!(news(&[("api", open)]), []);
        assert_eq!(news(&[("api", open_too)]), []);
        assert_eq!(
            news(&[("api", open), ("ws", open_too)]),
            said("ws", open_too)
        );
        assert_eq!(
            news(&[("api", Reach::Loopback), ("ws", open)]),
            said("api", Reach::Loopback)
        );
        assert_eq!(
            news(&[("api", Reach::Unknown)]),
            said("api", Reach::Unknown)
        );
        assert_eq!(news(&[("api", Reach::Unknown)]), []);
        // One that was gone meanwhile is new.
        assert_eq!(news(&[]), []);
        assert_eq!(news(&[("api", open)]), said("api", open));
    }
}

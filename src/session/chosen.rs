//! The sessions that an operator means.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::session::SessionId;
use crate::session::live::Live;
use crate::session::registry::Registry;

/// Whatever is given has to fit.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Chosen {
    pub id: Option<String>,
    pub user: Option<String>,
    pub user_type: Option<String>,
    pub device_type: Option<String>,
    pub route: Option<String>,
}

impl Chosen {
    /// The one session of this id.
    pub fn one(id: SessionId) -> Self {
        Self {
            id: Some(id.to_string()),
            ..Self::default()
        }
    }

    /// Those that live in this process, the oldest first.
    pub fn among(&self, registry: &Registry) -> Vec<Arc<Live>> {
        let mut found = match &self.id {
            Some(id) => {
                let live = SessionId::parse(id).and_then(|id| registry.get(id));
                live.into_iter().collect()
            }
            None => registry.all(),
        };
        found.retain(|live| self.fits(live));
        found.sort_by_key(|live| (live.since, live.id));
        found
    }

    /// One that was told to close is not among the living.
    fn fits(&self, live: &Live) -> bool {
        if live.signal.reason().is_some() {
            return false;
        }
        let opening = &live.opening;
        let principal = opening.principal.as_deref();
        let values = [
            (&self.user, principal.and_then(|one| one.subject.as_deref())),
            (
                &self.user_type,
                principal.and_then(|one| one.user_type.as_deref()),
            ),
            (&self.device_type, opening.device_type.as_deref()),
            (&self.route, Some(&*opening.route)),
        ];
        let mut values = values.iter();
        values.all(|(wanted, value)| wanted.is_none() || wanted.as_deref() == *value)
    }
}

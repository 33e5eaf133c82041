//! Places that are given away among all replicas.
//!
//! Whoever cannot ask the store goes by the places of its own process, and is written down later.

use std::time::Duration;

use ::redis::Pipeline;
use async_trait::async_trait;

use crate::clock::UnixTime;
use crate::config::document::{OnConflict, PerDevice};
use crate::principal::ClaimKey;
use crate::replicas::id::number;
use crate::replicas::script::{self, LONGEST_STREAM};
use crate::replicas::{Operation, Replicas, Unshared, answer};
use crate::session::SessionId;
use crate::session::claims::{Elsewhere, NoPlace};
use crate::session::registry::Placed;

/// Places that are given back in one round trip.
const RELEASES: usize = 200;

/// Places that wait to be given back.
const MOST_RELEASED: usize = 100_000;

/// What the store says of a place.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// Those of this process have to go.
    Given(Vec<SessionId>),
    Refused(NoPlace),
}

/// Takes an answer of the script apart.
pub(super) fn understand(value: ::redis::Value) -> Option<Place> {
    let mut elements = answer::list(value)?.into_iter();
    match answer::bytes(elements.next()?)?.as_slice() {
        b"ok" => {
            let evicted = elements.map(|id| number(&answer::bytes(id)?).map(SessionId));
            Some(Place::Given(evicted.collect::<Option<_>>()?))
        }
        b"taken" => Some(Place::Refused(NoPlace::Taken)),
        b"often" => {
            let millis = answer::integer(&elements.next()?)?;
            let retry_after = Duration::from_millis(u64::try_from(millis).ok()?);
            Some(Place::Refused(NoPlace::TooOften { retry_after }))
        }
        _ => None,
    }
}

impl Replicas {
    /// One run of the script for a place.
    fn placing(
        &self,
        operation: Operation,
        key: ClaimKey,
        rule: PerDevice,
        id: SessionId,
        since: UnixTime,
    ) -> ::redis::Cmd {
        let keys = &self.keys;
        let (claim, replaced) = (keys.claim(key), keys.replaced(key));
        let mut command = script::run(
            script::PLACE,
            &[
                &claim,
                &keys.processes,
                &keys.holdings,
                &replaced,
                &keys.events,
            ],
        );
        let on_conflict = match rule.on_conflict {
            OnConflict::Reject => "reject",
            OnConflict::Replace => "replace",
        };
        let per = u64::try_from(rule.replace_limit.per.as_millis()).unwrap_or(u64::MAX);
        command
            .arg(operation.as_str())
            .arg(self.process.to_string())
            .arg(id.to_string())
            .arg(on_conflict)
            .arg(key.0.to_hex())
            .arg(rule.limit)
            .arg(rule.replace_limit.count)
            .arg(per)
            .arg(since.as_millis())
            .arg(LONGEST_STREAM);
        command
    }

    async fn place(
        &self,
        operation: Operation,
        key: ClaimKey,
        rule: PerDevice,
        id: SessionId,
    ) -> Result<Place, Unshared> {
        let mut commands = Pipeline::new();
        let since = UnixTime::from_millis(0);
        commands.add_command(self.placing(operation, key, rule, id, since));
        let mut answers = self.request(operation, &commands).await?;
        answers.pop().and_then(understand).ok_or(Unshared::Garbled)
    }

    /// Writes living sessions down again. The answer is who of them has to go.
    pub(super) async fn restore(&self, some: &[Placed]) -> Result<Vec<SessionId>, Unshared> {
        let mut commands = Pipeline::new();
        for placed in some {
            let Placed {
                id,
                key,
                rule,
                since,
            } = *placed;
            commands.add_command(self.placing(Operation::Restore, key, rule, id, since));
        }
        let answers = self.call(&self.background, Operation::Restore, &commands);
        let mut evicted = Vec::new();
        for answer in answers.await? {
            match understand(answer).ok_or(Unshared::Garbled)? {
                Place::Given(ids) => evicted.extend(ids),
                Place::Refused(_) => return Err(Unshared::Garbled),
            }
        }
        Ok(evicted)
    }

    /// Gives places back as they become free, for as long as the process runs.
    pub(super) async fn keep_releasing(&self) {
        loop {
            self.release.notified().await;
            while self.is_up() && !self.release_some().await {}
        }
    }

    /// Whether there was nothing to do, or nothing that can be done now.
    async fn release_some(&self) -> bool {
        let some: Vec<_> = {
            let mut released = self.released.lock();
            let left = released.len().saturating_sub(RELEASES);
            released.drain(left..).collect()
        };
        if some.is_empty() {
            return true;
        }
        let mut commands = Pipeline::new();
        for (key, id) in &some {
            commands
                .cmd("ZREM")
                .arg(self.keys.claim(*key))
                .arg(format!("{}/{id}", self.process));
            commands
                .cmd("SREM")
                .arg(&self.keys.holdings)
                .arg(format!("{}/{id}", key.0.to_hex()));
        }
        let outcome = self.call(&self.background, Operation::Release, &commands);
        if outcome.await.is_err() {
            self.released.lock().extend(some);
            return true;
        }
        false
    }
}

#[async_trait]
impl Elsewhere for Replicas {
    async fn reserve(&self, key: ClaimKey, rule: PerDevice, id: SessionId) -> Result<(), NoPlace> {
        // Until the place is taken or given back: nobody else may give it back meanwhile.
        self.asking.lock().insert(id);
        match self.place(Operation::Reserve, key, rule, id).await {
            Ok(Place::Refused(no_place)) => Err(no_place),
            // Without an answer the places of this process decide; `take` tells the pulse.
            Ok(Place::Given(_)) | Err(_) => Ok(()),
        }
    }

    async fn take(
        &self,
        key: ClaimKey,
        rule: PerDevice,
        id: SessionId,
    ) -> Result<Vec<SessionId>, NoPlace> {
        let answer = self.place(Operation::Take, key, rule, id).await;
        // The session is registered by now.
        self.asking.lock().remove(&id);
        match answer {
            Ok(Place::Given(evicted)) => Ok(evicted),
            Ok(Place::Refused(no_place)) => Err(no_place),
            Err(_) => {
                self.unsure.lock().insert(id);
                self.wanted.notify_one();
                Ok(Vec::new())
            }
        }
    }

    fn release(&self, key: ClaimKey, id: SessionId) {
        self.asking.lock().remove(&id);
        self.unsure.lock().remove(&id);
        {
            let mut released = self.released.lock();
            // While the store is away. What is left out is found by an audit.
            if released.len() < MOST_RELEASED {
                released.push((key, id));
            }
        }
        self.release.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use ::redis::Value;

    use super::*;
    use crate::config::document::RedisStore;
    use crate::metrics::Metrics;
    use crate::scheme::sa_token::RedisAddress;
    use crate::secret::Digest;

    #[test]
    fn an_answer_about_a_place_is_one_of_three() {
        let text = |text: &str| Value::BulkString(text.as_bytes().to_vec());
        let id = "00000000000000000000000000000abc";
        for (elements, expected) in [
            (vec![text("ok")], Some(Place::Given(vec![]))),
            (
                vec![text("ok"), text(id)],
                Some(Place::Given(vec![SessionId(0xabc)])),
            ),
            (vec![text("taken")], Some(Place::Refused(NoPlace::Taken))),
            (
                vec![text("often"), Value::Int(1500)],
                Some(Place::Refused(NoPlace::TooOften {
                    retry_after: Duration::from_millis(1500),
                })),
            ),
            (vec![text("often"), Value::Int(-1)], None),
            (vec![text("often")], None),
            (vec![text("ok"), text("7")], None),
            (vec![text("perhaps")], None),
            (vec![], None),
        ] {
            assert_eq!(
                understand(Value::Array(elements.clone())),
                expected,
                "{elements:?}"
            );
        }
        assert_eq!(understand(Value::Nil), None);
    }

    #[test]
    fn no_more_wait_to_be_given_back_than_have_room() {
        let store = RedisStore {
            address: RedisAddress {
                address: "127.0.0.1:1".to_owned(),
                username: None,
                password: None,
                database: 0,
                timeout: Duration::from_secs(1),
            },
            prefix: String::new(),
            secret: None,
        };
        let replicas = Replicas::new(&store, Metrics::new().unwrap().store);
        let key = ClaimKey(Digest::from_bytes([7; 32]));
        for id in 0..MOST_RELEASED + 1000 {
            replicas.release(key, SessionId(id as u128));
        }
        assert_eq!(replicas.released.lock().len(), MOST_RELEASED);
    }
}

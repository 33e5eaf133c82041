//! News of the other replicas, as they come by the stream.
//!
//! The follower remembers the last entry that it has read. As long as that entry is still there, none
//! behind it can have been cut off (a stream loses its oldest first), and reading goes on from it,
//! also after a lost connection. If it is gone (cut off, or the store was emptied or set back), all
//! revocations are read, and those that the store has lost are written back.

use std::collections::HashMap;
use std::sync::atomic::Ordering;
use std::time::Duration;

use ::redis::{Pipeline, Value};
use tokio::time::sleep;
use tracing::{info, warn};

use crate::clock::{self, Steady, UnixTime};
use crate::proxy::Shared;
use crate::replicas::answer::Entry as StreamEntry;
use crate::replicas::event::{Body, Event, Garbled, Said, kind};
use crate::replicas::id::number;
use crate::replicas::pulse::replaced;
use crate::replicas::renew::renewed;
use crate::replicas::revoke::enforce;
use crate::replicas::script::LONGEST_STREAM;
use crate::replicas::sessions::ended;
use crate::replicas::{Heard, Operation, Replicas, Unshared, answer};
use crate::revocation::entry::Entry;
use crate::revocation::{Merged, RevocationId};

/// How long one look at the stream may wait for something new.
const WAIT: Duration = Duration::from_secs(1);
/// Entries of one look.
const MOST: usize = 256;
/// Entries in one round trip when all are read or many are written.
const SOME: usize = 500;
/// After an error.
const PAUSE: Duration = Duration::from_millis(200);
/// Everything is read again so often, whatever may have gone wrong unnoticed.
const READ_EVERY: Duration = Duration::from_mins(10);
/// What cannot be understood does not lead to reading everything more often than this.
const READ_AGAIN: Duration = Duration::from_secs(10);
/// Entries that have ended stay so long in the store, since clocks differ.
const AFTER_THE_END: Duration = Duration::from_mins(10);

/// The time limit of the follower's commands: they wait on purpose.
pub(super) fn patience(timeout: Duration) -> Duration {
    // Half of it is for the first attempt.
    2 * (WAIT + timeout)
}

/// Where the follower is.
#[derive(Debug)]
struct Follower {
    /// The last entry that was read; `None` if everything has to be read first.
    position: Option<String>,
    /// When all revocations are read again.
    due: Steady,
    /// When they were read last.
    last: Option<Steady>,
    is_failing: bool,
}

impl Replicas {
    /// Follows the stream for as long as the process runs.
    pub(super) async fn keep_following(&self, shared: &Shared) {
        let mut follower = Follower {
            position: None,
            due: clock::steady(),
            last: None,
            is_failing: false,
        };
        loop {
            match self.follow(shared, &mut follower).await {
                Ok(()) => {
                    if follower.is_failing {
                        info!("news of other replicas arrive again");
                    }
                    follower.is_failing = false;
                    self.set_follows(true);
                }
                Err(error) => {
                    if !follower.is_failing {
                        warn!(%error, "news of other replicas do not arrive");
                    }
                    follower.is_failing = true;
                    self.set_follows(false);
                    sleep(PAUSE).await;
                }
            }
        }
    }

    /// One look at the stream.
    async fn follow(&self, shared: &Shared, follower: &mut Follower) -> Result<(), Unshared> {
        let Some(position) = follower.position.clone() else {
            // First a place in the stream, then everything that happened before it.
            let position = self.join().await?;
            self.read_all(shared).await?;
            follower.position = Some(position);
            follower.was_read();
            return Ok(());
        };
        if follower.due <= clock::steady() {
            self.read_all(shared).await?;
            follower.was_read();
        }
        let (entries, is_gapless) = self.look(&position).await?;
        for entry in &entries {
            match Event::decode(entry) {
                Ok(event) => self.heard(shared, event).await,
                Err(garbled) => self.misunderstood(garbled, follower),
            }
        }
        follower.position = if is_gapless {
            entries
                .last()
                .map(|entry| entry.id.clone())
                .or(Some(position))
        } else {
            info!("the stream of the shared store has a gap; everything is read again");
            // What it knew of living sessions may be gone as well.
            self.is_lost.store(true, Ordering::Relaxed);
            self.wanted.notify_one();
            None
        };
        Ok(())
    }

    /// What is new, and whether nothing can have been cut off in between.
    async fn look(&self, position: &str) -> Result<(Vec<StreamEntry>, bool), Unshared> {
        let mut commands = Pipeline::new();
        commands
            .cmd("XREAD")
            .arg("COUNT")
            .arg(MOST)
            .arg("BLOCK")
            .arg(u64::try_from(WAIT.as_millis()).unwrap_or(u64::MAX))
            .arg("STREAMS")
            .arg(&self.keys.events)
            .arg(position);
        // Asked afterwards: if it is there now, everything behind it was there before.
        commands
            .cmd("XRANGE")
            .arg(&self.keys.events)
            .arg(position)
            .arg(position);
        let answers = self.listen(Operation::Follow, &commands).await?;
        let [found, last] = <[Value; 2]>::try_from(answers).map_err(|_| Unshared::Garbled)?;
        let entries = answer::stream(found).ok_or(Unshared::Garbled)?;
        let last = answer::entries(last).ok_or(Unshared::Garbled)?;
        Ok((entries, !last.is_empty()))
    }

    /// Makes a place in the stream to read on from.
    async fn join(&self) -> Result<String, Unshared> {
        let mut commands = Pipeline::new();
        commands
            .cmd("XADD")
            .arg(&self.keys.events)
            .arg(&["MAXLEN", "~"])
            .arg(LONGEST_STREAM)
            .arg(&["*", "kind", kind::JOINED, "from"])
            .arg(self.process.to_string())
            .arg(&["question", "", "body", ""]);
        let answer = self.listen(Operation::Follow, &commands).await?.pop();
        let id = answer.and_then(answer::bytes).and_then(answer::stream_id);
        id.ok_or(Unshared::Garbled)
    }

    async fn listen(
        &self,
        operation: Operation,
        commands: &Pipeline,
    ) -> Result<Vec<Value>, Unshared> {
        let answer = self.following.call(commands).await;
        self.metrics.operation(operation, answer.as_ref().err());
        Ok(answer?)
    }

    // === What was heard ===

    async fn heard(&self, shared: &Shared, event: Event) {
        let is_own = event.from == self.process;
        match event.body {
            Body::Answer(said) => {
                self.metrics.heard(Heard::Answer);
                if let Some(question) = event.question {
                    self.questions.answered(question, event.from, said);
                }
            }
            Body::End(chosen) => {
                self.metrics.heard(Heard::End);
                if !is_own && let Some(question) = event.question {
                    self.say(question, ended(shared, &chosen)).await;
                }
            }
            Body::List(chosen) => {
                self.metrics.heard(Heard::List);
                if !is_own && let Some(question) = event.question {
                    let said = self.lay_down(shared, &chosen, question).await;
                    self.say(question, said).await;
                }
            }
            Body::Joined => self.metrics.heard(Heard::Joined),
            Body::Renewal(renewing) => {
                self.metrics.heard(Heard::Renewal);
                if !is_own && let Some(question) = event.question {
                    self.say(question, renewed(shared, &renewing)).await;
                }
            }
            Body::Replaced(process, session) => {
                self.metrics.heard(Heard::Replaced);
                if process == self.process {
                    replaced(shared, session);
                }
            }
            Body::Revocation(id, entry) => {
                self.metrics.heard(match entry {
                    Entry::InForce(_) => Heard::Revoked,
                    Entry::Lifted { .. } => Heard::Lifted,
                });
                self.confirm(id, &entry);
                let said = self.take_over(shared, id, entry).await;
                if !is_own && let Some(question) = event.question {
                    self.say(question, said).await;
                }
            }
        }
    }

    fn misunderstood(&self, garbled: Garbled, follower: &mut Follower) {
        self.metrics.heard(Heard::Garbled);
        if garbled.may_revoke {
            warn!("a revocation of another replica is not understood; all are read again");
            follower.read_soon();
        }
    }

    /// An entry has come back, so everybody gets it.
    fn confirm(&self, id: RevocationId, entry: &Entry) {
        let mut outbox = self.outbox.lock();
        if outbox.get(&id).is_some_and(|(sent, _)| sent == entry) {
            outbox.remove(&id);
        }
    }

    async fn take_over(&self, shared: &Shared, id: RevocationId, entry: Entry) -> Said {
        match shared.policy().revocations.merge(id, entry) {
            Ok(Merged::InForce) => enforce(shared).await,
            Ok(Merged::Known | Merged::Lifted) => Said::NOTHING,
            Err(error) => {
                warn!(%error, "a revocation of another replica is not in force here");
                Said::NOTHING
            }
        }
    }

    // === Everything ===

    /// Reads all entries, puts in force what is new, and writes back what is missing.
    async fn read_all(&self, shared: &Shared) -> Result<(), Unshared> {
        self.metrics.heard(Heard::Reread);
        let policy = shared.policy();
        let now = clock::now();
        let mut known: HashMap<RevocationId, bool> = HashMap::new();
        let mut ended = Vec::new();
        let mut has_news = false;
        let mut cursor = b"0".to_vec();
        loop {
            let (next, found) = self.scan(&cursor).await?;
            let (pairs, _) = found.as_chunks::<2>();
            for [id, text] in pairs {
                let entry = number(id).map(RevocationId).zip(Entry::decode(text));
                let Some((id, entry)) = entry else {
                    self.metrics.heard(Heard::Garbled);
                    warn!("an entry of the shared revocations is not understood");
                    continue;
                };
                self.confirm(id, &entry);
                known.insert(id, matches!(entry, Entry::Lifted { .. }));
                if entry.until() <= now {
                    if entry.until().plus(AFTER_THE_END) <= now {
                        ended.push(id);
                    }
                    continue;
                }
                match policy.revocations.merge(id, entry) {
                    Ok(merged) => has_news |= merged == Merged::InForce,
                    Err(error) => {
                        warn!(%error, "a revocation of another replica is not in force here");
                    }
                }
            }
            if next == b"0" {
                break;
            }
            cursor = next;
        }
        if has_news {
            enforce(shared).await;
        }
        policy.revocations.set_complete();
        self.forget(&ended).await?;
        let missing = missing(policy.revocations.entries(), &known, now);
        if !missing.is_empty() {
            info!(
                revocations = missing.len(),
                "the shared store has lost revocations; they are written back"
            );
        }
        self.publish_all(&missing).await
    }

    async fn scan(&self, cursor: &[u8]) -> Result<(Vec<u8>, Vec<Vec<u8>>), Unshared> {
        let mut commands = Pipeline::new();
        commands
            .cmd("HSCAN")
            .arg(&self.keys.revocations)
            .arg(cursor)
            .arg("COUNT")
            .arg(SOME);
        let answer = self.listen(Operation::Read, &commands).await?.pop();
        answer.and_then(answer::scan).ok_or(Unshared::Garbled)
    }

    async fn forget(&self, ended: &[RevocationId]) -> Result<(), Unshared> {
        for some in ended.chunks(SOME) {
            let mut commands = Pipeline::new();
            let ids: Vec<String> = some.iter().map(ToString::to_string).collect();
            commands.cmd("HDEL").arg(&self.keys.revocations).arg(ids);
            self.listen(Operation::Read, &commands).await?;
        }
        Ok(())
    }

    /// Writes entries and tells everybody.
    pub(super) async fn publish_all(
        &self,
        entries: &[(RevocationId, Entry)],
    ) -> Result<(), Unshared> {
        for some in entries.chunks(SOME) {
            let mut commands = Pipeline::new();
            commands.add_command(self.publishing(None, some));
            self.call(&self.background, Operation::Publish, &commands)
                .await?;
        }
        Ok(())
    }
}

/// What the store does not know, or knows as if it were still in force.
fn missing(
    ours: Vec<(RevocationId, Entry)>,
    known: &HashMap<RevocationId, bool>,
    now: UnixTime,
) -> Vec<(RevocationId, Entry)> {
    let is_missing = |(id, entry): &(RevocationId, Entry)| {
        let is_known = match (entry, known.get(id)) {
            (_, None) | (Entry::Lifted { .. }, Some(false)) => false,
            (Entry::InForce(_), Some(_)) | (Entry::Lifted { .. }, Some(true)) => true,
        };
        !is_known && now < entry.until()
    };
    ours.into_iter().filter(is_missing).collect()
}

impl Follower {
    fn was_read(&mut self) {
        let now = clock::steady();
        self.last = Some(now);
        self.due = now.plus(READ_EVERY);
    }

    fn read_soon(&mut self) {
        let earliest = self.last.map(|last| last.plus(READ_AGAIN));
        self.due = self.due.min(earliest.unwrap_or(self.due));
    }
}

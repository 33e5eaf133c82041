//! Keeps the policy in step with the files: by signal, by what the watch hears, and by looking
//! every now and then.
//!
//! One task does it all in turn, so there are never two reloads at once. In each turn the
//! directories are watched before the files are compared, and asked for again afterwards: whatever
//! changes later is heard of, and leads to another turn.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::time::sleep;
use tracing::{error, info, warn};

use super::places::{self, Places};
use super::watch::Watch;
use super::{Cause, Reloader};
use crate::config::document::Reload;
use crate::proxy::Shared;

/// A directory that is written to all the time puts a reload off no longer than this, or than
/// `debounce` if that is more.
const LONGEST_DEBOUNCE: Duration = Duration::from_secs(1);

/// Runs for as long as somebody can ask; `asked` gets SIGHUPs.
pub async fn keep(shared: Arc<Shared>, reloader: Reloader, mut asked: UnboundedReceiver<()>) {
    let changed = Arc::new(Notify::new());
    let keeper = Arc::new(Mutex::new(Keeper {
        reloader,
        watch: None,
        is_failing: false,
        changed: Arc::clone(&changed),
    }));
    // The files may have changed since the gate was started with them.
    let mut cause = Cause::Noticed;
    loop {
        let turn = {
            let (keeper, shared) = (Arc::clone(&keeper), Arc::clone(&shared));
            // Reading files blocks; sessions must end in time all the same.
            tokio::task::spawn_blocking(move || keeper.lock().turn(&shared, cause))
        };
        if let Err(error) = turn.await {
            error!(%error, "a reload did not come to an end");
            keeper.lock().watch = None;
        }
        match next(shared.policy().reload, &mut asked, &changed).await {
            Some(next) => cause = next,
            None => return,
        }
    }
}

/// Waits for a reason to look at the files; `None` when there will be no more.
async fn next(rule: Reload, asked: &mut UnboundedReceiver<()>, changed: &Notify) -> Option<Cause> {
    tokio::select! {
        biased;
        request = asked.recv() => request?,
        () = changed.notified(), if rule.watch => {
            let mut longest = pin!(sleep(rule.debounce.max(LONGEST_DEBOUNCE)));
            loop {
                tokio::select! {
                    biased;
                    request = asked.recv() => { request?; break }
                    () = &mut longest => return Some(Cause::Noticed),
                    () = changed.notified() => {}
                    () = sleep(rule.debounce) => return Some(Cause::Noticed),
                }
            }
        }
        () = sleep(rule.poll), if rule.watch => return Some(Cause::Noticed),
    }
    // Those that came together are answered together.
    while asked.try_recv().is_ok() {}
    Some(Cause::Asked)
}

/// A set of directories that changes more often than this is left for the next turn.
const ATTEMPTS: usize = 5;

#[derive(Debug)]
struct Keeper {
    reloader: Reloader,
    watch: Option<Watch>,
    /// The watch is wanted and cannot be had; that was said.
    is_failing: bool,
    changed: Arc<Notify>,
}

impl Keeper {
    /// Watches, compares, and loads if there is a reason to.
    fn turn(&mut self, shared: &Shared, mut cause: Cause) {
        for _ in 0..ATTEMPTS {
            let places = self.places(shared);
            self.follow(places.as_ref(), shared);
            self.reloader.reload(shared, cause);
            if self.places(shared) == places {
                return;
            }
            // Other files now, or another directory in the place of one; what changed before it was
            // watched went unheard.
            cause = Cause::Noticed;
        }
        self.changed.notify_one();
    }

    /// `None` if nothing is to be watched.
    fn places(&self, shared: &Shared) -> Option<Places> {
        let is_wanted = shared.policy().reload.watch;
        is_wanted.then(|| places::of(self.reloader.snapshot.paths()))
    }

    fn follow(&mut self, places: Option<&Places>, shared: &Shared) {
        let Some(places) = places else {
            self.watch = None;
            self.is_failing = false;
            shared.metrics.watching(false);
            return;
        };
        match self.try_to_follow(places) {
            Ok(()) => {
                if self.is_failing {
                    info!("files are watched again");
                }
                self.is_failing = false;
            }
            Err(error) => {
                if !self.is_failing {
                    let poll = humantime::format_duration(shared.policy().reload.poll);
                    warn!(%error, "files cannot be watched; they are compared every {poll}");
                }
                self.is_failing = true;
            }
        }
        shared.metrics.watching(!self.is_failing);
    }

    fn try_to_follow(&mut self, places: &Places) -> notify::Result<()> {
        let watch = match &mut self.watch {
            Some(watch) => watch,
            none @ None => {
                let changed = Arc::clone(&self.changed);
                none.insert(Watch::new(move || changed.notify_one())?)
            }
        };
        watch.follow(places)
    }
}

#[cfg(test)]
mod tests;

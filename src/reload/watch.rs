//! Hears of changes in directories.
//!
//! Directories are watched, never files: a watch on a file is one on its inode, and is silent for
//! ever once another file has taken its place.

use std::io;

use notify::event::{AccessKind, AccessMode};
use notify::{
    Config, ErrorKind, Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher as _,
};

use super::places::Places;

/// Watches directories until it is dropped.
#[derive(Debug)]
pub(super) struct Watch {
    watcher: RecommendedWatcher,
    places: Places,
}

impl Watch {
    /// Watches nothing yet. `tell` is called for whatever may be a change, on a thread that should
    /// not be held up.
    pub(super) fn new(tell: impl Fn() + Send + 'static) -> notify::Result<Self> {
        let heard = move |event: notify::Result<Event>| {
            // What went wrong with the watch may have been a change.
            if event.map_or(true, |event| may_change(event.kind)) {
                tell();
            }
        };
        Ok(Self {
            watcher: RecommendedWatcher::new(heard, Config::default())?,
            places: Places::new(),
        })
    }

    /// Watches these directories and no others.
    ///
    /// Directories that are watched already are watched again: the watch of one that was moved away
    /// and back has ended in between.
    ///
    /// # Errors
    ///
    /// The first directory that cannot be watched; the others are. One that is not there is no
    /// error, since its absence shows when the places are asked for again.
    pub(super) fn follow(&mut self, places: &Places) -> notify::Result<()> {
        for (place, identity) in &self.places {
            // First, since two names of one directory share a watch.
            if places.get(place) != Some(identity) {
                // It has ended by itself if the directory has gone.
                let _ = self.watcher.unwatch(place);
            }
        }
        self.places.clone_from(places);
        let mut outcome = Ok(());
        for place in places.keys() {
            match self.watcher.watch(place, RecursiveMode::NonRecursive) {
                Err(error) if !is_absence(&error.kind) => outcome = outcome.and(Err(error)),
                Ok(()) | Err(_) => {}
            }
        }
        outcome
    }
}

fn is_absence(kind: &ErrorKind) -> bool {
    match kind {
        ErrorKind::PathNotFound => true,
        ErrorKind::Io(error) => error.kind() == io::ErrorKind::NotFound,
        ErrorKind::Generic(_)
        | ErrorKind::InvalidConfig(_)
        | ErrorKind::MaxFilesWatch
        | ErrorKind::WatchNotFound => false,
    }
}

/// Which kind a change comes as depends on the file system, so every kind counts but those of
/// reading, which the gate itself does.
fn may_change(kind: EventKind) -> bool {
    match kind {
        EventKind::Access(AccessKind::Close(AccessMode::Write))
        | EventKind::Any
        | EventKind::Create(_)
        | EventKind::Modify(_)
        | EventKind::Other
        | EventKind::Remove(_) => true,
        EventKind::Access(_) => false,
    }
}

#[cfg(test)]
mod tests;

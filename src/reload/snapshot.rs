//! Files that belong together: what is loaded was there all at one moment.
//!
//! Kubernetes swaps a whole directory by moving one link, and whoever reads during that sees some
//! files of before and some of after, or none. So everything is read, then everything is compared
//! once more: if nothing differs, all of it was there together at the moment between the two.
//! This needs to know nothing about links, and holds for any way of putting files in place.

use std::path::Path;

use crate::config::files::FileState;
use crate::config::{self, Loaded};
use crate::problem::LoadError;

/// What was read, and whether it belongs together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    files: Vec<FileState>,
    is_settled: bool,
}

/// Whoever still changes files after so many readings will not stop for one more.
const READINGS: usize = 5;

impl Snapshot {
    /// Reads until nothing changes meanwhile.
    pub(super) fn read(path: &Path) -> (Self, Result<Loaded, LoadError>) {
        Self::of(path, config::read)
    }

    fn of(
        path: &Path,
        mut read: impl FnMut(&Path) -> config::Reading,
    ) -> (Self, Result<Loaded, LoadError>) {
        let mut files = Vec::new();
        for _ in 0..READINGS {
            let reading = read(path);
            files = reading.files;
            if files.iter().all(FileState::is_current) {
                let is_settled = true;
                return (Self { files, is_settled }, reading.outcome);
            }
        }
        let path = path.to_owned();
        let is_settled = false;
        (
            Self { files, is_settled },
            Err(LoadError::Unsettled { path }),
        )
    }

    /// Whether loading again would find nothing new.
    pub(super) fn is_current(&self) -> bool {
        self.is_settled && self.files.iter().all(FileState::is_current)
    }

    pub(super) fn paths(&self) -> impl Iterator<Item = &Path> {
        self.files.iter().map(FileState::path)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::super::volume::Volume;
    use super::*;

    const CONFIGURATION: &str = "
listeners: [{ address: 127.0.0.1:9688 }]
upstreams: { im: { address: 127.0.0.1:19688 } }
authenticators: { a: { from: [{ header: K }], app_key: { keys: [{ id: a, secret: { file: key } }] } } }
routes: [{ match: { path: /** }, require: { any_of: [a] }, upstream: im }]
";

    fn version(number: usize) -> Vec<(&'static str, String)> {
        vec![
            ("imgate.yaml", format!("{CONFIGURATION}# {number}\n")),
            ("key", format!("key {number}")),
        ]
    }

    #[test]
    fn a_swap_during_the_reading_is_read_again() {
        let directory = tempfile::tempdir().unwrap();
        let volume = Volume::new(directory.path());
        volume.swap(&version(0));
        let mut readings = 0;
        let (snapshot, outcome) = Snapshot::of(&volume.path("imgate.yaml"), |path| {
            readings += 1;
            let reading = config::read(path);
            if readings < 3 {
                volume.swap(&version(readings));
            }
            reading
        });
        assert!(outcome.is_ok());
        assert_eq!(readings, 3);
        assert!(snapshot.is_current());
        let (again, _) = Snapshot::read(&volume.path("imgate.yaml"));
        assert_eq!(snapshot, again, "what was loaded is the last version");
    }

    #[test]
    fn what_never_settles_is_not_used() {
        let directory = tempfile::tempdir().unwrap();
        let volume = Volume::new(directory.path());
        volume.swap(&version(0));
        let mut readings = 0;
        let (snapshot, outcome) = Snapshot::of(&volume.path("imgate.yaml"), |path| {
            readings += 1;
            let reading = config::read(path);
            volume.swap(&version(readings));
            reading
        });
        assert!(matches!(outcome, Err(LoadError::Unsettled { .. })));
        // Even when just what was read last comes back, it has not been loaded.
        volume.swap(&version(readings - 1));
        assert!(!snapshot.is_current());
    }

    #[test]
    fn a_file_that_is_missing_for_the_moment_of_a_swap_is_no_problem() {
        let directory = tempfile::tempdir().unwrap();
        let volume = Volume::new(directory.path());
        volume.swap(&version(0));
        fs::remove_file(volume.path("key")).unwrap();
        let mut readings = 0;
        let (_, outcome) = Snapshot::of(&volume.path("imgate.yaml"), |path| {
            readings += 1;
            let reading = config::read(path);
            volume.swap(&version(1));
            reading
        });
        assert_eq!(outcome.unwrap().problems, []);
        assert_eq!(readings, 2);
    }

    #[test]
    fn a_failed_reading_knows_its_files() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("imgate.yaml");
        let (nothing, outcome) = Snapshot::read(&path);
        assert!(matches!(outcome, Err(LoadError::Unreadable { .. })));
        assert!(nothing.is_current());

        fs::write(&path, "routes: [").unwrap();
        assert!(!nothing.is_current());
        let (broken, outcome) = Snapshot::read(&path);
        assert!(matches!(outcome, Err(LoadError::Problems { .. })));
        assert!(broken.is_current());

        fs::write(&path, CONFIGURATION).unwrap();
        let (without_key, outcome) = Snapshot::read(&path);
        assert_eq!(outcome.unwrap().problems.len(), 1);
        assert!(without_key.is_current());
        fs::write(directory.path().join("key"), "a key").unwrap();
        assert!(!without_key.is_current(), "what was looked for appeared");
    }
}

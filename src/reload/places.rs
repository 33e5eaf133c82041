//! Where a change can make a path mean another file.
//!
//! That is in the directory which holds the file, and in each one that holds a link on the way to
//! it: `config.yaml -> ..data/config.yaml` is in the directory of `..data`. What does not exist
//! will appear in the last directory that does.

use std::collections::{BTreeMap, VecDeque};
use std::ffi::OsString;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Component, Path, PathBuf};

/// Directories by their real paths, without links.
///
/// Inode and device tell a directory from another one of the same name.
pub(super) type Places = BTreeMap<PathBuf, (u64, u64)>;

/// All directories that matter to these files.
pub(super) fn of<'p>(paths: impl IntoIterator<Item = &'p Path>) -> Places {
    let mut places = Places::new();
    for path in paths {
        // Only without a current directory, and then nothing can be read either.
        if let Ok(path) = std::path::absolute(path) {
            follow(&path, &mut places);
        }
    }
    places
}

/// As many links as Linux follows for one path.
const MOST_LINKS: usize = 40;

/// Goes along an absolute path as the system does.
fn follow(path: &Path, places: &mut Places) {
    let mut links = 0;
    let mut here = PathBuf::from("/");
    let mut ahead: VecDeque<OsString> = names(path).collect();
    while let Some(name) = ahead.pop_front() {
        if name == ".." {
            here.pop();
            continue;
        }
        let next = here.join(&name);
        match Step::to(&next) {
            Ok(Step::Directory) => here = next,
            Ok(Step::Link(target)) if links < MOST_LINKS => {
                links += 1;
                add(&here, places);
                if target.is_absolute() {
                    here = PathBuf::from("/");
                }
                for name in names(&target).rev() {
                    ahead.push_front(name);
                }
            }
            Ok(Step::File | Step::Link(_)) | Err(_) => break,
        }
    }
    add(&here, places);
}

enum Step {
    Directory,
    File,
    Link(PathBuf),
}

impl Step {
    fn to(path: &Path) -> io::Result<Self> {
        let kind = path.symlink_metadata()?.file_type();
        if kind.is_symlink() {
            path.read_link().map(Self::Link)
        } else if kind.is_dir() {
            Ok(Self::Directory)
        } else {
            Ok(Self::File)
        }
    }
}

fn names(path: &Path) -> impl DoubleEndedIterator<Item = OsString> {
    path.components().filter_map(|component| match component {
        Component::Normal(name) => Some(name.to_owned()),
        Component::ParentDir => Some("..".into()),
        Component::CurDir | Component::Prefix(_) | Component::RootDir => None,
    })
}

fn add(directory: &Path, places: &mut Places) {
    // One that has gone in this moment is missed when the places are asked for again.
    if let Ok(metadata) = directory.metadata() {
        places.insert(directory.to_owned(), (metadata.dev(), metadata.ino()));
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::super::volume::Volume;
    use super::*;

    /// The places of a path below `root`, relative to it.
    fn places(root: &Path, path: &str) -> Vec<String> {
        let real = root.canonicalize().unwrap();
        of([root.join(path).as_path()])
            .keys()
            .map(|place| place.strip_prefix(&real).unwrap())
            .map(|place| place.to_str().unwrap().to_owned())
            .collect()
    }

    #[test]
    fn every_directory_that_decides_is_named() {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path();
        for new in ["plain", "real/deep", "away"] {
            fs::create_dir_all(root.join(new)).unwrap();
        }
        for file in ["plain/a", "real/deep/b", "away/c"] {
            fs::write(root.join(file), "x").unwrap();
        }
        for (target, link) in [
            ("real/deep", "short"),
            ("../away/c", "plain/c"),
            ("loop", "loop"),
            ("../../away/c", "real/deep/c"),
        ] {
            symlink(target, root.join(link)).unwrap();
        }
        symlink(root.join("away"), root.join("absolute")).unwrap();
        for (case, path, expected) in [
            ("a plain file", "plain/a", &["plain"][..]),
            ("with dots", "plain/.././plain/a", &["plain"]),
            ("behind a linked directory", "short/b", &["", "real/deep"]),
            ("a linked file", "plain/c", &["away", "plain"]),
            ("both", "short/c", &["", "away", "real/deep"]),
            ("an absolute link", "absolute/c", &["", "away"]),
            ("not there yet", "plain/z", &["plain"]),
            ("nor its directory", "plain/y/z", &["plain"]),
            (
                "behind a link into nothing",
                "short/y/z",
                &["", "real/deep"],
            ),
            ("behind a file", "plain/a/z", &["plain"]),
            ("a link to itself", "loop", &[""]),
        ] {
            assert_eq!(places(root, path), expected, "{case}");
        }
    }

    #[test]
    fn a_volume_is_its_directory_and_the_one_it_shows() {
        let directory = tempfile::tempdir().unwrap();
        let volume = Volume::new(directory.path());
        volume.swap(&[("key", "one"), ("sub/key", "two")]);
        for path in ["key", "sub/key"] {
            let before = places(directory.path(), path);
            assert_eq!(before.len(), 2, "{before:?}");
            assert_eq!(before[0], "");
            assert!(before[1].starts_with(".."), "{before:?}");
            volume.swap(&[("key", "one"), ("sub/key", "two")]);
            assert_ne!(places(directory.path(), path), before);
        }
    }

    #[test]
    fn a_directory_that_was_made_again_is_another_one() {
        let directory = tempfile::tempdir().unwrap();
        let keys = directory.path().join("keys");
        let paths = [keys.join("a")];
        let places = || of(paths.iter().map(PathBuf::as_path));
        fs::create_dir(&keys).unwrap();
        let before = places();
        fs::rename(&keys, directory.path().join("old")).unwrap();
        fs::create_dir(&keys).unwrap();
        assert_ne!(before, places());
    }
}

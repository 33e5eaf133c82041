//! A directory as Kubernetes mounts a `ConfigMap` or a `Secret`.
//!
//! What the kubelet does, in its order: a new directory `..<time>` with all files, a link
//! `..data_tmp` to it that is moved over `..data`, the links `<name> -> ..data/<name>` that users
//! see (new ones, then those that have no target any more), and the end of the old directory.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

#[derive(Debug)]
pub(crate) struct Volume {
    directory: PathBuf,
    version: AtomicUsize,
}

impl Volume {
    /// Nothing is in it before the first swap.
    pub(crate) fn new(directory: &Path) -> Self {
        fs::create_dir_all(directory).unwrap();
        Self {
            directory: directory.to_owned(),
            version: AtomicUsize::new(0),
        }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    /// Shows these files, and no others, from one moment to the next.
    pub(crate) fn swap(&self, files: &[(&str, impl AsRef<[u8]>)]) {
        let version = self.version.fetch_add(1, Ordering::Relaxed);
        let new = format!("..2026_01_01_00_00_00.{version:09}");
        for (name, contents) in files {
            let path = self.path(&new).join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, contents).unwrap();
        }
        let old = fs::read_link(self.path("..data"));
        symlink(&new, self.path("..data_tmp")).unwrap();
        fs::rename(self.path("..data_tmp"), self.path("..data")).unwrap();
        for (name, _) in files {
            // Only the first part of a name is a link.
            let first = name.split('/').next().unwrap();
            if self.path(first).symlink_metadata().is_err() {
                symlink(Path::new("..data").join(first), self.path(first)).unwrap();
            }
        }
        for entry in fs::read_dir(&self.directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_symlink() && !path.exists() {
                fs::remove_file(path).unwrap();
            }
        }
        if let Ok(old) = old {
            fs::remove_dir_all(self.path(old.to_str().unwrap())).unwrap();
        }
    }
}

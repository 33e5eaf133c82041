//! The files that a configuration consists of, each as it was when it was read.
//!
//! A file that could not be read is one of them: it may appear later. What a file held is kept as a
//! digest, made of the very bytes that were used, so that a change is seen however short after the
//! reading it comes. Times of modification are never asked: tools set them as they like.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use crate::secret::Digest;

/// A file as it was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileState {
    path: PathBuf,
    /// Larger ones count as unreadable.
    limit: usize,
    content: Content,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Content {
    Read(Digest),
    Unreadable(io::ErrorKind),
}

impl FileState {
    /// Reads a whole file of at most `limit` bytes; larger ones are
    /// [`io::ErrorKind::FileTooLarge`].
    pub(super) fn read(path: &Path, limit: usize) -> (Self, io::Result<Zeroizing<Vec<u8>>>) {
        let bytes = read(path, limit);
        let state = Self {
            path: path.to_owned(),
            limit,
            content: Content::of(&bytes),
        };
        (state, bytes)
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether reading it again gives the same.
    pub fn is_current(&self) -> bool {
        Content::of(&read(&self.path, self.limit)) == self.content
    }
}

impl Content {
    fn of(bytes: &io::Result<Zeroizing<Vec<u8>>>) -> Self {
        match bytes {
            Ok(bytes) => Self::Read(Digest::of(bytes)),
            Err(error) => Self::Unreadable(error.kind()),
        }
    }
}

fn read(path: &Path, limit: usize) -> io::Result<Zeroizing<Vec<u8>>> {
    let metadata = path.metadata()?;
    // Opening a pipe would wait for its writer.
    if metadata.is_dir() {
        return Err(io::ErrorKind::IsADirectory.into());
    }
    if !metadata.is_file() {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    // Room for all of it at once, so that a growing vector leaves no copies behind.
    let expected = usize::try_from(metadata.len()).unwrap_or(limit).min(limit);
    let mut bytes = Zeroizing::new(Vec::with_capacity(expected.saturating_add(1)));
    let ceiling = u64::try_from(limit).unwrap_or(u64::MAX).saturating_add(1);
    File::open(path)?.take(ceiling).read_to_end(&mut bytes)?;
    if bytes.len() > limit {
        return Err(io::ErrorKind::FileTooLarge.into());
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_file_is_current_until_its_content_changes() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("key");
        let state = || FileState::read(&path, 8).0;

        let missing = state();
        assert!(missing.is_current(), "still missing");
        fs::write(&path, "one").unwrap();
        assert!(!missing.is_current(), "appeared");

        let one = state();
        fs::write(&path, "one").unwrap();
        assert!(one.is_current(), "written again, with another time");
        fs::write(&path, "two").unwrap();
        assert!(!one.is_current(), "of the same length");
        assert_ne!(one, state());

        fs::write(&path, "too large for it").unwrap();
        let large = state();
        fs::write(&path, "also too large for it").unwrap();
        assert!(large.is_current(), "nothing of it counts");

        fs::remove_file(&path).unwrap();
        assert!(!one.is_current(), "gone");
        fs::create_dir(&path).unwrap();
        assert!(!missing.is_current(), "a directory is not nothing");
    }
}

use std::fs;
use std::os::unix::fs::symlink;
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use super::super::places;
use super::super::volume::Volume;
use super::*;

/// A watch of one file, and what it hears.
struct Listening {
    file: PathBuf,
    watch: Watch,
    heard: Receiver<()>,
}

impl Listening {
    fn to(file: PathBuf) -> Self {
        let (tell, heard) = channel();
        let watch = Watch::new(move || {
            let _ = tell.send(());
        });
        let mut listening = Self {
            file,
            watch: watch.unwrap(),
            heard,
        };
        listening.follow();
        listening
    }

    fn follow(&mut self) {
        let places = places::of([self.file.as_path()]);
        self.watch.follow(&places).unwrap();
    }

    /// What happens now is heard.
    #[track_caller]
    fn hears(&mut self, what: &str, act: impl FnOnce()) {
        self.hush();
        act();
        let heard = self.heard.recv_timeout(Duration::from_secs(10));
        assert!(heard.is_ok(), "unheard: {what}");
        self.follow();
    }

    /// Waits until all that has happened so far was told, and forgets it.
    fn hush(&self) {
        let quiet = Duration::from_millis(200);
        while self.heard.recv_timeout(quiet).is_ok() {}
    }
}

#[test]
fn every_swap_of_a_volume_is_heard() {
    let directory = tempfile::tempdir().unwrap();
    let volume = Volume::new(directory.path());
    volume.swap(&[("key", "0")]);
    let mut listening = Listening::to(volume.path("key"));
    for version in ["1", "2", "3", "4"] {
        listening.hears(version, || volume.swap(&[("key", version)]));
    }
}

#[test]
fn whatever_happens_to_a_file_is_heard() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name);
    let keys = path("keys");
    let key = keys.join("key");
    let mut listening = Listening::to(key.clone());
    listening.hears("its directory appears", || fs::create_dir(&keys).unwrap());
    listening.hears("it appears", || fs::write(&key, "1").unwrap());
    listening.hears("it is written", || fs::write(&key, "2").unwrap());
    fs::write(path("new"), "3").unwrap();
    listening.hears("another is moved over it", || {
        fs::rename(path("new"), &key).unwrap();
    });
    listening.hears("it is removed", || fs::remove_file(&key).unwrap());
    listening.hears("its directory is moved away", || {
        fs::rename(&keys, path("old")).unwrap();
    });
    listening.hears("and back", || fs::rename(path("old"), &keys).unwrap());
    listening.hears("it appears again", || fs::write(&key, "4").unwrap());
    listening.hears("its directory is removed", || {
        fs::remove_dir_all(&keys).unwrap();
    });
    listening.hears("and made again", || fs::create_dir(&keys).unwrap());
    listening.hears("it appears once more", || fs::write(&key, "5").unwrap());
}

#[test]
fn a_link_that_points_elsewhere_is_heard() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name);
    for name in ["one", "two"] {
        fs::create_dir(path(name)).unwrap();
        fs::write(path(name).join("key"), name).unwrap();
    }
    symlink("one", path("keys")).unwrap();
    let mut listening = Listening::to(path("keys").join("key"));
    listening.hears("written behind the link", || {
        fs::write(path("one").join("key"), "1").unwrap();
    });
    listening.hears("the link is moved", || {
        symlink("two", path("keys.new")).unwrap();
        fs::rename(path("keys.new"), path("keys")).unwrap();
    });
    listening.hears("written behind the new link", || {
        fs::write(path("two").join("key"), "2").unwrap();
    });
}

#[test]
fn reading_is_not_heard() {
    let directory = tempfile::tempdir().unwrap();
    let key = directory.path().join("key");
    fs::write(&key, "1").unwrap();
    let listening = Listening::to(key.clone());
    listening.hush();
    for _ in 0..10 {
        fs::read(&key).unwrap();
        fs::read_dir(directory.path()).unwrap().count();
    }
    let heard = listening.heard.recv_timeout(Duration::from_millis(500));
    assert!(heard.is_err(), "a reload would lead to the next one");
}

//! The files in `conf/`, as they are shipped.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

/// The text of a file, with these addresses in the place of its own.
#[track_caller]
pub(crate) fn text(file: &str, addresses: &[(&str, SocketAddr)]) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut text = fs::read_to_string(root.join("conf").join(file)).unwrap();
    for (shipped, ours) in addresses {
        assert!(text.contains(shipped), "{shipped} is in the file");
        text = text.replace(shipped, &ours.to_string());
    }
    text
}

/// Has the project's script make the keys.
#[track_caller]
pub(crate) fn make_keys(into: &Path) {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/conf-keys.sh");
    let made = Command::new(script).arg(into).status();
    assert!(made.unwrap().success(), "the keys are made");
}

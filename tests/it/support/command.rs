//! Commands of `imgate` that come to an end.

use std::path::Path;
use std::process::{Command, Output};

use super::gate::binary;

/// Runs `imgate` in a directory.
pub(crate) fn imgate(directory: &Path, arguments: &[&str]) -> Output {
    Command::new(binary())
        .args(arguments)
        .current_dir(directory)
        .output()
        .expect("it starts")
}

/// Both streams: where a line goes is not what these tests are about.
pub(crate) fn printed(output: &Output) -> String {
    let streams = [output.stdout.as_slice(), &output.stderr].concat();
    String::from_utf8(streams).expect("text")
}

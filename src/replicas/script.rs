//! The scripts that Redis runs, each as one step that nothing comes between.
//!
//! They are sent as texts and not by digest: Redis keeps them compiled either way, and a server that
//! has just been started needs no second attempt.

use ::redis::Cmd;

pub(super) const BEAT: &str = include_str!("scripts/beat.lua");
pub(super) const BURY: &str = include_str!("scripts/bury.lua");
pub(super) const PLACE: &str = include_str!("scripts/place.lua");
pub(super) const PUBLISH: &str = include_str!("scripts/publish.lua");
pub(super) const TELL: &str = include_str!("scripts/tell.lua");

/// The stream is cut to about so many entries. Whoever has missed more reads everything again.
pub(super) const LONGEST_STREAM: usize = 20_000;

pub(super) fn run(script: &str, keys: &[&str]) -> Cmd {
    let mut command = ::redis::cmd("EVAL");
    command.arg(script).arg(keys.len()).arg(keys);
    command
}

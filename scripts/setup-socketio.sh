#!/usr/bin/env bash
# Fetches what tests/socketio needs into target/socketio: Socket.IO's server and client from the npm
# registry. Versions and hashes are pinned.
#
# Safe to run at any time: what is there is checked, and only what is missing is fetched.
set -euo pipefail

cd "$(dirname "$0")/.."
lock=$PWD/tests/socketio/package-lock.json
into=$PWD/target/socketio

# The list is copied last: it says that all it names is there.
if ! cmp -s "$lock" "$into/package-lock.json"; then
  rm -rf "$into" "$into.new"
  mkdir -p "$into.new"
  node scripts/unpack-npm.js "$lock" "$into.new"
  cp "$lock" "$into.new/"
  mv "$into.new" "$into"
fi

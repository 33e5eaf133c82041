#!/usr/bin/env bash
# Fetches what tests/conformance needs into target/conformance: a WebSocket implementation from the
# npm registry, Autobahn's cases and their runner from PyPI. Versions and hashes are pinned.
#
# Safe to run at any time: what is there is checked, and only what is missing is fetched.
set -euo pipefail

cd "$(dirname "$0")/.."
tests=$PWD/tests/conformance
into=$PWD/target/conformance
mkdir -p "$into"

# The lists are copied last: they say that all they name is there.
if ! cmp -s "$tests/package-lock.json" "$into/peer/package-lock.json"; then
  rm -rf "$into/peer" "$into/peer.new"
  mkdir "$into/peer.new"
  node scripts/unpack-npm.js "$tests/package-lock.json" "$into/peer.new"
  cp "$tests/package-lock.json" "$into/peer.new/"
  mv "$into/peer.new" "$into/peer"
fi

if ! cmp -s "$tests/requirements.txt" "$into/suite/requirements.txt"; then
  rm -rf "$into/suite" "$into/suite.new"
  python3 -m pip install --quiet --root-user-action ignore --disable-pip-version-check \
    --no-deps --require-hashes --requirement "$tests/requirements.txt" --target "$into/suite.new"
  cp "$tests/requirements.txt" "$into/suite.new/"
  mv "$into/suite.new" "$into/suite"
fi

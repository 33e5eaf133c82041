#!/usr/bin/env bash
# Makes vectors.json beside it with jose, in the version of package-lock.json. Needs Node and npm.
set -euo pipefail
cd "$(dirname "$0")"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cp package.json package-lock.json generate.mjs "$work"
npm --prefix "$work" ci --silent --no-fund --no-audit
node "$work/generate.mjs"
cp "$work/vectors.json" .

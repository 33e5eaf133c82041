#!/usr/bin/env bash
# Runs the black-box tests ROUNDS times and stops at the first failure. Each round asks the servers
# of tests/paths for 10 000 paths of its own, holds 10 000 silent sessions, and sends a million bad
# tokens and 100 000 spoiled messages of each kind. The parsers get as many first.
set -euo pipefail

rounds=${1:?usage: soak.sh ROUNDS [test name filter]}
filter=${2:-}
cd "$(dirname "$0")/.."

IMGATE_TEST_MUTANTS=${IMGATE_TEST_MUTANTS:-100000} "${CARGO:-cargo}" test --locked --test parsers -- mutations
"${CARGO:-cargo}" test --locked --no-run --test it
for round in $(seq "$rounds"); do
  echo "soak: round $round of $rounds"
  IMGATE_PATHS=${IMGATE_PATHS:-10000} IMGATE_PATHS_SEED=$round \
    IMGATE_TEST_SESSIONS=${IMGATE_TEST_SESSIONS:-10000} \
    IMGATE_TEST_BAD_TOKENS=${IMGATE_TEST_BAD_TOKENS:-1000000} \
    IMGATE_TEST_MUTANTS=${IMGATE_TEST_MUTANTS:-100000} \
    "${CARGO:-cargo}" test --locked --quiet --test it -- ${filter:+"$filter"}
done
echo "soak: $rounds rounds passed"

#!/usr/bin/env bash
# Runs all tests. One that fails beside the hundreds of others, which share a machine that may be
# busy, is run once more alone, and named: what fails twice has failed, and what does not is a test
# to be mended. Where more than three fail there is no second time.
#
# usage: test.sh [arguments of cargo test]
set -euo pipefail
cd "$(dirname "$0")/.."

log=$(mktemp)
trap 'rm -f "$log"' EXIT

"${CARGO:-cargo}" test --locked --no-fail-fast "$@" 2>&1 | tee "$log" && exit 0

# Each with the program that it is in.
mapfile -t failed < <(awk '
  / Running .*\(.*\)$/ { program = $NF; gsub(/[()]/, "", program) }
  /^test .* \.\.\. FAILED$/ { print program, $2 }
' "$log")
# A program that did not come to its end, or was not even built, has no second time either.
ended=$(grep -c '^test result: FAILED' "$log" || true)
targets=$(sed -n 's/^error: \([0-9]*\) targets\? failed:$/\1/p' "$log")
if [ "${#failed[@]}" -eq 0 ] || [ "${#failed[@]}" -gt 3 ] || [ "$ended" != "$targets" ]; then
  echo "test: failed" >&2
  exit 1
fi
for entry in "${failed[@]}"; do
  read -r program name <<<"$entry"
  echo "test: $name once more, alone"
  "$program" --exact "$name" 2>&1 | tee "$log"
  grep -q '^test result: ok\. 1 passed' "$log"
done
printf 'test: passed only alone, to be mended: %s\n' "${failed[@]#* }"

#!/usr/bin/env bash
# Runs fuzz targets, all of them or the ones named: scripts/fuzz.sh [TARGET...]
#
# RUNS is the number of executions of each, SANITIZER one of cargo-fuzz's (none, address). What is
# missing is installed: a nightly toolchain and cargo-fuzz. New inputs go to target/fuzz/corpus, a
# failing one to tests/fuzz/artifacts; the seeds in tests/fuzz/corpus stay as they are.
set -euo pipefail
cd "$(dirname "$0")/.."

runs="${RUNS:-10000000}"
sanitizer="${SANITIZER:-none}"
target_dir="${FUZZ_TARGET_DIR:-target/fuzz}"
fuzz=tests/fuzz

command -v rustup >/dev/null 2>&1 || {
  echo "fuzz: rustup is missing: see https://rustup.rs" >&2
  exit 1
}
rustup toolchain list | grep -q '^nightly' || rustup toolchain install nightly --profile minimal
cargo fuzz --version >/dev/null 2>&1 || cargo install --locked cargo-fuzz

# The dependencies are fuzzed in the versions that are shipped.
[ -e "$fuzz/Cargo.lock" ] || cp Cargo.lock "$fuzz/Cargo.lock"

if [ "$#" -gt 0 ]; then
  targets=("$@")
else
  mapfile -t targets < <(cargo +nightly fuzz list --fuzz-dir "$fuzz")
fi

# Each target runs on its own seeds; the readers also on those of the parser they compare.
seeds_of() {
  case "$1" in
  head_request | request_readers) echo request_readers head_request ;;
  head_response | response_readers) echo response_readers head_response ;;
  body | body_readers) echo body ;;
  configuration) echo ../../config ../../../conf ;;
  *) echo "$1" ;;
  esac
}

cargo +nightly fuzz build --fuzz-dir "$fuzz" --target-dir "$target_dir" -s "$sanitizer"
for target in "${targets[@]}"; do
  echo "fuzz: $target, $runs runs"
  folders=("$target_dir/corpus/$target")
  mkdir -p "${folders[0]}"
  for seeds in $(seeds_of "$target"); do
    [ -d "$fuzz/corpus/$seeds" ] && folders+=("$fuzz/corpus/$seeds")
  done
  cargo +nightly fuzz run --fuzz-dir "$fuzz" --target-dir "$target_dir" -s "$sanitizer" \
    "$target" "${folders[@]}" -- \
    -runs="$runs" -max_len=1024 -dict="$fuzz/http.dict" -print_final_stats=1
done

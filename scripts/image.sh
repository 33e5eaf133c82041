#!/usr/bin/env bash
# Builds the images from this checkout, without downloading a base: a static binary by musl, and
# Containerfile.scratch around it.
#
# usage: image.sh [--binary-only] [imgate | imgate-injector]...
#   --binary-only   only the binaries, whose paths are printed
#   without a name  imgate
#
# IMAGE_REGISTRY (ghcr.io/imgate), IMAGE_TAG (the version) and IMAGE_PROFILE (release) may say otherwise. Storage is
# buildah's own: `buildah push IMAGE docker-archive:FILE` or `podman run IMAGE` go on from there.
set -euo pipefail

cd "$(dirname "$0")/.."
binary_only=
if [ "${1:-}" = --binary-only ]; then
  binary_only=yes
  shift
fi
names=("$@")
[ "$#" -gt 0 ] || names=(imgate)

target=$(uname -m)-unknown-linux-musl
target_directory=${CARGO_TARGET_DIR:-target}
profile=${IMAGE_PROFILE:-release}
version=$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n 1)
registry=${IMAGE_REGISTRY:-ghcr.io/imgate}
tag=${IMAGE_TAG:-$version}
revision=$(git rev-parse --short=12 HEAD 2>/dev/null || echo unknown)

# Kernels of arm64 have pages of up to 64 KiB; jemalloc would take those of this one.
export AARCH64_UNKNOWN_LINUX_MUSL_JEMALLOC_SYS_WITH_LG_PAGE=16

context=$(mktemp -d)
trap 'rm -rf "$context"' EXIT
cp /etc/ssl/certs/ca-certificates.crt "$context/"
echo 'nonroot:x:65532:65532:nonroot:/:/sbin/nologin' >"$context/passwd"
echo 'nonroot:x:65532:' >"$context/group"

for name in "${names[@]}"; do
  features=()
  [ "$name" = imgate ] || features=(--features injector)
  # Apart from each other: the gate shall have nothing of what the injector asks of their libraries.
  ${CARGO:-cargo} build --locked --profile "$profile" --target "$target" "${features[@]}" --bin "$name" >&2
  # The directory of the profile `dev` is called otherwise.
  binary=$target_directory/$target/${profile/#dev/debug}/$name
  if [ -n "$binary_only" ]; then
    echo "$binary"
    continue
  fi
  cp "$binary" "$context/"
  # chroot: a build that runs nothing needs no container, and no right to make one.
  buildah build --isolation chroot --layers=false --target "$name" \
    --build-arg VERSION="$version" --build-arg REVISION="$revision" \
    -f Containerfile.scratch -t "$registry/$name:$tag" "$context" >&2
  buildah images --format '{{.Name}}:{{.Tag}} {{.Size}}' "$registry/$name:$tag"
done

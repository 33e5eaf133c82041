#!/usr/bin/env bash
# Installs what `make image` needs and what is not there yet (Debian, Ubuntu): a C compiler for musl, Rust's
# library for it, and buildah.
#
# Safe to run at any time: with everything in place it touches nothing.
set -euo pipefail

missing=()
need() { # need COMMAND PACKAGE
  command -v "$1" >/dev/null 2>&1 || missing+=("$2")
}

need musl-gcc musl-tools
need cmake cmake
need buildah buildah
[ -e /etc/ssl/certs/ca-certificates.crt ] || missing+=(ca-certificates)

if [ "${#missing[@]}" -gt 0 ]; then
  as_root=()
  if [ "$(id -u)" -ne 0 ]; then
    command -v sudo >/dev/null 2>&1 || {
      echo "setup: missing ${missing[*]}, and neither root nor sudo is at hand" >&2
      exit 1
    }
    as_root=(sudo)
  fi
  command -v apt-get >/dev/null 2>&1 || {
    echo "setup: missing ${missing[*]}, and there is no apt-get: install them by hand" >&2
    exit 1
  }
  export DEBIAN_FRONTEND=noninteractive
  "${as_root[@]}" apt-get update -qq
  "${as_root[@]}" apt-get install -y -qq --no-install-recommends "${missing[@]}"
fi

target=$(uname -m)-unknown-linux-musl
if ! rustup target list --installed | grep -qx "$target"; then
  rustup target add "$target"
fi

#!/usr/bin/env bash
# Installs what the build and the tests need and what is not there yet (Debian, Ubuntu).
#
# usage: setup.sh [demo | bench]
#   demo   only what the demo needs
#   bench  what `make bench` needs
#
# Safe to run at any time: with everything in place it prints one line and touches nothing.
set -euo pipefail

missing=()
need() { # need COMMAND PACKAGE
  command -v "$1" >/dev/null 2>&1 || missing+=("$2")
}

need cmake cmake               # aws-lc-sys is built with it
need cc gcc
need make make
need redis-server redis-server # the tests talk to a real one
need openssl openssl           # makes the key pairs of tests and demo
need curl curl

if [ -z "${1:-}" ]; then
  # The servers that tests/paths compares the gate with; what is not Debian's comes below.
  PATH=$PATH:/usr/sbin need nginx nginx-light
  need node nodejs
  need "${CHROMIUM:-chromium}" chromium # tests/browser
  need javac default-jdk-headless
  # tests/conformance runs a suite in Python.
  need python3 python3
  need pip3 python3-pip
  if [ ! -e /etc/ssl/certs/ca-certificates.crt ]; then
    missing+=(ca-certificates)
  fi
fi
if [ "${1:-}" = bench ]; then
  PATH=$PATH:/usr/sbin # where Debian has servers, also for those who are not root
  need haproxy haproxy
  need nginx nginx-light
  need wrk wrk
  need taskset util-linux
  [ -e /usr/lib/nginx/modules/ngx_http_js_module.so ] || missing+=(libnginx-mod-http-js)
fi

if [ ! -e /usr/include/stdlib.h ]; then
  missing+=(libc6-dev)
fi

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
  # The packages start servers of their own, for which nobody has asked.
  for service in haproxy nginx; do
    if [ -d /run/systemd/system ] && [[ " ${missing[*]} " == *" $service"* ]]; then
      "${as_root[@]}" systemctl disable --quiet --now "$service" || true
    fi
  done
fi

# rustup reads rust-toolchain.toml by itself; only its absence has to be told.
command -v cargo >/dev/null 2>&1 || {
  echo "setup: cargo is missing: see https://rustup.rs" >&2
  exit 1
}

if [ -z "${1:-}" ]; then
  "$(dirname "$0")/setup-paths.sh"
  "$(dirname "$0")/setup-conformance.sh"
  "$(dirname "$0")/setup-socketio.sh"
fi

if [ "${#missing[@]}" -gt 0 ]; then
  echo "setup: installed ${missing[*]}"
else
  echo "setup: all there"
fi

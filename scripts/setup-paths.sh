#!/usr/bin/env bash
# Fetches the servers that tests/paths compares the gate with into target/paths: Express from the
# npm registry, Tomcat, Jetty and Spring from Maven Central. Versions and hashes are pinned.
#
# Safe to run at any time: what is there is checked, and only what is missing is fetched.
set -euo pipefail

cd "$(dirname "$0")/.."
tests=$PWD/tests/paths
into=$PWD/target/paths
mkdir -p "$into"

# The lock file is copied last: it says that all it names is there.
if ! cmp -s "$tests/express/package-lock.json" "$into/express/package-lock.json"; then
  rm -rf "$into/express" "$into/express.new"
  mkdir "$into/express.new"
  node scripts/unpack-npm.js "$tests/express/package-lock.json" "$into/express.new"
  cp "$tests/express/package-lock.json" "$into/express.new/"
  mv "$into/express.new" "$into/express"
fi

# `jars.sha256` has paths of Maven's layout; here every jar lies in one directory.
sums=$(sed 's,  .*/,  ,' "$tests/java/jars.sha256")
mkdir -p "$into/jars"
cd "$into/jars"
if ! sha256sum --check --status <<<"$sums" 2>/dev/null; then
  repository=${MAVEN_REPOSITORY:-https://repo1.maven.org/maven2}
  rm -f ./*.jar ./*.new
  while read -r _ path; do
    printf 'url = "%s/%s"\noutput = "%s.new"\n' "$repository" "$path" "${path##*/}"
  done <"$tests/java/jars.sha256" |
    curl --fail --no-progress-meter --location --retry 3 --parallel --config -
  for new in *.jar.new; do
    mv "$new" "${new%.new}"
  done
  sha256sum --check --quiet <<<"$sums"
fi

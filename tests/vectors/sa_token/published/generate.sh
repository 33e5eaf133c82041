#!/usr/bin/env bash
# Makes vectors.json beside it: tokens of the published libraries of Sa-Token, the version of the IM
# server (1.39) and a later one. Needs a JDK and Maven; what it fetches goes to a directory of its own.
set -euo pipefail
cd "$(dirname "$0")"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
lines=()
for version in 1.39.0 1.44.0; do
  cat >"$work/pom.xml" <<XML
<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>vectors</groupId><artifactId>vectors</artifactId><version>1</version>
  <dependencies>
    <dependency><groupId>cn.dev33</groupId><artifactId>sa-token-core</artifactId><version>$version</version></dependency>
    <dependency><groupId>cn.dev33</groupId><artifactId>sa-token-jwt</artifactId><version>$version</version></dependency>
  </dependencies>
</project>
XML
  mvn -q -B -f "$work/pom.xml" dependency:copy-dependencies -DoutputDirectory="$work/$version"
  while IFS= read -r line; do
    lines+=("$line")
  done < <(java -cp "$work/$version/*" Generate.java "$version" | grep '^{')
done
node -e '
  const [about, secret, ...lines] = process.argv.slice(1);
  const now_ms = Date.now();
  const cases = lines.map((line) => JSON.parse(line));
  process.stdout.write(JSON.stringify({ about, now_ms, secret, cases }, null, 1) + "\n");
' 'made by generate.sh out of published libraries; judged at `now_ms`' \
  'a-secret-of-these-vectors-and-of-nothing-else' "${lines[@]}" >vectors.json

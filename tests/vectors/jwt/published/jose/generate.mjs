#!/usr/bin/env node
// Makes vectors.json beside it: tokens of jose, the library of JWTs that most programs for Node use,
// with fresh keys that are thrown away. `npm ci` first; see generate.sh.

import { writeFileSync } from "node:fs";
import { SignJWT, exportJWK, exportSPKI, generateKeyPair } from "jose";

const NOW = 1750000000;
const SECRET = "a secret of these vectors, which is long enough for SHA-512: 64 bytes";
const ASYMMETRIC = ["EdDSA", "ES256", "ES384", "PS256", "PS384", "PS512", "RS256", "RS384", "RS512"];
const HMAC = ["HS256", "HS384", "HS512"];

const claims = { typ: "im_user", dev: "im_web", app_id: "shop" };
const make = (alg, key, change = (token) => token) =>
  change(
    new SignJWT(claims)
      .setProtectedHeader({ alg, kid: alg, typ: "JWT" })
      .setIssuer("https://id.example.com")
      .setAudience(["im", "shop"])
      .setSubject("7")
      .setIssuedAt(NOW - 60)
      .setExpirationTime(NOW + 3600),
  ).sign(key);

const public_keys = {};
const jwks = {};
const cases = [];
for (const alg of [...ASYMMETRIC, ...HMAC]) {
  let key = new TextEncoder().encode(SECRET);
  let other = new TextEncoder().encode(`${SECRET}!`);
  if (ASYMMETRIC.includes(alg)) {
    const pair = await generateKeyPair(alg, { extractable: true });
    key = pair.privateKey;
    public_keys[alg] = await exportSPKI(pair.publicKey);
    jwks[alg] = await exportJWK(pair.publicKey);
    other = (await generateKeyPair(alg)).privateKey;
  }
  cases.push({ case: alg, expected: "ok", token: await make(alg, key) });
  cases.push({ case: `${alg}, another key`, expected: "bad_signature", token: await make(alg, other) });
  const ended = (token) => token.setExpirationTime(NOW - 1);
  cases.push({ case: `${alg}, ended`, expected: "expired", token: await make(alg, key, ended) });
  const early = (token) => token.setNotBefore(NOW + 3000);
  cases.push({ case: `${alg}, too early`, expected: "not_yet_valid", token: await make(alg, key, early) });
}
const about = "made by generate.mjs with jose from the npm registry; judged at `now`";
const out = { about, now: NOW, secret: SECRET, public_keys, jwks, cases };
writeFileSync(new URL("vectors.json", import.meta.url), `${JSON.stringify(out, null, 1)}\n`);

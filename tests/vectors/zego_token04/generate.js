#!/usr/bin/env node
// Makes vectors.json: Token04 of ZEGO as its generators make them, in both modes and in the order of
// keys of each language, and bad ones. An implementation of its own, on Node's crypto alone; the secret
// is made up. Run it from anywhere: ./generate.js
"use strict";

const { createCipheriv, createHash } = require("node:crypto");
const { writeFileSync } = require("node:fs");
const { join } = require("node:path");

const NOW = 1750000000;
const MADE = NOW - 100;
const EXPIRE = MADE + 3600;
const APP_ID = 1234567890;
const SECRET = "0f8c2e94b7a35d61c0f8e2b49a7d3651";
const GCM = 1;

// The order in which each of the generators writes the keys.
const ORDERS = {
  "Node, Python, PHP, C++": ["app_id", "user_id", "nonce", "ctime", "expire", "payload"],
  Go: ["app_id", "user_id", "ctime", "expire", "nonce", "payload"],
  Java: ["user_id", "payload", "expire", "ctime", "app_id", "nonce"],
  ".NET": ["app_id", "user_id", "payload", "ctime", "expire", "nonce"],
};
const CLAIMS = { app_id: APP_ID, user_id: "demo", nonce: 626114709, ctime: MADE, expire: EXPIRE, payload: "" };
const PAYLOAD = JSON.stringify({ room_id: "room", privilege: { 1: 1, 2: 0 }, stream_id_list: null });

const json = (claims, order = ORDERS.Go) =>
  `{${order.map((key) => `${JSON.stringify(key)}:${JSON.stringify(claims[key])}`).join(",")}}`;

// The same in every run: a nonce is to be used once, but these secrets open nothing.
let made = 0;
const random = (count) => createHash("sha256").update(`iv ${made++}`).digest().subarray(0, count);

function blob(expire, iv, ciphertext, rest) {
  const head = Buffer.alloc(10);
  head.writeBigInt64BE(BigInt(expire), 0);
  head.writeUInt16BE(iv.length, 8);
  const length = Buffer.alloc(2);
  length.writeUInt16BE(ciphertext.length, 0);
  return Buffer.concat([head, iv, length, ciphertext, Buffer.from(rest)]);
}

function gcmBlob(text, { expire = EXPIRE, secret = SECRET, rest = [GCM] } = {}) {
  const iv = random(12);
  const cipher = createCipheriv("aes-256-gcm", secret, iv);
  const sealed = Buffer.concat([cipher.update(text, "utf8"), cipher.final(), cipher.getAuthTag()]);
  return blob(expire, iv, sealed, rest);
}

function cbcBlob(text, { expire = EXPIRE, secret = SECRET, rest = [] } = {}) {
  const iv = random(16);
  const cipher = createCipheriv("aes-256-cbc", secret, iv);
  return blob(expire, iv, Buffer.concat([cipher.update(text, "utf8"), cipher.final()]), rest);
}

const written = (bytes) => `04${bytes.toString("base64")}`;
const MODES = { gcm: (text, options) => written(gcmBlob(text, options)), cbc: (text, options) => written(cbcBlob(text, options)) };

const cases = [];
const both = (name, subject, text, options) => {
  for (const [mode, make] of Object.entries(MODES)) {
    cases.push({ case: `${mode}: ${name}`, mode, subject, token: make(text, options) });
  }
};
const bad = (name, token) => cases.push({ case: name, mode: "gcm", subject: null, token });
const but = (changes) => json({ ...CLAIMS, ...changes });

for (const [language, order] of Object.entries(ORDERS)) {
  both(`order of ${language}`, "demo", json(CLAIMS, order));
  both(`order of ${language}, with a payload`, "demo", json({ ...CLAIMS, payload: PAYLOAD, nonce: -5 }, order));
}
both("a user beyond ASCII", "用户-1", but({ user_id: "用户-1" }));
both("the longest user", "u".repeat(64), but({ user_id: "u".repeat(64) }));
both("24 days", "demo", but({ ctime: EXPIRE - 2073600 }));
both("a clock that is a minute ahead", "demo", but({ ctime: NOW + 60 }));
both("one second left", "demo", but({ expire: NOW + 1 }), { expire: NOW + 1 });
cases.push({ case: "cbc: with its mode said", mode: "cbc", subject: "demo", token: MODES.cbc(json(CLAIMS), { rest: [0] }) });

both("ended", null, but({ expire: NOW }), { expire: NOW });
both("made later", null, but({ ctime: NOW + 61 }));
both("24 days and a second", null, but({ ctime: EXPIRE - 2073601 }));
both("made after its end", null, but({ ctime: EXPIRE }));
both("an end outside that is later", null, json(CLAIMS), { expire: EXPIRE + 1 });
both("ended inside, not outside", null, but({ expire: NOW - 1 }));
both("another app", null, but({ app_id: APP_ID + 1 }));
both("an app as a text", null, but({ app_id: String(APP_ID) }));
both("no user", null, but({ user_id: "" }));
both("too long a user", null, but({ user_id: "u".repeat(65) }));
both("a user with a control character", null, but({ user_id: "a\nb" }));
both("a user that is a number", null, but({ user_id: 7 }));
both("times as texts", null, but({ ctime: String(MADE), expire: String(EXPIRE) }));
both("a time with a fraction", null, json(CLAIMS).replace(`${MADE}`, `${MADE}.0`));
both("a user twice", null, json(CLAIMS).replace("{", '{"user_id":"root",'));
both("a payload that is an object", null, but({ payload: {} }));
both("no JSON", null, "user_id=demo");
both("another secret", null, json(CLAIMS), { secret: "1".repeat(32) });
both("the secret decoded", null, json(CLAIMS), { secret: Buffer.concat([Buffer.from(SECRET, "hex"), Buffer.alloc(16)]) });

const sealed = gcmBlob(json(CLAIMS));
const flipped = (position) => {
  const bytes = Buffer.from(sealed);
  bytes[(position + bytes.length) % bytes.length] ^= 1;
  return written(bytes);
};
bad("the end outside changed", flipped(7));
bad("the iv changed", flipped(12));
bad("the ciphertext changed", flipped(40));
bad("the tag changed", flipped(-2));
bad("the mode changed to the older", flipped(-1));
bad("an unknown mode", written(gcmBlob(json(CLAIMS), { rest: [2] })));
bad("no mode", written(gcmBlob(json(CLAIMS), { rest: [] })));
bad("a byte behind the mode", written(gcmBlob(json(CLAIMS), { rest: [GCM, 0] })));
bad("the older mode called the newer", written(cbcBlob(json(CLAIMS), { rest: [GCM] })));
bad("cut", written(sealed.subarray(0, 40)));
bad("another version", written(sealed).replace("04", "03"));
bad("no version", written(sealed).slice(2));
bad("URL-safe", `04${gcmBlob(but({ payload: PAYLOAD })).toString("base64url")}`);

// What turns `demo` into `root` without the secret, where nothing is authenticated (see the shared
// vectors): here the order keeps the user out of the first block, and the app is broken instead.
const old = cbcBlob(json(CLAIMS, ORDERS.Go));
old[10 + 12] ^= 1;
cases.push({ case: "cbc: a changed iv", mode: "cbc", subject: null, token: written(old) });

const out = {
  about: "made by generate.js; every token is judged at `now`. Those of mode cbc count only if that is allowed",
  now: NOW,
  app_id: APP_ID,
  server_secret: SECRET,
  cases,
};
writeFileSync(join(__dirname, "vectors.json"), `${JSON.stringify(out, null, 1)}\n`);

#!/usr/bin/env node
// Makes vectors.json: dynamic tokens of Easemob, in every way in which its own generators write them,
// and what can be made out of a good one. An implementation of its own, on Node's crypto alone; no
// secret is anybody's. Run it from anywhere: ./generate.js
"use strict";

const { createHash } = require("node:crypto");
const { writeFileSync } = require("node:fs");
const { join } = require("node:path");

const NOW = 1795181900;
const ISSUED = 1795181805;
const APP = "easemob-demo#testapp";
const CLIENT_ID = "YXA6-made-up-client-id";
const CLIENT_SECRET = "YXA6-made-up-client-secret";
const TTLS = [600, 900];

const sign = (user, curTime, ttl, { app = APP, id = CLIENT_ID, secret = CLIENT_SECRET } = {}) =>
  createHash("sha256").update(`${id}${app}${user}${curTime}${ttl}${secret}`).digest("hex");

const standard = (text) => Buffer.from(text).toString("base64");
const urlSafe = (text) => standard(text).replaceAll("+", "-").replaceAll("/", "_");
const DIALECTS = {
  "standard, padded": standard,
  "standard, not padded": (text) => standard(text).replaceAll("=", ""),
  "URL-safe, padded": urlSafe,
  "URL-safe, not padded": (text) => urlSafe(text).replaceAll("=", ""),
};
const ORDERS = {
  "documented order": ["signature", "appkey", "userId", "curTime", "ttl"],
  "order of a Java map": ["curTime", "signature", "appkey", "ttl", "userId"],
  "reversed order": ["ttl", "curTime", "userId", "appkey", "signature"],
};

const fields = (user, curTime, ttl, with_) => ({
  signature: sign(user, curTime, ttl, with_),
  appkey: with_?.app ?? APP,
  userId: user,
  curTime,
  ttl,
});
const json = (object, order = ORDERS["documented order"]) =>
  `{${order.map((key) => `${JSON.stringify(key)}:${JSON.stringify(object[key])}`).join(",")}}`;
const token = (object) => urlSafe(`dt-${json(object)}`);
const raw = (text) => urlSafe(`dt-${text}`);

const cases = [];
const good = (name, user, made) => cases.push({ case: name, expected: "ok", subject: user, token: made });
const bad = (name, expected, made) => cases.push({ case: name, expected, token: made });

for (const [dialect, encode] of Object.entries(DIALECTS)) {
  for (const [order, keys] of Object.entries(ORDERS)) {
    // Three lengths, so that there is every kind of padding.
    for (const user of ["bob1795", "bob17", "b.o-b_1"]) {
      good(`${dialect}, ${order}, ${user}`, user, encode(`dt-${json(fields(user, ISSUED, 600), keys)}`));
    }
  }
}
good("the other ttl", "bob", token(fields("bob", ISSUED, 900)));
good("one second left", "bob", token(fields("bob", NOW - 599, 600)));
good("a clock that is a minute ahead", "bob", token(fields("bob", NOW + 60, 600)));
good("the longest user", "u".repeat(64), token(fields("u".repeat(64), ISSUED, 600)));
good("blanks in the JSON", "bob", raw(JSON.stringify(fields("bob", ISSUED, 600), null, 2)));

// What follows from one genuine token of bob1795: its signature fits other divisions of its text.
const genuine = sign("bob1795", ISSUED, 600);
const forged = (userId, curTime, ttl) =>
  token({ signature: genuine, appkey: APP, userId, curTime, ttl });
bad("bob for twenty days", "malformed", forged("bob", 1795179518, 1805600));
bad("bob179 for ever", "malformed", forged("bob179", 51795181805, 600));
bad("a time of nine digits", "malformed", forged("bob1795", 179518180, 5600));
bad("bob1795 again, with another time", "bad_signature", forged("bob1795", ISSUED + 1, 600));
bad("another user", "bad_signature", forged("alice", ISSUED, 600));

bad("expired", "expired", token(fields("bob", NOW - 600, 600)));
bad("made later", "not_yet_valid", token(fields("bob", NOW + 61, 600)));
bad("a ttl of the same length that is not accepted", "malformed", token(fields("bob", ISSUED, 601)));
bad("a longer ttl, signed", "malformed", token(fields("bob", ISSUED, 60000)));
bad("no ttl at all", "malformed", token(fields("bob", ISSUED, 0)));
bad("a negative ttl", "malformed", token(fields("bob", ISSUED, -600)));
bad("milliseconds", "malformed", token(fields("bob", ISSUED * 1000, 600)));
bad("numbers as texts", "malformed", token(fields("bob", String(ISSUED), "600")));
bad("a fraction", "malformed", raw(json(fields("bob", ISSUED, 600)).replace(":600}", ":600.0}")));
bad("an exponent", "malformed", raw(json(fields("bob", ISSUED, 600)).replace(":600}", ":6e2}")));
bad("a key twice", "malformed", raw(json(fields("bob", ISSUED, 600)).replace("}", ',"ttl":600}')));
bad("another key", "malformed", raw(json(fields("bob", ISSUED, 600)).replace("}", ',"USERID":"root"}')));
bad("a user with a capital", "malformed", token(fields("Bob", ISSUED, 600)));
bad("a user with a blank", "malformed", token(fields("bob ", ISSUED, 600)));
bad("no user", "malformed", token(fields("", ISSUED, 600)));
bad("too long a user", "malformed", token(fields("u".repeat(65), ISSUED, 600)));
bad("another app", "wrong_app", token(fields("bob", ISSUED, 600, { app: "easemob-demo#other" })));
// The mistake of one of Easemob's own libraries, which swaps its arguments.
bad("the secret in the place of the app key", "wrong_app",
  token(fields("bob", ISSUED, 600, { app: CLIENT_SECRET, secret: APP })));
bad("another secret", "bad_signature", token(fields("bob", ISSUED, 600, { secret: "x" })));
bad("another client id", "bad_signature", token(fields("bob", ISSUED, 600, { id: "x" })));
const object = fields("bob", ISSUED, 600);
bad("a signature in capitals", "malformed", token({ ...object, signature: object.signature.toUpperCase() }));
bad("a short signature", "malformed", token({ ...object, signature: object.signature.slice(1) }));
bad("HMAC where a hash belongs", "bad_signature", token({
  ...object,
  signature: require("node:crypto").createHmac("sha256", CLIENT_SECRET)
    .update(`${CLIENT_ID}${APP}bob${ISSUED}600`).digest("hex"),
}));
bad("another kind of token", "malformed", urlSafe(`at-${json(object)}`));
bad("the kind outside", "malformed", `dt-${urlSafe(json(object))}`);
bad("half of the padding", "malformed", token(fields("bob17", ISSUED, 600)).replace("==", "="));

const out = {
  about: "made by generate.js; every token is judged at `now`",
  now: NOW,
  app_key: APP,
  client_id: CLIENT_ID,
  client_secret: CLIENT_SECRET,
  ttls: TTLS,
  cases,
};
writeFileSync(join(__dirname, "vectors.json"), `${JSON.stringify(out, null, 1)}\n`);

// Makes vectors.json: tokens as GetStream's server SDK for Node makes them, with the same library.
//
//   npm ci --ignore-scripts && npm run --silent generate
"use strict";

const jwt = require("jsonwebtoken");

const secret = "a test secret of 37 bytes, not a real";
const issued = 1_750_000_000;
const far = 4_102_444_800;

// As `JWTUserToken` and `JWTServerToken` of stream-chat have it.
const user = (claims, options) =>
  jwt.sign(claims, secret, { algorithm: "HS256", noTimestamp: true, ...options });

const vectors = {
  about: "made by generate.js; what holds does so until 2100-01-01",
  secret,
  good: {
    "john": user({ user_id: "john", exp: far, iat: issued }),
    "tommaso-42": user({ user_id: "tommaso-42", exp: far }),
  },
  bad: {
    "expired": user({ user_id: "john", exp: issued }),
    "without an end": user({ user_id: "john" }),
    "of a server": user({ server: true, exp: far }),
    "not valid yet": user({ user_id: "john", exp: far, nbf: far - 1 }),
    "another secret": jwt.sign({ user_id: "john", exp: far }, "another secret of 37 bytes, not a rea"),
    "another hash": user({ user_id: "john", exp: far }, { algorithm: "HS384" }),
    "not signed": jwt.sign({ user_id: "john", exp: far }, "", { algorithm: "none" }),
    "a list of users": user({ user_id: ["john"], exp: far }),
  },
};

process.stdout.write(`${JSON.stringify(vectors, null, 1)}\n`);

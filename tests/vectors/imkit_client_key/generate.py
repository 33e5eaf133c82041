#!/usr/bin/env python3
"""Makes vectors.json: client keys of IMKIT, signed with a secret that a test knows, and what becomes of
each where the key of that secret has to be of one client. The first is IMKIT's documented sample,
whose secret nobody knows."""

import base64
import hashlib
import hmac
import json
import pathlib

SECRET = b"a secret of the tests, long enough"
CLIENT = "2b3bd5cc-4a86-4a40-a154-16404014da88"
API_KEY = base64.b64encode(bytes(range(32))).decode()
SAMPLE = (
    "eyJ0eXAiOiJKV1QiLCJhbGciOiJIUzI1NiJ9."
    "eyJhcGlLZXkiOiIySllwWWhEYVFsSVFsRFN2VkxDTExvMk1QekZmVm05allweHcydnVCcm1rPSIsImNyZWF0ZUF0IjoxNTkxOTcyNTc2"
    "NDE0LCJjbGllbnRJZCI6IjJiM2JkNWNjLTRhODYtNGE0MC1hMTU0LTE2NDA0MDE0ZGE4OCJ9."
    "bdIWOcPfDrNuLRszgtrQDaQiow_X-WolzjDhtiLEED8"
)


def b64(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def sign(payload, secret=SECRET, header='{"typ":"JWT","alg":"HS256"}', digest=hashlib.sha256):
    message = f"{b64(header.encode())}.{b64(payload.encode())}"
    return f"{message}.{b64(hmac.new(secret, message.encode(), digest).digest())}"


def claims(**changes):
    members = {"apiKey": API_KEY, "createAt": 1591972576414, "clientId": CLIENT} | changes
    kept = {name: value for name, value in members.items() if value is not ...}
    return json.dumps(kept, separators=(",", ":"))


GOOD = sign(claims())
HEADER, PAYLOAD, SIGNATURE = GOOD.split(".")
CASES = [
    ("IMKIT's sample", SAMPLE, "bad_signature"),
    ("good", GOOD, "good"),
    ("without createAt", sign(claims(createAt=...)), "good"),
    ("without apiKey", sign(claims(apiKey=...)), "good"),
    ("with more claims", sign(claims(extra=[1, 2])), "good"),
    ("another client", sign(claims(clientId="another")), "wrong_app"),
    ("no client", sign(claims(clientId=...)), "wrong_app"),
    ("a client that is a number", sign(claims(clientId=7)), "wrong_app"),
    ("a client that is a list", sign(claims(clientId=[CLIENT])), "malformed"),
    ("a time that is a text", sign(claims(createAt="1591972576414")), "malformed"),
    ("a time with a fraction", sign(claims(createAt=1591972576414.5)), "malformed"),
    ("an end that has come", sign(claims(exp=1600000000)), "expired"),
    ("an end to come", sign(claims(exp=4000000000)), "good"),
    ("an end that is a text", sign(claims(exp="4000000000")), "malformed"),
    ("a beginning to come", sign(claims(nbf=4000000000)), "not_yet_valid"),
    ("a duplicate name", sign('{"clientId":"x",' + claims()[1:]), "malformed"),
    ("no object", sign('["a"]'), "malformed"),
    ("no JSON", sign("{"), "malformed"),
    ("another secret", sign(claims(), secret=b"another secret, just as long as it"), "bad_signature"),
    ("HS512", sign(claims(), header='{"typ":"JWT","alg":"HS512"}', digest=hashlib.sha512), "wrong_algorithm"),
    ("none", f'{b64(b"""{"alg":"none"}""")}.{PAYLOAD}.', "wrong_algorithm"),
    ("none, signed", sign(claims(), header='{"typ":"JWT","alg":"none"}'), "wrong_algorithm"),
    ("hs256", sign(claims(), header='{"typ":"JWT","alg":"hs256"}'), "wrong_algorithm"),
    ("no algorithm", sign(claims(), header='{"typ":"JWT"}'), "malformed"),
    ("crit", sign(claims(), header='{"alg":"HS256","crit":["x"],"x":1}'), "malformed"),
    ("without its signature", f"{HEADER}.{PAYLOAD}.", "bad_signature"),
    ("half its signature", f"{HEADER}.{PAYLOAD}.{SIGNATURE[:22]}", "malformed"),
    ("padded", GOOD + "=", "unknown_key"),
    ("a blank behind it", GOOD + " ", "unknown_key"),
    ("two parts", f"{HEADER}.{PAYLOAD}", "unknown_key"),
    ("a word", "client-key", "unknown_key"),
    ("base64", base64.b64encode(bytes(range(32))).decode(), "unknown_key"),
]
OUT = {
    "secret": SECRET.decode(),
    "client_id": CLIENT,
    "now_ms": 1700000000000,
    "cases": [{"name": name, "key": key, "outcome": outcome} for name, key, outcome in CASES],
}
pathlib.Path(__file__).with_name("vectors.json").write_text(json.dumps(OUT, indent=1) + "\n")

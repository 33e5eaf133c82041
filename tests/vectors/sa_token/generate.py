#!/usr/bin/env python3
"""Makes vectors.json: tokens as Sa-Token 1.39 to 1.42 issues them through hutool, and bad ones.

The claims stand in the order in which `SaJwtTemplate.createToken` puts them (dromara/sa-token,
sa-token-plugin/sa-token-jwt). The secret is the one that RuoYi ships and everybody knows.
"""

import base64
import hashlib
import hmac
import json
import pathlib

NOW_MS = 1_750_000_000_000
FAR_MS = 4_102_444_800_000  # 2100-01-01
SECRET = b"abcdefghijklmnopqrstuvwxyz"
OLD_SECRET = b"the secret before the last rotation"
HEADER = '{"typ":"JWT","alg":"HS256"}'
RANDOM = "0123456789abcdefghijklmnopqrstuv"


def b64(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def token(claims, header=HEADER, secret=SECRET, digest=hashlib.sha256):
    claims = claims if isinstance(claims, str) else json.dumps(claims, separators=(",", ":"), ensure_ascii=False)
    message = f"{b64(header.encode())}.{b64(claims.encode())}"
    if secret is None:
        return f"{message}."
    return f"{message}.{b64(hmac.new(secret, message.encode(), digest).digest())}"


def simple(**changes):
    claims = {"loginType": "login", "loginId": "im_user:7", "rnStr": RANDOM, "userId": 7, **changes}
    return {k: v for k, v in claims.items() if v is not None}


def mixin(device="deviceType", eff=FAR_MS, **changes):
    claims = {"loginType": "login", "loginId": "im_user:7", device: "im_web", "eff": eff,
              "rnStr": RANDOM, "userId": 7, **changes}
    return {k: v for k, v in claims.items() if v is not None}


CASES = []


def case(what, expected, made, **principal):
    CASES.append({"case": what, "expected": expected, "token": made, **principal})


SNOWFLAKE = {"loginType": "login", "loginId": "im_user:398120364340178",
             "rnStr": "iAjBHP3OQWmYBIfKLXx0Aa6cvgGofHJx", "userId": 398120364340178, "userName": "demo"}
case("simple mode, IM user", "ok", token(SNOWFLAKE), subject="398120364340178", user_type="im_user")
case("mixin mode, deviceType", "ok", token(mixin()), subject="7", user_type="im_user", device_type="im_web", not_after=FAR_MS)
case("mixin mode, device (up to 1.39)", "ok", token(mixin(device="device")), subject="7", user_type="im_user", device_type="im_web", not_after=FAR_MS)
case("mixin mode, for ever", "ok", token(mixin(eff=-1)), subject="7", user_type="im_user", device_type="im_web")
case("both spellings of the device, agreeing", "ok", token(mixin() | {"device": "im_web"}), subject="7", user_type="im_user", device_type="im_web", not_after=FAR_MS)
case("another user type: proven, refused later", "ok", token(simple(loginId="im_api_user:7")), subject="7", user_type="im_api_user")
case("an id with the separator in it", "ok", token(simple(loginId="im_user:a:b", userId=None)), subject="a:b", user_type="im_user")
case("an id that is a name, with its userId as text", "ok", token(simple(loginId="im_user:alice", userId="alice")), subject="alice", user_type="im_user")
case("no userId", "ok", token(simple(userId=None)), subject="7", user_type="im_user")
case("the secret before the last rotation", "ok", token(simple(), secret=OLD_SECRET), subject="7", user_type="im_user")
case("admin user interface, all claims", "ok", token(simple(loginId="sys_user:1", userId=1, tenantId="000000", userName="admin", deptId=103, deptName="研发部门", deptCategory="", clientid="e5cd7e4891bf95d1d19206ce24a7b32e")), subject="1", user_type="sys_user")

case("expired", "expired", token(mixin(eff=1_700_000_000_000)))
case("expired this moment", "expired", token(mixin(eff=NOW_MS)))
case("one millisecond left", "ok", token(mixin(eff=NOW_MS + 1)), subject="7", user_type="im_user", device_type="im_web", not_after=NOW_MS + 1)
case("a device but no eff: counts as expired", "expired", token(mixin(eff=None)))
case("an old device but no eff", "expired", token(mixin(device="device", eff=None)))
case("eff of zero", "expired", token(mixin(eff=0)))
case("eff below never", "expired", token(mixin(eff=-2)))
case("eff as text", "malformed", token(mixin(eff=str(FAR_MS))))
case("eff as a fraction", "malformed", token(mixin(eff=FAR_MS + 0.5)))
case("eff beyond all integers", "malformed", token(mixin(eff=2**64)))
case("eff as a boolean", "malformed", token(mixin(eff=True)))
case("exp in the past, though Sa-Token sets none", "expired", token(simple(exp=NOW_MS // 1000 - 1)))

case("alg none", "wrong_algorithm", token(simple(), header='{"typ":"JWT","alg":"none"}', secret=None))
case("alg none with a good HMAC", "wrong_algorithm", token(simple(), header='{"typ":"JWT","alg":"none"}'))
case("HS512", "wrong_algorithm", token(simple(), header='{"typ":"JWT","alg":"HS512"}', digest=hashlib.sha512))
case("hs256 in lower case", "wrong_algorithm", token(simple(), header='{"typ":"JWT","alg":"hs256"}'))
case("critical parameters", "malformed", token(simple(), header='{"alg":"HS256","crit":["x"],"x":1}'))
case("algorithm twice", "malformed", token(simple(), header='{"alg":"HS256","alg":"HS256"}'))
case("no signature", "bad_signature", token(simple(), secret=None))
case("an unknown secret", "bad_signature", token(simple(), secret=b"another"))
case("an empty secret", "bad_signature", token(simple(), secret=b""))
case("loginId twice", "malformed", token(json.dumps(simple())[:-1] + ',"loginId":"im_user:8"}'))
case("another login type", "wrong_principal", token(simple(loginType="admin")))
case("no login type", "malformed", token(simple(loginType=None)))
case("a login type that is no text", "malformed", token(simple(loginType=1)))
case("userId of somebody else", "wrong_principal", token(simple(userId=8)))
case("userId as a fraction", "malformed", token(simple(userId=7.0)))
case("userId as other text", "wrong_principal", token(simple(userId="07")))
case("an id that only looks like the userId", "wrong_principal", token(simple(loginId="im_user:07")))
case("userId as a list", "malformed", token(simple(userId=[7])))
case("no loginId", "malformed", token(simple(loginId=None)))
case("a loginId that is a number", "malformed", token(simple(loginId=7)))
case("a loginId without type", "malformed", token(simple(loginId="7")))
case("a loginId with an empty type", "malformed", token(simple(loginId=":7")))
case("a loginId with an empty id", "malformed", token(simple(loginId="im_user:")))
case("a loginId with a line break", "malformed", token(simple(loginId="im_user:7\r\nX: 1", userId=None)))
case("a device with a control character", "malformed", token(mixin() | {"deviceType": "im\u0000web"}))
case("a device that is no text", "malformed", token(mixin() | {"deviceType": ["im_web"]}))
case("two devices that differ", "malformed", token(mixin() | {"device": "im_pc_win"}))
case("a padded token", "malformed", token(simple()) + "=")
case("with its prefix", "malformed", "Bearer " + token(simple()))

OUT = {
    "about": "made by generate.py; every token is judged at `now_ms`",
    "now_ms": NOW_MS,
    "secret": SECRET.decode(),
    "old_secret": OLD_SECRET.decode(),
    "cases": CASES,
}
pathlib.Path(__file__).with_name("vectors.json").write_text(json.dumps(OUT, indent=1, ensure_ascii=False) + "\n")

#!/usr/bin/env python3
"""Makes vectors.json: Easemob tokens of the layout that its documentation's samples have.

Python's own uuid, struct and base64 do the work, so that nothing is checked against itself.
"""

import base64
import hashlib
import json
import struct
import uuid

GREGORIAN = 12_219_292_800_000
NO_APP = uuid.UUID("00000000-0000-0000-0000-000000000001")
APP = uuid.UUID("8be024f0-e978-11e8-b697-5d598d5f8402")
USER = uuid.UUID("aa471ee0-4cfc-11ec-ace5-f90ff121234e")


def own(millis, rest=1234, of=1, variant=0x80):
    """A UUID of version 1 of that millisecond."""
    ticks = (millis + GREGORIAN) * 10_000 + rest
    high = ticks >> 48 & 0x0FFF | of << 12
    return struct.pack(">IHHBB6s", ticks & 0xFFFFFFFF, ticks >> 32 & 0xFFFF, high, variant | 0x11, 0x22, b"\x33" * 6)


def token(millis=1_750_000_000_000, application=APP, entity=USER, kind=3, version=3, ttl=600, issued=None, head=b"ac-", **how):
    body = head + own(millis, **how) + application.bytes + entity.bytes + bytes([kind, version])
    body += struct.pack(">qI", millis if issued is None else issued, ttl)
    body += hashlib.sha256(body).digest()
    return base64.urlsafe_b64encode(body).decode().rstrip("=")


def case(name, text, kind=None, application=None, entity=None, issued=None, ttl=None):
    read = None
    if kind:
        read = {"kind": kind, "application": application and str(application), "entity": str(entity), "issued": issued, "ttl": ttl}
    return {"case": name, "token": text, "read": read}


NOW = 1_750_000_000_000
CASES = [
    case("a user's", token(), "user", APP, USER, NOW, 600),
    case("a user's, for ever", token(ttl=0), "user", APP, USER, NOW, 0),
    case("a user's, for the longest time", token(ttl=2**32 - 1), "user", APP, USER, NOW, 2**32 - 1),
    case("an app's", token(application=NO_APP, entity=APP, kind=2), "app", None, APP, NOW, 600),
    case("of the first millisecond", token(millis=0), "user", APP, USER, 0, 600),
    case("of the end of a millisecond", token(rest=9_999), "user", APP, USER, NOW, 600),
    case("of another variant bit", token(variant=0xA0), "user", APP, USER, NOW, 600),
    case("another category", token(head=b"rt-")),
    case("an organization's", token(kind=0)),
    case("an administrator's", token(kind=1)),
    case("a device's", token(kind=4)),
    case("a user's without an application", token(application=NO_APP)),
    case("an app's with an application", token(kind=2)),
    case("another version", token(version=4)),
    case("issued a millisecond later than its UUID", token(issued=NOW + 1)),
    case("issued a millisecond earlier than its UUID", token(issued=NOW - 1)),
    case("a UUID of version 4", token(of=4)),
    case("without its last character", token()[:-1]),
    case("a UUID of Microsoft's variant", token(variant=0xC0)),
    case("padded", token() + "=="),
    case("the standard alphabet", token().replace("-", "+").replace("_", "/") if set("-_") & set(token()) else token() + "+"),
    case("of Usergrid", base64.urlsafe_b64encode(b"ac-" + own(NOW) + struct.pack(">q", NOW) + bytes(20)).decode().rstrip("=")),
]

if __name__ == "__main__":
    with open("vectors.json", "w", encoding="utf-8") as file:
        json.dump({"cases": CASES}, file, indent=1, ensure_ascii=False)
        file.write("\n")

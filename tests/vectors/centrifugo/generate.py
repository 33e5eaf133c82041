#!/usr/bin/env python3
"""Makes vectors.json: connection tokens as Centrifugo's documentation makes them, with PyJWT.

    pip install PyJWT==2.10.1 && ./generate.py
"""

import json
import pathlib

import jwt

SECRET = "a test secret of 37 bytes, not a real"
ISSUED = 1_750_000_000
FAR = 4_102_444_800  # 2100-01-01


def sign(claims, secret=SECRET, algorithm="HS256"):
    return jwt.encode(claims, secret, algorithm=algorithm)


vectors = {
    "about": "made by generate.py; what holds does so until 2100-01-01",
    "secret": SECRET,
    "good": {
        "42": sign({"sub": "42", "exp": FAR, "iat": ISSUED}),
        "alice": sign({"sub": "alice", "exp": FAR, "info": {"name": "Alice"}, "channels": ["news"]}),
    },
    "bad": {
        "expired": sign({"sub": "42", "exp": ISSUED}),
        "without an end": sign({"sub": "42"}),
        "anonymous": sign({"sub": "", "exp": FAR}),
        "another secret": sign({"sub": "42", "exp": FAR}, "another secret of 37 bytes, not a rea"),
        "another hash": sign({"sub": "42", "exp": FAR}, algorithm="HS512"),
        "not signed": sign({"sub": "42", "exp": FAR}, None, "none"),
        "an end as text": sign({"sub": "42", "exp": str(FAR)}),
    },
}

path = pathlib.Path(__file__).with_name("vectors.json")
path.write_text(json.dumps(vectors, indent=1) + "\n")

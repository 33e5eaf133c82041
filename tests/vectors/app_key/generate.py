#!/usr/bin/env python3
"""Makes vectors.json: application keys and the digests that the configuration has for them."""

import hashlib
import json
import pathlib

KEYS = ["keyAbcd123", "k", "a key with spaces", "schlüssel-钥匙", "x" * 8192]
OUT = [{"key": key, "sha256": hashlib.sha256(key.encode()).hexdigest()} for key in KEYS]
pathlib.Path(__file__).with_name("vectors.json").write_text(
    json.dumps(OUT, indent=1, ensure_ascii=False) + "\n")

#!/usr/bin/env python3
"""Makes vectors.json: tokens of every algorithm, and the attacks on them.

An implementation of its own, on purpose: Python's standard library and the openssl program, so
that the gate is not only tested against itself. The private keys are fresh in every run and are
thrown away; only public keys and tokens are kept. Run it from anywhere: ./generate.py
"""

import base64
import hashlib
import hmac
import json
import pathlib
import subprocess
import tempfile

NOW = 1_750_000_000
FAR = 4_102_444_800  # 2100-01-01
SECRET = b"a test secret of 37 bytes, not a real"
HASH = {"256": hashlib.sha256, "384": hashlib.sha384, "512": hashlib.sha512}
P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
ED25519_ORDER = 2**252 + 27742317777372353535851937790883648493

TMP = pathlib.Path(tempfile.mkdtemp())


def b64(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def unb64(text):
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def openssl(*args, stdin=None):
    return subprocess.run(["openssl", *args], input=stdin, check=True, capture_output=True).stdout


def new_key(name, *options):
    path = TMP / f"{name}.pem"
    openssl("genpkey", "-out", str(path), *options)
    return path


RSA = new_key("rsa", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048")
RSA_OTHER = new_key("rsa-other", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048")
RSA_WEAK = new_key("rsa-weak", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:1024")
P256 = new_key("p256", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256")
P384 = new_key("p384", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-384")
K256 = new_key("k256", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:secp256k1")
ED = new_key("ed", "-algorithm", "ED25519")
KEYS = {"RS": RSA, "PS": RSA, "ES256": P256, "ES384": P384, "EdDSA": ED}


def private_key(alg):
    return KEYS.get(alg) or KEYS[alg[:2]]


def public_pem(path):
    return openssl("pkey", "-in", str(path), "-pubout").decode()


def public_der(path):
    return openssl("pkey", "-in", str(path), "-pubout", "-outform", "DER")


def pkcs1_pem(path):
    return openssl("rsa", "-in", str(path), "-RSAPublicKey_out").decode()


def jwk(alg):
    der = public_der(private_key(alg))
    if alg == "EdDSA":
        return {"kty": "OKP", "crv": "Ed25519", "x": b64(der[-32:])}
    if alg.startswith("ES"):
        size = int(alg[2:]) // 8
        return {"kty": "EC", "crv": f"P-{alg[2:]}", "x": b64(der[-2 * size:-size]), "y": b64(der[-size:])}
    modulus = openssl("rsa", "-in", str(RSA), "-noout", "-modulus").decode().strip().split("=")[1]
    return {"kty": "RSA", "n": b64(bytes.fromhex(modulus)), "e": "AQAB"}


def raw_ecdsa(der, size):
    """SEQUENCE { INTEGER r, INTEGER s } to r || s."""
    body = der[2:] if der[1] < 128 else der[3:]
    r_len = body[1]
    r, rest = body[2:2 + r_len], body[2 + r_len:]
    s = rest[2:2 + rest[1]]
    return b"".join(int.from_bytes(n, "big").to_bytes(size, "big") for n in (r, s))


def sign(alg, message, key=None):
    if alg.startswith("HS"):
        return hmac.new(key or SECRET, message, HASH[alg[2:]]).digest()
    path = str(key or private_key(alg))
    if alg == "EdDSA":
        file = TMP / "message"
        file.write_bytes(message)
        return openssl("pkeyutl", "-sign", "-inkey", path, "-rawin", "-in", str(file))
    digest = f"-sha{alg[2:]}"
    if alg.startswith("PS"):
        pss = ["-sigopt", "rsa_padding_mode:pss", "-sigopt", "rsa_pss_saltlen:digest"]
        return openssl("dgst", digest, *pss, "-sign", path, stdin=message)
    der = openssl("dgst", digest, "-sign", path, stdin=message)
    return raw_ecdsa(der, int(alg[2:]) // 8) if alg.startswith("ES") else der


def text(value):
    return value if isinstance(value, str) else json.dumps(value, separators=(",", ":"))


CLAIMS = {"iss": "https://id.example.com", "aud": "im", "sub": "7", "iat": NOW - 60, "exp": FAR}


def token(alg, claims=None, header=None, key=None, signature=None, sign_as=None):
    header = {"alg": alg, "typ": "JWT", "kid": alg} if header is None else header
    claims = CLAIMS if claims is None else claims
    message = f"{b64(text(header).encode())}.{b64(text(claims).encode())}".encode()
    made = sign(sign_as or alg, message, key) if signature is None else signature
    return f"{message.decode()}.{b64(made)}"


def but(**changes):
    """The plain claims, changed; None removes."""
    return {k: v for k, v in {**CLAIMS, **changes}.items() if v is not None}


CASES = []


def case(what, expected, made):
    CASES.append({"case": what, "expected": expected, "token": made})


ALGS = ["EdDSA", "ES256", "ES384", "HS256", "HS384", "HS512", "PS256", "PS384", "PS512", "RS256", "RS384", "RS512"]

for alg in ALGS:
    case(f"{alg}", "ok", token(alg))
    case(f"{alg} without a kid", "ok", token(alg, header={"alg": alg}))
    good = token(alg)
    head, body, mac = good.split(".")
    flipped = bytearray(unb64(mac))
    flipped[len(flipped) // 2] ^= 1
    case(f"{alg} with one bit of the signature flipped", "bad_signature", f"{head}.{body}.{b64(bytes(flipped))}")
    case(f"{alg} with other claims", "bad_signature", f"{head}.{b64(text(but(sub='8')).encode())}.{mac}")
    case(f"{alg} without a signature", "bad_signature", f"{head}.{body}.")

# The algorithm (RFC 8725 §2.1).
for none in ["none", "None", "nOnE", "NONE", "", "hs256", "HS256 ", "ES512", "ES256K", "dir"]:
    case(f"alg `{none}` without a signature", "wrong_algorithm", token("HS256", header={"alg": none}, signature=b""))
for kid in [{}, {"kid": "RS256"}]:
    for which, secret in [("SPKI PEM", public_pem(RSA).encode()), ("PKCS#1 PEM", pkcs1_pem(RSA).encode()), ("DER", public_der(RSA))]:
        expected = "wrong_algorithm" if kid else "bad_signature"
        case(f"HS256 over the RSA public key as {which}, kid {kid.get('kid')}", expected,
             token("HS256", header={"alg": "HS256", **kid}, key=secret))
case("HS256 with the kid of an EC key", "wrong_algorithm", token("HS256", header={"alg": "HS256", "kid": "ES256"}))
case("RS256 with the kid of the RS512 key", "wrong_algorithm", token("RS256", header={"alg": "RS256", "kid": "RS512"}))
case("a PKCS#1 signature called PS256", "bad_signature", token("PS256", sign_as="RS256"))
case("a PSS signature called RS256", "bad_signature", token("RS256", sign_as="PS256"))
case("an HS512 signature called HS256", "bad_signature", token("HS256", sign_as="HS512"))
case("a truncated HMAC", "bad_signature", token("HS256").rsplit(".", 1)[0] + "." + b64(unb64(token("HS256").rsplit(".", 1)[1])[:16]))
case("another RSA key", "bad_signature", token("RS256", key=RSA_OTHER))
case("an HMAC with an empty secret", "bad_signature", token("HS256", signature=hmac.new(b"", b"", hashlib.sha256).digest()))

# The key (RFC 7515 §4.1.4).
case("an unknown kid", "unknown_key", token("HS256", header={"alg": "HS256", "kid": "nobody"}))
case("a kid that is a path", "unknown_key", token("HS256", header={"alg": "HS256", "kid": "../../dev/null"}, key=b"x"))
case("a kid that is SQL", "unknown_key", token("HS256", header={"alg": "HS256", "kid": "' OR 1=1 --"}))
case("a kid in another case", "unknown_key", token("HS256", header={"alg": "HS256", "kid": "hs256"}))
case("an empty kid", "unknown_key", token("HS256", header={"alg": "HS256", "kid": ""}))
case("a kid that is a number", "malformed", token("HS256", header={"alg": "HS256", "kid": 1}))
case("its own key in the header", "bad_signature",
     token("ES256", header={"alg": "ES256", "jwk": {"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA"}}, signature=bytes(64)))
case("a key address in the header", "ok", token("ES256", header={"alg": "ES256", "jku": "https://evil.example/jwks", "x5u": "https://evil.example/"}))

# Elliptic curves (CVE-2022-21449 and relatives).
case("ES256 of zeros", "bad_signature", token("ES256", signature=bytes(64)))
case("ES384 of zeros", "bad_signature", token("ES384", signature=bytes(96)))
case("EdDSA of zeros", "bad_signature", token("EdDSA", signature=bytes(64)))
case("r and s equal to the order", "bad_signature", token("ES256", signature=P256_ORDER.to_bytes(32, "big") * 2))
case("r zero, s one", "bad_signature", token("ES256", signature=bytes(32) + bytes(31) + b"\1"))
message = token("ES256").rsplit(".", 1)[0]
case("ECDSA as DER", "bad_signature", f"{message}.{b64(openssl('dgst', '-sha256', '-sign', str(P256), stdin=message.encode()))}")
head, body, mac = token("ES256").split(".")
r, s = unb64(mac)[:32], unb64(mac)[32:]
case("s beyond the order", "bad_signature", f"{head}.{body}.{b64(r + ((int.from_bytes(s, 'big') + P256_ORDER) % 2**256).to_bytes(32, 'big'))}")
case("ECDSA with a byte more", "bad_signature", f"{head}.{body}.{b64(r + s + bytes(1))}")
head, body, mac = token("EdDSA").split(".")
point, scalar = unb64(mac)[:32], int.from_bytes(unb64(mac)[32:], "little")
case("Ed25519 with S + L (RFC 8032 §5.1.7)", "bad_signature", f"{head}.{body}.{b64(point + (scalar + ED25519_ORDER).to_bytes(32, 'little'))}")

# The form.
good = token("HS256")
case("critical parameters", "malformed", token("HS256", header={"alg": "HS256", "crit": ["x"], "x": 1}))
case("critical parameters that are known", "malformed", token("HS256", header={"alg": "HS256", "crit": ["exp"], "exp": FAR}))
case("an unencoded payload (RFC 7797)", "malformed", token("HS256", header={"alg": "HS256", "b64": False, "crit": ["b64"]}))
case("a compressed payload", "malformed", token("HS256", header={"alg": "HS256", "zip": "DEF"}))
case("an encrypted token", "malformed", f"{good}.AAAA.AAAA")
case("no algorithm", "malformed", token("HS256", header={"typ": "JWT"}))
case("an algorithm twice", "malformed", token("HS256", header='{"alg":"none","alg":"HS256"}'))
case("a padded signature", "malformed", f"{good}=")
case("a signature in the standard alphabet", "malformed", good.rsplit(".", 1)[0] + ".+/" + good.rsplit(".", 1)[1][2:])
alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
case("a signature with trailing bits", "malformed", good[:-1] + alphabet[alphabet.index(good[-1]) + 1])
case("a line break at the end", "malformed", f"{good}\n")
case("payload that is an array", "malformed", token("HS256", claims=[CLAIMS]))
case("payload that is a string", "malformed", token("HS256", claims='"claims"'))
case("payload that is no JSON", "malformed", token("HS256", claims="{sub:7}"))
case("a claim twice", "malformed", token("HS256", claims=text(CLAIMS)[:-1] + ',"sub":"8"}'))
case("a claim twice, once escaped", "malformed", token("HS256", claims=text(CLAIMS)[:-1] + ',"\\u0065xp":4102444801}'))
case("a claim twice, further down", "malformed", token("HS256", claims=text(CLAIMS)[:-1] + ',"x":{"a":1,"a":2}}'))
case("deep claims", "malformed", token("HS256", claims=text(CLAIMS)[:-1] + ',"x":' + "[" * 500 + "]" * 500 + "}"))

# Times.
case("expired", "expired", token("HS256", claims=but(exp=NOW - 1)))
case("expired this moment", "expired", token("HS256", claims=but(exp=NOW)))
case("one second left", "ok", token("HS256", claims=but(exp=NOW + 1)))
case("no exp", "malformed", token("HS256", claims=but(exp=None)))
case("exp as a string", "malformed", token("HS256", claims=but(exp=str(FAR))))
case("exp null", "malformed", token("HS256", claims=text(CLAIMS).replace(f'"exp":{FAR}', '"exp":null')))
case("exp with a fraction", "ok", token("HS256", claims=but(exp=NOW + 0.5)))
case("exp of 1e300", "malformed", token("HS256", claims=text(CLAIMS).replace(f"{FAR}", "1e300")))
case("exp of 1e999", "malformed", token("HS256", claims=text(CLAIMS).replace(f"{FAR}", "1e999")))
case("a negative exp", "expired", token("HS256", claims=but(exp=-1)))
case("a very negative exp", "malformed", token("HS256", claims=text(CLAIMS).replace(f"{FAR}", "-1e300")))
case("not before later", "not_yet_valid", token("HS256", claims=but(nbf=NOW + 1)))
case("not before now", "ok", token("HS256", claims=but(nbf=NOW)))
case("not before as a string", "malformed", token("HS256", claims=but(nbf="1")))
case("issued at as a string", "malformed", token("HS256", claims=but(iat="1")))

# Issuer, audience, subject.
case("another issuer", "wrong_issuer", token("HS256", claims=but(iss="https://id.example.com/")))
case("no issuer", "wrong_issuer", token("HS256", claims=but(iss=None)))
case("an issuer in an array", "malformed", token("HS256", claims=but(iss=["https://id.example.com"])))
case("another audience", "wrong_audience", token("HS256", claims=but(aud="im2")))
case("no audience", "wrong_audience", token("HS256", claims=but(aud=None)))
case("one of several audiences", "ok", token("HS256", claims=but(aud=["shop", "im"])))
case("none of several audiences", "wrong_audience", token("HS256", claims=but(aud=["shop", "mail"])))
case("no audience in the array", "wrong_audience", token("HS256", claims=but(aud=[])))
case("an audience that is no string", "malformed", token("HS256", claims=but(aud=["im", 1])))
case("an audience that is an object", "malformed", token("HS256", claims=but(aud={"im": True})))
case("a subject that is an integer", "ok", token("HS256", claims=but(sub=7)))
case("no subject", "malformed", token("HS256", claims=but(sub=None)))
case("an empty subject", "malformed", token("HS256", claims=but(sub="")))
case("a subject with a line break", "malformed", token("HS256", claims=but(sub="7\r\nX-Auth-Subject: 1")))
case("a subject that is a fraction", "malformed", token("HS256", claims=but(sub=7.5)))
case("a device type with a control character", "malformed", token("HS256", claims=but(dev="im_web\x1b[2J")))
case("a device type that is an object", "malformed", token("HS256", claims=but(dev={})))
case("expired and for another audience, but badly signed", "bad_signature",
     token("HS256", claims=but(exp=1, aud="x"), key=b"another secret"))

OUT = {
    "about": "made by generate.py; every token is judged at `now`",
    "now": NOW,
    "secret": SECRET.decode(),
    "issuer": CLAIMS["iss"],
    "audience": CLAIMS["aud"],
    "public_keys": {alg: public_pem(private_key(alg)) for alg in ALGS if not alg.startswith("HS")},
    "jwks": {alg: jwk(alg) for alg in ALGS if not alg.startswith("HS")},
    "rsa_pkcs1": pkcs1_pem(RSA),
    "rsa_1024": public_pem(RSA_WEAK),
    "secp256k1": public_pem(K256),
    "certificate": openssl("req", "-x509", "-new", "-key", str(RSA), "-subj", "/CN=test", "-days", "9999").decode(),
    "cases": CASES,
}
pathlib.Path(__file__).with_name("vectors.json").write_text(json.dumps(OUT, indent=1, ensure_ascii=False) + "\n")
for file in TMP.iterdir():
    file.unlink()
TMP.rmdir()

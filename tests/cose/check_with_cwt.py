"""Run by .venv-cose: verifies and makes COSE_Sign1 messages with cwt, an independent implementation.

stdin: {"verify": [{"name", "message", "public_key", "kid", "external_aad"}],
        "make": [{"name", "seed", "kid", "protected", "payload", "external_aad"}]}, byte strings in hex.
stdout: {"verified": {name: payload or null}, "made": {name: message}}.
"""

import base64
import json
import sys

from cwt import COSE, COSEKey


def _text(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _key(row, *, secret=b""):
    jwk = {"kty": "OKP", "crv": "Ed25519", "alg": "EdDSA", "x": _text(bytes.fromhex(row["public_key"]))}
    if secret:
        jwk["d"] = _text(secret)
    key = COSEKey.from_jwk(jwk)
    key._kid = bytes.fromhex(row["kid"])  # a JWK can hold text only
    return key


def verify(row):
    """The payload that cwt reads from a message it accepts; None when it refuses."""
    try:
        return (
            COSE.new(verify_kid=True)
            .decode(bytes.fromhex(row["message"]), _key(row), external_aad=bytes.fromhex(row["external_aad"]))
            .hex()
        )
    except Exception as error:  # noqa: BLE001 (whatever cwt raises, it did not accept)
        sys.stderr.write(f"{row['name']}: {error!r}\n")
        return None


def make(row):
    protected = {
        int(label): bytes.fromhex(item[2:-1]) if str(item)[:2] == "h'" else item
        for label, item in row["protected"].items()
    }
    return (
        COSE.new(deterministic_header=True)
        .encode_and_sign(
            bytes.fromhex(row["payload"]),
            _key(row, secret=bytes.fromhex(row["seed"])),
            protected=protected,
            unprotected={},
            external_aad=bytes.fromhex(row["external_aad"]),
        )
        .hex()
    )


def main():
    asked = json.load(sys.stdin)
    json.dump(
        {
            "verified": {row["name"]: verify(row) for row in asked["verify"]},
            "made": {row["name"]: make(row) for row in asked["make"]},
        },
        sys.stdout,
    )


if __name__ == "__main__":
    main()

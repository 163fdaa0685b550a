"""Public COSE_Sign1 vectors: the plain check gives the expected result, our profile refuses every one."""

import json
from pathlib import Path

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256

from gateway.wire import cose, envelope, state
from gateway.wire.cbor import CborError, decode
from gateway.wire.errors import WireError

VECTORS = json.loads(
    (Path(__file__).parents[1] / "vectors" / "cose_sign1_public.json").read_text(encoding="utf-8")
)["vectors"]
ES256 = -7


def opened(raw):
    """The message with or without its tag, as RFC 9052 allows both; WireError or CborError otherwise."""
    return cose.untagged(decode(raw)) if raw[:1] == b"\x84" else cose.unpack(raw)


def verifies(part, key, external_aad):
    algorithm = part.header.get(cose.ALGORITHM, part.unprotected.get(cose.ALGORITHM))
    covered = part.to_be_signed(external_aad)
    if algorithm == cose.EDDSA and "ed25519" in key:
        Ed25519PublicKey.from_public_bytes(bytes.fromhex(key["ed25519"])).verify(part.signature, covered)
        return True
    if algorithm != ES256 or "x" not in key:
        return False
    point = ec.EllipticCurvePublicNumbers(int(key["x"], 16), int(key["y"], 16), ec.SECP256R1()).public_key()
    half = len(part.signature) // 2
    pair = encode_dss_signature(int.from_bytes(part.signature[:half]), int.from_bytes(part.signature[half:]))
    point.verify(pair, covered, ec.ECDSA(SHA256()))
    return True


def plain_check(row):
    try:
        return verifies(opened(bytes.fromhex(row["message"])), row["key"], bytes.fromhex(row["external_aad"]))
    except (WireError, CborError, InvalidSignature):
        return False


@pytest.mark.parametrize("row", VECTORS, ids=lambda row: row["name"])
def test_plain_check(row):
    assert plain_check(row) is row["good"]


@pytest.mark.parametrize("row", VECTORS, ids=lambda row: row["name"])
def test_profile_refuses_all_of_them(row):
    for check in (envelope.open_signed, state.open_state):
        with pytest.raises(WireError) as caught:
            check(bytes.fromhex(row["message"]))
        assert caught.value.code in {"cose-shape", "cose-header"}


def test_good_vectors_fail_with_one_bit_changed():
    for row in VECTORS:
        if row["good"]:
            raw = bytearray.fromhex(row["message"])
            raw[-1] ^= 1
            assert not plain_check(row | {"message": raw.hex()}), row["name"]
            assert not plain_check(row | {"external_aad": row["external_aad"] + "00"}), row["name"]

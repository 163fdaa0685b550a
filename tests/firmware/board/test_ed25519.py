"""Ed25519 on MicroPython with whatever comes from outside: a yes, a no, and nothing else."""

import os

from firmware.crypto import ed25519
from firmware.crypto.sha512 import sha512
from firmware.signer import verify

KEY = ed25519.secret(bytes(range(32)))


def test_the_vector_of_the_reference():
    """Seed 00 … 1f, 200 times "m"."""
    assert KEY[2].hex() == "03a107bff3ce10be1d70dd18e74bc09967e4d6309ba50d5f1ddc8664125531b8"
    assert ed25519.sign(KEY, b"m" * 200).hex() == (
        "11803b13c7a8754bf65888dcca446dd22ac501a5829db85ceb3eee94ef9e4e79"
        "83c67e76d2224fe2a64b0946333a889ffa2650cef9209305510b6f803e513a0c"
    )


def test_any_bytes_are_no_signature():
    for size in list(range(70)) + [96, 128, 1000]:
        assert verify(KEY[2], os.urandom(size), b"message") is False
        assert verify(os.urandom(size), os.urandom(64), b"message") is False


def test_any_key_and_r_are_a_point_or_none():
    """About half of all bytes are a point."""
    points = 0
    for _ in range(60):
        data = os.urandom(32)
        point = ed25519._decoded(data)
        if point is not None:
            points += 1
            assert ed25519._encoded(point) == data
    assert 10 < points < 50


def test_a_changed_bit_anywhere_is_refused():
    message = b"systolic 120"
    signature = ed25519.sign(KEY, message)
    for bit in range(0, 512, 13):
        changed = bytearray(signature)
        changed[bit // 8] ^= 1 << bit % 8
        assert not verify(KEY[2], bytes(changed), message)
    for bit in range(0, 256, 13):
        changed = bytearray(KEY[2])
        changed[bit // 8] ^= 1 << bit % 8
        assert not verify(bytes(changed), signature, message)


def test_what_is_signed_may_lie_in_any_buffer():
    message = os.urandom(300)
    signature = ed25519.sign(KEY, message)
    assert ed25519.sign(KEY, bytearray(message)) == signature
    assert ed25519.sign(KEY, memoryview(b"--" + message)[2:]) == signature
    assert verify(KEY[2], memoryview(signature), memoryview(message))


def test_a_hash_takes_pieces_from_anywhere():
    data = memoryview(os.urandom(700))
    whole = sha512(data).digest()
    for first in (0, 1, 111, 112, 127, 128, 129, 256, 300):
        digest = sha512()
        digest.update(data[:first])
        digest.update(b"")
        digest.update(bytearray(data[first:]))
        assert digest.digest() == whole

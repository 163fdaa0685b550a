"""Hashes and signs what a test on a PC then does again: one line of JSON a case, [what, input, result], hex."""

import json
from hashlib import sha256

from firmware.crypto import ed25519, p256
from firmware.crypto.sha512 import sha512


def bytes_of(count, size):
    """Bytes that look random and are the same on every interpreter."""
    data = b""
    while len(data) < size:
        data += sha256(b"%d %d" % (count, len(data))).digest()
    return data[:size]


def said(what, given, result):
    print(json.dumps([what, given.hex(), result.hex()]))


for size in list(range(300)) + [1000, 4096, 5000]:
    message = bytes_of(size, size)
    digest, at, piece = sha512(), 0, 1
    while at < size:
        digest.update(memoryview(message)[at : at + piece])
        at += piece
        piece = piece * 7 % 131
    assert digest.digest() == sha512(message).digest()
    said("sha512", message, sha512(message).digest())
for count in range(20):
    seed = bytes_of(count, 32)
    key = ed25519.secret(seed)
    said("ed25519-public", seed, key[2])
    for size in (0, 33, 200 + count):
        message = bytes_of(count, size)
        said("ed25519", seed + message, ed25519.sign(key, message))
for count in range(4):
    key = int.from_bytes(bytes_of(count, 31), "big")
    said("p256-public", key.to_bytes(32, "big"), p256.public_key(key))
    message = bytes_of(count, 40)
    r, s = p256.sign(key, message)
    said("p256", key.to_bytes(32, "big") + message, r.to_bytes(32, "big") + s.to_bytes(32, "big"))

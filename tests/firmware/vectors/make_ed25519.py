"""Makes ed25519_test.json: signatures to be accepted and to be refused, in Wycheproof's format.

Valid ones are RFC 8032's own and some of `cryptography`; what is hostile follows from RFC 8032, section 5.1.7:
S below L, one encoding for each point, the equation without the cofactor (what OpenSSL and libsodium check);
keys of small order are refused as libsodium does. `python -m tests.firmware.vectors.make_ed25519` writes it.
"""

import json
from collections.abc import Iterator
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tests.firmware.vectors.edwards import BASE, IDENTITY, L, P, encoded, hashed, plus, times, torsion

FOLDER = Path(__file__).parent
SEED = bytes(range(32))
MESSAGE = b"systolic 120, diastolic 80"
Case = tuple[str, bytes, bytes, bytes, str]  # comment, key, message, signature, result

PRIVATE = Ed25519PrivateKey.from_private_bytes(SEED)
KEY = PRIVATE.public_key().public_bytes_raw()
GOOD = PRIVATE.sign(MESSAGE)
SCALAR = (hashed(SEED) % 2**256) % 2**254 // 8 * 8 + 2**254


def scalar(number: int) -> bytes:
    return number.to_bytes(32, "little")


def known() -> Iterator[Case]:
    for row in json.loads((FOLDER / "rfc8032.json").read_text()):
        yield row["name"], *(bytes.fromhex(row[part]) for part in ("public", "message", "signature")), "valid"


def lengths() -> Iterator[Case]:
    """Messages that end where a block of SHA-512 does, in either hash, and around it."""
    for size in (0, 1, 46, 47, 48, 63, 64, 65, 78, 79, 80, 95, 96, 97, 174, 175, 176, 191, 192, 193, 1000):
        message = bytes(at & 255 for at in range(size))
        yield f"message of {size} bytes", KEY, message, PRIVATE.sign(message), "valid"


def malleable() -> Iterator[Case]:
    s = int.from_bytes(GOOD[32:], "little")
    for name, other in (
        [(f"S + {n} L", s + n * L) for n in (1, 2, 4, 8, 14)]
        + [(f"S + 2^{n}", s + 2**n) for n in (253, 254, 255)]
        + [("S = 0", 0), ("S = L", L), ("S = p", P), ("S = 2^256 - 1", 2**256 - 1), ("-S", L - s)]
    ):
        yield name, KEY, MESSAGE, GOOD[:32] + scalar(other), "invalid"


def damaged() -> Iterator[Case]:
    for bit in (0, 1, 7, 8, 31, 32, 63, 127, 200, 247, 254, 255):
        for name, at in (("R", 0), ("S", 32)):
            part = int.from_bytes(GOOD[at : at + 32], "little") ^ 1 << bit
            flipped = GOOD[:at] + scalar(part) + GOOD[at + 32 :]
            yield f"bit {bit} of {name}", KEY, MESSAGE, flipped, "invalid"
        other = scalar(int.from_bytes(KEY, "little") ^ 1 << bit)
        yield f"bit {bit} of the key", other, MESSAGE, GOOD, "invalid"
    yield "another message", KEY, MESSAGE + b"0", GOOD, "invalid"
    yield "no message", KEY, b"", GOOD, "invalid"
    yield "R and S changed places", KEY, MESSAGE, GOOD[32:] + GOOD[:32], "invalid"
    yield "all 0", KEY, MESSAGE, bytes(64), "invalid"
    yield "all 1", KEY, MESSAGE, b"\xff" * 64, "invalid"


def sizes() -> Iterator[Case]:
    for size in (0, 1, 31, 32, 33, 62, 63):
        yield f"{size} bytes of the signature", KEY, MESSAGE, GOOD[:size], "invalid"
    for more in (b"\x00", b"\x80", KEY):
        yield f"{len(more)} bytes behind the signature", KEY, MESSAGE, GOOD + more, "invalid"
    yield "a byte before the signature", KEY, MESSAGE, b"\x00" + GOOD, "invalid"
    for key in (b"", KEY[:31], KEY + b"\x00", b"\x00" + KEY, KEY * 2):
        yield f"a key of {len(key)} bytes", key, MESSAGE, GOOD, "invalid"


def other_kinds() -> Iterator[Case]:
    """Signatures of Ed25519ctx and of one that hashes with another message, by the same key."""
    prefix = hashed(SEED) >> 256
    for name, domain in (
        ("Ed25519ctx", b"SigEd25519 no Ed25519 collisions\x00\x03foo"),
        ("Ed25519ph", b"SigEd25519 no Ed25519 collisions\x01\x00"),
    ):
        r = hashed(domain, scalar(prefix), MESSAGE) % L
        start = encoded(times(r, BASE))
        s = (r + hashed(domain, start, KEY, MESSAGE) * SCALAR) % L
        yield name, KEY, MESSAGE, start + scalar(s), "invalid"


def encodings() -> Iterator[Case]:
    """R is the identity, so that S = k a fits whatever R's bytes are hashed."""
    for name, start, result in (
        ("R = identity", scalar(1), "acceptable"),
        ("R = identity with the sign of x", scalar(1 | 1 << 255), "invalid"),
        ("R = identity, y not reduced", scalar(P + 1), "invalid"),
        ("R = identity, y not reduced, with the sign", scalar(P + 1 | 1 << 255), "invalid"),
        ("R is no point", scalar(2), "invalid"),
        ("R = p", scalar(P), "invalid"),
    ):
        s = hashed(start, KEY, MESSAGE) * SCALAR % L
        yield name, KEY, MESSAGE, start + scalar(s), result


def small_orders() -> Iterator[Case]:
    """Keys that are no keys: for some messages R = r B, S = r fits without any secret."""
    names = [(f"torsion point {n}", encoded(point), point) for n, point in enumerate(torsion())]
    names += [("y = p", scalar(P), torsion_of(0)), ("y = p + 1", scalar(P + 1), IDENTITY)]
    names += [("identity with the sign of x", scalar(1 | 1 << 255), IDENTITY)]
    for name, key, point in names:
        r, start = 1, b""
        while True:
            start = encoded(times(r, BASE))
            if times(hashed(start, key, MESSAGE) % L % 8, point) == IDENTITY:
                break
            r += 1
        yield f"key: {name}", key, MESSAGE, start + scalar(r), "invalid"


def torsion_of(y: int) -> tuple[int, int]:
    return next(point for point in torsion() if point[1] == y and not point[0] & 1)


def mixed_orders() -> Iterator[Case]:
    """A key or R with a part of small order: without the cofactor it fits when that part happens to vanish."""
    for n, small in enumerate(torsion()[1:], start=1):
        mixed = plus(times(SCALAR, BASE), small)
        key = encoded(mixed)
        for r in range(1, 40):
            start = encoded(times(r, BASE))
            k = hashed(start, key, MESSAGE) % L
            fits = times(k % 8, small) == IDENTITY
            if fits or r == 1:
                s = (r + k * SCALAR) % L
                result = "valid" if fits else "invalid"
                yield f"key + torsion point {n}, r = {r}", key, MESSAGE, start + scalar(s), result
            if fits:
                break
        start = encoded(plus(times(7, BASE), small))
        s = (7 + hashed(start, KEY, MESSAGE) * SCALAR) % L
        yield f"R + torsion point {n}", KEY, MESSAGE, start + scalar(s), "invalid"


def cases() -> Iterator[Case]:
    for make in (
        known,
        lengths,
        malleable,
        damaged,
        sizes,
        other_kinds,
        encodings,
        small_orders,
        mixed_orders,
    ):
        yield from make()


def content() -> str:
    """The file: a group for each key."""
    groups: dict[str, list[dict[str, object]]] = {}
    for number, (comment, key, message, signature, result) in enumerate(cases(), start=1):
        test = {
            "tcId": number,
            "comment": comment,
            "msg": message.hex(),
            "sig": signature.hex(),
            "result": result,
        }
        groups.setdefault(key.hex(), []).append(test)
    file = {
        "algorithm": "EDDSA",
        "schema": "eddsa_verify_schema_v1.json",
        "numberOfTests": sum(map(len, groups.values())),
        "testGroups": [
            {
                "type": "EddsaVerify",
                "publicKey": {"type": "EDDSAPublicKey", "curve": "edwards25519", "keySize": 255, "pk": key},
                "tests": tests,
            }
            for key, tests in groups.items()
        ],
    }
    return json.dumps(file, indent=1) + "\n"


if __name__ == "__main__":
    (FOLDER / "ed25519_test.json").write_text(content())

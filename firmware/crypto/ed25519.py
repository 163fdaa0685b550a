"""Ed25519 (RFC 8032): signing by a comb over a table of the base point, and strict verification.

Points are in extended coordinates (X : Y : Z : T): x = X / Z, y = Y / Z, x y = T / Z.
Nothing here takes the same time for every key: who can measure that close has the hub in his hands.
"""

from firmware.crypto.ed25519_table import TABLE
from firmware.crypto.sha512 import sha512

_P = 2**255 - 19
_L = 2**252 + 27742317777372353535851937790883648493
_D = 37095705934669439343138083508754565189542113879843219016388785533085940283555
_ROOT = 19681161376707505956807079304988542015446066515923890162744021073123829784752  # of -1
# The comb: bit i + 51 j of the scalar chooses row j of the table, for j = 0 … 4.
_ROWS = range(204, -1, -51)
_BITS = range(50, -1, -1)
_ENTRY = 96


def secret(seed: bytes) -> tuple[int, bytes, bytes]:
    """(scalar, prefix, public key) of a 32-byte seed: what `sign` wants, made once and kept."""
    digest = sha512(seed).digest()
    scalar = _number(digest[:32]) & (1 << 254) - 8 | 1 << 254
    return scalar, digest[32:], _encoded(base_times(scalar))


def sign(key: tuple[int, bytes, bytes], data: bytes) -> bytes:
    """The 64-byte signature of `data`, which is hashed where it lies."""
    scalar, prefix, public_key = key
    r = _hashed(prefix, b"", data)
    commitment = _encoded(base_times(r))
    s = (r + _hashed(commitment, public_key, data) * scalar) % _L
    return commitment + s.to_bytes(32, "little")


def verify(public_key: bytes, signature: bytes, data: bytes) -> bool:
    """Whether the signature is this key's over these bytes; False for what is no key or signature at all.

    Refused besides: S that is not below the group's order, a key or R that is not encoded in the one way, and
    a key of small order (one signature of such fits many messages).
    """
    if len(public_key) != 32 or len(signature) != 64:
        return False
    s = _number(signature[32:])
    key = _decoded(public_key)
    if s >= _L or key is None or not _doubled(_doubled(_doubled(key)))[0]:
        return False
    commitment = bytes(signature[:32])
    return _encoded(_difference(s, _hashed(commitment, public_key, data), key)) == commitment


def base_times(scalar: int) -> tuple[int, int, int, int]:
    """The base point times a scalar, for 0 <= scalar < 2^255: 50 doublings and at most 51 additions."""
    point = (0, 1, 1, 0)
    for i in _BITS:
        if i != 50:
            point = _doubled(point)
        point = _combed(point, scalar >> i)
    return point


def _combed(point: tuple[int, int, int, int], scalar: int) -> tuple[int, int, int, int]:
    """The point, and the table's entry that the lowest bits of the five rows choose."""
    n = 0
    for row in _ROWS:
        n = n << 1 | scalar >> row & 1
    if not n:
        return point
    at = (n - 1) * _ENTRY
    entry = memoryview(TABLE)[at : at + _ENTRY]
    return _added(point, (_number(entry[:32]), _number(entry[32:64]), _number(entry[64:]), 2), 2 * point[2])


def _difference(s: int, k: int, key: tuple[int, int, int, int]) -> tuple[int, int, int, int]:
    """The point s · B - k · key: two bits of k at a time, and the comb with the last 51 doublings."""
    once = (_P - key[0], key[1], key[2], _P - key[3])
    twice = _doubled(once)
    first = _steps(once)
    many = (first, _steps(twice), _steps(_added(twice, first, 2 * twice[2])))
    point = (0, 1, 1, 0)
    for i in range(252, -1, -1):
        point = _doubled(point)
        digit = 0 if i & 1 else k >> i & 3
        if digit:
            steps = many[digit - 1]
            point = _added(point, steps, steps[3] * point[2] % _P)
        if i <= 50:
            point = _combed(point, s >> i)
    return point


def _steps(point: tuple[int, int, int, int]) -> tuple[int, int, int, int]:
    """What `_added` wants of a point."""
    x, y, z, t = point
    return y - x, y + x, 2 * _D * t % _P, 2 * z


def _doubled(point: tuple[int, int, int, int]) -> tuple[int, int, int, int]:
    x, y, z, _ = point
    a = x * x % _P
    b = y * y % _P
    h = a + b
    e = h - (x + y) * (x + y) % _P
    g = a - b
    f = 2 * z * z % _P + g
    return e * f % _P, g * h % _P, f * g % _P, e * h % _P


def _added(
    point: tuple[int, int, int, int], steps: tuple[int, int, int, int], twice_z: int
) -> tuple[int, int, int, int]:
    """The sum with another point, whose steps are given. twice_z: 2 · z of this point · z of the other."""
    x, y, _, t = point
    a = (y - x) * steps[0] % _P
    b = (y + x) * steps[1] % _P
    c = t * steps[2] % _P
    e, f, g, h = b - a, twice_z - c, twice_z + c, b + a
    return e * f % _P, g * h % _P, f * g % _P, e * h % _P


def _encoded(point: tuple[int, int, int, int]) -> bytes:
    """The 32 bytes of RFC 8032, 5.1.2."""
    x, y, z, _ = point
    z = pow(z, _P - 2, _P)
    return (y * z % _P | (x * z % _P & 1) << 255).to_bytes(32, "little")


def _decoded(data: bytes) -> tuple[int, int, int, int] | None:
    """The point of RFC 8032, 5.1.3; None for what is not the encoding of one."""
    y = _number(data)
    odd, y = y >> 255, y & (1 << 255) - 1
    u = y * y - 1
    v = (_D * y * y + 1) % _P
    x = u * v**3 * pow(u * v**7 % _P, (_P - 5) // 8, _P) % _P
    if (v * x * x - u) % _P:
        x = x * _ROOT % _P
    if y >= _P or (v * x * x - u) % _P or (odd and not x):
        return None
    if x & 1 != odd:
        x = _P - x
    return x, y, 1, x * y % _P


def _hashed(first: bytes, second: bytes, data: bytes) -> int:
    """SHA-512 of the three, as a scalar."""
    digest = sha512(first)
    digest.update(second)
    digest.update(data)
    return _number(digest.digest()) % _L


def _number(data: "bytes | memoryview") -> int:
    return int.from_bytes(data, "little")

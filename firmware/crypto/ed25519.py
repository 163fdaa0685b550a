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
# Two combs of 26 teeth: bits i + 52 j of the recoded scalar, j = 0 … 4, choose an entry and its sign.
_TEETH = 26
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
    """The base point times a scalar of any size: 25 doublings and 52 additions, whatever the scalar."""
    bits = _recoded(scalar)
    point = _combed((0, 1, 1, 0), bits, 25)
    for i in range(24, -1, -1):
        point = _combed(_doubled(point), bits, i)
    return point


def _recoded(scalar: int) -> bytes:
    """260 bits that stand for 1 and -1 (where they are 0) instead of 1 and 0: every tooth takes something."""
    scalar = (scalar + (1 << 260) - 1) % _L
    return (scalar + _L * (scalar & 1) >> 1).to_bytes(33, "little")


def _combed(point: tuple[int, int, int, int], bits: bytes, i: int) -> tuple[int, int, int, int]:
    """The point, plus or minus the entry that tooth i chooses of either table."""
    for first in (i, i + _TEETH):
        n = 0
        for at in range(first + 208, -1, -52):
            n = n << 1 | bits[at >> 3] >> (at & 7) & 1
        at = ((n if n & 16 else ~n) & 15 | (first - i and 16)) * _ENTRY
        minus, plus = _number(TABLE[at : at + 32]), _number(TABLE[at + 32 : at + 64])
        product = _number(TABLE[at + 64 : at + 96])
        steps = (minus, plus, product) if n & 16 else (plus, minus, -product)
        point = _added(point, steps, 2 * point[2])
    return point


def _difference(s: int, k: int, key: tuple[int, int, int, int]) -> tuple[int, int, int, int]:
    """The point s · B - k · key: two bits of k at a time, and the combs with the last 26 doublings."""
    once = (_P - key[0], key[1], key[2], _P - key[3])
    twice = _doubled(once)
    many = (once, twice, _added(twice, _steps(once), 2 * twice[2]))
    steps, twice_z = [_steps(point) for point in many], [2 * point[2] for point in many]
    bits, point = _recoded(s), (0, 1, 1, 0)
    for i in range(252, -1, -1):
        point = _doubled(point)
        digit = 0 if i & 1 else k >> i & 3
        if digit:
            point = _added(point, steps[digit - 1], twice_z[digit - 1] * point[2] % _P)
        if i < _TEETH:
            point = _combed(point, bits, i)
    return point


def _steps(point: tuple[int, int, int, int]) -> tuple[int, int, int]:
    """What `_added` wants of a point."""
    x, y, _, t = point
    return y - x, y + x, 2 * _D * t % _P


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
    point: tuple[int, int, int, int], steps: tuple[int, int, int], twice_z: int
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
    power, power_11 = _powers(z)
    z = _raised(power, 5, power_11)  # z to the p - 2
    return (y * z % _P | (x * z % _P & 1) << 255).to_bytes(32, "little")


def _decoded(data: bytes) -> tuple[int, int, int, int] | None:
    """The point of RFC 8032, 5.1.3; None for what is not the encoding of one."""
    y = _number(data)
    odd, y = y >> 255, y & (1 << 255) - 1
    u = y * y - 1
    v = (_D * y * y + 1) % _P
    w = u * v**7 % _P
    x = u * v**3 * _raised(_powers(w)[0], 2, w) % _P  # w to the (p - 5) / 8
    if (v * x * x - u) % _P:
        x = x * _ROOT % _P
    if y >= _P or (v * x * x - u) % _P or (odd and not x):
        return None
    if x & 1 != odd:
        x = _P - x
    return x, y, 1, x * y % _P


def _powers(z: int) -> tuple[int, int]:
    """Z to the powers 2^250 - 1 and 11, step by step: `pow` is much slower on a heap in use."""
    z2 = z * z % _P
    z9 = _raised(z2, 2, z)
    z11 = z9 * z2 % _P
    z5 = _raised(z11, 1, z9)
    z10 = _raised(z5, 5, z5)
    z20 = _raised(z10, 10, z10)
    z50 = _raised(_raised(z20, 20, z20), 10, z10)
    z100 = _raised(z50, 50, z50)
    return _raised(_raised(z100, 100, z100), 50, z50), z11


def _raised(z: int, times: int, factor: int) -> int:
    """Z squared so many times, and the factor."""
    for _ in range(times):
        z = z * z % _P
    return z * factor % _P


def _hashed(first: bytes, second: bytes, data: bytes) -> int:
    """SHA-512 of the three, as a scalar."""
    digest = sha512(first)
    digest.update(second)
    digest.update(data)
    return _number(digest.digest()) % _L


def _number(data: bytes) -> int:
    return int.from_bytes(data, "little")

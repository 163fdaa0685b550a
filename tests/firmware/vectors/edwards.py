"""Edwards25519 once more, as slow and plain as its definition (RFC 8032, section 5.1): the tests' own reckoning."""

import hashlib

P = 2**255 - 19
L = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, -1, P) % P
Affine = tuple[int, int]
IDENTITY: Affine = (0, 1)


def plus(one: Affine, other: Affine) -> Affine:
    (x1, y1), (x2, y2) = one, other
    k = D * x1 * x2 * y1 * y2 % P
    return (x1 * y2 + x2 * y1) * pow(1 + k, -1, P) % P, (y1 * y2 + x1 * x2) * pow(1 - k, -1, P) % P


def times(scalar: int, point: Affine) -> Affine:
    result = IDENTITY
    while scalar:
        if scalar & 1:
            result = plus(result, point)
        point, scalar = plus(point, point), scalar >> 1
    return result


def with_y(y: int, odd: int = 0) -> Affine:
    """The point with this y and an x of this parity; ValueError where the curve has none."""
    square = (y * y - 1) * pow(D * y * y + 1, -1, P) % P
    x = pow(square, (P + 3) // 8, P)
    if (x * x - square) % P:
        x = x * pow(2, (P - 1) // 4, P) % P
    if (x * x - square) % P:
        raise ValueError(y)
    return (x if x & 1 == odd else -x % P), y


def encoded(point: Affine) -> bytes:
    x, y = point
    return (y | (x & 1) << 255).to_bytes(32, "little")


def hashed(*parts: bytes) -> int:
    return int.from_bytes(hashlib.sha512(b"".join(parts)).digest(), "little")


def torsion() -> list[Affine]:
    """The 8 points of small order, the identity first."""
    y = 2
    while True:
        try:
            generator = times(L, with_y(y))
        except ValueError:
            y += 1
            continue
        if times(4, generator) != IDENTITY:
            return [times(n, generator) for n in range(8)]
        y += 1


BASE = with_y(4 * pow(5, -1, P) % P)

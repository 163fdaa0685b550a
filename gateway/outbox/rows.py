"""What the outbox keeps, as rows that prove themselves: each row of value carries a sum over its table,
its number and its bytes, so that one damaged row is one damaged row. Pure; knows no database.
"""

import hashlib
from dataclasses import dataclass, field, replace

from gateway.hub.stored import decoded, join, subtract
from gateway.wire import shape
from gateway.wire.cbor import encode
from gateway.wire.envelope import digest, open_signed
from gateway.wire.errors import WireError

SUM_SIZE = 8

Ranges = tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class Key:
    """All that is known of one signing key, in one row that is kept twice.

    number: in order of first use, the highest is the live one. settled: delivered or decided up to here.
    absent: sequences that this hub sealed and holds no longer; of these the bridge had accepted `freed`,
    and `reported` were told to it as lost. burnt: the true head is not certain; never seal with it again.
    """

    number: int
    kid: bytes
    sequence: int = 0
    hash: bytes = b""
    statements: int = 0
    settled: int = 0
    absent: Ranges = ()
    freed: Ranges = ()
    reported: Ranges = ()
    burnt: bool = field(default=False)

    def body(self) -> bytes:
        numbers = [self.sequence, self.statements, self.settled]
        ranges = [[list(pair) for pair in part] for part in (self.absent, self.freed, self.reported)]
        return encode([self.kid, self.hash, numbers, ranges, self.burnt])

    def missing(self) -> Ranges:
        """Sequences that nobody holds and nobody was told of yet."""
        return subtract(subtract(self.absent, self.freed), self.reported)

    def without(self, sequence: int) -> "Key":
        """This key after an envelope of it turned out to be unreadable."""
        return replace(self, absent=join(self.absent, ((sequence, sequence),)))


def key_from_body(number: int, body: bytes) -> Key:
    """The key that `Key.body` wrote; WireError when the bytes are no such row."""
    kid, last, numbers, ranges, burnt = shape.array(decoded(body), 5)
    sequence, statements, settled = (shape.integer(part) for part in shape.array(numbers, 3))
    absent, freed, reported = (_ranges(part) for part in shape.array(ranges, 3))
    return Key(
        number,
        shape.octets(kid),
        sequence,
        shape.octets(last),
        statements,
        settled,
        absent,
        freed,
        reported,
        shape.flag(burnt),
    )


def row_sum(table: str, number: int | str, body: bytes) -> bytes:
    """What a row carries to prove itself: its table, number and bytes, in 8 bytes of SHA-256."""
    return hashlib.sha256(f"{table}|{number}|".encode() + body).digest()[:SUM_SIZE]


def signed_hashes(kid: object, sequence: object, proof: object, signed: object) -> list[bytes] | None:
    """The hashes that this envelope signs; None when its bytes are not what it was sealed as."""
    if not isinstance(signed, bytes) or digest(signed) != proof:
        return None
    try:
        sealed = open_signed(signed)
    except WireError:
        return None
    if (sealed.kid, sealed.sequence) != (kid, sequence) or sealed.contents is None:
        return None
    return sealed.contents.hashes


def _ranges(item: object) -> Ranges:
    pairs = [shape.array(pair, 2) for pair in shape.array(item)]
    return tuple((shape.integer(low), shape.integer(high)) for low, high in pairs)

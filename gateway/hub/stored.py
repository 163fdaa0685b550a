"""What the outbox keeps, as rows that prove themselves: each row of value carries a sum over its table,
its number and its bytes, so that one damaged row is one damaged row. Pure; knows no database.
"""

import hashlib

from gateway.wire import shape
from gateway.wire.cbor import CborError, decode, encode
from gateway.wire.envelope import digest, open_signed
from gateway.wire.errors import WireError
from gateway.wire.items import DeviceClock, Frame
from gateway.wire.measurement import Capture, Device, capture_from_wire, device_from_wire

TYPE_CHECKING = False
if TYPE_CHECKING:
    from gateway.hub.given import Ranges as Ranges
else:
    Ranges = tuple

SUM_SIZE = 8
# How a measurement was sealed. One that was sealed before it was whole gets one addition, in an envelope of
# its own: so each of the two can be lost, and sealed again, by itself.
WHOLE, PARTIAL, ADDED = b"", b"partial", b"added"


class Row:
    """Rows are equal when all that they hold is."""

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and self.__dict__ == other.__dict__


class Captured(Row):
    """Frames of one visit as they came, durable and not sealed yet. `row` also counts within a boot."""

    def __init__(
        self,
        row: int,
        visit: bytes,
        capture: Capture,
        device: Device,
        driver: str,
        frames: list[Frame],
        clock: DeviceClock | None,
    ) -> None:
        self.row = row
        self.visit = visit
        self.capture = capture
        self.device = device
        self.driver = driver
        self.frames = frames
        self.clock = clock


class Message(Row):
    """A sealed envelope ready to send: `raw` is the upward message, `hash` that of its signed part."""

    def __init__(self, kid: bytes, sequence: int, hash: bytes, raw: bytes) -> None:  # noqa: A002 (its name)
        self.kid = kid
        self.sequence = sequence
        self.hash = hash
        self.raw = raw


class Head(Row):
    """The last envelope of a key, and how many statements that key has sealed, this envelope included."""

    def __init__(self, kid: bytes, sequence: int, hash: bytes, statements: int) -> None:  # noqa: A002
        self.kid = kid
        self.sequence = sequence
        self.hash = hash
        self.statements = statements


class Effect(Row):
    """What a state changed.

    accepted: envelopes newly accepted. lost_accepted: the bridge no longer holds what was freed here, so
    the devices' memories are to be read again. ahead: the bridge knows more of the live key than this hub,
    so the hub seals nothing more with it and enrols with a new one. quarantined: refused for good just now.
    """

    def __init__(self, accepted: int, lost_accepted: bool, ahead: bool, quarantined: int) -> None:  # noqa: FBT001
        self.accepted = accepted
        self.lost_accepted = lost_accepted
        self.ahead = ahead
        self.quarantined = quarantined


class Key(Row):
    """All that is known of one signing key, in one row that is kept twice.

    number: in order of first use, the highest is the live one. settled: delivered or decided up to here.
    absent: sequences that this hub sealed and holds no longer; of these the bridge had accepted `freed`,
    and `reported` were told to it as lost. burnt: the true head is not certain; never seal with it again.
    """

    def __init__(
        self,
        number: int,
        kid: bytes,
        sequence: int = 0,
        hash: bytes = b"",  # noqa: A002 (its name)
        statements: int = 0,
        settled: int = 0,
        absent: Ranges = (),
        freed: Ranges = (),
        reported: Ranges = (),
        burnt: bool = False,  # noqa: FBT001, FBT002 (as it is stored)
    ) -> None:
        self.number = number
        self.kid = kid
        self.sequence = sequence
        self.hash = hash
        self.statements = statements
        self.settled = settled
        self.absent = absent
        self.freed = freed
        self.reported = reported
        self.burnt = burnt

    def body(self) -> bytes:
        numbers = [self.sequence, self.statements, self.settled]
        ranges = [[list(pair) for pair in part] for part in (self.absent, self.freed, self.reported)]
        return encode([self.kid, self.hash, numbers, ranges, self.burnt])

    def missing(self) -> Ranges:
        """Sequences that nobody holds and nobody was told of yet."""
        return subtract(subtract(self.absent, self.freed), self.reported)

    def changed(self, **parts: object) -> "Key":
        """This key with other values in these places."""
        return Key(**(self.__dict__ | parts))

    def without(self, sequence: int) -> "Key":
        """This key after an envelope of it turned out to be unreadable."""
        return self.changed(absent=join(self.absent, ((sequence, sequence),)))


def key_from_body(number: int, body: bytes) -> Key:
    """The key that `Key.body` wrote; WireError when the bytes are no such row."""
    kid, last, numbers, ranges, burnt = shape.array(_decode(body), 5)
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


def captured_body(captured: Captured) -> bytes:
    """One row of bytes for captured frames; the row number is kept beside it."""
    clock = None if captured.clock is None else captured.clock.wire()
    frames = [frame.wire() for frame in captured.frames]
    device = captured.device.wire()
    return encode([captured.visit, captured.capture.wire(), device, captured.driver, frames, clock])


def captured_from_body(row: int, body: bytes) -> Captured:
    """The captured frames that `captured_body` wrote; WireError when the bytes are no such row."""
    visit, capture, device, driver, frames, clock = shape.array(_decode(body), 6)
    return Captured(
        row,
        shape.octets(visit),
        capture_from_wire(capture),
        device_from_wire(device),
        shape.text(driver),
        [_frame(frame) for frame in shape.array(frames)],
        None if clock is None else _clock(clock),
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


# Ascending ranges (from, to), both included, never touching each other.


def join(one: Ranges, other: Ranges) -> Ranges:
    """The numbers in either."""
    joined: list[tuple[int, int]] = []
    for low, high in sorted(one + other):
        if joined and low <= joined[-1][1] + 1:
            joined[-1] = (joined[-1][0], max(high, joined[-1][1]))
        else:
            joined.append((low, high))
    return tuple(joined)


def subtract(one: Ranges, other: Ranges) -> Ranges:
    """The numbers in `one` and not in `other`."""
    left: list[tuple[int, int]] = []
    for start, high in one:
        low = start
        for taken_low, taken_high in other:
            if taken_high < low or taken_low > high:
                continue
            if low < taken_low:
                left.append((low, taken_low - 1))
            low = taken_high + 1
        if low <= high:
            left.append((low, high))
    return tuple(left)


def common(one: Ranges, other: Ranges) -> Ranges:
    """The numbers in both."""
    return subtract(one, subtract(one, other))


def holds(ranges: Ranges, number: int) -> bool:
    return any(low <= number <= high for low, high in ranges)


def _decode(body: bytes) -> object:
    try:
        return decode(body)
    except CborError as error:
        raise WireError("wire-cbor", str(error)) from None


def _ranges(item: object) -> Ranges:
    pairs = [shape.array(pair, 2) for pair in shape.array(item)]
    return tuple((shape.integer(low), shape.integer(high)) for low, high in pairs)


def _frame(item: object) -> Frame:
    source, offset_ms, data = shape.array(item, 3)
    return Frame(shape.text(source), shape.integer(offset_ms), shape.octets(data))


def _clock(item: object) -> DeviceClock:
    device_time, mono_ms, written = shape.array(item, 3)
    return DeviceClock(shape.text(device_time), shape.integer(mono_ms), written=shape.flag(written))

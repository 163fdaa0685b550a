"""What an outbox keeps and gives back, whatever it is made of: captured frames, envelopes, heads of keys."""

from gateway.wire import shape
from gateway.wire.cbor import CborError, decode, encode
from gateway.wire.errors import WireError
from gateway.wire.items import DeviceClock, Frame
from gateway.wire.measurement import Capture, Device, capture_from_wire, device_from_wire
from gateway.wire.records import clock_from_wire, frame_from_wire

TYPE_CHECKING = False
if TYPE_CHECKING:
    from gateway.hub.given import Ranges

# How a measurement was sealed. One that was sealed before it was whole gets one addition, in an envelope of
# its own: so each of the two can be lost, and sealed again, by itself.
WHOLE, PARTIAL, ADDED = b"", b"partial", b"added"


class Captured:
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


class Message:
    """A sealed envelope ready to send: `raw` is the upward message, `hash` that of its signed part."""

    def __init__(self, kid: bytes, sequence: int, hash: bytes, raw: bytes) -> None:  # noqa: A002 (its name)
        self.kid = kid
        self.sequence = sequence
        self.hash = hash
        self.raw = raw


class Head:
    """The last envelope of a key, and how many statements that key has sealed, this envelope included."""

    def __init__(self, kid: bytes, sequence: int, hash: bytes, statements: int) -> None:  # noqa: A002
        self.kid = kid
        self.sequence = sequence
        self.hash = hash
        self.statements = statements

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Head) and self.__dict__ == other.__dict__


class Effect:
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


def captured_body(captured: Captured) -> bytes:
    """One row of bytes for captured frames; the row number is kept beside it."""
    clock = None if captured.clock is None else captured.clock.wire()
    frames = [frame.wire() for frame in captured.frames]
    device = captured.device.wire()
    return encode([captured.visit, captured.capture.wire(), device, captured.driver, frames, clock])


def captured_from_body(row: int, body: bytes) -> Captured:
    """The captured frames that `captured_body` wrote; WireError when the bytes are no such row."""
    visit, capture, device, driver, frames, clock = shape.array(decoded(body), 6)
    return Captured(
        row,
        shape.octets(visit),
        capture_from_wire(capture),
        device_from_wire(device),
        shape.text(driver),
        [frame_from_wire(frame) for frame in shape.array(frames)],
        None if clock is None else clock_from_wire(clock),
    )


# Ascending ranges (from, to), both included, never touching each other.


def join(one: "Ranges", other: "Ranges") -> "Ranges":
    """The numbers in either."""
    joined: list[tuple[int, int]] = []
    for low, high in sorted(one + other):
        if joined and low <= joined[-1][1] + 1:
            joined[-1] = (joined[-1][0], max(high, joined[-1][1]))
        else:
            joined.append((low, high))
    return tuple(joined)


def subtract(one: "Ranges", other: "Ranges") -> "Ranges":
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


def common(one: "Ranges", other: "Ranges") -> "Ranges":
    """The numbers in both."""
    return subtract(one, subtract(one, other))


def holds(ranges: "Ranges", number: int) -> bool:
    return any(low <= number <= high for low, high in ranges)


def decoded(body: bytes) -> object:
    try:
        return decode(body)
    except CborError as error:
        raise WireError("wire-cbor", str(error)) from None

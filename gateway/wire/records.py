"""Items about what a device sent: a reading with its frames, an addition, a part of long evidence."""

from gateway.wire import shape
from gateway.wire.cbor import CborError, decode, encode
from gateway.wire.errors import WireError
from gateway.wire.item import ADDITION, PART, READING, Item
from gateway.wire.measurement import KEY_SIZE, Capture, Device, capture_from_wire, device_from_wire
from gateway.wire.reading import Reading, reading_from_wire

MAX_EVIDENCE = 4096
MAX_FRAMES = 256
MAX_LONG_FRAMES = 65_536
MAX_PART = 4096
MAX_PARTS = 256


class Frame:
    """Bytes as the device sent them: source (characteristic or "serial"), ms since the capture, bytes."""

    def __init__(self, source: str, offset_ms: int, data: bytes) -> None:
        self.source = source
        self.offset_ms = offset_ms
        self.data = bytes(data)  # radios hand out bytearrays

    def wire(self) -> list[object]:
        return [self.source, self.offset_ms, self.data]


class DeviceClock:
    """What the device's own clock said at `mono_ms` of the hub; `written` when the hub set it after."""

    def __init__(self, device_time: str, mono_ms: int, *, written: bool) -> None:
        self.device_time = device_time
        self.mono_ms = mono_ms
        self.written = written

    def wire(self) -> list[object]:
        return [self.device_time, self.mono_ms, self.written]


class ReadingItem(Item):
    """One record of a device: its own bytes and what the driver made of them.

    reading None with `error`: an undecoded record. evidence (SHA-256, size): the frames are over
    MAX_EVIDENCE bytes and went ahead as parts of `whole_of(frames)`; `frames` is empty then.
    """

    number = READING

    def __init__(
        self,
        capture: Capture,
        device: Device,
        driver: str,
        version: int,
        frames: list[Frame],
        reading: Reading | None,
        error: str | None,
        clock: DeviceClock | None = None,
        evidence: tuple[bytes, int] | None = None,
    ) -> None:
        self.capture = capture
        self.device = device
        self.driver = driver
        self.version = version
        self.frames = frames
        self.reading = reading
        self.error = error
        self.clock = clock
        self.evidence = evidence

    def wire(self) -> list[object]:
        return [
            READING,
            self.capture.wire(),
            self.device.wire(),
            [self.driver, self.version],
            [frame.wire() for frame in self.frames],
            None if self.evidence is None else list(self.evidence),
            None if self.clock is None else self.clock.wire(),
            None if self.reading is None else self.reading.wire(),
            self.error,
        ]


class Addition(Item):
    """Frames that came after a record was sealed; they only fill what was absent in that measurement."""

    number = ADDITION

    def __init__(self, key: bytes, capture: Capture, driver: str, version: int, frames: list[Frame]) -> None:
        self.key = key
        self.capture = capture
        self.driver = driver
        self.version = version
        self.frames = frames

    def wire(self) -> list[object]:
        frames = [frame.wire() for frame in self.frames]
        return [ADDITION, self.key, self.capture.wire(), [self.driver, self.version], frames]


class Part(Item):
    """A piece of long evidence, sent ahead: SHA-256 of the whole, index from 0, count, bytes.

    The whole is `whole_of(frames)`, cut into pieces of MAX_PART bytes; only the last may be shorter.
    """

    number = PART

    def __init__(self, whole: bytes, index: int, count: int, data: bytes) -> None:
        self.whole = whole
        self.index = index
        self.count = count
        self.data = data

    def wire(self) -> list[object]:
        return [PART, self.whole, self.index, self.count, self.data]


def whole_of(frames: list[Frame]) -> bytes:
    """Long evidence in one piece: what parts are cut from, and what its SHA-256 and size speak of."""
    return encode([frame.wire() for frame in frames])


def frames_of(whole: bytes) -> list[Frame]:
    """The frames that were cut into parts; WireError when these bytes are none."""
    try:
        rows = shape.some(decode(whole), MAX_LONG_FRAMES, 1)
    except CborError as error:
        raise WireError("wire-cbor", str(error)) from None
    return [frame_from_wire(row) for row in rows]


def _frames(item: object) -> list[Frame]:
    frames = [frame_from_wire(row) for row in shape.some(item, MAX_FRAMES)]
    if sum([len(frame.data) for frame in frames]) > MAX_EVIDENCE:
        raise WireError("wire-shape", "evidence over %d bytes goes in parts" % MAX_EVIDENCE)
    return frames


def frame_from_wire(row: object) -> Frame:
    source, offset_ms, data = shape.array(row, 3)
    return Frame(shape.text(source), shape.integer(offset_ms), shape.octets(data))


def _driver(item: object) -> tuple[str, int]:
    name, version = shape.array(item, 2)
    return shape.word(name), shape.integer(version, 1)


def reading_item(row: list[object]) -> ReadingItem:
    _, capture, device, driver, frames, evidence, clock, reading, error = shape.array(row, 9)
    if (reading is None) == (error is None):
        raise WireError("wire-shape", "a reading or an error code, never both or neither")
    if bool(frames) == (evidence is not None):
        raise WireError("wire-shape", "frames or the hash of long evidence, never both or neither")
    name, version = _driver(driver)
    return ReadingItem(
        capture_from_wire(capture),
        device_from_wire(device),
        name,
        version,
        _frames(frames),
        None if reading is None else reading_from_wire(reading),
        shape.maybe_word(error),
        None if clock is None else clock_from_wire(clock),
        None if evidence is None else _evidence(evidence),
    )


def clock_from_wire(item: object) -> DeviceClock:
    device_time, mono_ms, written = shape.array(item, 3)
    return DeviceClock(shape.text(device_time), shape.integer(mono_ms), written=shape.flag(written))


def _evidence(item: object) -> tuple[bytes, int]:
    whole, size = shape.array(item, 2)
    return shape.octets(whole, 32), shape.integer(size, 1, MAX_PART * MAX_PARTS)


def addition_item(row: list[object]) -> Addition:
    _, key, capture, driver, frames = shape.array(row, 5)
    name, version = _driver(driver)
    parts = _frames(frames)
    if not parts:
        raise WireError("wire-shape", "an addition without frames")
    return Addition(shape.octets(key, KEY_SIZE), capture_from_wire(capture), name, version, parts)


def part_item(row: list[object]) -> Part:
    _, whole, index, count, data = shape.array(row, 5)
    total = shape.integer(count, 1, MAX_PARTS)
    place = shape.integer(index, 0, total - 1)
    size = len(shape.octets(data))
    if not 0 < size <= MAX_PART or (size < MAX_PART and place < total - 1):
        raise WireError("wire-shape", "parts of %d bytes, the last of 1 or more" % MAX_PART)
    return Part(shape.octets(whole, 32), place, total, shape.octets(data))

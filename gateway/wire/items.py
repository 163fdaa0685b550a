"""The items that an envelope discloses one by one. Arrays only; the first element names the type."""

from gateway.wire import shape
from gateway.wire.errors import WireError
from gateway.wire.measurement import (
    KEY_SIZE,
    KID_SIZE,
    Capture,
    Device,
    Moment,
    capture_from_wire,
    device_from_wire,
    moment_from_wire,
)
from gateway.wire.reading import Reading, reading_from_wire

READING, ADDITION, PART, STATEMENT, STATUS, LOST, NEXT_KEY = 1, 2, 3, 4, 5, 6, 7
VERBS = ("pause", "resume", "mine", "not-mine", "answer")
RESTRICTING = ("pause", "not-mine")
STATEMENT_ID_SIZE = 16
MAX_EVIDENCE = 4096


class Frame:
    """Bytes as the device sent them: source (characteristic or "serial"), ms since capture began, bytes."""

    def __init__(self, source: str, offset_ms: int, data: bytes) -> None:
        self.source = source
        self.offset_ms = offset_ms
        self.data = data

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


class Item:
    """What one disclosure holds."""

    number = 0

    def wire(self) -> list[object]:
        raise NotImplementedError


class ReadingItem(Item):
    """One record of a device: its own bytes and what the driver made of them.

    reading None with `error`: an undecoded record. evidence (SHA-256, size): the frames are long and
    went ahead as parts; `frames` is empty then.
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
    """A piece of long evidence, sent ahead: SHA-256 of the whole, index from 0, count, bytes."""

    number = PART

    def __init__(self, whole: bytes, index: int, count: int, data: bytes) -> None:
        self.whole = whole
        self.index = index
        self.count = count
        self.data = data

    def wire(self) -> list[object]:
        return [PART, self.whole, self.index, self.count, self.data]


class Statement(Item):
    """What a person said at the hub.

    refs: pause ids for resume, measurement keys for mine and not-mine, question ids for answer.
    citizen: pseudonym at the bridge whom it concerns; None for the whole hub.
    """

    number = STATEMENT

    def __init__(
        self,
        verb: str,
        statement_id: bytes,
        moment: Moment,
        citizen: str | None = None,
        refs: list[bytes] | None = None,
        answer: str | None = None,
    ) -> None:
        self.verb = verb
        self.statement_id = statement_id
        self.moment = moment
        self.citizen = citizen
        self.refs = refs or []
        self.answer = answer

    def wire(self) -> list[object]:
        moment = self.moment.wire()
        return [STATEMENT, self.verb, self.statement_id, moment, self.citizen, self.refs, self.answer]


class DeviceStatus:
    """A device as the hub sees it: battery in percent, bonded or not, last seen (ms since boot)."""

    def __init__(
        self,
        identity: str,
        battery: int | None,
        bonded: bool | None,  # noqa: FBT001 (the wire's word)
        last_seen_ms: int | None,
    ) -> None:
        self.identity = identity
        self.battery = battery
        self.bonded = bonded
        self.last_seen_ms = last_seen_ms

    def wire(self) -> list[object]:
        return [self.identity, self.battery, self.bonded, self.last_seen_ms]


class Status(Item):
    """The hub's health, at least daily. Every sealed-at is a time anchor as well.

    counts: (name, number) pairs such as unaccepted, quarantined, indications-lost; commands: ids done.
    """

    number = STATUS

    def __init__(
        self,
        moment: Moment,
        software: str,
        free_bytes: int,
        counts: list[tuple[str, int]],
        devices: list[DeviceStatus],
        commands: list[bytes],
    ) -> None:
        self.moment = moment
        self.software = software
        self.free_bytes = free_bytes
        self.counts = counts
        self.devices = devices
        self.commands = commands

    def wire(self) -> list[object]:
        return [
            STATUS,
            self.moment.wire(),
            self.software,
            self.free_bytes,
            [list(pair) for pair in self.counts],
            [device.wire() for device in self.devices],
            self.commands,
        ]


class Lost(Item):
    """What the hub cannot supply any more: an envelope (key id, sequence, index or None) or device records.

    It closes the waiting, not the door: what turns up later is taken in as usual.
    """

    number = LOST

    def __init__(
        self,
        envelope: tuple[bytes, int, int | None] | None,
        device: str | None,
        count: int,
        reason: str,
    ) -> None:
        self.envelope = envelope
        self.device = device
        self.count = count
        self.reason = reason

    def wire(self) -> list[object]:
        envelope = None if self.envelope is None else list(self.envelope)
        return [LOST, envelope, self.device, self.count, self.reason]


class NextKey(Item):
    """The key that this hub will use next: public key and that key's signature over `next_key_proof`."""

    number = NEXT_KEY

    def __init__(self, public_key: bytes, proof: bytes) -> None:
        self.public_key = public_key
        self.proof = proof

    def wire(self) -> list[object]:
        return [NEXT_KEY, self.public_key, self.proof]


def next_key_proof(hub: str, public_key: bytes) -> bytes:
    """What a new key signs to show that the hub holds it."""
    return b"meethub/next-key/1|" + hub.encode() + b"|" + public_key


def item_from_wire(item: object) -> Item:
    """The item that this array is; WireError("wire-shape") or WireError("item-unknown")."""
    row = shape.array(item)
    parse = _PARSERS.get(shape.integer(row[0])) if row else None
    if parse is None:
        raise WireError("item-unknown")
    return parse(row)


def _frames(item: object) -> list[Frame]:
    frames = []
    for row in shape.array(item):
        source, offset_ms, data = shape.array(row, 3)
        frames.append(Frame(shape.text(source), shape.integer(offset_ms), shape.octets(data)))
    if sum([len(frame.data) for frame in frames]) > MAX_EVIDENCE:
        raise WireError("wire-shape", "evidence over %d bytes goes in parts" % MAX_EVIDENCE)
    return frames


def _driver(item: object) -> tuple[str, int]:
    name, version = shape.array(item, 2)
    return shape.text(name), shape.integer(version)


def _reading(row: list[object]) -> ReadingItem:
    _, capture, device, driver, frames, evidence, clock, reading, error = shape.array(row, 9)
    if (reading is None) == (error is None):
        raise WireError("wire-shape", "a reading or an error code, never both or neither")
    name, version = _driver(driver)
    return ReadingItem(
        capture_from_wire(capture),
        device_from_wire(device),
        name,
        version,
        _frames(frames),
        None if reading is None else reading_from_wire(reading),
        shape.maybe_text(error),
        None if clock is None else _clock(clock),
        None if evidence is None else _evidence(evidence),
    )


def _clock(item: object) -> DeviceClock:
    device_time, mono_ms, written = shape.array(item, 3)
    return DeviceClock(shape.text(device_time), shape.integer(mono_ms), written=shape.flag(written))


def _evidence(item: object) -> tuple[bytes, int]:
    whole, size = shape.array(item, 2)
    return shape.octets(whole, KEY_SIZE), shape.integer(size)


def _addition(row: list[object]) -> Addition:
    _, key, capture, driver, frames = shape.array(row, 5)
    name, version = _driver(driver)
    return Addition(shape.octets(key, KEY_SIZE), capture_from_wire(capture), name, version, _frames(frames))


def _part(row: list[object]) -> Part:
    _, whole, index, count, data = shape.array(row, 5)
    total = shape.integer(count, 1)
    return Part(shape.octets(whole, KEY_SIZE), shape.integer(index, 0, total - 1), total, shape.octets(data))


def _statement(row: list[object]) -> Statement:
    _, verb, statement_id, moment, citizen, refs, answer = shape.array(row, 7)
    return Statement(
        shape.one_of(verb, VERBS),
        shape.octets(statement_id, STATEMENT_ID_SIZE),
        moment_from_wire(moment),
        shape.maybe_text(citizen),
        [shape.octets(ref) for ref in shape.array(refs)],
        shape.maybe_text(answer),
    )


def _status(row: list[object]) -> Status:
    _, moment, software, free_bytes, counts, devices, commands = shape.array(row, 7)
    return Status(
        moment_from_wire(moment),
        shape.text(software),
        shape.integer(free_bytes),
        [_count(pair) for pair in shape.array(counts)],
        [_device_status(device) for device in shape.array(devices)],
        [shape.octets(command) for command in shape.array(commands)],
    )


def _count(item: object) -> tuple[str, int]:
    name, number = shape.array(item, 2)
    return shape.text(name), shape.integer(number)


def _device_status(item: object) -> DeviceStatus:
    identity, battery, bonded, last_seen_ms = shape.array(item, 4)
    return DeviceStatus(
        shape.text(identity),
        None if battery is None else shape.integer(battery, 0, 100),
        None if bonded is None else shape.flag(bonded),
        shape.maybe_integer(last_seen_ms),
    )


def _lost(row: list[object]) -> Lost:
    _, envelope, device, count, reason = shape.array(row, 5)
    return Lost(
        None if envelope is None else _place(envelope),
        shape.maybe_text(device),
        shape.integer(count),
        shape.text(reason),
    )


def _place(item: object) -> tuple[bytes, int, int | None]:
    kid, sequence, index = shape.array(item, 3)
    return shape.octets(kid, KID_SIZE), shape.integer(sequence, 1), shape.maybe_integer(index)


def _next_key(row: list[object]) -> NextKey:
    _, public_key, proof = shape.array(row, 3)
    return NextKey(shape.octets(public_key, 32), shape.octets(proof, 64))


_PARSERS = {
    READING: _reading,
    ADDITION: _addition,
    PART: _part,
    STATEMENT: _statement,
    STATUS: _status,
    LOST: _lost,
    NEXT_KEY: _next_key,
}

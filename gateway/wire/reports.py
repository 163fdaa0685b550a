"""Items about the hub and its people: statement, status, lost, next key."""

from gateway.wire import shape
from gateway.wire.errors import WireError
from gateway.wire.item import LOST, NEXT_KEY, STATEMENT, STATUS, Item
from gateway.wire.measurement import KEY_SIZE, KID_SIZE, Moment, moment_from_wire

VERBS = ("pause", "resume", "mine", "not-mine", "answer")
RESTRICTING = ("pause", "not-mine")
STATEMENT_ID_SIZE = 16
# Size of what a statement of this verb names: pauses, measurement keys, questions. A pause names nothing.
REF_SIZES = {"resume": STATEMENT_ID_SIZE, "mine": KEY_SIZE, "not-mine": KEY_SIZE, "answer": STATEMENT_ID_SIZE}
MAX_REFS = 64
MAX_COUNTS = 32
MAX_DEVICES = 64
COMMAND_ID_SIZE = 8
MAX_COMMANDS = 16


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


def statement_item(row: list[object]) -> Statement:
    _, verb, statement_id, moment, citizen, refs, answer = shape.array(row, 7)
    said = shape.one_of(verb, VERBS)
    if (said == "answer") != (answer is not None):
        raise WireError("wire-shape", "an answer has text, nothing else has")
    return Statement(
        said,
        shape.octets(statement_id, STATEMENT_ID_SIZE),
        moment_from_wire(moment),
        shape.maybe_text(citizen),
        _refs(said, refs),
        shape.maybe_text(answer),
    )


def _refs(verb: str, item: object) -> list[bytes]:
    """What a statement names: at least one; a pause names nothing and takes its citizen, or all."""
    size = REF_SIZES.get(verb)
    if size is None:
        return [shape.octets(ref) for ref in shape.some(item, 0)]
    return [shape.octets(ref, size) for ref in shape.some(item, MAX_REFS, 1)]


def status_item(row: list[object]) -> Status:
    _, moment, software, free_bytes, counts, devices, commands = shape.array(row, 7)
    return Status(
        moment_from_wire(moment),
        shape.text(software),
        shape.integer(free_bytes),
        [_count(pair) for pair in shape.some(counts, MAX_COUNTS)],
        [_device_status(device) for device in shape.some(devices, MAX_DEVICES)],
        [shape.octets(command, COMMAND_ID_SIZE) for command in shape.some(commands, MAX_COMMANDS)],
    )


def _count(item: object) -> tuple[str, int]:
    name, number = shape.array(item, 2)
    return shape.word(name), shape.integer(number)


def _device_status(item: object) -> DeviceStatus:
    identity, battery, bonded, last_seen_ms = shape.array(item, 4)
    return DeviceStatus(
        shape.text(identity),
        None if battery is None else shape.integer(battery, 0, 100),
        None if bonded is None else shape.flag(bonded),
        shape.maybe_integer(last_seen_ms),
    )


def lost_item(row: list[object]) -> Lost:
    _, envelope, device, count, reason = shape.array(row, 5)
    if (envelope is None) == (device is None):
        raise WireError("wire-shape", "a place in the chain or a device, never both or neither")
    return Lost(
        None if envelope is None else _place(envelope),
        shape.maybe_text(device),
        shape.integer(count, 1),
        shape.word(reason),
    )


def _place(item: object) -> tuple[bytes, int, int | None]:
    kid, sequence, index = shape.array(item, 3)
    return shape.octets(kid, KID_SIZE), shape.integer(sequence, 1), shape.maybe_integer(index)


def next_key_item(row: list[object]) -> NextKey:
    _, public_key, proof = shape.array(row, 3)
    return NextKey(shape.octets(public_key, 32), shape.octets(proof, 64))

"""A whole hub on the disk, and the bridge as it hears it: real outbox, keys, drivers and signed states."""

import secrets
from collections.abc import Callable
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from gateway.clock import Clock
from gateway.drivers import driver_named
from gateway.hub.dialogue import Dialogue
from gateway.hub.hub import Hub
from gateway.hub.sealer import Sealer
from gateway.hub.visit import Visit
from gateway.outbox import Outbox
from gateway.signer import Signer, verify
from gateway.wire import cose, state, topics
from gateway.wire.envelope import Sealed, open_disclosure, open_message
from gateway.wire.item import Item
from gateway.wire.items import DeviceClock
from gateway.wire.measurement import Device, key_id
from gateway.wire.state import Command, Hello, KeyState, Refusal, State, open_hello

HUB = "hub-1"
MB = 1 << 20
CUFF = Device("bluetooth-C0FFEE000001", address="C0:FF:EE:00:00:01")
OXIMETER = Device("port-0123456789abcdef")


class SetClock(Clock):
    """The hub's clock with a time since boot that the test sets."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder / "synchronised")
        self.at_ms = 1_000_000

    def mono_ms(self) -> int:
        return self.at_ms


class Line:
    """The uplink's place: takes what is published while it is open, `room` messages at most."""

    def __init__(self) -> None:
        self.open = True
        self.room: int | None = None
        self.sent: list[tuple[str, bytes]] = []

    def publish(self, topic: str, payload: bytes) -> bool:
        if not self.open or self.room == 0:
            return False
        self.room = None if self.room is None else self.room - 1
        self.sent.append((topic, payload))
        return True

    def of(self, message: str) -> list[bytes]:
        return [payload for topic, payload in self.sent if topic == topics.up(HUB, message)]

    def hellos(self) -> list[Hello]:
        return [open_hello(raw) for raw in self.of(topics.HELLO)]

    def envelopes(self) -> list[Sealed]:
        return [open_message(raw)[0] for raw in self.of(topics.ENVELOPE)]

    def sequences(self) -> list[int]:
        return [sealed.sequence for sealed in self.envelopes()]

    def items(self) -> list[Item]:
        """Everything that was said in envelopes, in chain order; each envelope once."""
        found = {}
        for raw in self.of(topics.ENVELOPE):
            sealed, disclosed = open_message(raw)
            found[sealed.kid, sealed.sequence] = [
                open_disclosure(data) for data in disclosed if data is not None
            ]
        return [item for place in sorted(found, key=lambda place: place[1]) for item in found[place]]


class FarBridge:
    """What a bridge says: states signed with its own key, about what it took from the line."""

    def __init__(self, line: Line, hub: str = HUB) -> None:
        self._key = Ed25519PrivateKey.generate()
        self.public_key = self._key.public_key().public_bytes_raw()
        self.line = line
        self.hub = hub
        self.counter = 0
        self.ms = 1_800_000_000_000
        self.known: set[bytes] = set()
        self.held: dict[bytes, dict[int, bytes]] = {}

    def sign(self, payload: bytes, *, hub: str | None = None, key: Ed25519PrivateKey | None = None) -> bytes:
        key = key or self._key
        kid = key_id(key.public_key().public_bytes_raw())
        protected = cose.protected_header(state.CONTENT_TYPE, kid)
        covered = cose.sig_structure(protected, state.external_aad(hub or self.hub), payload)
        return cose.pack(protected, payload, key.sign(covered))

    def take(self, *sequences: int) -> None:
        """Hold these envelopes of the line, or all of them, if their key is known and they verify."""
        for sealed in self.line.envelopes():
            if sealed.kid in self.known and (not sequences or sealed.sequence in sequences):
                self.held.setdefault(sealed.kid, {})[sealed.sequence] = sealed.hash

    def heard_keys(self) -> list[bytes]:
        """Take all key requests, oldest first; the last one heard is live."""
        raws = self.line.of(topics.KEY)
        kids = [key_id(state.open_key_request(raw).public_key) for raw in raws]
        self.known.update(kids)
        return kids

    def heard_key(self) -> bytes:
        """Take the newest key request, as a bridge does that checks its proof."""
        request = state.open_key_request(self.line.of(topics.KEY)[-1])
        proof = next_key_words(self.hub, request.public_key)
        assert verify(request.public_key, request.proof, proof)
        self.known.add(key_id(request.public_key))
        return key_id(request.public_key)

    def key_states(self) -> list[KeyState]:
        return [self._key_state(kid) for kid in sorted(self.known)]

    def _key_state(self, kid: bytes) -> KeyState:
        held = self.held.get(kid, {})
        contiguous = 0
        while contiguous + 1 in held:
            contiguous += 1
        ranges: list[tuple[int, int]] = []
        for number in sorted(one for one in held if one > contiguous):
            if ranges and ranges[-1][1] == number - 1:
                ranges[-1] = (ranges[-1][0], number)
            else:
                ranges.append((number, number))
        return KeyState(kid, contiguous, held.get(contiguous), ranges, 0)

    def says(
        self,
        *,
        nonce: bytes | None = None,
        counter: int | None = None,
        keys: list[KeyState] | None = None,
        refused: list[Refusal] | None = None,
        commands: list[Command] | None = None,
        not_before_ms: int | None = None,
    ) -> State:
        """A state that answers the newest hello, unless told otherwise."""
        self.counter += 1
        nonce = self.line.hellos()[-1].nonce if nonce is None else nonce
        counter = self.counter if counter is None else counter
        keys = self.key_states() if keys is None else keys
        return State(nonce, counter, keys, refused or [], self.ms, commands, None, not_before_ms)

    def state(self, **said: object) -> bytes:
        return self.sign(self.says(**said).encode())


def next_key_words(hub: str, public_key: bytes) -> bytes:
    """What a new key signs, written from docs/wire-format.md."""
    return b"meethub/next-key/1|" + hub.encode() + b"|" + public_key


class House:
    """One hub: everything it owns lies in `folder`, so that `restart` is what a power cut leaves."""

    def __init__(self, folder: Path, limit: int = 8 * MB) -> None:
        self.folder = folder
        self.limit = limit
        folder.mkdir(mode=0o700)
        self.line = Line()
        self.bridge = FarBridge(self.line)
        self.start()

    def start(self) -> None:
        self.clock = SetClock(self.folder)
        self.signer = Signer.open(self.folder)
        self.outbox = Outbox(self.folder / "outbox.sqlite", self.limit)
        self.sealer = Sealer(self.outbox, self.signer, HUB, self.clock.now)
        self.dialogue = Dialogue(
            HUB, self.outbox, self.signer, self.bridge.public_key, self.clock.now, self.line.publish, verify
        )
        renew: Callable[[], Signer] = lambda: Signer.renew(self.folder)  # noqa: E731 (a name for the reader)
        former: Callable[[], list[Signer]] = lambda: Signer.former(self.folder)  # noqa: E731 (as above)
        self.hub = Hub(self.outbox, self.sealer, self.dialogue, self.clock, renew, former)

    def restart(self) -> None:
        """Power off and on; the time since boot goes on, because only the daemon ended."""
        at_ms = self.clock.at_ms
        self.outbox.close()
        self.start()
        self.clock.at_ms = at_ms

    def know(self) -> None:
        """The bridge knows this hub's key, as after enrolment."""
        self.bridge.known.add(self.signer.kid)

    def online(self) -> None:
        """Connected and answered: what was sealed may go."""
        self.know()
        self.hub.online()
        self.hear()

    def hear(self, **said: object) -> None:
        self.hub.state_arrived(self.bridge.state(**said))
        self.hub.tick()

    def settle(self) -> None:
        """Send and accept until nothing waits."""
        for _ in range(200):
            self.hub.tick()
            if self.outbox.unaccepted() == 0:
                return
            self.bridge.take()
            self.hear()
        raise AssertionError(self.outbox.counts())

    def later(self, seconds: float) -> None:
        self.clock.at_ms += int(seconds * 1000)

    # Devices.

    def cuff(
        self, *frames: bytes, clock: DeviceClock | None = None, close: bool = True
    ) -> list[bytes | None]:
        """A visit of a blood pressure monitor that indicates these records; what it was answered."""
        return self.visit("blood-pressure", CUFF, "2a35", frames, clock, close=close)

    def oximeter(self, *pieces: bytes, close: bool = True) -> list[bytes | None]:
        """A visit of an oximeter on a cable that sends these pieces of its stream."""
        return self.visit("nonin-serial", OXIMETER, "serial", pieces, None, close=close)

    def visit(
        self,
        driver: str,
        device: Device,
        source: str,
        frames: tuple[bytes, ...],
        clock: DeviceClock | None = None,
        *,
        close: bool = True,
    ) -> list[bytes | None]:
        kind = driver_named(driver)
        assert kind is not None
        visit = Visit(device, kind, clock, number=secrets.token_bytes(8))
        self.hub.visits.opened(visit)
        answers = []
        for data in frames:
            self.later(0.1)
            sends = self.hub.visits.received(visit, source, data)
            answers.append(b"".join(frame.data for frame in sends) if sends else None)
        if close:
            self.hub.visits.closed(visit)
        return answers


def record_bytes(systolic: int = 120, minute: int = 0, *, user: int | None = None) -> bytes:
    """A stored record as Blood Pressure Service 1.1.1, 2A35 lays it down: time, pulse, user slot."""
    flags = 0x06 if user is None else 0x0E
    data = bytes([flags]) + b"".join(value.to_bytes(2, "little") for value in (systolic, 80, 93))
    data += (2026).to_bytes(2, "little") + bytes([3, 4, 7, minute, 0]) + (66).to_bytes(2, "little")
    return data if user is None else data + bytes([user])


FAILED_RECORD = bytes.fromhex("00ff07ff07ff07")  # all three pressures NaN: nothing was measured
SHORT_RECORD = bytes.fromhex("1e78")


def spot_packet(pulse: int, spo2: int, minute: int = 15) -> bytes:
    """A spot check of a Nonin oximeter (data format 13), to be answered with ACK."""
    date = [0x20, 0x26, 0x03, 0x04, 0x07, int(str(minute), 16), 0x09, 0]
    data = bytes([*date, 0, 0, pulse >> 8, pulse & 255, 0, spo2])
    return b"\x00\x02\x00\x0d" + bytes([0, len(data)]) + data + bytes([sum(data) & 255, 3])

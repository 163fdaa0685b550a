"""A gateway in a test: the hub with its real outbox, keys, sealer and dialogue, in a folder of its own."""

import json
from pathlib import Path
from secrets import token_bytes
from time import time_ns

from gateway.clock import Clock
from gateway.hub.dialogue import Dialogue
from gateway.hub.hub import Hub
from gateway.hub.sealer import Sealer
from gateway.outbox import Outbox
from gateway.signer import Signer, certificate_request, verify
from gateway.wire.items import Statement
from gateway.wire.measurement import BOOT_SIZE, Moment
from tests.e2e.wire import Wire

START_MS = 1_770_000_000_000  # 2 February 2026, 03:40 in Amsterdam
SPACE = 64 << 20
OUTBOX = "outbox.sqlite"


class Time:
    """True time. It stands still until a test lets it pass."""

    def __init__(self, now_ms: int = START_MS) -> None:
        self._now_ms = now_ms

    @property
    def now_ms(self) -> int:
        return self._now_ms

    def pass_s(self, seconds: int) -> None:
        self._now_ms += seconds * 1000


class RealTime(Time):
    """The time of this machine, for stories with a radio in them; it passes by itself, and can leap."""

    def __init__(self) -> None:
        super().__init__(0)

    @property
    def now_ms(self) -> int:
        return self._now_ms + time_ns() // 1_000_000

    def pass_s(self, seconds: int) -> None:
        """Nobody waits."""

    def leap_s(self, seconds: int) -> None:
        """So much later; the virtual devices do not notice."""
        self._now_ms += seconds * 1000


class HubClock(Clock):
    """The hub's clock, driven by the test's time. synchronised: the system clock is right (NTP)."""

    def __init__(self, time: Time, nowhere: Path, *, synchronised: bool = True) -> None:
        super().__init__(nowhere)
        self._time = time
        self.synchronised = synchronised
        self.reboot()

    def reboot(self) -> None:
        self.boot = token_bytes(BOOT_SIZE)
        self._booted_ms = self._time.now_ms - 60_000
        self._bridge_ahead_ms = None

    def mono_ms(self) -> int:
        return self._time.now_ms - self._booted_ms

    def now(self) -> Moment:
        if self.synchronised:
            return Moment(self.boot, self.mono_ms(), self._time.now_ms, "ntp")
        return super().now()


class Gateway:
    """One hub on its own files; `start` and `stop` as the daemon does. state_key: from enrolment."""

    def __init__(
        self, name: str, directory: Path, time: Time, wire: Wire, *, synchronised: bool = True
    ) -> None:
        self.name = name
        self.directory = directory
        self.clock = HubClock(time, directory / "synchronised", synchronised=synchronised)
        self.space = SPACE
        self.state_key = b""
        self._wire = wire
        directory.mkdir(mode=0o700, parents=True)

    def request(self) -> str:
        """What the bridge asks of a hub that is enrolled; keys are made on first use."""
        public_key = Signer.open(self.directory).public_key.hex()
        certificate = certificate_request(self.directory, self.name).decode()
        return json.dumps({"hub": self.name, "public_key": public_key, "certificate_request": certificate})

    def start(self) -> None:
        signer, now = Signer.open(self.directory), self.clock.now
        self.outbox = Outbox(
            self.directory / OUTBOX, self.space, monotonic=lambda: self.clock.mono_ms() / 1000
        )
        sealer = Sealer(self.outbox, signer, self.name, now)
        send = self._wire.sender(self.name)
        dialogue = Dialogue(self.name, self.outbox, signer, self.state_key, now, send, verify)
        self.hub = Hub(self.outbox, sealer, dialogue, self.clock, lambda: Signer.renew(self.directory))
        self.hub.visits.replay()

    def stop(self) -> None:
        self.offline()
        self.outbox.close()

    def restart(self, *, rebooted: bool = False) -> None:
        """The daemon, or the whole machine, starts again and is online at once if it was."""
        online = self.online
        self.stop()
        if rebooted:
            self.clock.reboot()
        self.start()
        if online:
            self.connect()

    @property
    def online(self) -> bool:
        return self.hub.dialogue.connected

    @property
    def kid(self) -> bytes:
        return self.hub.sealer.signer.kid

    def connect(self) -> None:
        self._wire.connect(self.name)
        self.hub.online()

    def offline(self) -> None:
        self._wire.cut(self.name)
        self.hub.offline()

    def say(self, verb: str, **more: object) -> bytes:
        """A person says something at the hub; the id of the statement."""
        statement_id = token_bytes(16)
        self.hub.sealer.state(Statement(verb, statement_id, self.clock.now(), **more))  # type: ignore[arg-type]
        self.hub.wake.set()
        return statement_id

    def seal_now(self) -> None:
        """What waits offline for company is sealed as it is."""
        self.hub.sealer.seal(online=True)

    def held_sequences(self) -> set[tuple[bytes, int]]:
        """Every envelope that the outbox still has, read from its file."""
        rows = self.outbox.rows(1_000_000)
        return {(bytes.fromhex(str(row["kid"])), int(str(row["sequence"]))) for row in rows}

    def sealed_sequences(self) -> set[tuple[bytes, int]]:
        """Every envelope that this outbox's keys ever sealed."""
        heads = [self.outbox.head(kid) for kid in self.kids()]
        return {(head.kid, number) for head in heads if head for number in range(1, head.sequence + 1)}

    def kids(self) -> list[bytes]:
        """The live key, and those before it."""
        return [self.kid, *(signer.kid for signer in Signer.former(self.directory))]

"""The hub in the machine: the gateway's own radio, agent, hub and outbox, wired as the daemon does, without a bridge."""

import asyncio
import json
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import structlog

from gateway.clock import Clock
from gateway.drivers.blood_pressure import BloodPressure
from gateway.hub.dialogue import Dialogue
from gateway.hub.hub import Hub
from gateway.hub.sealer import Sealer
from gateway.hub.visit import Visit
from gateway.hub.visits import Visits
from gateway.outbox import Outbox
from gateway.pairing.agent import PairingAgent
from gateway.pairing.window import PairingWindow
from gateway.radio import BluetoothDevice, Limits, Radio
from gateway.radio.listening import DeviceFacts
from gateway.signer import Signer, verify
from gateway.wire.envelope import open_disclosure, open_message
from gateway.wire.records import ReadingItem

METER, CODED_METER = "F0:5A:01:00:00:01", "F0:5A:01:00:00:02"
HUB, SPACE_BYTES = "hub-0001", 8 << 20
# The only limit that is not the product's (60): how long the scanner may hear nothing. Shorter, so that a run is.
LIMITS = Limits(silence_s=15)
# Longer than any question to a device may take, as a person who looks for his glasses.
TYPING_S = 8
log = structlog.get_logger()
Ask = Callable[..., Awaitable[object]]


class Person:
    """Who types what the meter shows, after a while."""

    def __init__(self, ask: Ask) -> None:
        self._ask = ask

    async def passkey(self, _address: str) -> int | None:
        log.info("code-asked")
        await asyncio.sleep(TYPING_S)
        code = await self._ask("shown_code")
        log.info("code-typed")
        return code

    async def same(self, _address: str, _passkey: int) -> bool:
        return False

    def show(self, _address: str, _passkey: int) -> None:
        raise AssertionError("no meter here has keys")


class Watched:
    """The hub as a listener, which also remembers the visits."""

    def __init__(self, listener: Visits) -> None:
        self.visits: list[Visit] = []
        self._listener = listener

    def __getattr__(self, name: str) -> object:
        return getattr(self._listener, name)

    def opened(self, visit: Visit) -> None:
        self.visits.append(visit)
        self._listener.opened(visit)


class House:
    """Everything of one hub that the daemon starts."""

    def __init__(self, folder: Path, log: list[dict[str, object]], ask: Ask) -> None:
        self.folder = folder
        self.log = log
        self.window = PairingWindow()
        self.agent = PairingAgent(self.window)
        self.person = Person(ask)
        synchronised = folder / "synchronised"
        synchronised.touch()  # the machine's clock is the host's
        clock = Clock(synchronised)
        signer = Signer.open(folder)
        self.outbox = Outbox(folder / "outbox.sqlite", SPACE_BYTES)
        self.sealer = Sealer(self.outbox, signer, HUB, clock.now)
        dialogue = Dialogue(HUB, self.outbox, signer, bytes(32), clock.now, lambda *_: False, verify)
        hub = Hub(self.outbox, self.sealer, dialogue, clock, lambda: Signer.renew(folder))
        self.listener = Watched(hub.visits)
        self.radio = Radio(
            [BluetoothDevice(address, BloodPressure, _identity(address)) for address in (METER, CODED_METER)],
            self.listener,
            clock.wall,
            None,
            lambda device: hub.may_visit(device.driver),
            pairing_open=self.window.is_open,
            pairing_answered=self.window.answered,
            adapter="hci0",
            limits=LIMITS,
            mono_ms=clock.mono_ms,
        )

    def facts(self, address: str = METER) -> DeviceFacts:
        return self.radio.facts.devices[_identity(address)]

    def said(self, event: str) -> int:
        """How often the hub has logged this."""
        return sum(line["event"] == event for line in self.log)

    def readings(self) -> list[str]:
        """The records that the bridge would get, in order; everything is sealed first."""
        self.sealer.seal(online=True)
        return readings(self.outbox)


def _identity(address: str) -> str:
    return "bluetooth-" + address.replace(":", "")


def readings(outbox: Outbox) -> list[str]:
    """The measurements' own bytes in all envelopes, in order of the chain."""
    found = []
    for message in sorted(outbox.to_send(1000, set()), key=lambda message: message.sequence):
        for data in open_message(message.raw)[1]:
            item = open_disclosure(data) if data is not None else None
            if isinstance(item, ReadingItem) and item.reading is not None:
                found += [frame.data.hex() for frame in item.frames if frame.source == "2a35"]
    return found


def log_to(path: Path) -> list[dict[str, object]]:
    """The hub's log as a file, each line with the seconds since the machine's start, and as a list to look into."""
    lines: list[dict[str, object]] = []
    file = path.open("w", encoding="utf-8")

    def keep(_logger: object, _method: str, event: dict[str, object]) -> str:
        lines.append(event)
        return f"{time.clock_gettime(time.CLOCK_BOOTTIME):7.1f} {json.dumps(event, default=str)}"

    structlog.configure(processors=[keep], logger_factory=structlog.PrintLoggerFactory(file))
    return lines

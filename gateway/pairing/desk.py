"""Where a person pairs a device: finds those in the air, opens pairing for one, answers what BlueZ asks.

One conversation at a time, in rows (see docs/operating.md): the person's side is a terminal, or a program.
Pairing is open for the one device that was chosen, only while its pairing goes on, and closed when the
person's side goes away.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from typing import Any

from gateway.control import Channel, Row
from gateway.drivers import driver_named
from gateway.drivers.base import Driver
from gateway.pairing.agent import PairingAgent
from gateway.pairing.steps import MUST, NEVER, steps_for
from gateway.pairing.window import PairingWindow
from gateway.radio import BluetoothDevice, Candidate, DeviceFacts, Paired, Radio, RadioError
from gateway.radio.recognise import plain
from gateway.wire.errors import MeethubError
from gateway.wire.measurement import Device

PAIR_WITHIN_S = 120.0
REMIND_S = 2.0  # a device that is still there is told again so often


class Desk:
    """Of one radio. agent: None where the radio's backend pairs by itself.

    takes: the hub visits what was paired from now on; False for a radio without a hub behind it.
    """

    def __init__(
        self, radio: Radio, window: PairingWindow, agent: PairingAgent | None, *, takes: bool
    ) -> None:
        self.radio = radio
        self.window = window
        self.agent = agent
        self.takes = takes
        self.busy = asyncio.Lock()

    async def serve(self, channel: Channel) -> None:
        """One conversation, until the other side goes."""
        session = _Session(self, channel)
        try:
            while (row := await channel.hear()) is not None:
                await session.obey(row)
        finally:
            await session.stop()


class _Session:
    """The person's side while it is there; the agent's voice."""

    def __init__(self, desk: Desk, channel: Channel) -> None:
        self._desk = desk
        self._channel = channel
        self._work: asyncio.Task[None] | None = None
        self._address = ""
        self._names: dict[str, str] = {}
        self._answer: asyncio.Future[Any] | None = None

    async def obey(self, row: Row) -> None:
        """A wish, or the answer to the last question. What is neither is not heard."""
        wish = row.get("do")
        if "answer" in row and self._answer is not None and not self._answer.done():
            self._answer.set_result(row["answer"])
        elif wish == "status":
            self._channel.say({"event": "status", **status(self._desk.radio)})
        elif wish == "find":
            await self._begin(self._find)
        elif wish == "pair":
            await self._begin(lambda: self._pair(str(row.get("address")), str(row.get("driver"))))

    async def _begin(self, work: Callable[[], Any]) -> None:
        await self.stop()
        self._work = asyncio.ensure_future(self._alone(work))

    async def stop(self) -> None:
        work, self._work = self._work, None
        if work is not None:
            work.cancel()
            await asyncio.gather(work, return_exceptions=True)

    async def _alone(self, work: Callable[[], Any]) -> None:
        """One person at a time has the radio."""
        try:
            if self._desk.busy.locked():
                raise RadioError("pairing-taken")
            async with self._desk.busy:
                await work()
        except MeethubError as error:
            self._channel.say({"event": "failed", "code": error.code, "detail": error.detail})

    async def _find(self) -> None:
        """Tells of devices in the air until something else is wished."""
        told: dict[str, float] = {}
        now = asyncio.get_running_loop().time

        def tell(found: Candidate) -> None:
            self._names[found.address] = found.name
            if now() >= told.get(found.address, 0) + REMIND_S:
                told[found.address] = now()
                self._channel.say({"event": "found", **_row(found)})

        await self._desk.radio.find(tell)

    async def _pair(self, address: str, name: str) -> None:
        driver = driver_named(name)
        if driver is None or not (driver.subscribe or driver.adverts):
            raise RadioError("driver-unknown", name)
        self._address = address.upper()
        self._channel.say({"event": "pairing", "address": self._address, "driver": name})
        if driver.keeps_secret:
            paired = await self._paired_in_a_visit(driver)
        else:
            async with self._desk.radio.held(self._address):
                paired = await self._paired(driver)
        self._take(paired, driver)

    async def _paired(self, driver: type[Driver]) -> Paired:
        radio, address = self._desk.radio, self._address
        called = self._names[address] = await radio.heard(address, PAIR_WITHIN_S)
        need = steps_for(driver.name, called).bond
        if driver.adverts or need == NEVER:
            return Paired(_unknown(address), bonded=False)
        async with self._open():
            return await radio.pair(address, driver, PAIR_WITHIN_S, must=need == MUST)

    async def _paired_in_a_visit(self, driver: type[Driver]) -> Paired:
        """Devices to which the hub gives a key of its own do all in one connection, which is a visit."""
        radio = self._desk.radio
        if not self._desk.takes:
            raise RadioError("daemon-needed", driver.name)
        async with self._open():
            await radio.forget(self._address, PAIR_WITHIN_S)
            device = self._device(self._address, driver, bond=False)
            radio.add(device)
            facts = radio.facts.devices[device.identity]
            facts.problem, facts.failures, facts.not_before = None, 0, 0
            await _visited(facts)
        self._names[self._address] = facts.name
        about = _unknown(self._address)
        about.manufacturer, about.model = facts.manufacturer, facts.model
        return Paired(about, bonded=bool(facts.bonded))

    @contextlib.asynccontextmanager
    async def _open(self) -> AsyncIterator[None]:
        """Pairing is open for the chosen device, and its person can be asked."""
        desk, address = self._desk, self._address
        async with contextlib.AsyncExitStack() as stack:
            if desk.agent is not None:
                await stack.enter_async_context(desk.agent.speaking(self))
            desk.window.open_for(address, 2 * PAIR_WITHIN_S)
            stack.callback(desk.window.close, address)
            yield

    def _device(self, address: str, driver: type[Driver], *, bond: bool) -> BluetoothDevice:
        known = self._desk.radio.device(address)
        if known is not None:
            return replace(known, driver=driver, bond=bond)
        return BluetoothDevice(address, driver, _unknown(address).identity, bond=bond)

    def _take(self, paired: Paired, driver: type[Driver]) -> None:
        """Tells what was paired; the hub visits it from now on."""
        device = self._device(paired.device.address or self._address, driver, bond=paired.bonded)
        if self._desk.takes:
            self._desk.radio.add(device)
        self._channel.say(
            {
                "event": "paired",
                "address": device.address,
                "driver": driver.name,
                "bond": paired.bonded,
                "identity": device.identity,
                "name": self._names.get(self._address, ""),
                "manufacturer": plain(paired.device.manufacturer or ""),
                "model": plain(paired.device.model or ""),
                "listening": self._desk.takes,
            }
        )

    async def _asked(self, address: str, row: Row) -> object:
        """The person's answer; None for a device that this person is not pairing."""
        if address != self._address:
            return None
        self._answer = asyncio.get_running_loop().create_future()
        self._channel.say({"event": "asks", **row})
        try:
            return await self._answer
        except asyncio.CancelledError:
            self._channel.say({"event": "unasked"})
            raise
        finally:
            self._answer = None

    async def passkey(self, address: str) -> int | None:
        answer = str(await self._asked(address, {"question": "passkey"})).replace(" ", "")
        return int(answer) if answer.isascii() and answer.isdecimal() and len(answer) <= 6 else None  # noqa: PLR2004 (a passkey's digits)

    async def same(self, address: str, passkey: int) -> bool:
        row = {"question": "same", "passkey": f"{passkey:06d}"}
        return await self._asked(address, row) is True

    def show(self, address: str, passkey: int) -> None:
        if address == self._address:
            self._channel.say({"event": "shows", "passkey": f"{passkey:06d}"})


async def _visited(facts: DeviceFacts) -> None:
    """Waits for a visit that was carried through; a connection that failed is tried again by the radio."""
    try:
        async with asyncio.timeout(PAIR_WITHIN_S):
            while True:
                facts.visit_over.clear()
                await facts.visit_over.wait()
                if facts.problem is None:
                    return
                if facts.problem.code != "connect-failed":
                    raise facts.problem
    except TimeoutError:
        raise facts.problem or RadioError("device-not-found") from None


def _unknown(address: str) -> Device:
    return Device("bluetooth-" + address.replace(":", ""), address=address)


def _row(found: Candidate) -> Row:
    return {
        "address": found.address,
        "name": found.name,
        "drivers": [driver.name for driver in found.drivers],
        "rssi": found.rssi,
        "bonded": found.bonded,
    }


def status(radio: Radio) -> Row:
    """How it stands with the radio and each device, for the doctor; causes and addresses stay on the hub."""
    facts = radio.facts
    return {
        "scanning": facts.scanning,
        "proof": facts.proof,
        "code": facts.problem.code if facts.problem else None,
        "detail": facts.problem.detail if facts.problem else "",
        "devices": [
            {
                "identity": identity,
                "driver": device.driver.name,
                "told": [one.name, one.manufacturer, one.model],
                "seen": one.seen_at is not None,
                "bonded": one.bonded,
                "code": one.problem.code if one.problem else None,
                "detail": one.problem.detail if one.problem else "",
            }
            for device in radio.devices
            for identity, one in [(device.identity, facts.devices[device.identity])]
        ],
    }

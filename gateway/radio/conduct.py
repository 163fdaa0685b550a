"""One visit of a Bluetooth device: what is read, listened to and written, in which order and for how long.

Knows no Bluetooth library: the line to the device is given. Order (protocol, sections 1 and 8): device
information, battery and clock are read; the visit is opened with the clock's offset in it; values are
subscribed to and stored as they come; once they have stopped, a clock that is wrong is set and read back.
The clock is set after the values, not before: a link that drops in between would leave records made by the
old clock behind, to be read next time beside a clock that is right.
"""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import TypeVar

import structlog

from gateway.hub.visit import Listener, Visit
from gateway.radio.base import (
    BluetoothDevice,
    Budget,
    HubTime,
    Limits,
    Line,
    RadioError,
    SecurityNeededError,
    maybe,
)
from gateway.radio.clock import ClockKeeper
from gateway.radio.quirks import leaves_after_bond
from gateway.wire.errors import MeethubError
from gateway.wire.items import Frame
from gateway.wire.measurement import Device

BATTERY = "2a19"
MANUFACTURER, MODEL, SERIAL, FIRMWARE, SYSTEM_ID = "2a29", "2a24", "2a25", "2a26", "2a23"
MAX_TEXT = 64
_NO_BOND = ("pairing-needed", "pairing-failed", "bond-lost")
log = structlog.get_logger()
_Result = TypeVar("_Result")


async def device_of(line: Line, device: BluetoothDevice) -> Device:
    """What the device says of itself (Device Information, 180A), as far as it does."""

    async def text(characteristic: str) -> str | None:
        data = await maybe(line, characteristic)
        words = (data or b"").decode(errors="replace").strip("\0 ")[:MAX_TEXT]
        return words or None

    system_id = await maybe(line, SYSTEM_ID)
    return Device(
        device.identity,
        manufacturer=await text(MANUFACTURER),
        model=await text(MODEL),
        firmware=await text(FIRMWARE),
        serial=await text(SERIAL),
        system_id=system_id.hex() if system_id else None,
        address=device.address,
    )


class _LeaveError(Exception):
    """The device has bonded and waits for the hub to hang up; what it holds comes at the next visit."""


class RadioVisit:
    """Conducts one visit from connection to quiet."""

    def __init__(
        self,
        line: Line,
        device: BluetoothDevice,
        listener: Listener,
        limits: Limits,
        time: HubTime,
        pairing_open: Callable[[str], bool],
    ) -> None:
        self.values = 0
        self.visit: Visit | None = None
        self.clock = ClockKeeper(line, device.driver, time)
        self._preparing: asyncio.Timeout | None = None
        self._maker = ""  # as the device tells
        self._paired = False  # now; the scanner told the line how it was before
        self._line = line
        self._device = device
        self._driver = device.driver
        self._listener = listener
        self._limits = limits
        self._pairing_open = pairing_open
        most = limits.cut_frames if device.driver.cuts else limits.frames
        self._budget = Budget(most, limits.frames_per_s)
        self._now = asyncio.get_running_loop().time
        self._news = asyncio.Event()
        self._last = self._now()
        self._longest_gap = 0.0
        self._problem: RadioError | None = None
        self._to_send: asyncio.Queue[Frame] = asyncio.Queue()
        line.on_gone = self._news.set
        line.on_pairing = self._wait_for_person

    async def run(self) -> int:
        """The number of values received. RadioError when the visit could not be carried through."""
        try:
            return await self._run()
        except _LeaveError:
            return 0

    async def _run(self) -> int:
        if not any(self._line.has(name) for name in self._driver.subscribe):
            raise RadioError("service-missing", self._driver.name)
        try:
            async with asyncio.timeout(self._limits.prepare_s) as self._preparing:
                visit = await self._prepared()
        except TimeoutError:
            raise RadioError("device-silent", "before the first value") from None
        self.visit = visit
        self._listener.opened(visit)
        sender = asyncio.create_task(self._keep_sending())
        try:
            await self._listen(visit)
        finally:
            sender.cancel()
            self._listener.closed(visit)
        return self.values

    async def _prepared(self) -> Visit:
        about = await self._secured(partial(device_of, self._line, self._device))
        self._maker = about.manufacturer or ""
        battery = await self._secured(partial(maybe, self._line, BATTERY))
        visit = Visit(about, self._driver)
        visit.battery = battery[0] if battery and battery[0] <= 100 else None  # noqa: PLR2004 (per cent)
        visit.clock = await self._secured(self.clock.read)
        if self._device.bond and not self._line.bonded:
            await self._pair()
        visit.bonded = self._line.bonded  # last: any of these may have paired
        visit.users, visit.pairing = self._device.users, self._pairing_open(self._device.address)
        return visit

    async def _listen(self, visit: Visit) -> None:
        for name in self._driver.reads:
            data = await self._secured(partial(maybe, self._line, name))
            if data is not None:
                self._heard(visit, name, data)
        self.values = 0  # what was read is no value of a measurement
        for name in self._driver.subscribe:
            if self._line.has(name):
                await self._secured(partial(self._line.subscribe, name, self._hears(visit, name)))
        self._last = self._now()
        self._send(self._told(partial(self._listener.begun, visit)))
        if await self._quiet(self._settled):
            await self.clock.set(visit)
            if await self._quiet(lambda: self._limits.quiet_s):
                await self._leave()

    async def _leave(self) -> None:
        """BlueZ remembers over connections that it is subscribed, the device does not: so tell both."""
        for name in self._driver.subscribe:
            if self._line.here and self._line.has(name):
                await self._line.unsubscribe(name)

    async def _secured(self, ask: Callable[[], Awaitable[_Result]]) -> _Result:
        """Asks; pairs and asks again when the device wants a bond and a person has opened pairing."""
        try:
            return await ask()
        except SecurityNeededError:
            await self._pair()
            return await ask()

    def _wait_for_person(self) -> None:
        """BlueZ pairs, and somebody may have to type a code first."""
        if self.visit is None and self._preparing is not None:
            self._preparing.reschedule(self._now() + self._limits.pair_s + self._limits.prepare_s)

    async def _pair(self) -> None:
        """Only without a bond: who comes without the one we hold may be another device with this address."""
        if self._line.bonded:  # by now, but it wants more; or from before
            raise RadioError("pairing-failed", "too weak") if self._paired else RadioError("bond-lost")
        if not self._pairing_open(self._device.address):
            raise RadioError("pairing-needed")
        if self.visit is None and self._preparing is not None:
            self._preparing.reschedule(None)  # a person may have to type a code first
        try:
            await self._line.pair()
        except RadioError as error:
            raise RadioError("pairing-failed", error.detail) from error
        if self.visit is None and self._preparing is not None:
            self._preparing.reschedule(self._now() + self._limits.prepare_s)
        self._paired = True
        if self.visit is not None:
            self.visit.bonded = True
        log.info("paired", driver=self._driver.name)
        if leaves_after_bond(self._line.name, self._maker):
            raise _LeaveError

    def _hears(self, visit: Visit, source: str) -> Callable[[bytes], None]:
        return lambda data: self._heard(visit, source, data)

    def _heard(self, visit: Visit, source: str, data: bytes) -> None:
        """Called inside the library's callback: what is here is stored when this returns."""
        now = self._now()
        if self._problem is not None and self._problem.code != "frame-not-stored":
            return  # what still comes after a frame was not stored is confirmed too: store or count it
        if not self._budget.take(now):
            self._fail(RadioError("frame-flood", f"after {self.values} frames"))
            return
        if self.values:
            self._longest_gap = max(self._longest_gap, now - self._last)
        self.values += 1
        self._send(self._told(partial(self._listener.received, visit, source, data)))
        if self._problem is None:
            self._last = self._now()
            self._news.set()

    def _told(self, tell: Callable[[], list[Frame]]) -> list[Frame]:
        """What the hub wants sent; nothing after a fault, so that the device keeps the rest of its memory."""
        try:
            return tell()
        except Exception as error:  # noqa: BLE001 (whatever it is, it ends the visit and nothing else)
            code = error.code if isinstance(error, MeethubError) else type(error).__name__
            self._fail(RadioError("frame-not-stored", code))
            return []

    def _send(self, frames: list[Frame]) -> None:
        for frame in frames:
            self._to_send.put_nowait(frame)

    async def _keep_sending(self) -> None:
        """One after the other. A device that refuses is told nothing more; who waits for it hears silence."""
        while True:
            frame = await self._to_send.get()
            try:
                await self._secured(partial(self._line.write, frame.source, frame.data))
            except RadioError as error:
                log.warning("not-sent", driver=self._driver.name, code=error.code, detail=error.detail)
                if isinstance(error, SecurityNeededError) or error.code in _NO_BOND:
                    self._fail(error)

    def _fail(self, problem: RadioError) -> None:
        self._problem = self._problem or problem
        self._news.set()

    def _settled(self) -> float:
        """Quiet that means "that was all": longer than any pause of this device so far."""
        if not self.values:
            return self._limits.quiet_s
        return min(self._limits.quiet_s, max(self._limits.settle_s, 3 * self._longest_gap))

    async def _quiet(self, seconds: Callable[[], float]) -> bool:
        """True when nothing came for so long, False when the device is gone; RadioError on a problem.

        A device that owes an answer gets its own time; when that is over the driver says what next.
        """
        while True:
            if self._problem is not None:
                raise self._problem
            if not self._line.here:
                return False
            patience_s = self.visit.patience_s if self.visit else None
            left = self._last + (seconds() if patience_s is None else patience_s) - self._now()
            if left <= 0 and patience_s is None:
                return True
            if left <= 0:
                self._give_another_turn()
                continue
            self._news.clear()
            try:
                async with asyncio.timeout(left):
                    await self._news.wait()
            except TimeoutError:
                continue

    def _give_another_turn(self) -> None:
        if self.visit is not None:
            self._last = self._now()
            self._send(self._told(partial(self._listener.silent, self.visit)))

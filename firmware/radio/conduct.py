"""One visit of a Bluetooth device: what is read, listened to and written, in which order and for how long.

The order and the reasons for it are those of gateway/radio/conduct.py (protocol, sections 1 and 8). One thing
differs: NimBLE has confirmed a value before this code sees it, so values wait in the line's queue, and all
of them are handed to the hub even when the device is gone already.
"""

import asyncio

from firmware.radio import device_clock
from firmware.radio.base import Budget, Limits, RadioError, SecurityNeededError
from firmware.radio.line import Line
from gateway.hub.events import log
from gateway.hub.visit import Listener, Visit
from gateway.wire.errors import MeethubError
from gateway.wire.items import Frame
from gateway.wire.measurement import Device

TYPE_CHECKING = False
if TYPE_CHECKING:
    from firmware.radio.given import Anything, Asks, HubClock, PairingOpen, Tells

_MOST_TEXT = 64
_NO_BOND = ("pairing-needed", "pairing-failed", "bond-lost")


async def _device_of(line: Line) -> Device:
    """What the device says of itself (Device Information, 180A), as far as it does."""
    about = Device(line.device.identity, address=line.device.address)
    about.manufacturer = await _text(line, "2a29")
    about.model = await _text(line, "2a24")
    about.serial = await _text(line, "2a25")
    about.firmware = await _text(line, "2a26")
    system_id = await line.maybe("2a23")
    about.system_id = system_id.hex() if system_id else None
    return about


async def _text(line: Line, name: str) -> str | None:
    """Bytes that are no UTF-8 give no text."""
    try:
        return (await line.maybe(name) or b"").decode().strip("\0 ")[:_MOST_TEXT] or None
    except UnicodeError:
        return None


class _LeaveError(Exception):
    """The device has bonded and waits for the hub to hang up; what it holds comes at the next visit."""


class RadioVisit:
    """Conducts one visit from connection to quiet. hub: the hub's clock."""

    def __init__(
        self, line: Line, listener: Listener, limits: Limits, hub: "HubClock", pairing_open: "PairingOpen"
    ) -> None:
        self.values = 0
        self._line = line
        self._driver = line.device.driver
        self._listener = listener
        self._limits = limits
        self._hub = hub
        self._now = hub.mono_ms
        self._pairing_open = pairing_open
        self._visit: Visit | None = None
        self._paired = False
        self._budget = Budget(limits.cut_frames if self._driver.cuts else limits.frames, limits.frames_per_s)
        self._last = 0
        self._longest_gap = 0
        self._problem: RadioError | None = None
        self._to_send: list[Frame] = []

    async def run(self) -> int:
        """The number of values received. RadioError when the visit could not be carried through."""
        if not any([self._line.has(name) for name in self._driver.subscribe]):
            raise RadioError("service-missing", self._driver.name)
        try:
            await self._run()
        except _LeaveError:
            return 0
        if self._problem is not None:
            raise self._problem
        return self.values

    async def _run(self) -> None:
        wait_ms = self._limits.prepare_ms
        if self._open():
            wait_ms += self._limits.pair_ms
        try:
            self._visit = visit = await asyncio.wait_for_ms(self._prepared(), wait_ms)  # type: ignore[attr-defined]
        except asyncio.TimeoutError:
            raise RadioError("device-silent", "before the first value")
        self._listener.opened(visit)
        sender = asyncio.create_task(self._keep_sending())
        try:
            await self._listen(visit)
        except RadioError as error:
            self._fail(error)
        finally:
            sender.cancel()
            await self._end(visit)

    async def _end(self, visit: Visit) -> None:
        """Nothing that the device takes for delivered is left behind."""
        try:
            await self._line.close()
            if self._line.full:
                self._fail(RadioError("radio-queue-full", "%d lost" % self._line.lost))
            while self._take(visit):
                await asyncio.sleep_ms(0)  # type: ignore[attr-defined]
        finally:
            self._listener.closed(visit)

    def _open(self) -> bool:
        return self._pairing_open(self._line.device.address)

    async def _prepared(self) -> Visit:
        line, device = self._line, self._line.device
        about = await self._secured(_device_of, line)
        if (about.manufacturer or "").startswith("A&D"):
            device.leaves = True
        visit = Visit(about, self._driver)
        battery = await self._secured(line.maybe, "2a19")
        visit.battery = battery[0] if battery and battery[0] <= 100 else None  # per cent
        visit.clock = await self._secured(device_clock.read, line, self._hub)
        if device.bond and not line.bonded:
            await self._pair()
        visit.bonded = line.bonded  # last: any of these may have paired
        visit.users, visit.pairing = device.users, self._open()
        return visit

    async def _listen(self, visit: Visit) -> None:
        for name in self._driver.reads:
            data = await self._secured(self._line.maybe, name)
            if data is not None:
                self._send(self._told(self._listener.received, visit, name, data))
        for name in self._driver.subscribe:
            if self._line.has(name):
                await self._secured(self._line.subscribe, name)
        self._last = self._now()
        self._send(self._told(self._listener.begun, visit))
        if await self._quiet(visit, settled=True):
            await device_clock.set_right(self._line, visit, self._hub)
            await self._quiet(visit, settled=False)

    async def _secured(self, ask: "Asks", *words: object) -> "Anything":
        """Asks; pairs and asks again when the device wants a bond and a person has opened pairing."""
        try:
            return await ask(*words)
        except SecurityNeededError:
            await self._pair()
            return await ask(*words)

    async def _pair(self) -> None:
        """Only without a bond: who comes without the one we hold may be another device with this address."""
        if self._line.bonded:
            raise RadioError("pairing-failed", "too weak") if self._paired else RadioError("bond-lost")
        if not self._open():
            raise RadioError("pairing-needed")
        await self._line.pair()
        self._paired = True
        if self._visit is not None:
            self._visit.bonded = True
        log.info("paired", driver=self._driver.name)
        if self._line.device.leaves:
            raise _LeaveError

    def _take(self, visit: Visit) -> bool:
        """Hands the next value to the hub: stored when this returns. False when none waits."""
        found = self._line.take()
        if found is None:
            return False
        if self._problem is not None and self._problem.code == "frame-flood":
            return True
        now = self._now()
        if not self._budget.take(now):
            self._fail(RadioError("frame-flood", "after %d frames" % self.values))
            return True
        if self.values:
            self._longest_gap = max(self._longest_gap, now - self._last)
        self.values += 1
        self._send(self._told(self._listener.received, visit, found[0], found[1]))
        self._last = self._now()
        return True

    def _told(self, tell: "Tells", *words: object) -> list[Frame]:
        """What the hub wants sent; nothing after a fault, so that the device keeps the rest of its memory."""
        try:
            frames: list[Frame] = tell(*words)
            return frames
        except MeethubError as error:
            self._fail(RadioError("frame-not-stored", error.code))
        except Exception as error:
            self._fail(RadioError("frame-not-stored", type(error).__name__))
        return []

    def _send(self, frames: list[Frame]) -> None:
        if self._problem is None and frames:
            self._to_send += frames
            self._line.news.set()

    async def _keep_sending(self) -> None:
        """One after the other. A device that refuses is told nothing more; who waits for it hears silence."""
        while True:
            await self._line.until(lambda: self._to_send, 600_000)
            if not self._to_send or self._line.gone:
                return
            frame = self._to_send.pop(0)
            try:
                await self._secured(self._line.write, frame.source, frame.data)
            except RadioError as error:
                log.warning("not-sent", driver=self._driver.name, code=error.code, detail=error.detail)
                if error.code in _NO_BOND:
                    self._fail(error)

    def _fail(self, problem: RadioError) -> None:
        self._problem = self._problem or problem
        self._line.news.set()

    def _settled_ms(self) -> int:
        """Quiet that means "that was all": longer than any pause of this device so far."""
        if not self.values:
            return self._limits.quiet_ms
        return min(self._limits.quiet_ms, max(self._limits.settle_ms, 3 * self._longest_gap))

    async def _quiet(self, visit: Visit, settled: bool) -> bool:  # noqa: FBT001
        """True when nothing came for so long, False when the device is gone or something is wrong.

        A device that owes an answer gets its own time; when that is over the driver says what next.
        """
        line = self._line
        while True:
            if self._take(visit):
                await asyncio.sleep_ms(0)  # type: ignore[attr-defined]
                continue
            if self._problem is not None or line.gone:
                return False
            patience_s = visit.patience_s
            if patience_s is not None:
                wait_ms = int(patience_s * 1000)
            else:
                wait_ms = self._settled_ms() if settled else self._limits.quiet_ms
            left_ms = self._last + wait_ms - self._now()
            if left_ms > 0:
                await line.until(lambda: line.values or self._problem, left_ms)
            elif patience_s is None:
                return True
            else:
                self._last = self._now()
                self._send(self._told(self._listener.silent, visit))

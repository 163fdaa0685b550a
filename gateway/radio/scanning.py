"""The one scan of this hub, kept alive: all who listen for devices share it.

BlueZ gives a program one scan at a time, so pairing and visits hear the same one. A scan ends when adapter
or bluetoothd goes, or when the watchdog has doubts; then it is started anew, for ever.
"""

import asyncio
import contextlib
from collections.abc import Callable, Iterator

import structlog
from bleak import BleakScanner
from bleak.backends.device import BLEDevice
from bleak.backends.scanner import AdvertisementData

from gateway.radio.base import Limits, RadioError
from gateway.radio.facts import RadioFacts
from gateway.radio.line import reason, renew
from gateway.radio.machine import Machine
from gateway.radio.watchdog import HEARS, OBEYS, POWER_CYCLE, UNPROVEN, Watchdog
from gateway.wire.errors import MeethubError

Hears = Callable[[BLEDevice, AdvertisementData], None]
STOP_S = 10.0
# What bleak gives where BlueZ tells no signal strength: a device that is remembered, not heard.
_REMEMBERED = -127
# The scan cannot be mended by waiting: the adapter may take orders and yet hear nothing.
_DEAF_AFTER = 2
log = structlog.get_logger()


class Ears:
    """Listens until cancelled. busy: whether the radio connects or pairs now, and must not be disturbed."""

    def __init__(
        self,
        scanner: Callable[[Hears], BleakScanner],
        machine: Machine,
        limits: Limits,
        facts: RadioFacts,
        busy: Callable[[], bool],
    ) -> None:
        self._scanner = scanner
        self._machine = machine
        self._limits = limits
        self._facts = facts
        self._busy = busy
        self._listeners: list[Hears] = []
        self._watchdog = Watchdog(limits.silence_s, limits.longest_silence_s)

    @contextlib.contextmanager
    def heard_by(self, hears: Hears) -> Iterator[None]:
        """So long `hears` is called for each advertisement that comes in."""
        self._listeners.append(hears)
        try:
            yield
        finally:
            self._listeners.remove(hears)

    async def run(self) -> None:
        """Scans until cancelled; what goes wrong is a fact and never an end."""
        retry_s = self._limits.first_retry_s
        while True:
            try:
                await self._scan()
                retry_s = self._limits.first_retry_s
            except Exception as error:  # noqa: BLE001 (bleak passes on whatever D-Bus and sockets raise)
                self._failed(error)
                retry_s = min(2 * retry_s, self._limits.last_retry_s)
            _heed_cancel()
            await asyncio.sleep(retry_s)

    def _failed(self, error: Exception) -> None:
        self._facts.adapter_faults += 1
        detail = error.detail if isinstance(error, MeethubError) else reason(error)
        code = error.code if isinstance(error, RadioError) else "adapter-missing"
        self._facts.problem = RadioError(code, detail)
        log.warning("scan-failed", code=code, reason=detail)

    async def _scan(self) -> None:
        """One scan, until it is lost or in doubt; the remedy follows."""
        lost: asyncio.Future[str] = asyncio.get_running_loop().create_future()

        def lose(why: str) -> None:
            if not lost.done():
                lost.set_result(why)

        async with self._machine.watched(self._heard_air, lose):
            scanned = await self._machine.scans()
            scanner = self._scanner(self._heard)
            await scanner.start()
            try:
                _heed_cancel()
                # It did not scan and now it does: so the controller takes orders.
                self._started(obeys=not scanned and await self._machine.scans())
                why = await self._until_lost(lost)
            finally:
                self._facts.scanning, self._facts.proof = False, UNPROVEN
                await _stop(scanner)
            self._facts.scanner_restarts += 1
            log.info("scanner-restarts", why=why)
        if why == POWER_CYCLE:
            self._facts.power_cycles += 1
            await self._machine.power_cycle()

    def _started(self, *, obeys: bool) -> None:
        self._watchdog.started(_now())
        self._facts.scanning = True
        self._facts.proof = OBEYS if obeys else UNPROVEN
        deaf = self._watchdog.attempts >= _DEAF_AFTER
        self._facts.problem = RadioError("radio-silent", self._facts.proof) if deaf else None

    async def _until_lost(self, lost: "asyncio.Future[str]") -> str:
        """Why the scan must end: what the machine said, or the watchdog's remedy."""
        while True:
            left = self._watchdog.due() - _now()
            if left <= 0 and self._busy():
                self._watchdog.postpone(_now())
            elif left <= 0:
                return self._watchdog.remedy()
            await asyncio.wait([lost], timeout=min(max(left, 0), self._limits.silence_s / 2))
            if lost.done():
                return lost.result()
            if not self._busy() and not await self._machine.scans():
                return "scan-ended"

    def _heard(self, found: BLEDevice, data: AdvertisementData) -> None:
        if data.rssi == _REMEMBERED:
            return
        if not self._machine.tells_air:
            self._heard_air()
        renew(found, data)
        for listener in tuple(self._listeners):
            listener(found, data)

    def _heard_air(self) -> None:
        now = _now()
        self._watchdog.heard(now)
        self._facts.heard_at = now
        self._facts.proof = HEARS
        if self._facts.problem is not None and self._facts.problem.code == "radio-silent":
            self._facts.problem = None


def _heed_cancel() -> None:
    """A Bluetooth library may have taken our end for its own error; then it is said again here."""
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError


def _now() -> float:
    return asyncio.get_running_loop().time()


async def _stop(scanner: BleakScanner) -> None:
    """A bluetoothd that was started anew knows nothing of this scan; one that hangs says nothing."""
    try:
        async with asyncio.timeout(STOP_S):
            await scanner.stop()
    except Exception as error:  # noqa: BLE001 (bleak passes on whatever D-Bus and sockets raise)
        log.info("scan-not-stopped", reason=reason(error))

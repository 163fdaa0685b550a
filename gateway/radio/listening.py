"""The radio: listens for the hub's own devices, connects to them, and hands what they send to the hub.

Devices are taken by their address, never by name. One device that misbehaves costs itself its turn and
nobody else theirs. Errors become RadioError with a code, are logged and shown, and never end `run`.
"""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, tzinfo

import structlog
from bleak import BleakScanner
from bleak.backends.device import BLEDevice
from bleak.backends.scanner import AdvertisementData
from bleak.exc import BleakError

from gateway.drivers.base import Driver
from gateway.radio.base import BluetoothDevice, HubTime, Limits, RadioError
from gateway.radio.broadcast import Broadcast
from gateway.radio.conduct import RadioVisit, device_of
from gateway.radio.line import Backend, BleakLine
from gateway.visit import Listener
from gateway.wire.measurement import Device

log = structlog.get_logger()


@dataclass
class DeviceFacts:
    """How it stands with one device. Times are seconds of the event loop's clock."""

    seen_at: float | None = None
    visited_at: float | None = None
    battery: int | None = None
    visits: int = 0
    values: int = 0
    problem: RadioError | None = None
    clock_problem: RadioError | None = None
    failures: int = 0
    busy: bool = False
    not_before: float = 0


@dataclass
class RadioFacts:
    """How it stands with the radio itself."""

    scanning: bool = False
    heard_at: float | None = None
    scanner_restarts: int = 0
    adapter_faults: int = 0
    problem: RadioError | None = None
    devices: dict[str, DeviceFacts] = field(default_factory=dict)

    def numbers(self) -> dict[str, int]:
        """For the hub's status; names and causes stay here."""
        return {
            "radio-scanning": int(self.scanning),
            "radio-faults": self.adapter_faults,
            "radio-restarts": self.scanner_restarts,
            "devices-failing": sum(device.problem is not None for device in self.devices.values()),
        }


class Radio:
    """The hub's Bluetooth. `run` goes on until it is cancelled.

    devices: those bound to this hub. listener: the hub. wall_clock: aware time, None while unknown.
    backend: None for the system's own. pairing_open: may the device with this address pair now?
    allowed: may this device be visited now? zone: of the home, for device clocks; None: the system's.
    """

    def __init__(  # noqa: PLR0913 (what the hub decides, most of it with a default)
        self,
        devices: list[BluetoothDevice],
        listener: Listener,
        wall_clock: Callable[[], datetime | None],
        backend: Backend | None = None,
        allowed: Callable[[BluetoothDevice], bool] = lambda _: True,
        *,
        pairing_open: Callable[[str], bool] = lambda _: False,
        adapter: str | None = None,
        limits: Limits | None = None,
        mono_ms: Callable[[], int] = lambda: time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1_000_000,
        zone: tzinfo | None = None,
    ) -> None:
        self.limits = limits or Limits()
        self.facts = RadioFacts()
        self._devices = {device.address.upper(): device for device in devices}
        self.facts.devices = {device.identity: DeviceFacts() for device in devices}
        self._listener = listener
        self._time = HubTime(wall_clock, mono_ms, zone)
        self._backend = backend
        self._allowed = allowed
        self._pairing_open = pairing_open
        self._adapter = adapter
        self._connecting = asyncio.Lock()
        self._slots = asyncio.Semaphore(self.limits.connections)
        self._visits: set[asyncio.Task[None]] = set()
        self._broadcasts: dict[str, Broadcast] = {}

    async def run(self) -> None:
        """Listens and visits until cancelled; visits that go on are closed then."""
        try:
            await self._scan()
        finally:
            for task in self._visits:
                task.cancel()
            await asyncio.gather(*self._visits, return_exceptions=True)
            for broadcast in self._broadcasts.values():
                broadcast.close()

    async def _scan(self) -> None:
        retry_s = self.limits.first_retry_s
        while True:
            try:
                async with self._scanner(self._advertised):
                    self.facts.scanning, self.facts.problem = True, None
                    retry_s = self.limits.first_retry_s
                    await self._silence()
                self.facts.scanner_restarts += 1
                log.info("scanner-restarted")
            except Exception as error:  # noqa: BLE001 (bleak passes on whatever D-Bus and sockets raise)
                self.facts.adapter_faults += 1
                self.facts.problem = RadioError("adapter-missing", type(error).__name__)
                log.warning("adapter-missing", reason=type(error).__name__)
                await asyncio.sleep(retry_s)
                retry_s = min(2 * retry_s, self.limits.last_retry_s)
            finally:
                self.facts.scanning = False

    def _scanner(self, heard: Callable[[BLEDevice, AdvertisementData], None]) -> BleakScanner:
        scanner = self._backend.scanner if self._backend else None
        return BleakScanner(heard, backend=scanner, bluez={"adapter": self._adapter} if self._adapter else {})

    async def _silence(self) -> None:
        """Returns when no advertisement of anything was heard for long: the scanner may be dead."""
        now = asyncio.get_running_loop().time
        started = now()
        while True:
            last = max(started, self.facts.heard_at or 0)
            left = last + self.limits.silence_s - now()
            if left <= 0 and not self._connecting.locked():
                return
            await asyncio.sleep(max(left, 1))

    def _advertised(self, found: BLEDevice, advertisement: AdvertisementData) -> None:
        now = asyncio.get_running_loop().time()
        self.facts.heard_at = now
        device = self._devices.get(found.address.upper())
        if device is None:
            return
        facts = self.facts.devices[device.identity]
        facts.seen_at = now
        if device.driver.adverts:
            self._hear(device, facts, advertisement)
            return
        waits = now < facts.not_before and not self._pairing_open(device.address)
        if facts.busy or waits or not self._allowed(device):
            return
        facts.busy = True
        task = asyncio.get_running_loop().create_task(self._visit(device, found, facts))
        self._visits.add(task)
        task.add_done_callback(self._visits.discard)

    def _hear(self, device: BluetoothDevice, facts: DeviceFacts, advertisement: AdvertisementData) -> None:
        """A device that says in its advertisements all that it has to say."""
        broadcast = self._broadcasts.get(device.identity)
        if broadcast is None:
            broadcast = Broadcast(device, self._listener, self.limits)
            self._broadcasts[device.identity] = broadcast
        if self._allowed(device):
            broadcast.heard(advertisement)
            facts.values = broadcast.values

    async def _visit(self, device: BluetoothDevice, found: BLEDevice, facts: DeviceFacts) -> None:
        """One visit, whatever happens in it."""
        now = asyncio.get_running_loop().time
        try:
            async with self._slots:
                values = await self._visited(device, found, facts)
            facts.problem, facts.failures = None, 0
            facts.not_before = now() + (self.limits.rest_s if values else self.limits.idle_rest_s)
            log.info("visit-ended", driver=device.driver.name, values=values)
        except RadioError as error:
            self._failed(device, facts, error)
        except Exception as error:  # noqa: BLE001 (as above)
            self._failed(device, facts, RadioError("radio-unexpected", type(error).__name__))
        finally:
            facts.busy = False

    def _failed(self, device: BluetoothDevice, facts: DeviceFacts, error: RadioError) -> None:
        facts.problem = error
        wait_s = min(self.limits.first_retry_s * 2**facts.failures, self.limits.last_retry_s)
        facts.failures = min(facts.failures + 1, 16)
        facts.not_before = asyncio.get_running_loop().time() + wait_s
        log.warning("visit-failed", driver=device.driver.name, code=error.code, detail=error.detail)

    async def _visited(self, device: BluetoothDevice, found: BLEDevice, facts: DeviceFacts) -> int:
        line = await self._connected(found, facts)
        try:
            conduct = RadioVisit(line, device, self._listener, self.limits, self._time, self._pairing_open)
            try:
                return await conduct.run()
            finally:
                facts.visits += 1
                facts.visited_at = asyncio.get_running_loop().time()
                facts.values += conduct.values
                facts.clock_problem = conduct.clock.problem
                facts.battery = conduct.visit.battery if conduct.visit else facts.battery
        finally:
            await line.close()

    async def _connected(self, found: BLEDevice, facts: DeviceFacts) -> BleakLine:
        line = BleakLine(found, self._backend, self.limits)
        async with self._connecting:
            try:
                await line.connect()
            except RadioError as error:
                # Linux drops a connection whose encryption the device refuses. Once may be noise.
                if error.code != "dropped-at-encryption":
                    raise
                code = "bond-lost" if facts.failures else "connect-failed"
                raise RadioError(code, error.detail) from error
        return line

    async def pair(self, address: str, driver: type[Driver], timeout_s: float = 60) -> Device:
        """Finds the device with this address, bonds with it anew and says what it is.

        For the command line and the page: a person asks for it, so a bond that is there already is given
        up. Opening the pairing window is the caller's. RadioError: device-not-found, pairing-failed, or
        what a visit can end with.
        """
        known = self._devices.get(address.upper())
        facts = self.facts.devices[known.identity] if known else DeviceFacts()
        facts.busy = True  # no visit in between
        try:
            async with asyncio.timeout(timeout_s):
                line = await self._unbonded_line(address)
        except TimeoutError:
            raise RadioError("device-not-found") from None
        finally:
            facts.busy = False
        try:
            await line.pair()
            return await device_of(line, BluetoothDevice(address, driver, address))
        except RadioError as error:
            raise RadioError("pairing-failed", error.detail) from error
        finally:
            await line.close()  # A&D: leaving right after the bond ends the device's pairing mode

    async def _unbonded_line(self, address: str) -> BleakLine:
        line = BleakLine(await self._found(address), self._backend, self.limits)
        if line.bonded:
            await line.forget()  # BlueZ then has to discover it again
            line = BleakLine(await self._found(address), self._backend, self.limits)
        async with self._connecting:
            await line.connect()
        return line

    async def _found(self, address: str) -> BLEDevice:
        """Waits until the device with this address advertises."""
        found: asyncio.Future[BLEDevice] = asyncio.get_running_loop().create_future()

        def heard(device: BLEDevice, _: AdvertisementData) -> None:
            if device.address.upper() == address.upper() and not found.done():
                found.set_result(device)

        try:
            async with self._scanner(heard):
                return await found
        except (BleakError, OSError, EOFError) as error:
            raise RadioError("adapter-missing", type(error).__name__) from error

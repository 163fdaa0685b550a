"""The radio: listens for the hub's own devices, connects to them, and hands what they send to the hub.

Devices are taken by their address, never by name. One device that misbehaves costs itself its turn and
nobody else theirs. Errors become RadioError with a code, are logged and shown, and never end `run`.
"""

import asyncio
import contextlib
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from datetime import datetime, tzinfo
from functools import partial

import structlog
from bleak import BleakScanner
from bleak.backends.device import BLEDevice
from bleak.backends.scanner import AdvertisementData

from gateway.drivers.base import Driver
from gateway.hub.visit import Listener
from gateway.radio.base import BluetoothDevice, HubTime, Limits, RadioError
from gateway.radio.bonding import Bonder, Paired
from gateway.radio.broadcast import Broadcast
from gateway.radio.conduct import RadioVisit
from gateway.radio.facts import DeviceFacts, RadioFacts
from gateway.radio.line import Backend, BleakLine
from gateway.radio.machine import BluezAdapter, Machine, NoMachine
from gateway.radio.recognise import Candidate, candidate, plain
from gateway.radio.scanning import Ears, Hears
from gateway.radio.turned_away import bond_elsewhere, turned_away

ADAPTER = "hci0"
log = structlog.get_logger()


class Radio:
    """The hub's Bluetooth. `run` goes on until it is cancelled.

    devices: those bound to this hub. listener: the hub. wall_clock: aware time, None while unknown.
    backend: None for the system's own. pairing_open: may the device with this address pair now?
    pairing_answered: what BlueZ was told about it in the last so many seconds (PairingWindow.answered).
    allowed: may this device be visited now? zone: of the home, for device clocks; None: the system's.
    machine: the computer's side; None for BlueZ's adapter, or nothing where the backend is another.
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
        pairing_answered: Callable[[str, float], bool | None] = lambda *_: None,
        adapter: str | None = None,
        limits: Limits | None = None,
        mono_ms: Callable[[], int] = lambda: time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1_000_000,
        zone: tzinfo | None = None,
        machine: Machine | None = None,
    ) -> None:
        self.limits = limits or Limits()
        self.facts = RadioFacts()
        self._devices: dict[str, BluetoothDevice] = {}
        self._listener = listener
        self._time = HubTime(wall_clock, mono_ms, zone)
        self._backend = backend
        self._allowed = allowed
        self._pairing_open = pairing_open
        self._pairing_answered = pairing_answered
        self._adapter = adapter or ADAPTER
        self._machine = machine or (NoMachine() if backend else BluezAdapter(self._adapter))
        self._ears = Ears(self._scanner, self._machine, self.limits, self.facts, self._in_use)
        self._connecting = asyncio.Lock()
        self._bonder = Bonder(self._ears, self._line, self._connecting)
        self._slots = asyncio.Semaphore(self.limits.connections)
        self._visits: set[asyncio.Task[None]] = set()
        self._holds: Counter[str] = Counter()
        self._broadcasts: dict[str, Broadcast] = {}
        for device in devices:
            self.add(device)

    def add(self, device: BluetoothDevice) -> None:
        """From now on this device is visited too; one with the same address is replaced."""
        self._devices[device.address.upper()] = device
        self.facts.devices.setdefault(device.identity, DeviceFacts())

    def device(self, address: str) -> BluetoothDevice | None:
        """The device of this hub with this address."""
        return self._devices.get(address.upper())

    @property
    def devices(self) -> list[BluetoothDevice]:
        """All devices of this hub."""
        return list(self._devices.values())

    async def run(self) -> None:
        """Listens and visits until cancelled; visits that go on are closed then."""
        try:
            with self._ears.heard_by(self._advertised):
                await self._ears.run()
        finally:
            for task in self._visits:
                task.cancel()
            await asyncio.gather(*self._visits, return_exceptions=True)
            for broadcast in self._broadcasts.values():
                broadcast.close()

    def _scanner(self, heard: Hears) -> BleakScanner:
        if self._backend is not None:
            return BleakScanner(heard, backend=self._backend.scanner)
        return BleakScanner(heard, bluez={"adapter": self._adapter})

    def _line(self, found: BLEDevice) -> BleakLine:
        return BleakLine(found, self._backend, self.limits, partial(self._pairing_answered, found.address))

    def _in_use(self) -> bool:
        if self._connecting.locked() or self._holds.total():
            return True
        return any(facts.busy for facts in self.facts.devices.values())

    def _advertised(self, found: BLEDevice, data: AdvertisementData) -> None:
        now = asyncio.get_running_loop().time()
        device = self._devices.get(found.address.upper())
        if device is None:
            return
        facts = self.facts.devices[device.identity]
        facts.seen_at, facts.rssi = now, data.rssi
        facts.name = plain(data.local_name or found.name or "") or facts.name
        if device.driver.adverts:
            self._hear(device, facts, data)
            return
        waits = now < facts.not_before and not self._pairing_open(device.address)
        held = self._holds[found.address.upper()] > 0
        if facts.busy or held or waits or not self._allowed(device):
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
            facts.problem, facts.failures, facts.turned_away = None, 0, 0
            facts.not_before = now() + (self.limits.rest_s if values else self.limits.idle_rest_s)
            log.info("visit-ended", driver=device.driver.name, values=values)
        except RadioError as error:
            self._failed(device, facts, await self._explained(device, facts, error))
        except Exception as error:  # noqa: BLE001 (whatever it is, the others go on)
            self._failed(device, facts, RadioError("radio-unexpected", type(error).__name__))
        finally:
            facts.busy = False
            facts.visit_over.set()

    async def _explained(self, device: BluetoothDevice, facts: DeviceFacts, error: RadioError) -> RadioError:
        """The error, or what lies behind it: a bond that another adapter, phone or hub holds."""
        facts.turned_away = facts.turned_away + 1 if turned_away(error, facts.rssi) else 0
        return await bond_elsewhere(self._machine, self._adapter, device.address, facts.turned_away) or error

    def _failed(self, device: BluetoothDevice, facts: DeviceFacts, error: RadioError) -> None:
        facts.problem = error
        wait_s = min(self.limits.first_retry_s * 2**facts.failures, self.limits.last_retry_s)
        facts.failures = min(facts.failures + 1, 16)
        facts.not_before = asyncio.get_running_loop().time() + wait_s
        log.warning("visit-failed", driver=device.driver.name, code=error.code, detail=error.detail)

    async def _visited(self, device: BluetoothDevice, found: BLEDevice, facts: DeviceFacts) -> int:
        line = await self._connected(device, found, facts)
        try:
            conduct = RadioVisit(line, device, self._listener, self.limits, self._time, self._pairing_open)
            try:
                return await conduct.run()
            finally:
                facts.visits += 1
                facts.visited_at = asyncio.get_running_loop().time()
                facts.values += conduct.values
                facts.clock_problem = conduct.clock.problem
                if conduct.visit is not None:
                    facts.learn(conduct.visit)
        finally:
            await line.close()

    async def _connected(self, device: BluetoothDevice, found: BLEDevice, facts: DeviceFacts) -> BleakLine:
        line = self._line(found)
        if device.bond and not line.bonded and not self._pairing_open(device.address):
            # Somebody paired it, and the bond is gone from this hub: who answers may be another device.
            raise RadioError("bond-lost", "this hub holds no bond")
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

    async def find(self, told: Callable[[Candidate], None]) -> None:
        """Tells of devices that a driver may know, each time one is heard, until cancelled."""

        def hears(found: BLEDevice, data: AdvertisementData) -> None:
            heard = candidate(found, data)
            if heard is not None:
                told(heard)

        with self._ears.heard_by(hears):
            await asyncio.Event().wait()

    async def pair(
        self, address: str, driver: type[Driver], timeout_s: float = 60, *, must: bool = True
    ) -> Paired:
        """Bonds anew with the device of this address, and says what it is; no visit of it in between.

        For the command line and the page; opening the pairing window is the caller's. must: False where
        such devices may do without a bond. RadioError: device-not-found, connect-failed, pairing-failed; or
        what is wrong with the radio itself.
        """
        async with self.held(address) as facts:
            try:
                paired = await self._bonder.bond(address, driver, timeout_s, must=must)
            except RadioError as error:
                raise self.facts.problem or error from error
        facts.problem, facts.failures, facts.turned_away, facts.not_before = None, 0, 0, 0
        return paired

    async def heard(self, address: str, timeout_s: float) -> str:
        """Waits until this device advertises; its name. RadioError("device-not-found")."""
        return plain((await self._found(address, timeout_s)).name or "")

    async def forget(self, address: str, timeout_s: float) -> None:
        """Gives up the bond with this device, if there is one, as soon as it is heard."""
        async with self.held(address):
            line = self._line(await self._found(address, timeout_s))
            if line.bonded:
                await line.forget()

    async def _found(self, address: str, timeout_s: float) -> BLEDevice:
        try:
            async with asyncio.timeout(timeout_s):
                return await self._bonder.found(address)
        except TimeoutError:
            raise self.facts.problem or RadioError("device-not-found") from None

    @contextlib.asynccontextmanager
    async def held(self, address: str) -> AsyncIterator[DeviceFacts]:
        """So long no visit of this device begins; one that goes on ends first."""
        address = address.upper()
        known = self._devices.get(address)
        facts = self.facts.devices[known.identity] if known else DeviceFacts()
        self._holds[address] += 1
        try:
            while facts.busy:
                facts.visit_over.clear()
                await facts.visit_over.wait()
            yield facts
        finally:
            self._holds[address] -= 1

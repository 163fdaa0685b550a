"""The radio: listens for the hub's own devices, connects to them, and hands what they send to the hub.

One device that misbehaves costs itself its turn and nobody else theirs. Errors become RadioError with a code,
are logged and shown, and never end `run`. The scan ends whenever a connection is made (NimBLE has it so) and
is started anew; when nothing at all was heard for long, the radio may be deaf: then the scan is started anew,
after that the radio is switched off and on, ever more rarely (the reasons: gateway/radio/watchdog.py).
"""

import asyncio

from firmware.radio.base import BluetoothDevice, Limits, RadioError, const
from firmware.radio.bonds import Bonds
from firmware.radio.conduct import RadioVisit
from firmware.radio.line import Line
from firmware.radio.stack import Stack
from gateway.hub.events import log
from gateway.hub.visit import Listener

TYPE_CHECKING = False
if TYPE_CHECKING:
    from firmware.radio.broadcast import Broadcast
    from firmware.radio.given import HubClock, MayVisit, PairingOpen

_BOND_CODES = ("bond-lost", "bond-elsewhere", "pairing-needed")
_NEAR, _TIMES = -80, 3  # dBm; visits
_REFUSALS = const(4)


class Radio:
    """The hub's Bluetooth. `run` goes on until it is cancelled.

    listener: the hub. clock: firmware.clock.Clock. may_visit: called with a driver; may such a device be
    visited now? pairing_open: may the device with this address pair now?
    """

    def __init__(
        self,
        devices: list[BluetoothDevice],
        listener: Listener,
        clock: "HubClock",
        may_visit: "MayVisit",
        pairing_open: "PairingOpen",
        bonds: Bonds,
        limits: Limits | None = None,
    ) -> None:
        self.limits = limits or Limits()
        self.devices: list[BluetoothDevice] = []
        self.problem = ""
        self.restarts = self.power_cycles = self.faults = 0
        self._stack = Stack(bonds)
        self._listener = listener
        self._clock = clock
        self._now = clock.mono_ms
        self._may_visit = may_visit
        self._pairing_open = pairing_open
        self._connecting = asyncio.Lock()
        self._visits: dict[str, asyncio.Task[None]] = {}
        self._broadcasts: dict[str, Broadcast] = {}
        self._heard_ms = self._attempts = 0
        for device in devices:
            self.add(device)

    def add(self, device: BluetoothDevice) -> None:
        """From now on this device is visited too; one with the same address is replaced."""
        self.devices = [one for one in self.devices if one.key != device.key]
        self.devices.append(device)
        self._stack.wanted[device.key] = device
        if device.driver.adverts:
            from firmware.radio.broadcast import Broadcast

            self._broadcasts[device.address] = Broadcast(device, self._listener, self.limits)

    def remove(self, address: str) -> None:
        """This device is visited no more, and its bond is given up."""
        for device in self.devices:
            if device.address == address.upper():
                self.devices.remove(device)
                del self._stack.wanted[device.key]
                self._stack.bonds.forget(device.key)
                broadcast = self._broadcasts.pop(device.address, None)
                if broadcast is not None:
                    broadcast.close()
                return

    def numbers(self) -> dict[str, int]:
        """For the hub's status; names and causes stay here."""
        problems = [device.problem for device in self.devices if device.problem]
        return {
            "radio-scanning": int(self._stack.scanning),
            "radio-hears": int(self._stack.scanning and not self._attempts and self._heard_ms > 0),
            "radio-faults": self.faults,
            "radio-restarts": self.restarts,
            "radio-power-cycles": self.power_cycles,
            "devices-failing": len(problems),
            "devices-unbonded": sum([code in _BOND_CODES for code in problems]),
        }

    async def run(self) -> None:
        """Listens and visits until cancelled; visits that go on are closed then."""
        waking = asyncio.create_task(self._stack.run())
        retry_ms = self.limits.first_retry_ms
        try:
            while True:
                try:
                    self._stack.switch_on()
                    await self._listen()
                    retry_ms = self.limits.first_retry_ms
                except OSError as error:
                    self.faults += 1
                    self.problem = "adapter-missing"
                    log.warning("scan-failed", code=self.problem, reason=error.args[0] if error.args else 0)
                    await asyncio.sleep_ms(retry_ms)  # type: ignore[attr-defined]
                    retry_ms = min(2 * retry_ms, self.limits.last_retry_ms)
                self._switch_off()
        finally:
            for task in list(self._visits.values()):
                task.cancel()
                try:
                    await task
                except asyncio.CancelledError:
                    pass
            for broadcast in self._broadcasts.values():
                broadcast.close()
            waking.cancel()
            self._switch_off()

    def _switch_off(self) -> None:
        try:
            self._stack.switch_off()
        except OSError:
            pass

    async def _listen(self) -> None:
        """Until the radio should be switched off and on. OSError when it takes no orders."""
        stack, since, refused = self._stack, self._now(), 0
        self.problem = "radio-silent" if self._attempts > 1 else ""
        while True:
            now = self._now()
            if stack.alive or self._connecting.locked() or self._visits:
                since = now
                if stack.alive:
                    self._hear(now)
            elif now - since >= self._patience_ms():
                since = now
                if self._doubt():
                    return
            if not stack.scanning and not self._connecting.locked():
                try:
                    stack.scan(self.limits)
                    refused = 0
                except OSError:
                    refused += 1  # it may still be busy with what was given up
                    if refused > _REFUSALS:
                        raise
            self._go_round(now)
            stack.news.clear()
            try:
                await asyncio.wait_for_ms(stack.news.wait(), min(250, self.limits.silence_ms // 2))  # type: ignore[attr-defined]
            except asyncio.TimeoutError:
                pass

    def _hear(self, now: int) -> None:
        self._stack.alive = False
        self._heard_ms, self._attempts, self.problem = now, 0, ""

    def _patience_ms(self) -> int:
        return min(
            self.limits.silence_ms << min(max(self._attempts - 1, 0), 16), self.limits.longest_silence_ms
        )

    def _doubt(self) -> bool:
        """Nothing was heard for long: scans anew; True when the radio must be switched off and on."""
        self._attempts += 1
        log.info("scanner-restarts", attempts=self._attempts)
        if self._attempts == 1:
            self.restarts += 1
            self._stack.scan_stop()
            return False
        self.power_cycles += 1
        return True

    def _go_round(self, now: int) -> None:
        """Hands on what was advertised, and begins the visits whose time has come."""
        adverts, self._stack.adverts = self._stack.adverts, []
        for device, advert in adverts:
            broadcast = self._broadcasts.get(device.address)
            if broadcast is not None and self._may_visit(device.driver):
                broadcast.heard(advert, now)
        for broadcast in self._broadcasts.values():
            broadcast.tick(now)
        for device in self.devices:
            if device.heard:
                device.heard = False
                if self._due(device, now):
                    device.busy = True
                    self._visits[device.address] = asyncio.create_task(self._visit(device))

    def _due(self, device: BluetoothDevice, now: int) -> bool:
        if device.busy or len(self._visits) >= self.limits.connections:
            return False
        waits = now < device.not_before_ms and not self._pairing_open(device.address)
        return not waits and self._may_visit(device.driver)

    async def _visit(self, device: BluetoothDevice) -> None:
        """One visit, whatever happens in it."""
        limits = self.limits
        try:
            values = await self._visited(device)
            device.problem, device.failures, device.turned_away = "", 0, 0
            device.not_before_ms = self._now() + (limits.rest_ms if values else limits.idle_rest_ms)
            log.info("visit-ended", driver=device.driver.name, values=values)
        except RadioError as error:
            self._failed(device, error)
        except Exception as error:
            self._failed(device, RadioError("radio-unexpected", type(error).__name__))
        finally:
            device.busy = device.heard = False
            self._visits.pop(device.address, None)
            self._stack.news.set()

    def _failed(self, device: BluetoothDevice, error: RadioError) -> None:
        wait_ms = min(self.limits.first_retry_ms << device.failures, self.limits.last_retry_ms)
        # As gateway/radio/turned_away.py: heard well, and yet not let in.
        away = error.code == "connect-failed" and device.rssi >= _NEAR
        device.turned_away = device.turned_away + 1 if away else 0
        device.problem = "bond-elsewhere" if device.turned_away >= _TIMES else error.code
        device.failures = min(device.failures + 1, 16)
        device.not_before_ms = self._now() + wait_ms
        log.warning("visit-failed", driver=device.driver.name, code=device.problem, detail=error.detail)

    async def _visited(self, device: BluetoothDevice) -> int:
        line = Line(self._stack, device, self.limits)
        if device.bond and not line.bonded and not self._pairing_open(device.address):
            # Somebody paired it, and the bond is gone from this hub: who answers may be another device.
            raise RadioError("bond-lost", "this hub holds no bond")
        try:
            async with self._connecting:
                await line.connect()
            visit = RadioVisit(line, self._listener, self.limits, self._clock, self._pairing_open)
            try:
                return await visit.run()
            finally:
                device.visits += 1
                device.values += visit.values
        finally:
            await line.close()

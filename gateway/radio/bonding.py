"""Bonding with one device because a person asks: find it, bond anew, learn what it is, leave at once."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

import structlog
from bleak.backends.device import BLEDevice
from bleak.backends.scanner import AdvertisementData

from gateway.drivers.base import Driver
from gateway.radio.base import BluetoothDevice, RadioError
from gateway.radio.conduct import device_of
from gateway.radio.line import BleakLine
from gateway.radio.quirks import leaves_after_bond
from gateway.radio.scanning import Ears
from gateway.wire.measurement import Device

log = structlog.get_logger()


@dataclass(frozen=True)
class Paired:
    """A device that may be configured now, by the address under which it will be known.

    bonded: False for one that did without a bond.
    """

    device: Device
    bonded: bool


class Bonder:
    """Bonds with devices. connecting: held while one connects, as the radio does that one at a time."""

    def __init__(self, ears: Ears, line: Callable[[BLEDevice], BleakLine], connecting: asyncio.Lock) -> None:
        self._ears = ears
        self._line = line
        self._connecting = connecting

    async def bond(self, address: str, driver: type[Driver], timeout_s: float, *, must: bool) -> Paired:
        """Finds the device with this address, bonds with it anew and says what it is.

        A bond that is there already is given up: a person asks for a new one. must: False where such
        devices may do without. RadioError: device-not-found, connect-failed, pairing-failed.
        """
        line = await self._reached(address, timeout_s)
        try:
            bonded = await _bonded(line, must=must)
            return Paired(await _about(line, driver), bonded)
        finally:
            await line.close()  # A&D: that ends the device's pairing mode

    async def _reached(self, address: str, timeout_s: float) -> BleakLine:
        """A connection without bond. A device that was not reached is tried again when it is next heard."""
        missed = RadioError("device-not-found")
        try:
            async with asyncio.timeout(timeout_s):
                while True:
                    try:
                        return await self._connected(address)
                    except RadioError as error:
                        missed = error
                        log.info("not-reached", code=error.code, detail=error.detail)
        except TimeoutError:
            raise missed from None

    async def _connected(self, address: str) -> BleakLine:
        line = self._line(await self.found(address))
        if line.bonded:
            await line.forget()  # BlueZ then has to discover it again
            line = self._line(await self.found(address))
        async with self._connecting:
            await line.connect()
        return line

    async def found(self, address: str) -> BLEDevice:
        """Waits until the device with this address advertises."""
        found: asyncio.Future[BLEDevice] = asyncio.get_running_loop().create_future()

        def hears(device: BLEDevice, _: AdvertisementData) -> None:
            if device.address.upper() == address.upper() and not found.done():
                found.set_result(device)

        with self._ears.heard_by(hears):
            return await found


async def _bonded(line: BleakLine, *, must: bool) -> bool:
    """Whether there is a bond now. RadioError("pairing-failed") where there must be one."""
    try:
        await line.pair()
    except RadioError as error:
        if must or not line.here:
            raise RadioError("pairing-failed", error.detail or error.code) from error
        return False
    return True


async def _about(line: BleakLine, driver: type[Driver]) -> Device:
    """What the device says of itself; it has its bond, so that nothing of this is worth failing for."""
    plain = BluetoothDevice(line.address, driver, "bluetooth-" + line.address.replace(":", ""))
    if not leaves_after_bond(line.name):
        try:
            return await device_of(line, plain)
        except RadioError as error:
            log.info("device-not-told", code=error.code)
    return Device(plain.identity, address=plain.address)

"""The computer's side of the radio: the adapter as BlueZ keeps it, watched and switched off and on.

bleak scans and connects; it does not say that bluetoothd was started anew under its scanner, that an adapter
was pulled out, or whether an advertisement is fresh. That is heard here, on a connection of its own.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from typing import Any, Protocol

import structlog
from dbus_fast import Message, unpack_variants

from gateway.bluez import (
    ADAPTER,
    DEVICE,
    OBJECTS,
    PROPERTIES,
    SERVICE,
    Bluez,
    BluezError,
    address_of,
    owner_of,
)
from gateway.radio.base import RadioError

OFF_S = 1.0  # so long it stays off: enough for a USB adapter to forget what it was doing
_RSSI = "RSSI"
log = structlog.get_logger()


class Machine(Protocol):
    """What the radio asks of the computer it runs on.

    tells_air: whether `heard` of `watched` is called for fresh signals; where not, the scanner's own
    advertisements are taken as fresh.
    """

    tells_air: bool

    def watched(
        self, heard: Callable[[], None], lost: Callable[[str], None]
    ) -> contextlib.AbstractAsyncContextManager[None]:
        """Entered around each scan: the adapter is there and on then. lost: why the scan cannot go on."""

    async def scans(self) -> bool:
        """Whether the adapter says that it scans."""

    async def power_cycle(self) -> None:
        """Switch the adapter off and on."""

    async def bonds(self) -> dict[str, set[str]]:
        """The adapters of this computer that hold a bond, by address."""


class NoMachine:
    """For a radio without BlueZ: nothing to watch, nothing to switch."""

    tells_air = False

    @contextlib.asynccontextmanager
    async def watched(self, heard: Callable[[], None], lost: Callable[[str], None]) -> AsyncIterator[None]:
        del heard, lost
        yield

    async def scans(self) -> bool:
        return True

    async def power_cycle(self) -> None:
        """There is no switch."""

    async def bonds(self) -> dict[str, set[str]]:
        return {}


class BluezAdapter:
    """One adapter of BlueZ, such as hci0. bus: address of the bus; None for the system's."""

    tells_air = True

    def __init__(self, name: str, bus: str | None = None) -> None:
        self.name = name
        self._path = f"/org/bluez/{name}"
        self._bus = bus

    @contextlib.asynccontextmanager
    async def watched(self, heard: Callable[[], None], lost: Callable[[str], None]) -> AsyncIterator[None]:
        """BluezError when there is no bus, no bluetoothd, no such adapter, or it cannot be switched on."""
        bluez = await Bluez.connect(self._bus)
        gone = asyncio.ensure_future(_told_when_gone(bluez, lost))
        try:
            bluez.bus.add_message_handler(_Ear(self._path, heard, lost).hears)
            await bluez.match_owner()
            for interface in (PROPERTIES, OBJECTS):
                await bluez.match(f"type='signal',sender='{SERVICE}',interface='{interface}'")
            await self._switch_on(bluez)
            yield
        finally:
            gone.cancel()
            bluez.close()

    async def _switch_on(self, bluez: Bluez) -> None:
        if await bluez.get(self._path, ADAPTER, "Powered"):
            return
        try:
            await bluez.set_flag(self._path, ADAPTER, "Powered", True)
        except BluezError as error:  # by a switch or by rfkill
            raise RadioError("adapter-off", error.detail) from error

    async def scans(self) -> bool:
        async with self._asked() as bluez:
            return bool(await bluez.get(self._path, ADAPTER, "Discovering"))

    async def powered(self) -> bool:
        """Whether the adapter is there and on. BluezError when it is not there."""
        async with self._asked() as bluez:
            return bool(await bluez.get(self._path, ADAPTER, "Powered"))

    async def power_cycle(self) -> None:
        """BluezError when the adapter does not obey: a controller that hangs, or one that is gone."""
        async with self._asked() as bluez:
            await bluez.set_flag(self._path, ADAPTER, "Powered", False)
            await asyncio.sleep(OFF_S)
            await bluez.set_flag(self._path, ADAPTER, "Powered", True)
        log.info("adapter-power-cycled", adapter=self.name)

    async def bonds(self) -> dict[str, set[str]]:
        """A bond lives in one adapter only, so which one holds it matters."""
        async with self._asked() as bluez:
            objects = await bluez.objects()
        found: dict[str, set[str]] = {}
        for path, interfaces in objects.items():
            device = interfaces.get(DEVICE, {})
            if device.get("Bonded", device.get("Paired", False)):
                found.setdefault(str(device.get("Address", address_of(path))).upper(), set()).add(
                    path.split("/")[3]
                )
        return found

    @contextlib.asynccontextmanager
    async def _asked(self) -> AsyncIterator[Bluez]:
        bluez = await Bluez.connect(self._bus)
        try:
            yield bluez
        finally:
            bluez.close()


class _Ear:
    """Sorts BlueZ's signals: what came from the air, and what ends a scan."""

    def __init__(self, adapter: str, heard: Callable[[], None], lost: Callable[[str], None]) -> None:
        self._adapter = adapter
        self._heard = heard
        self._lost = lost

    def hears(self, message: Message) -> None:
        if owner_of(message) is not None:
            self._lost("bluetoothd-restarted")
        elif message.member == "PropertiesChanged" and message.body:
            self._changed(message.path or "", message.body[0], unpack_variants(message.body[1]))
        elif message.member == "InterfacesAdded" and message.body:
            # Remembered devices are added without a signal strength.
            self._device(message.body[0], message.body[1].get(DEVICE, {}))
        elif message.member == "InterfacesRemoved" and message.body[0] == self._adapter:
            self._lost("adapter-gone")

    def _changed(self, path: str, interface: str, values: dict[str, Any]) -> None:
        if interface == DEVICE:
            self._device(path, values)
        elif path == self._adapter and interface == ADAPTER:
            if values.get("Powered") is False:
                self._lost("adapter-off")
            elif values.get("Discovering") is False:
                self._lost("scan-ended")

    def _device(self, path: str, values: dict[str, Any]) -> None:
        if _RSSI in values and path.startswith(self._adapter + "/"):
            self._heard()


async def _told_when_gone(bluez: Bluez, lost: Callable[[str], None]) -> None:
    try:
        await bluez.gone()
    except (OSError, EOFError, BluezError):
        log.info("bus-lost")
    lost("bus-lost")

"""The base of virtual Bluetooth devices: a controller on the air that advertises.

By itself it is a device that only advertises (a scale that nobody connects to): `advertise` with new data
each time something changes, `silence` when it falls asleep.
"""

import asyncio
import contextlib
from collections.abc import Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bumble import hci
from bumble.controller import Controller
from bumble.core import UUID, AdvertisingData, BaseBumbleError
from bumble.device import Connection, Device
from bumble.host import Host
from bumble.link import LocalLink
from bumble.transport.common import AsyncPipeSink

from gateway.simulator.virtual_device import VirtualDevice

Part = tuple[int, bytes]


@dataclass
class AdvertiserOptions:
    """How a device on the air behaves; may be changed while it runs. Times in seconds."""

    clock_offset_s: float = 0
    advertising_ms: float = 20


class Advertiser(VirtualDevice):
    """A device that advertises and takes no connection: whoever connects is thrown out, and that is told."""

    called = ""  # how its name begins
    options: AdvertiserOptions
    options_type: type[AdvertiserOptions] = AdvertiserOptions

    def __init__(
        self, air: LocalLink, address: str, directory: Path, options: AdvertiserOptions | None = None
    ) -> None:
        self.options = options or self.options_type()
        super().__init__(directory, self.options.clock_offset_s)
        self.address = address
        self.name = f"{self.called} {address[-5:].replace(':', '')}"
        self._on = False
        self._tasks: set[asyncio.Task[None]] = set()
        self._button = asyncio.Lock()  # one change of the advertising at a time
        controller = Controller(self.name, link=air)
        self._device = Device(
            name=self.name,
            address=hci.Address(address),
            host=Host(controller, AsyncPipeSink(controller)),
        )

    def facts(self) -> dict[str, str]:
        return {"by": "bluetooth", "address": self.address}

    async def start(self) -> None:
        """Switches on; nothing is advertised yet."""
        device = self._device
        device.advertising_interval_min = device.advertising_interval_max = self.options.advertising_ms
        device.on(Device.EVENT_CONNECTION, self._connected)
        await device.power_on()
        self._on = True

    async def stop(self) -> None:
        self._on = False
        await self.hang_up()
        await self.silence()
        await asyncio.gather(*self._tasks)

    async def advertise(self, *parts: Part) -> None:
        """Advertises this data from now on, over and over."""
        async with self._button:
            if not self._on or self._device.connections:
                return
            data = advertising_data(*parts)
            if data != self._device.advertising_data or not self._device.is_advertising:
                self._device.advertising_data = data
                await self._device.start_advertising(auto_restart=False)

    async def silence(self) -> None:
        """Advertises no longer."""
        async with self._button:
            if self._device.is_advertising:
                await self._device.stop_advertising()

    async def hang_up(self) -> None:
        """Ends the connection, if there is one."""
        for connection in list(self._device.connections.values()):
            with contextlib.suppress(BaseBumbleError, hci.HCI_Error):
                await connection.disconnect()

    def _connected(self, _: Connection) -> None:
        self.truth.write("thrown-out")
        self._spawn(self.hang_up())

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


# Parts of an advertisement (Core Specification Supplement, part A).


def advertising_data(*parts: Part) -> bytes:
    """The parts in order; AssertionError when they are more than the 31 bytes of an advertisement."""
    data = bytes(AdvertisingData(list(parts)))
    assert len(data) <= 31, f"{len(data)} bytes do not fit into an advertisement"
    return data


def flags(bits: int = 0x06) -> Part:
    """06: general discoverable, no BR/EDR."""
    return AdvertisingData.FLAGS, bytes((bits,))


def services(*uuids: int | str) -> Part:
    """Services of one size: 16-bit numbers, or full UUIDs."""
    if isinstance(uuids[0], int):
        kind = AdvertisingData.COMPLETE_LIST_OF_16_BIT_SERVICE_CLASS_UUIDS
    else:
        kind = AdvertisingData.COMPLETE_LIST_OF_128_BIT_SERVICE_CLASS_UUIDS
    return kind, b"".join(uuid_of(one).to_bytes() for one in uuids)


def local_name(name: str) -> Part:
    return AdvertisingData.COMPLETE_LOCAL_NAME, name.encode()


def service_data(uuid: int, data: bytes) -> Part:
    """Data that belongs to a 16-bit service."""
    return AdvertisingData.SERVICE_DATA_16_BIT_UUID, uuid.to_bytes(2, "little") + data


def manufacturer_data(company: int, data: bytes) -> Part:
    return AdvertisingData.MANUFACTURER_SPECIFIC_DATA, company.to_bytes(2, "little") + data


def uuid_of(name: int | str) -> UUID:
    """A 16-bit number, or a full UUID as text."""
    return UUID.from_16_bits(name) if isinstance(name, int) else UUID(name)

"""Devices that only advertise: what they say is heard without a connection.

A visit begins with the first advertisement that holds data and ends when none came for a while. Anybody near
can be heard here, and anybody can send under such an address: whose a reading is, the bridge asks.
"""

import asyncio

import structlog
from bleak.backends.scanner import AdvertisementData
from bleak.uuids import normalize_uuid_str

from gateway.hub.visit import Listener, Visit
from gateway.radio.base import BluetoothDevice, Budget, Limits
from gateway.wire.errors import MeethubError
from gateway.wire.measurement import Device

_BASE_UUID = normalize_uuid_str("0000")[8:]
log = structlog.get_logger()


class Broadcast:
    """All advertisements of one device."""

    def __init__(self, device: BluetoothDevice, listener: Listener, limits: Limits) -> None:
        self.values = 0
        self._device = device
        self._listener = listener
        self._limits = limits
        self._budget = Budget(limits.frames, limits.frames_per_s)
        self._visit: Visit | None = None
        self._end: asyncio.TimerHandle | None = None

    def heard(self, advertisement: AdvertisementData) -> None:
        """Hands on what it says; a reading that cannot be stored is counted by the hub."""
        frames = frames_of(advertisement)
        if not frames or not self._budget.take(asyncio.get_running_loop().time()):
            return
        visit = self._visit or self._open()
        self._wait_again()
        for source, data in frames:
            try:
                self._listener.received(visit, source, data)
                self.values += 1
            except MeethubError as error:
                log.warning("frame-not-stored", driver=self._device.driver.name, code=error.code)

    def close(self) -> None:
        """It was quiet for long enough, or the hub stops."""
        if self._end is not None:
            self._end.cancel()
        visit, self._visit, self._end = self._visit, None, None
        if visit is not None:
            self._listener.closed(visit)

    def _open(self) -> Visit:
        device = Device(self._device.identity, address=self._device.address)
        self._visit = visit = Visit(device, self._device.driver, bonded=False)
        self._listener.opened(visit)
        return visit

    def _wait_again(self) -> None:
        if self._end is not None:
            self._end.cancel()
        self._end = asyncio.get_running_loop().call_later(self._limits.advert_quiet_s, self.close)


def frames_of(advertisement: AdvertisementData) -> list[tuple[str, bytes]]:
    """Service data and manufacturer data as (source, bytes), named as drivers expect them."""
    services = [("advert:" + _short(uuid), data) for uuid, data in advertisement.service_data.items()]
    makers = [(f"maker:{number:04x}", data) for number, data in advertisement.manufacturer_data.items()]
    return services + makers


def _short(uuid: str) -> str:
    return uuid[4:8] if uuid.startswith("0000") and uuid.endswith(_BASE_UUID) else uuid

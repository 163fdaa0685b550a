"""Devices that only advertise: what they say is heard without a connection.

A visit begins with the first advertisement that holds data and ends when none came for a while. Anybody near
can be heard here, and anybody can send under such an address: whose a reading is, the bridge asks.
"""

from firmware.radio.base import BluetoothDevice, Budget, Limits
from gateway.hub.events import log
from gateway.hub.visit import Listener, Visit
from gateway.wire.errors import MeethubError
from gateway.wire.measurement import Device


class Broadcast:
    """All advertisements of one device."""

    def __init__(self, device: BluetoothDevice, listener: Listener, limits: Limits) -> None:
        self._device = device
        self._listener = listener
        self._quiet_ms = limits.advert_quiet_ms
        self._budget = Budget(limits.frames, limits.frames_per_s)
        self._visit: Visit | None = None
        self._until = 0

    def heard(self, advert: bytes, now_ms: int) -> None:
        """Hands on what it says; a reading that cannot be stored is counted by the hub."""
        frames = frames_of(advert)
        if not frames or not self._budget.take(now_ms):
            return
        visit = self._visit or self._open()
        self._until = now_ms + self._quiet_ms
        for source, data in frames:
            try:
                self._listener.received(visit, source, data)
                self._device.values += 1
            except MeethubError as error:
                log.warning("frame-not-stored", driver=self._device.driver.name, code=error.code)

    def tick(self, now_ms: int) -> None:
        """Closes the visit when it was quiet for long enough."""
        if self._visit is not None and now_ms >= self._until:
            self.close()

    def close(self) -> None:
        visit, self._visit = self._visit, None
        if visit is not None:
            self._listener.closed(visit)

    def _open(self) -> Visit:
        device = self._device
        device.visits += 1
        self._visit = visit = Visit(
            Device(device.identity, address=device.address), device.driver, bonded=False
        )
        self._listener.opened(visit)
        return visit


def frames_of(advert: bytes) -> list[tuple[str, bytes]]:
    """Service data and manufacturer data as (source, bytes), named as drivers expect them.

    Core Specification Supplement, part A: length, type, data. What is cut off is left out.
    """
    frames, at = [], 0
    while at + 1 < len(advert) and advert[at]:
        end = at + 1 + advert[at]
        if end > len(advert):
            break
        kind, data = advert[at + 1], advert[at + 2 : end]
        if kind == 0x16 and len(data) >= 2:
            frames.append(("advert:%02x%02x" % (data[1], data[0]), data[2:]))
        elif kind == 0x21 and len(data) >= 16:
            frames.append(("advert:" + _uuid(data[:16]), data[16:]))
        elif kind == 0xFF and len(data) >= 2:
            frames.append(("maker:%02x%02x" % (data[1], data[0]), data[2:]))
        at = end
    return frames


def _uuid(data: bytes) -> str:
    digits = bytes(reversed(data)).hex()
    return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))

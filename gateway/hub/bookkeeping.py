"""What the hub keeps of each device between visits, and what a conversation tells of the device.

A mark lets a driver ask for news only; it is kept once the records of a whole transfer are durable, and
forgotten when the bridge has lost what it had accepted: then the devices' memories are read again.
"""

import os

from gateway.drivers.base import Driver, Known
from gateway.hub.visit import Visit
from gateway.wire.items import DeviceClock
from gateway.wire.measurement import Device

TYPE_CHECKING = False
if TYPE_CHECKING:
    from gateway.hub.given import Outbox

SECRET_SIZE = 16
# Settings of the outbox, each followed by the identity of a device or port.
MARK, SECRET, TOLD = "mark ", "secret ", "told "
_MAX_TEXT = 64
_PLAIN = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


class Bookkeeping:
    """place: the identity that a device is expected under where it is visited, before it says who it is."""

    def __init__(self, outbox: "Outbox") -> None:
        self._outbox = outbox

    def known(self, visit: Visit, place: str) -> Known:
        """What the driver is told at the start. OutboxError when a new secret cannot be kept."""
        secret = self._outbox.setting(SECRET + place) or b""
        if visit.driver.keeps_secret and len(secret) != SECRET_SIZE:
            secret = os.urandom(SECRET_SIZE)
            self._outbox.set_setting(SECRET + place, secret)
        mark = self._outbox.setting(MARK + place)
        return Known(
            mark or None,
            secret or bytes(SECRET_SIZE),
            visit.users,
            pairing=visit.pairing,
            cable=visit.bonded is None,
        )

    def introduce(self, visit: Visit, place: str, driver: Driver, mono_ms: int) -> None:
        """What the device just said of itself and its clock goes with the records that follow."""
        if driver.about:
            visit.device = self._named(visit, place, driver.about)
        if driver.device_clock is not None and visit.clock is None:
            visit.clock = DeviceClock(driver.device_clock, mono_ms, written=False)

    def _named(self, visit: Visit, place: str, about: dict[str, str]) -> Device:
        texts = {key: _plain(text) for key, text in about.items()}
        known = visit.device
        identity = known.identity
        serial = texts.get("serial")
        # A radio's device is known by its bond; on a cable only the device itself can say which it is.
        if serial and visit.driver.unique_serial and visit.bonded is None:
            identity = told_identity(visit.driver.name, serial)
            self._tell(place, identity)
        return Device(
            identity,
            manufacturer=texts.get("manufacturer") or known.manufacturer,
            model=texts.get("model") or known.model,
            firmware=texts.get("firmware") or known.firmware,
            serial=serial or known.serial,
            system_id=known.system_id,
            address=known.address,
        )

    def _tell(self, place: str, identity: str) -> None:
        if self._outbox.setting(TOLD + place) != identity.encode():
            self._outbox.set_setting(TOLD + place, identity.encode())

    def keep_mark(self, place: str, mark: bytes | None) -> None:
        """Called when all records before the mark are durable."""
        if mark is not None and mark != self._outbox.setting(MARK + place):
            self._outbox.set_setting(MARK + place, mark)

    def forget_marks(self) -> None:
        """From here on every device is asked for all that it has."""
        self._outbox.forget_settings(MARK)


def told_identity(driver: str, serial: str) -> str:
    """The identity of a device on a cable that told its own serial number."""
    return f"{driver}-" + "".join([sign if sign in _PLAIN else "-" for sign in serial])


def _plain(text: str) -> str:
    """What a device says of itself, which is ASCII, without control characters and not too long."""
    return "".join([sign for sign in text if " " <= sign <= "~"]).strip()[:_MAX_TEXT]

"""A visit: one device, from the moment it answers until it is gone. Radio and serial port both make them."""

import secrets
from dataclasses import dataclass, field
from typing import Protocol

from gateway.drivers.base import Driver
from gateway.wire.items import DeviceClock
from gateway.wire.measurement import Device


@dataclass
class Visit:
    """What is known of the device while it is here.

    clock: set before the first frame, or None. bonded: None where there are no bonds (a cable).
    """

    device: Device
    driver: type[Driver]
    clock: DeviceClock | None = None
    battery: int | None = None
    bonded: bool | None = None
    number: bytes = field(default_factory=lambda: secrets.token_bytes(8))


class Listener(Protocol):
    """Who hears a visit: the hub. All three are called on the event loop's thread and return when done."""

    def opened(self, visit: Visit) -> None:
        """The device is here; nothing was received yet."""

    def received(self, visit: Visit, source: str, data: bytes) -> bytes | None:
        """Bytes of the device, durable when this returns; the answer to send back, if any."""

    def closed(self, visit: Visit) -> None:
        """The device is gone."""

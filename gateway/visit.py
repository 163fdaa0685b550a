"""A visit: one device, from the moment it answers until it is gone. Radio and serial port both make them."""

import secrets
from dataclasses import dataclass, field
from typing import Protocol

from gateway.drivers.base import Driver
from gateway.wire.items import DeviceClock, Frame
from gateway.wire.measurement import Device


@dataclass
class Visit:
    """What is known of the device while it is here.

    The radio and the cable say: clock (set before the first frame, or None), bonded (None where there are no
    bonds), users (slot and consent code of each), pairing (a person has opened pairing for this device).
    The hub says, after each call: patience_s (the device owes an answer and gets so many seconds, else None)
    and understood (the driver made something of what came).
    """

    device: Device
    driver: type[Driver]
    clock: DeviceClock | None = None
    battery: int | None = None
    bonded: bool | None = None
    users: tuple[tuple[int, int], ...] = ()
    pairing: bool = False
    patience_s: float | None = None
    understood: bool = False
    number: bytes = field(default_factory=lambda: secrets.token_bytes(8))


class Listener(Protocol):
    """Who hears a visit: the hub. All are called on the event loop's thread and return when done.

    What they return is to be written to the device, in order; a frame's source is where.
    """

    def opened(self, visit: Visit) -> None:
        """The device is here; nothing was received yet."""

    def begun(self, visit: Visit) -> list[Frame]:
        """Everything is read and subscribed: the device may be asked."""

    def received(self, visit: Visit, source: str, data: bytes) -> list[Frame]:
        """Bytes of the device, durable when this returns."""

    def silent(self, visit: Visit) -> list[Frame]:
        """Nothing came for `patience_s`."""

    def closed(self, visit: Visit) -> None:
        """The device is gone."""

"""A visit: one device, from the moment it answers until it is gone. Radio and serial port both make them."""

import os

from gateway.drivers.base import Driver
from gateway.wire.items import DeviceClock
from gateway.wire.measurement import Device

TYPE_CHECKING = False
if TYPE_CHECKING:
    from gateway.hub.given import Listener as Listener
else:
    Listener = object


class Visit:
    """What is known of the device while it is here.

    The radio and the cable say: clock (set before the first frame, or None), bonded (None where there are no
    bonds), users (slot and consent code of each), pairing (a person has opened pairing for this device).
    The hub says, after each call: patience_s (the device owes an answer and gets so many seconds, else None)
    and understood (the driver made something of what came).
    """

    def __init__(
        self,
        device: Device,
        driver: type[Driver],
        clock: DeviceClock | None = None,
        battery: int | None = None,
        *,
        bonded: bool | None = None,
        users: tuple[tuple[int, int], ...] = (),
        pairing: bool = False,
        number: bytes = b"",
    ) -> None:
        self.device = device
        self.driver = driver
        self.clock = clock
        self.battery = battery
        self.bonded = bonded
        self.users = users
        self.pairing = pairing
        self.patience_s: float | None = None
        self.understood = False
        self.number = number or os.urandom(8)

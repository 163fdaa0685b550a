"""A visit that goes on, as the hub keeps it in memory."""

from gateway.drivers.base import Driver
from gateway.hub.stored import Captured
from gateway.wire.items import Frame


class OpenVisit:
    """Its driver object, when it began and was heard last (ms since boot), and captured frames that made no
    record yet.

    place: the identity under which the device was expected. heard: it said something.
    read: what was read of the device before its first value. It is no record; it is stored with each frame
    that follows, so that every record holds what it was decoded with.
    """

    def __init__(self, driver: Driver, place: str, began_ms: int) -> None:
        self.driver = driver
        self.place = place
        self.began_ms = self.heard_ms = began_ms
        self.heard = False
        self.read: list[Frame] = []
        self.waiting: dict[int, Captured] = {}

"""A visit that goes on, as the hub keeps it in memory."""

from gateway.drivers.base import Driver
from gateway.outbox import Captured
from gateway.wire.items import Frame


class OpenVisit:
    """Its driver object, when it began and was heard last (ms since boot), and captured frames that made no
    record yet.

    read: what was read of the device before its first value. It is no record; it is stored with each frame
    that follows, so that every record holds what it was decoded with.
    """

    def __init__(self, driver: Driver, began_ms: int) -> None:
        self.driver = driver
        self.began_ms = self.heard_ms = began_ms
        self.read: list[Frame] = []
        self.waiting: dict[int, Captured] = {}

    def start_afresh(self) -> None:
        """After the driver finished: another object of it, that knows what was read of the device."""
        self.driver = type(self.driver)()
        for frame in self.read:
            self.driver.received(frame)

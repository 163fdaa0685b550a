"""The rule by which a stream of values becomes readings, for devices that tell one value after another.

The last valid value before the sensor leaves the body, or the device does; and while it lasts the last valid
value of every 60 s. Never an average: a reading is one frame, as the device sent it.
"""

from gateway.drivers.base import Record

_WINDOW_MS = 60_000
# Frames without form that are kept as evidence between two readings; a device gone mad sends thousands.
_MOST_DAMAGE = 8


class LastValid:
    """Every method returns the records that are due now. Times are ms since the visit began."""

    def __init__(self) -> None:
        self._best: Record | None = None
        self._began_ms = 0
        self._damage = 0

    def valid(self, record: Record, offset_ms: int) -> list[Record]:
        """A frame with a value: it stands for what came before it in its 60 s."""
        due = self.passed(offset_ms)
        if self._best is None:
            self._began_ms = offset_ms
        self._best = record
        return due

    def passed(self, offset_ms: int) -> list[Record]:
        """A frame without a value: time goes on."""
        return self.ended() if offset_ms - self._began_ms >= _WINDOW_MS else []

    def ended(self) -> list[Record]:
        """The sensor left the body, or the device is gone."""
        best, self._best = self._best, None
        if best is None:
            return []
        self._damage = 0
        return [best]

    def damaged(self, record: Record) -> list[Record]:
        """A frame that could not be read: evidence, as far as it does not become too much."""
        self._damage += 1
        return [record] if self._damage <= _MOST_DAMAGE else []

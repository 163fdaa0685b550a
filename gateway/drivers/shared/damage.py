"""Which damaged stretches of a visit are kept as evidence.

A cable begins and ends in the middle of something: what comes before the first good frame, and what is cut
off at the end, is kept only when nothing was ever understood. In between, at most 8 stretches between two
readings: a bad plug makes thousands.
"""

from gateway.drivers.base import Record

_MOST = 8


class Damage:
    """One visit's. Each method returns the error records that are due."""

    def __init__(self) -> None:
        self._first: Record | None = None
        self._understood = False
        self._count = 0

    def understood(self) -> None:
        """A good frame came."""
        self._understood, self._first = True, None

    def read(self) -> None:
        """A reading was given: counting begins anew."""
        self._count = 0

    def stretch(self, record: Record) -> list[Record]:
        """Bytes without form, or a frame that is damaged."""
        if not self._understood:
            self._first = self._first or record
            return []
        self._count += 1
        return [record] if self._count <= _MOST else []

    def ended(self, cut_off: list[Record]) -> list[Record]:
        """The visit is over, and this is what it was cut off in."""
        for record in cut_off if not self._understood else []:
            self.stretch(record)
        first, self._first = self._first, None
        return [first] if first else []

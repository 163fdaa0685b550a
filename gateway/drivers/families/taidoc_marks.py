"""Where in a TaiDoc meter's memory the records begin that were read at the last visit.

Records are numbered from the newest, and their times move when a person sets the meter's clock, as twice a
year. So the newest ones of the last visit are looked for by their values and the time between them; a clock
that was set shifts all by the same minutes. They count only in the place where they must be now, or, three
and more, anywhere where the memory is as full as it was (a full one loses its oldest); and shifted only when
their values do not begin as they end, so that a habit does not look like a clock. What is not surely known
is read once more: that does no harm.
"""

from gateway.drivers.base import Record
from gateway.drivers.shared.fields import days_in

DEPTH = 4
_SURE = 3  # so many values in a row with the same time between them are no chance
_RECORD = 8  # time and value, four bytes each
MARK_SIZE = 2 + DEPTH * _RECORD


def minutes(time: bytes) -> int | None:
    """Minutes since 2000 of a record's time, whatever its status bits say; None where it is no moment."""
    day = int.from_bytes(time[:2], "little")
    year, month = day >> 9, day >> 5 & 15
    if not (1 <= month <= 12 and 1 <= day & 31 <= days_in(2000 + year, month)):
        return None
    days = 365 * year + (year + 3) // 4 - (year > 100) + (day & 31)  # 2100 is no leap year
    for passed in range(1, month):
        days += days_in(2000 + year, passed)
    return (days * 24 + (time[3] & 31)) * 60 + (time[2] & 63)


class Search:
    """Goes through one user's records, newest first. mark: of the last visit, or empty. count: of now.

    found: those that were the newest are reached; all older ones were read.
    """

    def __init__(self, mark: bytes, count: int) -> None:
        self.found = False
        self._count = count
        self._old = int.from_bytes(mark[:2], "little")
        known = min(self._old, DEPTH)
        self._known = [mark[2 + _RECORD * at : 2 + _RECORD * (at + 1)] for at in range(known)]
        self._sure = len(self._known) >= _SURE
        self._may_shift = self._sure and not _repeats([raw[4:] for raw in self._known])
        self._newest: list[bytes] = []
        self._passed = 0
        self._held: list[tuple[bytes, list[Record]]] = []

    def add(self, raw: bytes, records: list[Record]) -> list[Record]:
        """The next record, its raw time and value; those that are surely new."""
        if len(self._newest) < DEPTH:
            self._newest.append(raw)
        self._passed += 1
        self._held.append((raw, records))
        due: list[Record] = []
        while self._held and not self._may_be_known():
            due += self._held.pop(0)[1]
        if self._held and len(self._held) == len(self._known):
            self.found, self._held = True, []
        return due

    def rest(self) -> list[Record]:
        """The memory ends here: what looked as if it were known is new."""
        held, self._held = self._held, []
        return [record for _, records in held for record in records]

    def mark(self) -> bytes:
        whole = self._count.to_bytes(2, "little") + b"".join(self._newest)
        return whole + bytes(MARK_SIZE - len(whole))

    def _may_be_known(self) -> bool:
        """Whether what is held can be how the records that were the newest begin."""
        grown, start = self._count - self._old, self._passed - len(self._held)
        if len(self._held) > len(self._known) or (start != grown and not (self._sure and grown == 0)):
            return False
        shifts = {_shift(self._held[at][0], self._known[at]) for at in range(len(self._held))}
        return shifts == {0} or (self._may_shift and len(shifts) == 1 and None not in shifts)


def _repeats(values: list[bytes]) -> bool:
    """Whether these could be new ones followed by some of themselves."""
    return any(values[at:] == values[: len(values) - at] for at in range(1, len(values)))


def _shift(one: bytes, other: bytes) -> int | None:
    """Minutes between the times of two records of the same value; None where they cannot be the same."""
    if one == other:
        return 0
    here, there = minutes(one[:4]), minutes(other[:4])
    return None if one[4:] != other[4:] or here is None or there is None else here - there

# ruff: noqa: ARG001 (who looks at frames is told all of them)
"""The measurements that were sealed last, so that none is sealed again (protocol, section 1).

In memory two bytes of each key, as a ring: the n-th measurement stands at n modulo KNOWN. What they point to
is compared whole, 32 bytes, where it is stored: in its envelope's frame, or here once that was freed.
"""

import struct

from firmware.outbox.frames import frame, scan
from firmware.outbox.segments import Segments
from gateway.hub.stored import ADDED, PARTIAL, WHOLE

KNOWN = 2000
# How a measurement was sealed, as stored; EVIDENCE: a part of it went ahead, it is not known by that.
STAGES = (b"", WHOLE, PARTIAL, ADDED)
EVIDENCE = 4
_SIZE = 37
_ENTRIES = 1
_LONGEST = 4096 - 8

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from firmware.outbox.files import Files

    # Its number, stage as stored, key.
    Entry = tuple[int, int, bytes]


class Known:
    """next: the number that the next measurement gets."""

    def __init__(self, files: "Files", after: int) -> None:
        """after: numbers up to here are forgotten."""
        self._ring = bytearray(2 * KNOWN)
        self._after = after
        self.next = after + 1
        self._segments = Segments(files, "k", _LONGEST)
        self._spans: dict[int, tuple[int, int]] = {}

    def load(self) -> None:
        """What was moved here; to be called when all that stands in envelopes is noted."""
        for number in self._segments.numbers:
            self._load(number)

    def _load(self, file: int) -> None:
        def take(entry: "Entry") -> None:
            self._place(file, entry[0])
            self.note(entry[0], entry[2])

        self._entries(file, take)

    def _place(self, file: int, number: int) -> None:
        low, high = self._spans.get(file, (number, number))
        self._spans[file] = (min(low, number), max(high, number))

    def _entries(self, file: int, take: "Callable[[Entry], None]") -> None:
        def seen(kind: int, body: bytes, start: int, middle: int, end: int) -> None:
            for at in range(0, len(body) - _SIZE + 1, _SIZE) if kind == _ENTRIES else ():
                take((struct.unpack_from("<I", body, at)[0], body[at + 4], body[at + 5 : at + _SIZE]))

        scan(self._segments.path(file), seen)

    # The ring.

    def note(self, number: int, key: bytes) -> None:
        """The measurement of this number is known, unless it is too long ago."""
        if number <= self._after or number + KNOWN < self.next:
            return
        self._pass(number)
        place = 2 * (number % KNOWN)
        self._ring[place : place + 2] = _mark(key)

    def _pass(self, number: int) -> None:
        """What was KNOWN before these numbers is known no more."""
        self.next = max(self.next, number + 1 - KNOWN)
        while self.next <= number:
            place = 2 * (self.next % KNOWN)
            self._ring[place : place + 2] = b"\0\0"
            self.next += 1

    def unknow(self, number: int) -> None:
        """This one may be sealed again."""
        if number < self.next <= number + KNOWN:
            place = 2 * (number % KNOWN)
            self._ring[place : place + 2] = b"\0\0"

    def holds(self, number: int) -> bool:
        """Whether the measurement of this number is known."""
        place = 2 * (number % KNOWN)
        return number < self.next <= number + KNOWN and self._ring[place : place + 2] != b"\0\0"

    def forget(self) -> int:
        """None is known any more; the number up to which."""
        self._after = self.next - 1
        for place in range(2 * KNOWN):
            self._ring[place] = 0
        return self._after

    def candidates(self, key: bytes) -> "Iterator[int]":
        """Numbers whose mark is this key's: nearly always this key."""
        mark = _mark(key)
        place = self._ring.find(mark)
        while place >= 0:
            if place % 2 == 0:
                last = self.next - 1
                yield last - (last - place // 2) % KNOWN
            place = self._ring.find(mark, place + 1)

    # What stands here.

    def stage_at(self, number: int, key: bytes) -> int:
        """The stage in which this measurement stands here under this number; 0 when it does not."""
        stages = [0]

        def take(entry: "Entry") -> None:
            if entry[0] == number and entry[2] == key:
                stages.append(entry[1])

        for file, (low, high) in self._spans.items():
            if low <= number <= high:
                self._entries(file, take)
        return stages[-1]

    def keep(self, entries: "list[Entry]") -> None:
        """Durable here, before they go elsewhere; files in which nothing is known any more go."""
        for start in range(0, len(entries), 64):
            some = entries[start : start + 64]
            data = frame(
                _ENTRIES, b"".join([struct.pack("<IB", entry[0], entry[1]) + entry[2] for entry in some])
            )
            segments = self._segments
            if segments.is_full(len(data)):
                segments.begin(segments.last() + 1, [data])
                self._drop()
            else:
                segments.append([data])
            for entry in some:
                self._place(segments.last(), entry[0])
                self.note(entry[0], entry[2])

    def _drop(self) -> None:
        for number in self._segments.numbers[:-1]:
            if self._spans.get(number, (0, 0))[1] <= max(self._after, self.next - 1 - KNOWN):
                self._segments.remove(number)
                self._spans.pop(number, None)


def _mark(key: bytes) -> bytes:
    """Two bytes of the key, never zero."""
    return key[:2] if key[:2] != b"\0\0" else b"\0\1"

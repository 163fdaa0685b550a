# ruff: noqa: ARG001 (who looks at frames is told all of them)
"""Captured frames until they are sealed or released: files that go when nothing in them is needed any more.

What an envelope took over says the envelope's own frame (envelopes.py), so that both are one commit.
"""

import struct

from firmware.outbox.frames import DAMAGED, copied, frame, scan
from firmware.outbox.segments import Segments
from gateway.hub.stored import Captured, captured_body, captured_from_body, holds, join, subtract
from gateway.wire.errors import WireError

# A file begins with the number of its first row, and the rows that were not needed any more then.
_BEGIN, _ROW, _RELEASED = 1, 2, 3
_LONGEST = 8 * 1024 - 8
# After damage the numbers of captures jump, so that none is used twice within a boot.
_JUMP = 1_000_000
# What is read of a body at the start, and how many ranges fit in that.
_MOST, _RANGES = 2048, 250

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from firmware.outbox.files import Files
    from gateway.hub.given import Ranges


def pack_ranges(ranges: "Ranges") -> bytes:
    return b"".join([struct.pack("<II", low, high) for low, high in ranges])


def unpack_ranges(data: bytes) -> "Ranges":
    return tuple([struct.unpack_from("<II", data, at) for at in range(0, len(data) - 7, 8)])


class Captures:
    """waiting: numbers of the rows that are neither sealed nor released; last: the last number given out.

    lost: rows that turned out to be damaged at the start.
    """

    def __init__(self, files: "Files", released: "Ranges") -> None:
        """released: the rows that envelopes took over."""
        self._segments = Segments(files, "c", _LONGEST)
        self._firsts: dict[int, int] = {}
        self.waiting: Ranges = ()
        self.lost: Ranges = ()
        self.last = released[-1][1] if released else 0
        self._loose = bool(released)
        for number in self._segments.numbers:
            released = join(released, self._load(number))
        self.waiting = subtract(self.waiting, released)
        self.lost = subtract(self.lost, released)

    def _load(self, number: int) -> "Ranges":
        """What a file says of rows: there, lost; which are released."""
        found: list[tuple[int, bytes]] = []
        scan(self._segments.path(number), lambda *seen: found.append((seen[0], _short(seen))), _MOST)
        low = high = 0
        released: Ranges = ()
        for kind, body in found:
            first = struct.unpack("<I", body[:4])[0] if kind in (_BEGIN, _ROW) else 0
            if kind == _BEGIN or (kind == _ROW and low == 0):
                low, high = first, first - 1
            if kind == _ROW:
                self.waiting = join(self.waiting, ((first, first),))
                if first > high + 1:
                    self.lost = join(
                        self.lost, ((high + 1, first - 1 if first < high + _JUMP else high + 1),)
                    )
                high = first
            released = join(released, unpack_ranges(body if kind == _RELEASED else b""))
        self._firsts[number] = low
        if found and found[-1][0] == DAMAGED:  # at least one, whose number is not certain
            high = max(high, self.last) + 1
            self.lost = join(self.lost, ((high, high),))
            high += _JUMP
        self.last = max(self.last, high)
        return released

    # Rows.

    def add(self, captured: Captured) -> None:
        """One commit. OutboxError when it could not be stored."""
        row = frame(_ROW, struct.pack("<I", captured.row) + captured_body(captured))
        self._segments.check(len(row))
        self._write(row, captured.row)
        self.last = captured.row
        self.waiting = join(self.waiting, ((captured.row, captured.row),))

    def release(self, rows: "Ranges") -> None:
        """These are not needed any more: one commit."""
        self._write(_released(self._done(rows)), self.last + 1)
        self.sealed(rows)

    def sealed(self, rows: "Ranges") -> None:
        """An envelope that is durable took them over."""
        self.waiting = subtract(self.waiting, rows)
        self._loose = True

    def settle(self) -> None:
        """Before envelopes go that say what they took over: say it here, where a row is still in a file."""
        if self._loose and self._segments.numbers:
            self._segments.append([_released(self._done())])
        self._loose = False

    def _done(self, more: "Ranges" = ()) -> "Ranges":
        """All but what waits."""
        return subtract(((1, self.last),), subtract(self.waiting, more)) if self.last else ()

    def _write(self, data: bytes, first: int) -> None:
        segments = self._segments
        if not segments.is_full(len(data)):
            segments.append([data])
            return
        self._begin(first, data)

    def _begin(self, first: int, data: bytes) -> None:
        number = self._segments.last() + 1
        self._segments.begin(number, [self._head(first), data])
        self._firsts[number] = first
        self._drop()

    def purge(self) -> None:
        """No frames stay that are not needed any more."""
        self._begin(self.last + 1, b"")
        for number in self._segments.numbers[:-1]:
            self._segments.rewrite(number, self._pieces(number, self._needed(number)))

    def _needed(self, number: int) -> list[tuple[int, int]]:
        """Where the rows of a file that wait start and end."""
        found: list[tuple[int, int]] = []

        def seen(kind: int, body: bytes, start: int, middle: int, end: int) -> None:
            if kind == _ROW and holds(self.waiting, struct.unpack("<I", body)[0]):
                found.append((start, end))

        scan(self._segments.path(number), seen, 4)
        return found

    def _pieces(self, number: int, keep: list[tuple[int, int]]) -> "Iterator[bytes]":
        yield self._head(self._firsts[number])
        for start, end in keep:
            yield from copied(self._segments.path(number), start, end)

    def _head(self, first: int) -> bytes:
        """What a file begins with."""
        return frame(_BEGIN, struct.pack("<I", first)) + _released(self._done())

    def _drop(self) -> None:
        """Files before the last in which no row waits. What stood released in them stands in the last now."""
        numbers = list(self._segments.numbers)
        for place, number in enumerate(numbers[:-1]):
            span = ((self._firsts[number], self._firsts[numbers[place + 1]] - 1),)
            if subtract(span, self.waiting) == span:
                self._segments.remove(number)
                del self._firsts[number]

    def spare(self) -> bool:
        """Whether there is a file that a new one would free."""
        return len(self._segments.numbers) > 1 or (not self.waiting and self._segments.last() > 0)

    def read(self, limit: int | None) -> tuple[list[Captured], "Ranges"]:
        """Waiting rows, oldest first, at most so many; and those that do not prove themselves."""
        good: list[Captured] = []

        def seen(kind: int, body: bytes, start: int, middle: int, end: int) -> bool:
            row = struct.unpack("<I", body[:4])[0] if kind == _ROW else 0
            captured = _captured(row, body) if holds(self.waiting, row) else None
            if captured is not None:
                good.append(captured)
            return len(good) == limit

        for number in self._segments.numbers:
            if len(good) != limit:
                scan(self._segments.path(number), seen)
        if len(good) == limit:
            return good, ()
        return good, subtract(
            self.waiting, join((), tuple([(captured.row, captured.row) for captured in good]))
        )


def _short(seen: tuple[int, bytes, int, int, int]) -> bytes:
    """Of a row its number is enough."""
    return seen[1][:4] if seen[0] == _ROW else seen[1]


def _captured(row: int, body: bytes) -> Captured | None:
    try:
        return captured_from_body(row, body[4:])
    except (WireError, ValueError):
        return None


def _released(rows: "Ranges") -> bytes:
    parts = [rows[at : at + _RANGES] for at in range(0, len(rows), _RANGES)]
    return b"".join([frame(_RELEASED, pack_ranges(part)) for part in parts])

# ruff: noqa: ARG001 (who looks at frames is told all of them)
"""Envelopes in files: put in, found again, moved and dropped.

A file begins with the heads of all keys; behind each envelope stands a copy of its own. So damage at one
place costs an envelope and no head; only when the very end is damaged is it not certain how far a key had
sealed.
"""

import struct

from firmware.outbox.envelope import HEAD_SIZE, Envelope, envelope_from_body, pack_head
from firmware.outbox.files import BLOCK
from firmware.outbox.frames import DAMAGED, copied, frame, frame_at, read, scan
from firmware.outbox.segments import Segments

# The kind of the envelope's frame names the words of squeeze.py: others need another kind.
_BEGIN, _ENVELOPE, _HEAD = 1, 2, 3
# File, number of the key, first and last sequence, first and last number of a measurement.
_SPAN = "<IHIIII"
_SPAN_SIZE = 22

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from firmware.outbox.files import Files
    from firmware.outbox.keys import Key

    # An envelope's frame: the file, where the frame starts, where its message starts and ends, the envelope.
    Place = tuple[int, int, int, int, Envelope]
    # The message as it is to be stored from now on, the envelope being changed itself; or whether it stays.
    Change = Callable[[Place], bytes | bool]


class Envelopes:
    """In memory only which file holds which sequences and measurements: 22 bytes a file and key."""

    def __init__(self, files: "Files") -> None:
        self._segments = Segments(files, "e")
        self._spans = bytearray()
        self.whole = True
        self.dead: list[int] = []

    def load(self, note_head: "Callable[[bytes], None]", note: "Callable[[Envelope], bool]") -> int:
        """Tell every head (as `Envelope.head`) and every envelope; the number of the last file.

        note: tells whether it is needed. whole: nothing is damaged behind the last head. dead: files before
        the last with nothing that is needed.
        """
        for number in self._segments.numbers:
            self._load(number, note_head, note)
        return self._segments.last()

    def _load(
        self, file: int, note_head: "Callable[[bytes], None]", note: "Callable[[Envelope], bool]"
    ) -> None:
        needed: list[int] = []
        foreign = [False]  # another file under this name

        def seen(kind: int, body: bytes, start: int, middle: int, end: int) -> None:
            envelope = envelope_from_body(body) if kind == _ENVELOPE else None
            if kind == _BEGIN and body[:4] != struct.pack("<I", file):
                kind, foreign[0] = DAMAGED, True
            self.whole = (kind in (_BEGIN, _HEAD) or envelope is not None) and not foreign[0]
            if envelope is not None:
                note_head(envelope.head())
                if note(envelope):
                    needed.append(envelope.sequence)
                self._cover(file, envelope)
            elif self.whole:
                for at in range(4 if kind == _BEGIN else 0, len(body) - HEAD_SIZE + 1, HEAD_SIZE):
                    note_head(body[at : at + HEAD_SIZE])

        self.whole = False
        scan(self._segments.path(file), seen)
        if not needed and file != self._segments.last():
            self.dead.append(file)

    def _cover(self, file: int, envelope: Envelope) -> None:
        """Note where it stands."""
        spans, sequence, low = self._spans, envelope.sequence, envelope.known
        high = low + len(envelope.entries())
        for at in range(len(spans) - _SPAN_SIZE, -1, -_SPAN_SIZE):
            span = struct.unpack_from(_SPAN, spans, at)
            if span[:2] == (file, envelope.number):
                first, last = min(span[2], sequence), max(span[3], sequence)
                struct.pack_into(
                    _SPAN,
                    spans,
                    at,
                    file,
                    envelope.number,
                    first,
                    last,
                    min(span[4], low),
                    max(span[5], high),
                )
                return
        spans.extend(struct.pack(_SPAN, file, envelope.number, sequence, sequence, low, high))

    def _files(self, number: int, sequence: int) -> "Iterator[int]":
        """Where an envelope may stand."""
        for at in range(0, len(self._spans), _SPAN_SIZE):
            file, key, low, high, _, _ = struct.unpack_from(_SPAN, self._spans, at)
            if key == number and low <= sequence <= high:
                yield file

    def last(self) -> int:
        """The number of the file that is written to; 0 before the first."""
        return self._segments.last()

    # One envelope.

    def add(self, envelope: Envelope, data: bytes, keys: "list[Key]") -> int:
        """One commit: the envelope, its message, its head; the file's number. keys: as they were before."""
        body = envelope.body()
        parts = [frame(_ENVELOPE, body, len(data)), data, frame(_HEAD, envelope.head())]
        size = sum([len(part) for part in parts])
        segments = self._segments
        segments.check(size)
        if segments.is_full(size):
            segments.begin(segments.last() + 1, [_beginning(segments.last() + 1, keys)] + parts)
        else:
            segments.append(parts)
        self._cover(segments.last(), envelope)
        return segments.last()

    def find(self, number: int, sequence: int) -> "Place | None":
        """The envelope of this key (by its number) and sequence."""
        found: list[Place] = []

        def look(place: "Place") -> bool:
            if (place[4].number, place[4].sequence) == (number, sequence):
                found.append(place)
            return bool(found)

        for file in self._files(number, sequence):
            if not found:
                self.in_file(file, look)
        return found[0] if found else None

    def in_file(self, file: int, visit: "Callable[[Place], object]") -> None:
        """Show the envelopes of a file, dropped ones too, until `visit` says True."""

        def seen(kind: int, body: bytes, start: int, middle: int, end: int) -> object:
            envelope = envelope_from_body(body) if kind == _ENVELOPE else None
            return envelope is not None and visit((file, start, middle, end, envelope))

        scan(self._segments.path(file), seen)

    def data(self, place: "Place") -> bytes:
        """The message as it is stored."""
        return read(self._segments.path(place[0]), place[2], place[3] - place[2])

    def stage_of(self, number: int, key: bytes) -> int:
        """The stage in which a measurement is known under this number; 0 when it stands in no envelope."""
        stages = [0]

        def look(place: "Place") -> bool:
            for entry in place[4].entries():
                if entry[0] == number and entry[2] == key:
                    stages.append(entry[1])
            return len(stages) > 1

        for at in range(0, len(self._spans), _SPAN_SIZE):
            file, _, _, _, low, high = struct.unpack_from(_SPAN, self._spans, at)
            if low <= number < high and len(stages) == 1:
                self.in_file(file, look)
        return stages[-1]

    # Many.

    def all(self, visit: "Callable[[Place], object]") -> None:
        """Show every envelope that is stored, dropped ones too."""
        for file in self._segments.numbers:
            self.in_file(file, visit)

    def remove(self, file: int) -> None:
        """With all that is in it; not the last one."""
        self._segments.remove(file)
        spans = bytearray()
        for at in range(0, len(self._spans), _SPAN_SIZE):
            span = self._spans[at : at + _SPAN_SIZE]
            if struct.unpack_from("<I", span)[0] != file:
                spans.extend(span)
        self._spans = spans

    def rewrite(self, file: int, change: "Change") -> None:
        """Each envelope of a file, not the last one, as `change` says: other bytes, as it is, or gone."""
        places: list[tuple[int, int, int]] = []
        self.in_file(file, lambda place: places.append(place[1:4]))
        self._segments.rewrite(file, self._pieces(file, places, change))

    def _pieces(self, file: int, places: list[tuple[int, int, int]], change: "Change") -> "Iterator[bytes]":
        path = self._segments.path(file)
        yield _beginning(file, [])
        for start, middle, end in places:
            envelope = envelope_from_body(frame_at(path, start)[1])
            changed = envelope is not None and change((file, start, middle, end, envelope))
            if changed is True:
                yield from copied(path, start, end)
            elif changed and envelope is not None:
                yield frame(_ENVELOPE, envelope.body(), len(changed))
                yield changed

    def is_smaller(self, file: int, size: int) -> bool:
        """Whether a file of so many bytes takes fewer blocks than this one does."""
        files = self._segments.files
        return (size + BLOCK - 1) // BLOCK < (files.size(self._segments.name(file)) + BLOCK - 1) // BLOCK

    def close_file(self, file: int, keys: "list[Key]") -> int:
        """Where it is the last one, begin another; the number of the last file."""
        segments = self._segments
        if file == segments.last():
            segments.begin(file + 1, [_beginning(file + 1, keys)])
        return segments.last()


def _beginning(file: int, keys: "list[Key]") -> bytes:
    """What a file begins with: its number, and how far the keys had sealed before it."""
    return frame(_BEGIN, struct.pack("<I", file) + b"".join([pack_head(key) for key in keys]))

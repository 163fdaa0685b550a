"""Cuts a stream of bytes into the frames of a protocol, in whatever pieces the bytes come.

A cutter keeps what is not whole yet, finds the next frame behind anything that is none, and gives what it
passed over as damaged stretches, which are evidence. What it cuts depends on the bytes alone, never on the
pieces; all cuts in a row are the bytes again. ASTM E1381 has a file of its own (astm.py).
"""

from gateway.wire.errors import DecodeError

_CHECKSUM, _SHORT, _GARBLED = "checksum-wrong", "frame-short", "frame-garbled"
_MEANING = {
    "checksum-wrong": "the checksum does not match",
    "frame-short": "bytes are missing",
    "frame-garbled": "no frame of a known form",
}
_LF = 0x0A
_TEXT = bytes(range(0x20, 0x7F)) + b"\t\r\n"


class Cut:
    """Bytes cut from a stream: a whole frame, or a damaged stretch with the code of its error."""

    def __init__(self, data: bytes, code: str = "") -> None:
        self.data = data
        self.code = code

    def error(self) -> DecodeError | None:
        """What is wrong with a damaged stretch; None for a whole frame."""
        return DecodeError(self.code, _MEANING[self.code]) if self.code else None


class Cutter:
    """Feed it pieces; end it when the device is silent or gone. A subclass tells how a frame looks.

    most: no frame is longer, and no damaged stretch.
    delimited: nothing in a faulty frame can begin another one, so that it is cut out whole and at once.
        Otherwise the search goes on behind its first byte: the faulty frame may be noise that looked like a
        beginning, with a good frame inside.
    """

    most = 256
    delimited = False

    def __init__(self) -> None:
        self._rest = b""
        self._passed = b""
        self._code = _GARBLED

    def size(self, data: bytes) -> int:
        """Bytes in the frame that `data` begins with: 0 when more must come to tell.

        Negative: so many bytes begin no frame. `data` holds at least one byte.
        """
        raise NotImplementedError

    def fault(self, frame: bytes) -> str:  # noqa: ARG002 (a subclass looks at it)
        """The error code of a frame of that size, "" when it is good."""
        return ""

    def blame(self, stretch: bytes, code: str) -> str:  # noqa: ARG002 (as above)
        """The code of a damaged stretch; `code` is the first thing in it that was more than noise."""
        return code

    def feed(self, data: bytes) -> list[Cut]:
        """What is certain now."""
        self._rest += data
        return self._cut(ended=False)

    def end(self) -> list[Cut]:
        """Nothing more comes: what was waited for is damage. The next piece begins anew."""
        return self._cut(ended=True) + self._stretch()

    def _cut(self, *, ended: bool) -> list[Cut]:
        data, at, cuts = self._rest, 0, []
        while at < len(data):
            front = data[at : at + self.most]
            size = self.size(front)
            if size > self.most:
                size = -1
            if 0 < size <= len(front):
                found, taken = self._frame(front[:size])
            elif size < 0:
                found, taken = self._pass(front[:-size], _GARBLED), -size
            elif ended or len(front) == self.most:  # its end does not come
                taken = len(front) if ended and self.delimited else 1
                found = self._pass(front[:taken], _SHORT)
            else:
                break
            cuts += found
            at += taken
        self._rest = data[at:]
        return cuts

    def _frame(self, frame: bytes) -> tuple[list[Cut], int]:
        """What a frame of the right size gives, and how many bytes are done with."""
        code = self.fault(frame)
        if code and not self.delimited:
            return self._pass(frame[:1], code), 1
        return self._stretch() + [Cut(frame, code)], len(frame)

    def _pass(self, data: bytes, code: str) -> list[Cut]:
        """Bytes of no frame; a stretch is called after the first thing that was more than noise."""
        cuts: list[Cut] = []
        self._passed += data
        if self._code == _GARBLED:
            self._code = code
        while len(self._passed) >= self.most:
            cuts.append(self._damaged(self._passed[: self.most]))
            self._passed, self._code = self._passed[self.most :], _GARBLED
        return cuts

    def _stretch(self) -> list[Cut]:
        cuts = [self._damaged(self._passed)] if self._passed else []
        self._passed, self._code = b"", _GARBLED
        return cuts

    def _damaged(self, stretch: bytes) -> Cut:
        return Cut(stretch, self.blame(stretch, self._code))


class Lines(Cutter):
    """Lines of printable ASCII and tabs; each keeps its end, for checksums that count it.

    Bytes that no text holds break a line: what stands before them is damage, what follows is a new one.
    end: the byte that ends a line, LF or, for devices that send no LF, CR.
    """

    most = 128
    delimited = True

    def __init__(self, end: int = _LF) -> None:
        super().__init__()
        self._end = bytes((end,))
        self._inside = _TEXT.replace(self._end, b"")

    def size(self, data: bytes) -> int:
        rest = data.lstrip(self._inside)
        at = len(data) - len(rest)
        if not rest:
            return 0
        return at + 1 if rest.startswith(self._end) else -at - 1

    def blame(self, stretch: bytes, code: str) -> str:  # noqa: ARG002 (the bytes alone tell)
        """A text lacks its end; anything else is none."""
        return _GARBLED if stretch.strip(_TEXT) else _SHORT


class SyncPackets(Cutter):
    """Packets whose first byte alone has bit 7 set; or alone has it not set, where sync is 0.

    A packet that the next one interrupts is damaged. A subclass tells how long a packet is.
    """

    delimited = True
    sync = 0x80

    def length(self, first: int) -> int:
        """Bytes of a packet that begins with this byte; 0 when none does."""
        raise NotImplementedError

    def size(self, data: bytes) -> int:
        whole = self.length(data[0]) if data[0] & 0x80 == self.sync else 0
        last = min(len(data), whole or len(data))
        for at in range(1, last):
            if data[at] & 0x80 == self.sync:
                return at if whole else -at
        return whole or -last

    def fault(self, frame: bytes) -> str:
        return _SHORT if len(frame) < self.length(frame[0]) else ""


class LengthFrames(Cutter):
    """Frames that begin with fixed bytes and tell their length in one byte.

    start: the fixed bytes; length_at: where the length stands; around: what it does not count (0 where it
    is that of the whole frame). A subclass says with `fault` whether end and checksum are right.
    """

    def __init__(self, start: bytes, length_at: int, around: int) -> None:
        super().__init__()
        self._start = start
        self._length_at = length_at
        self._around = around

    def size(self, data: bytes) -> int:
        if not self._start.startswith(data[: len(self._start)]):
            return -1
        if len(data) <= self._length_at:
            return 0
        size = data[self._length_at] + self._around
        return size if size > self._length_at else -1

"""The channels and frames in which hub and Omron monitors talk.

Source: userx14/omblepy@708c13e omblepy.py. A frame: its length, type (2 bytes), address (2, high byte first),
size of the data, data, 00, and one byte that makes the exclusive or of all bytes 0. It is cut into pieces of
16 bytes, one a channel in order; the newer stack has one channel, on which pieces follow each other.
"""

from gateway.drivers.shared.checksums import xor8
from gateway.drivers.shared.framing import Cut
from gateway.wire.items import Frame

NOTIFY = (
    "49123040-aee8-11e1-a74d-0002a5d5c51b",
    "4d0bf320-aee8-11e1-a0d9-0002a5d5c51b",
    "5128ce60-aee8-11e1-b84b-0002a5d5c51b",
    "560f1420-aee8-11e1-8184-0002a5d5c51b",
)
WRITE = "db5b55e0-aee7-11e1-965e-0002a5d5c51b"  # the first of four: no command here is longer than a piece
UNLOCK = "b305b680-aee7-11e1-a730-0002a5d5c51b"
# First byte of what is written to UNLOCK: 16 bytes stand behind it; behind the token 4 that return, and 15.
NEW_KEY, KEY, PROGRAM, TOKEN = b"\x00", b"\x01", b"\x02", b"\x11"
AGREED = (b"\x80", b"\x81", b"\x82", b"\x91")  # how an answer begins, in the same order

START, READ, END = b"\x08\x00\x00\x00\x00\x10\x00\x18", b"\x08\x01\x00", b"\x08\x0f\x00\x00\x00\x00\x00\x07"
STARTED, DATA, ENDED = b"\x80\x00", b"\x81\x00", b"\x8f\x00"
_SHORTEST, _LONGEST = 8, 64


def read_command(address: int, size: int) -> bytes:
    """Asks for so many bytes of the memory."""
    command = READ + bytes((address >> 8, address & 0xFF, size, 0))
    return command + bytes((xor8(command),))


class Answer(Cut):
    """A frame of the monitor, or one that is damaged; `pieces` as they were received.

    size: how many bytes of data were asked for; content: the data.
    """

    def __init__(self, pieces: list[Frame], data: bytes, code: str = "") -> None:
        super().__init__(data, code)
        self.pieces = pieces
        self.kind = data[1:3]
        self.address = int.from_bytes(data[3:5], "big")
        self.size = data[5] if data else 0
        self.content = data[6:-2]
        if self.kind == DATA and self.size != len(self.content) and not self.refused():
            self.code = "frame-short"

    def refused(self) -> bool:
        """The monitor does not tell what stands there: a reason instead of data."""
        return len(self.data) == _SHORTEST and self.data[6] != 0


class Pieces:
    """Joins the pieces of one frame after the other; they come in order, as all of one connection do."""

    def __init__(self) -> None:
        self._pieces: list[Frame] = []
        self._broken = False

    def add(self, channel: int, piece: Frame, *, one_channel: bool) -> list[Answer]:
        """What is whole now. The first channel begins a frame; what is not whole by then has lost pieces."""
        lost = self.end() if channel == 0 and not one_channel else []
        self._broken = self._broken or (channel != len(self._pieces) and not one_channel)
        self._pieces.append(piece)
        return lost + ([] if self._broken else self._whole())

    def end(self) -> list[Answer]:
        """Nothing more comes for this frame."""
        pieces = self._taken()
        return [Answer(pieces, b"", "frame-short")] if pieces else []

    def _whole(self) -> list[Answer]:
        data = b"".join([piece.data for piece in self._pieces])
        size = data[0] if data else 0
        if not _SHORTEST <= size <= _LONGEST:
            return [Answer(self._taken(), b"", "frame-garbled")]
        if len(data) < size:
            return []
        code = "checksum-wrong" if xor8(data[:size]) else ""
        return [Answer(self._taken(), data[:size], code)]

    def _taken(self) -> list[Frame]:
        pieces, self._pieces, self._broken = self._pieces, [], False
        return pieces

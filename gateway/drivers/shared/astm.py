"""The receiving side of ASTM E1381: frames with numbers and checksums that are acknowledged one by one.

Source: ASTM E1381-95 (now CLSI LIS01-A2), data link layer. ENQ opens, EOT closes a transfer; in between
STX, frame number, text, ETB or ETX, sum of all from the number on as two hexadecimal digits, CR, LF.
Each is answered with ACK or NAK; after NAK, or when no answer came, the device sends it again.
"""

from gateway.drivers.shared.checksums import sum8
from gateway.drivers.shared.framing import Cut, Cutter

STX, ETX, EOT, ENQ, ACK, LF, CR, NAK, ETB = 0x02, 0x03, 0x04, 0x05, 0x06, 0x0A, 0x0D, 0x15, 0x17
OPENED, FRAME, REPEATED, DAMAGED, CLOSED = "opened", "frame", "repeated", "damaged", "closed"
ACCEPTED, REFUSED = "accepted", "refused"
_PLAIN = {EOT: CLOSED, ACK: ACCEPTED, NAK: REFUSED}
_ALONE = (ENQ, EOT, ACK, NAK)
_TAIL = 5  # ETB or ETX, two digits, CR, LF
_SHORTEST = 2 + _TAIL
_FRAME_NUMBERS = 8


class Heard:
    """One thing that the device said.

    what: OPENED, FRAME, REPEATED (a frame that was taken before), DAMAGED or CLOSED; ACCEPTED or REFUSED is
    its own answer to what the hub sent.
    cut: its bytes and, when damaged, the error. answer: the byte that the device waits for, or empty.
    text: of a FRAME, without number and tail. last: it ends a message (ETX); after ETB the message goes on.
    """

    def __init__(self, what: str, cut: Cut, answer: bytes = b"") -> None:
        self.what = what
        self.cut = cut
        self.answer = answer

    @property
    def text(self) -> bytes:
        return self.cut.data[2:-_TAIL]

    @property
    def last(self) -> bool:
        return self.cut.data[-_TAIL] == ETX


class Receiver:
    """Feed it what comes; the answers are sent once the frame is stored.

    The first frame of a transfer has number 1 and the numbers go round from 7 to 0. A frame with the
    number of the one before is that one again; any other number means that one is missing, and gets NAK.
    What comes before the first ENQ is taken as it is and not answered: nobody asked whether we listen. The
    numbers may go on from there, or begin at 1.
    """

    def __init__(self) -> None:
        self._frames = _Frames()
        self._next = 1
        self._opened = False
        self._begun = False

    def feed(self, data: bytes) -> list[Heard]:
        """What is whole now."""
        return [self._heard(cut) for cut in self._frames.feed(data)]

    def silent(self) -> list[Heard]:
        """Nothing came for a while: a frame that began and did not end is damaged, and asked for again."""
        return [self._heard(cut) for cut in self._frames.end()]

    def _heard(self, cut: Cut) -> Heard:
        first = cut.data[0]
        if cut.code:
            return Heard(DAMAGED, cut, _byte(NAK) if STX in cut.data and self._begun else b"")
        if first == ENQ:
            self._opened = self._begun = True
            return Heard(OPENED, cut, _byte(ACK))
        if first in _PLAIN:
            return Heard(_PLAIN[first], cut)
        number = cut.data[1] - 0x30
        if not self._begun:
            self._next = (number + 1) % _FRAME_NUMBERS
            return Heard(FRAME, cut)
        return self._numbered(cut, number)

    def _numbered(self, cut: Cut, number: int) -> Heard:
        # what looked like ENQ may have been noise, after which the numbers go on
        if number == self._next or (self._opened and number == 1):
            self._next, self._opened = (number + 1) % _FRAME_NUMBERS, False
            return Heard(FRAME, cut, _byte(ACK))
        if number == (self._next - 1) % _FRAME_NUMBERS:
            return Heard(REPEATED, cut, _byte(ACK))
        return Heard(DAMAGED, Cut(cut.data, "frame-garbled"), _byte(NAK))


class _Frames(Cutter):
    """Control characters that stand alone, and frames from STX to LF, with no other such character inside."""

    most = 1024
    delimited = True

    def size(self, data: bytes) -> int:
        if data[0] in _ALONE:
            return 1
        begun = data[0] == STX
        for at in range(1, len(data)):
            if begun and data[at] == LF:
                return at + 1
            if data[at] == STX or data[at] in _ALONE:
                return at if begun else -at
        return 0 if begun else -len(data)

    def fault(self, frame: bytes) -> str:
        if frame[0] in _ALONE:
            return ""
        if frame[-2:] != b"\r\n" or len(frame) < _SHORTEST:
            return "frame-short"
        if frame[-_TAIL] not in (ETB, ETX) or not 0x30 <= frame[1] < 0x30 + _FRAME_NUMBERS:
            return "frame-garbled"
        return "" if frame[-4:-2].upper() == b"%02X" % sum8(frame[1:-4]) else "checksum-wrong"


def _byte(code: int) -> bytes:
    return bytes([code])

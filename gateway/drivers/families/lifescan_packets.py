"""What goes over the cable or the air between a LifeScan meter and its host: frames, and lines of text.

Sources: shared binary protocol of the OneTouch family (glucometers-tech/glucometer-protocols@d0234c5), which
the BLE meters speak too behind a byte 01 (NightscoutFoundation/xDrip VerioHelper); lines of the OneTouch
Ultra2 (glucometers-tech/glucometerutils@9b87a5b otultra2).
- Frame: 02, size of the whole, link byte, payload, 03, CRC-16/CCITT-FALSE of all before it, low byte first.
  The payload is empty or begins with the family's byte: 05 Ultra Easy and Mini, 03 Verio.
- Line: text, a blank, four hexadecimal digits in capitals (sum of all before that blank), CR.
"""

from gateway.drivers.shared.checksums import crc16_ccitt_false, sum16
from gateway.drivers.shared.framing import Cutter

EASY, VERIO = 0x05, 0x03
_STX, _ETX, _CR = 0x02, 0x03, 0x0D
_EMPTY, _LONGEST = 6, 64  # bytes of a frame without payload; the longest reply known has 28
_MOST_LINK = 0x1F  # five bits have a meaning
_LINE_STARTS = b"?@FPS"  # version, serial number, clock, record or count, unit
_SUM_SIZE = 6  # blank, digits, CR
_HEX = b"0123456789ABCDEF"
# Between frames: ends of lines, wake-up (11), not plugged in (00); on the air a frame's 01 and the answer 81.
_FILLING = b"\x00\x01\n\r\x11\x81"


def packed(link: int, payload: bytes) -> bytes:
    """The frame of a payload. link: sequence and acknowledgement bits, 0 for a Verio."""
    body = bytes((_STX, len(payload) + _EMPTY, link)) + payload + bytes((_ETX,))
    return body + crc16_ccitt_false(body).to_bytes(2, "little")


class Link:
    """One-bit numbers of both directions, as an Ultra Easy's link byte tells them: ours, and its next one."""

    def __init__(self) -> None:
        self._ours = self._next = 0

    def bits(self) -> int:
        return self._ours | self._next << 1

    def takes(self, link: int) -> bool:
        """True for a frame that was not taken before; it is taken now, and answers our last one."""
        if link & 1 != self._next:
            return False
        self._ours, self._next = self._ours ^ 1, self._next ^ 1
        return True


def payload_of(data: bytes) -> bytes:
    """What stands in a whole frame."""
    return data[3:-3]


def text_of(data: bytes) -> str:
    """What stands in a whole line."""
    return str(data[:-_SUM_SIZE], "ascii")


def is_frame(data: bytes) -> bool:
    """True for a whole frame, False for a whole line."""
    return data[0] == _STX


def is_filling(data: bytes) -> bool:
    """True for bytes that mean nothing between frames: a command come back is among them."""
    return data.strip(_FILLING) in (b"", b"DM?", b"DM@", b"DMF", b"DMP")


class Packets(Cutter):
    """Cuts frames and lines, whichever come."""

    most = 128

    def size(self, data: bytes) -> int:
        if data[0] == _STX:
            return _frame_size(data)
        return _line_size(data) if data[0] in _LINE_STARTS else -_noise(data)

    def fault(self, frame: bytes) -> str:
        if is_frame(frame):
            if frame[-3] != _ETX:
                return "frame-garbled"
            right = crc16_ccitt_false(frame[:-2]) == int.from_bytes(frame[-2:], "little")
        elif len(frame) <= _SUM_SIZE or frame[-_SUM_SIZE] != 0x20:
            return "frame-garbled"
        else:
            digits = frame[1 - _SUM_SIZE : -1]
            right = all(digit in _HEX for digit in digits) and sum16(frame[:-_SUM_SIZE]) == int(digits, 16)
        return "" if right else "checksum-wrong"


def _frame_size(data: bytes) -> int:
    if len(data) < 4:
        return 0
    size, link, family = data[1], data[2], data[3]
    families = (_ETX,) if size == _EMPTY else (EASY, VERIO)
    return size if _EMPTY <= size <= _LONGEST and link <= _MOST_LINK and family in families else -1


def _line_size(data: bytes) -> int:
    for at, byte in enumerate(data):
        if byte == _CR:
            return at + 1
        if not 0x20 <= byte < 0x7F:
            return -at
    return 0


def _noise(data: bytes) -> int:
    """How many bytes can begin neither."""
    for at, byte in enumerate(data):
        if byte == _STX or byte in _LINE_STARTS:
            return at
    return len(data)

"""The packets of Contec finger oximeters on a cable, of both generations, and the numbers in them.

Sources: CMS50Dplus (atbrask) for the older generation; for the newer one the dialogue with a CMS50D+ of
firmware 4.6 (bmartin427/CMS50, after the maker's description 7.0) and with a CMS50EW (tobac/cms50ew).
- older: live 5 bytes, bit 7 in the first one only; stored 3 bytes: F0 or F1, 80 and more, SpO2; before
  these F2 80 00 three times and their number of bytes less one in three groups of 7 bits, of which the
  first two have bit 7 set or not.
- newer: a kind below 80, then bytes with bit 7 set: the lost high bits of what follows, and the data.
"""

from gateway.drivers.base import Record
from gateway.drivers.shared.framing import Cut, Cutter
from gateway.wire.errors import DecodeError
from gateway.wire.items import Frame

REALTIME, MODEL, VENDOR, START_DATE, LENGTH = 0x01, 0x02, 0x03, 0x07, 0x08
STORED_WITH_INDEX, SESSIONS, REFUSED, HEARD, STORED, START_TIME = 0x09, 0x0A, 0x0B, 0x0C, 0x0F, 0x12
# Of the newer generation: kind, bytes in all.
_LENGTHS = {
    0x01: 9,
    0x02: 9,
    0x03: 9,
    0x04: 9,
    0x05: 9,
    0x06: 4,
    0x07: 8,
    0x08: 8,
    0x09: 6,
    0x0A: 4,
    0x0B: 4,
    0x0C: 2,
    0x0D: 3,
    0x0E: 3,
    0x0F: 8,
    0x10: 3,
    0x11: 9,
    0x12: 8,
    0x13: 9,
    0x14: 9,
    0x15: 9,
}
_OLD_LIVE, _OLD_STORED, _OLD_HEAD = 5, 3, 12
_PREAMBLE = b"\xf2\x80\x00" * 3
_MISSING_PULSE, _MISSING_SPO2 = (0, 255), (0, 127)


class Packets(Cutter):
    """Cuts packets of either generation: the bits 7 of a packet's bytes tell which, and where it begins."""

    most = 32

    def size(self, data: bytes) -> int:
        if not data[0] & 0x80:
            return _like(data, 1, _LENGTHS.get(data[0], -1), 0x80)
        if len(data) == 1:
            return 0
        if not data[1] & 0x80:
            return _like(data, 1, _OLD_LIVE, 0)
        if data[0] & 0xFE == 0xF0:
            return _like(data, 2, _OLD_STORED, 0)
        if _PREAMBLE.startswith(data[: len(_PREAMBLE)]):
            return _like(data, 11, _OLD_HEAD, 0)
        return -1


def _like(data: bytes, start: int, end: int, bit: int) -> int:
    """`end`, as the size of a packet, unless a byte from `start` on has not this bit 7."""
    for at in range(start, min(end, len(data))):
        if data[at] & 0x80 != bit:
            return -1
    return end


def damaged(cut: Cut, offset_ms: int) -> Record:
    """What is no packet, or only a part of one, as evidence."""
    error = DecodeError("frame-garbled", "no packet of a known form")
    return Record([Frame("serial", offset_ms, cut.data)], None, None, error)


class Sample:
    """What one packet or one stored second says.

    pulse, spo2: None where the oximeter has no number. raw: the bytes of the numbers, for the record key.
    finger_out: the sensor is alone. seconds: how long it stands for, in a stored session.
    """

    def __init__(
        self, spo2: int, pulse: int, raw: bytes, seconds: int = 1, *, finger_out: bool = False
    ) -> None:
        self.pulse = None if pulse in _MISSING_PULSE else pulse
        self.spo2 = None if spo2 in _MISSING_SPO2 else spo2
        self.raw = raw
        self.seconds = seconds
        self.finger_out = finger_out

    def valid(self) -> bool:
        """True when there is at least one number, of a finger that is in."""
        return not self.finger_out and (self.pulse is not None or self.spo2 is not None)


def fields(packet: bytes) -> bytes:
    """The data of a packet of the newer generation, with its high bits."""
    return bytes([packet[at] & (0xFF if packet[1] >> (at - 2) & 1 else 0x7F) for at in range(2, len(packet))])


def live(packet: bytes) -> Sample:
    """A live packet of either generation. While it searches or shows no wave, no number counts."""
    if packet[0] & 0x80:
        _, _, state, pulse, spo2 = packet
        raw = bytes((state & 0x40, pulse, spo2))
        out, searching = packet[0] & 0x10 or state & 0x10, state & 0x20
        pulse |= state << 1 & 0x80
    else:
        state, wave, _, pulse, spo2 = fields(packet)[:5]
        raw = bytes((pulse, spo2))
        out, searching = state & 0x80, wave & 0x80 or wave == 0
    return (
        Sample(0, 0, raw, finger_out=out != 0) if searching else Sample(spo2, pulse, raw, finger_out=out != 0)
    )


def stored(packet: bytes) -> list[Sample]:
    """The samples of a packet of a stored session; one of live form (CMS50EW) stands for 3 s."""
    if packet[0] & 0x80:
        pulse, spo2 = (packet[0] & 1) << 7 | packet[1] & 0x7F, packet[2]
        return [Sample(spo2, pulse, packet)]
    data = fields(packet)
    if packet[0] == REALTIME:
        shown = live(packet)
        return [Sample(shown.spo2 or 0, shown.pulse or 0, shown.raw, 3, finger_out=shown.finger_out)]
    pairs = (0, 2, 4) if packet[0] == STORED else (0,)
    return [Sample(data[at], data[at + 1], data[at : at + 2]) for at in pairs]


def old_length_s(head: bytes) -> int:
    """Seconds in a stored session of the older generation, from its head."""
    return ((head[9] & 0x7F) << 14 | (head[10] & 0x7F) << 7 | head[11]) // _OLD_STORED + 1

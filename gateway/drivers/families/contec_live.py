"""Live values of Contec oximeters: readings by the rule of streams, counted in packets, 60 to a second.

The packets have no checksum, and one with a byte too many looks like a good one and a byte beside it: so each
waits for what comes next. Noise, and another speed of the cable, look like packets now and then: once there
was any after a packet, only three in a row are believed.
"""

from gateway.drivers.base import Record
from gateway.drivers.families.contec_packets import live
from gateway.drivers.families.contec_sessions import reading
from gateway.drivers.shared.last_valid import LastValid
from gateway.wire.items import Frame
from gateway.wire.measurement import RecordKey

_PACKETS_A_SECOND = 60
_SURE = 3  # packets in a row


class Live:
    """One visit's live values. Each method returns the records that are due."""

    def __init__(self) -> None:
        self._rule = LastValid()
        self._packets = 0
        self._row = 0  # packets since the last damage
        self._noisy = False
        self._waiting: tuple[Record, int] | None = None  # the last packet with a value, and when it came

    def packet(self, packet: bytes, offset_ms: int) -> list[Record]:
        """A live packet of either generation."""
        self._packets += 1
        self._row += 1
        now_ms, sample = self._packets * 1000 // _PACKETS_A_SECOND, live(packet)
        if sample.finger_out:
            return self.ended()
        due = self._certain()
        if not sample.valid():
            return due + _readings(self._rule.passed(now_ms))
        self._waiting = Record([Frame("serial", offset_ms, packet)], None, None), now_ms
        return due

    def damaged(self) -> bool:
        """What came next is no packet: the last one, if it told a value, does not either."""
        waiting, self._waiting = self._waiting, None
        self._row, self._noisy = 0, self._packets > 0  # a cable may begin in the middle of a packet
        return waiting is not None

    def ended(self) -> list[Record]:
        """The finger, or the oximeter, is gone."""
        return self._certain() + _readings(self._rule.ended())

    def _certain(self) -> list[Record]:
        """The packet that waited was one."""
        waiting, self._waiting = self._waiting, None
        if waiting is None or (self._noisy and self._row < _SURE):
            return []
        return _readings(self._rule.valid(waiting[0], waiting[1]))


def _readings(due: list[Record]) -> list[Record]:
    """Only what is due is made a reading: packets come 60 times a second."""
    for record in due:
        sample = live(record.frames[0].data)
        record.reading = reading(sample, "spot", [])
        record.key = RecordKey("live", None, None, sample.raw)
    return due

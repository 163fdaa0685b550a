"""Nonin finger oximeters on a serial cable or serial port profile: continuous formats and spot checks.

Source of formats 2, 7, 8 and 13: nonin_packets.py and nonin_records.py.

A continuous stream (df2, df7: 3 packets a second, df8: 1) gives the device's own displayed value, by one
rule: the last valid packet before the finger leaves, or before the device does; and while it lasts the last
valid packet of every 60 s, counted in packets. Never an average. A spot check (df13) is a record by itself.
"""

from gateway.drivers.base import Driver, Record
from gateway.drivers.families.nonin_packets import Cut, Cutter
from gateway.drivers.families.nonin_records import live, sample_of, spot
from gateway.wire.errors import DecodeError
from gateway.wire.items import Frame

_PER_MINUTE = {"df2": 180, "df7": 180, "df8": 60}
_ACK = b"\x06"
# Damaged stretches of a stream that are kept as evidence between two readings; a bad plug makes thousands.
_MOST_DAMAGE = 8
_DAMAGE = {
    "checksum-wrong": "the checksum does not match",
    "frame-short": "bytes are missing",
    "frame-garbled": "no packet of a known format",
}


class NoninSerial(Driver):
    """One visit of an oximeter on a cable; the format is told from the bytes. Only df13 is answered (ACK)."""

    name = "nonin-serial"
    serial = (9600, 8, "N", 1)
    cuts = True
    may_send = (("serial", _ACK, len(_ACK)),)

    def __init__(self) -> None:
        self._cutter = Cutter()
        self._best: Record | None = None
        self._packets = 0
        self._damage = 0

    def received(self, frame: Frame) -> list[Record]:
        """Records that these bytes complete, in whatever pieces they come."""
        if frame.source != "serial":
            return []
        return self._records(self._cutter.feed(frame.data), frame.offset_ms)

    def finish(self) -> list[Record]:
        """The last valid value of a stream that ends without a word."""
        return self._records(self._cutter.end(), 0) + self._emit()

    def _records(self, cuts: list[Cut], offset_ms: int) -> list[Record]:
        records = []
        for cut in cuts:
            frames = [Frame("serial", offset_ms, cut.data)]
            if cut.code:
                records += self._damaged(cut, frames)
            elif cut.form == "df13":
                records.append(spot(frames))
                self.send("serial", _ACK)  # or the device keeps the record and sends it again
            else:
                records += self._streamed(cut, frames)
        return records

    def _damaged(self, cut: Cut, frames: list[Frame]) -> list[Record]:
        if cut.form != "df13":
            self._damage += 1
            if self._damage > _MOST_DAMAGE:
                return []
        code = cut.code or ""
        return [Record(frames, None, None, DecodeError(code, _DAMAGE[code]))]

    def _streamed(self, cut: Cut, frames: list[Frame]) -> list[Record]:
        sample = sample_of(cut.form, cut.data)
        if sample.finger_out:
            return self._emit()
        if sample.valid():
            self._best = live(cut.form, sample, frames)
        elif not self._packets:
            return []  # a finger that is not measured yet
        self._packets += 1
        return self._emit() if self._packets >= _PER_MINUTE[cut.form] else []

    def _emit(self) -> list[Record]:
        best, self._best, self._packets = self._best, None, 0
        if best is None:
            return []
        self._damage = 0
        return [best]

"""Hears a LifeScan meter: what arrived whole goes on to the driver, what was damaged becomes evidence."""

from gateway.drivers.base import Record
from gateway.drivers.families.lifescan_packets import Packets, is_filling
from gateway.drivers.shared.damage import Damage
from gateway.drivers.shared.framing import Cut
from gateway.wire.items import Frame


class Ear:
    """The bytes of one visit. Every method gives frames in order; with each that is damaged its record."""

    def __init__(self, source: str) -> None:
        self._source = source
        self._packets = Packets()
        self._damage = Damage()
        self._at_ms = 0

    def hear(self, frame: Frame) -> list[tuple[Frame, Record | None]]:
        """What becomes certain with these bytes; nothing for those of another source."""
        if frame.source != self._source:
            return []
        self._at_ms = frame.offset_ms
        return self._sorted(self._packets.feed(frame.data))

    def quiet(self) -> list[tuple[Frame, Record | None]]:
        """Nothing more comes of what had begun."""
        return self._sorted(self._packets.end())

    def gone(self) -> list[tuple[Frame, Record | None]]:
        """The meter is gone."""
        cuts = self._packets.end()
        whole = self._sorted([cut for cut in cuts if not cut.code])
        cut_off = [_evidence(self._frame(cut)) for cut in cuts if cut.code and not is_filling(cut.data)]
        return whole + [(record.frames[0], record) for record in self._damage.ended(cut_off)]

    def _sorted(self, cuts: list[Cut]) -> list[tuple[Frame, Record | None]]:
        heard: list[tuple[Frame, Record | None]] = []
        for cut in cuts:
            frame = self._frame(cut)
            if not cut.code:
                self._damage.understood()
                self._damage.read()
                heard.append((frame, None))
            elif not is_filling(cut.data):
                heard += [(frame, record) for record in self._damage.stretch(self._judged(frame))]
        return heard

    def _judged(self, frame: Frame) -> Record:
        """Where only the checksum is wrong a meter spoke; anything else may be the noise of a plug."""
        record = _evidence(frame)
        if record.error is not None and record.error.code == "checksum-wrong":
            self._damage.understood()
        return record

    def _frame(self, cut: Cut) -> Frame:
        return Frame(self._source, self._at_ms, cut.data)


def _evidence(frame: Frame) -> Record:
    """A damaged stretch with the error that it gives alone, without what followed it."""
    packets = Packets()
    cuts = packets.feed(frame.data) + packets.end()
    return Record([frame], None, None, cuts[0].error())

"""Understands what Contour meters send: frames into records, records into readings.

Sources: ASTM E1381-95 and E1394-97; Glucometer Utilities, contourusb; Tidepool Uploader, Contour drivers.
Frames and their numbers: astm.py; what the records mean: contour_records.py.
"""

from gateway.drivers.base import Driver, Record
from gateway.drivers.families.contour_records import Header, Result, text_of
from gateway.drivers.families.contour_reports import Reports
from gateway.drivers.shared.astm import CR, DAMAGED, FRAME, Heard, Receiver
from gateway.drivers.shared.damage import Damage
from gateway.wire.errors import DecodeError
from gateway.wire.items import Frame
from gateway.wire.measurement import RecordKey

SERIAL = "serial"
_RECORDS = (b"H|", b"P|", b"O|", b"R|", b"C|", b"L|")
NAME_SIZE, _VALUE_SIZE = 11, 5


class Codec(Driver):
    """The hearing half of the driver; alone it decodes records, and what was recorded of a visit.

    A record's frames are those that hold it, after the header where its limits are needed.
    known: names of records that were told at the last visit; told: those of this transfer; whole: it has come
    to its end.
    """

    def __init__(self) -> None:
        self.known: set[bytes] = set()
        self.told = b""
        self.whole = False
        self._reports = Reports()
        self._receiver = Receiver()
        self._damage = Damage()
        self._header: Header | None = None
        self._header_frames: list[Frame] = []
        self._part: list[Frame] = []
        self._text = b""

    def answer(self, byte: bytes) -> None:
        """The meter waits for this."""

    def control(self, what: str) -> None:
        """What the meter said: OPENED, CLOSED, REFUSED …; a FRAME once it is taken."""

    def begin(self) -> None:
        """A transfer begins."""
        self._part, self._text, self.told, self.whole = [], b"", b"", False

    def framed(self, command: bytes) -> bytes:
        return self._reports.wrap(command)

    def received(self, frame: Frame) -> list[Record]:
        """The records that these bytes complete."""
        if frame.source != SERIAL:
            return []
        return self._said(self._receiver.feed(self._reports.feed(frame.data)), frame.offset_ms)

    def silent(self) -> list[Record]:
        """A frame that began and did not end is damaged."""
        return self._said(self._receiver.silent(), 0)

    def finish(self) -> list[Record]:
        """What was cut off is evidence only where nothing else came."""
        rest = self._receiver.feed(self._reports.end()) + self._receiver.silent()
        damaged = [one for one in rest if one.what == DAMAGED]
        records = self._said([one for one in rest if one.what != DAMAGED], 0) + self._close(whole=False)
        return records + self._damage.ended([record for one in damaged for record in _evidence(one, 0)])

    def _said(self, heard: list[Heard], offset_ms: int) -> list[Record]:
        records = []
        for one in heard:
            if one.what == DAMAGED:
                for record in _evidence(one, offset_ms):
                    records += self._damage.stretch(record)
            elif one.what == FRAME:
                self._damage.understood()
                records += self._frame(one, Frame(SERIAL, offset_ms, one.cut.data))
            self.control(one.what)
            if one.answer:
                self.answer(one.answer)
        return records

    def _frame(self, one: Heard, part: Frame) -> list[Record]:
        """A record ends with its CR; one that is too long for a frame goes on in the next."""
        records = self._close(whole=False) if one.text[:2] in _RECORDS else []
        self._part.append(part)
        self._text += one.text
        whole = one.last or self._text[-1:] == bytes((CR,))
        return records + (self._close(whole=True) if whole else [])

    def _close(self, *, whole: bool) -> list[Record]:
        """What a record gives; half of it gives nothing but the header, of which the first half suffices."""
        frames, data = self._part, self._text
        self._part, self._text = [], b""
        if not frames:
            return []
        if not whole and data[:2] != b"H|":
            error = DecodeError("frame-short", "the rest of the record did not come")
            return [Record(frames, None, None, error)]
        try:
            return self._record(text_of(data), frames)
        except DecodeError as error:
            return [Record(frames, None, None, error)]

    def _record(self, text: str, frames: list[Frame]) -> list[Record]:
        self.whole = text[:2] == "L|"
        if text[:2] == "H|":
            self._header, self._header_frames = Header(text), frames
            self.about, self.device_clock = self._header.about, self._header.time
        if text[:2] != "R|":
            return []
        result = Result(text, self._header.limits if self._header else None)
        if result.reading is None:
            return []
        self._damage.read()
        name = _name(result.key)
        self.told += name
        if name in self.known:
            return []
        frames = self._header_frames + frames if result.limited else frames
        return [Record(frames, result.reading, result.key)]


def _name(key: RecordKey | None) -> bytes:
    """A record in few bytes; empty where its time does not tell it from others."""
    if key is None or key.time is None or len(key.value) > _VALUE_SIZE:
        return b""
    value = key.value + bytes(_VALUE_SIZE - len(key.value))
    return int(key.time).to_bytes(NAME_SIZE - _VALUE_SIZE, "big") + value


def _evidence(one: Heard, offset_ms: int) -> list[Record]:
    """A damaged stretch with the error that it has alone.

    None for a good frame out of turn, which comes again by itself, and for what would look like a report.
    """
    part, alone, reports = Frame(SERIAL, offset_ms, one.cut.data), Receiver(), Reports()
    heard = alone.feed(reports.feed(part.data)) + alone.feed(reports.end()) + alone.silent()
    if len(heard) != 1 or heard[0].what == FRAME or reports.wrapped:
        return []
    return [Record([part], None, None, heard[0].cut.error())]

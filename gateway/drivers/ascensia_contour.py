"""Ascensia (before: Bayer) Contour meters on a serial cable; USB meters say the same in 64-byte reports.

Sources: ASTM E1381-95 and E1394-97; Glucometer Utilities, contourusb; Tidepool Uploader, Contour drivers.
Frames and their numbers: astm.py; what the records mean: contour_records.py. The hub writes EOT; the meter
shows its header and asks with ENQ, and after each ACK sends one record, all that it has. Its clock is never
set. A hidraw device is no serial port: reports are understood, but nothing opens one.
"""

from gateway.drivers.astm import (
    CLOSED,
    CR,
    DAMAGED,
    FRAME,
    OPENED,
    REFUSED,
    Heard,
    Receiver,
)
from gateway.drivers.base import Driver, Known, Record
from gateway.drivers.contour_records import Header, Result, text_of
from gateway.drivers.contour_reports import Reports
from gateway.drivers.damage import Damage
from gateway.wire.errors import DecodeError
from gateway.wire.items import Frame

_EOT, _ACK, _NAK, _NOTHING = b"\x04", b"\x06", b"\x15", b"\x00"
_SERIAL = "serial"
_RECORDS = (b"H|", b"P|", b"O|", b"R|", b"C|", b"L|")
_TRIES, _OPENING_S, _NEXT_S = 5, 2.0, 5.0


class AscensiaContour(Driver):
    """One visit. A record's frames are those that hold it, after the header where its limits are needed.

    All is read at every visit: the protocol knows no other way.
    """

    name = "ascensia-contour"
    serial = (9600, 8, "N", 1)
    asks = True
    cuts = True
    keeps_records = True
    unique_serial = True
    # _NOTHING: a meter that refuses EOT wants another character before the next one.
    may_send = tuple([(_SERIAL, byte, 1) for byte in (_EOT, _ACK, _NAK, _NOTHING)])

    def __init__(self) -> None:
        self._reports = Reports()
        self._receiver = Receiver()
        self._damage = Damage()
        self._header: Header | None = None
        self._header_frames: list[Frame] = []
        self._part: list[Frame] = []
        self._text = b""
        self._opened = self._given_up = self._spoke = False
        self._tries = 0

    def framed(self, command: bytes) -> bytes:
        return self._reports.wrap(command)

    def start(self, known: Known) -> None:  # noqa: ARG002 (all is read, whatever is known)
        self._say(_EOT)

    def _say(self, command: bytes) -> None:
        if not self._given_up:
            self._spoke = True
            self.patience_s = _NEXT_S if self._opened else _OPENING_S
            self.send(_SERIAL, command)

    def _stop(self) -> None:
        self._given_up, self.patience_s = True, None

    def received(self, frame: Frame) -> list[Record]:
        """The records that these bytes complete."""
        if frame.source != _SERIAL:
            return []
        return self._said(self._receiver.feed(self._reports.feed(frame.data)), frame.offset_ms)

    def silent(self) -> list[Record]:
        """A half frame, or an answer that was lost: once more. A meter that does not begin is asked again."""
        self._spoke = False
        records = self._said(self._receiver.silent(), 0)
        self._tries += 1
        if self._tries > _TRIES:
            self._stop()
        elif not self._spoke:
            self._say(_NAK if self._opened else _EOT)
        return records

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
            else:
                records += self._understood(one, Frame(_SERIAL, offset_ms, one.cut.data))
            if one.answer:
                self._say(one.answer)
        return records

    def _understood(self, one: Heard, part: Frame) -> list[Record]:
        if one.what == REFUSED and not self._opened:
            self._refused()
        if one.what == OPENED:
            self._opened = True
            self._part, self._text = [], b""
        if one.what == CLOSED and self._opened:
            self._stop()
        if one.what != FRAME:
            return []
        self._tries = 0
        self._damage.understood()
        return self._frame(one, part)

    def _refused(self) -> None:
        """A meter in another mode: another character, and once more."""
        self._tries += 1
        if self._tries > _TRIES:
            self._stop()
        self._say(_NOTHING)
        self._say(_EOT)

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
        if text[:2] == "H|":
            self._header, self._header_frames = Header(text), frames
            self.about, self.device_clock = self._header.about, self._header.time
        if text[:2] != "R|":
            return []
        result = Result(text, self._header.limits if self._header else None)
        if result.reading is None:
            return []
        self._damage.read()
        return [
            Record(self._header_frames + frames if result.limited else frames, result.reading, result.key)
        ]


def _evidence(one: Heard, offset_ms: int) -> list[Record]:
    """A damaged stretch with the error that it has alone; a good frame out of turn comes again by itself."""
    part, alone = Frame(_SERIAL, offset_ms, one.cut.data), Receiver()
    heard = (alone.feed(part.data) + alone.silent())[0]
    return [] if heard.what == FRAME else [Record([part], None, None, heard.cut.error())]

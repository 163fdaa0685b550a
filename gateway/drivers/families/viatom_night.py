"""The file in which a Viatom ring keeps a night (.vld, version 3), read as it comes.

Source: home-health-hub/viatom-o2ring-ble@0698a1b file.py (after LepuBle's OxyDataFile). 40 bytes of head:
version, mode, year (2 bytes), month, day, hour, minute, second, file size (4), duration in seconds (2), then
what the ring counted. Then samples of 5 bytes, one every 2 or 4 s: SpO2, pulse rate (2), movement, unused;
all ones without a finger. One reading for each 60 s: the last sample in it with a value. Never an average.
"""

from gateway.drivers.base import Record
from gateway.drivers.families.viatom_frames import oximetry
from gateway.drivers.shared.fields import DeviceTime, Fields
from gateway.drivers.shared.later import seconds_later
from gateway.wire.errors import DecodeError
from gateway.wire.items import Frame
from gateway.wire.measurement import RecordKey
from gateway.wire.reading import is_digits

# Sources of the two frames of a record: the head as far as the date, and the samples of its 60 s. With
# "vld-window:4:30" these are 4 s apart, and the first of them has number 30. Of a file that could not be read
# the whole head is kept, with its size: "vld-head:45040".
_BEGIN, _WINDOW, _HEAD_OF = "vld-begin", "vld-window:", "vld-head:"
_HEAD, _DATED = 40, 9
_SAMPLE = 5
_WINDOW_S = 60
_VERSION = 3
_PACES = (2, 4)
_NO_SPO2, _NO_PULSE = (0, 0xFF), (b"\x00\x00", b"\xff\xff")


class Night:
    """One file of that many bytes, block by block."""

    def __init__(self, size: int) -> None:
        self.whole = False
        self._size = self._left = size
        self._samples = (size - _HEAD) // _SAMPLE
        self._rest = b""
        self._begin: Frame | None = None
        self._pace = 0
        self._number = 0

    def add(self, block: bytes, offset_ms: int) -> list[Record]:
        """The windows that end in this block; one error for a file that is none of this kind."""
        self._rest += block[: self._left]
        self._left -= len(block)
        self.whole = self._left <= 0
        if self._begin is None and (self.whole or len(self._rest) >= _HEAD):
            try:
                self._read_head(offset_ms)
            except DecodeError as error:
                self.whole = True
                head = Frame(_HEAD_OF + str(self._size), offset_ms, self._rest[:_HEAD])
                return [Record([head], None, None, error)]
        return self._windows(self._begin, offset_ms) if self._begin else []

    def _windows(self, begin: Frame, offset_ms: int) -> list[Record]:
        records: list[Record] = []
        width = _WINDOW_S // self._pace * _SAMPLE
        while len(self._rest) >= (_SAMPLE if self.whole else width):
            samples = min(len(self._rest), width) // _SAMPLE
            source = _WINDOW + "%d:%d" % (self._pace, self._number)
            records += _last_value(begin, Frame(source, offset_ms, self._rest[: samples * _SAMPLE]))
            self._number += samples
            self._rest = self._rest[samples * _SAMPLE :]
        return records

    def _read_head(self, offset_ms: int) -> None:
        """DecodeError when it is none."""
        head = Fields(self._rest)
        begin = head.take(_DATED)
        head.take(4)
        duration = head.uint16()
        head.take(_HEAD - head.at)
        _started(begin)
        for pace in _PACES:
            if duration == pace * self._samples:
                self._pace = pace
        if not self._pace:
            raise DecodeError("frame-garbled", "%d samples in %d s" % (self._samples, duration))
        self._begin = Frame(_BEGIN, offset_ms, begin)
        self._rest = self._rest[_HEAD:]


class Kept:
    """The frames of records that were cut before, as they stand in evidence."""

    def __init__(self) -> None:
        self._begin: Frame | None = None

    def received(self, frame: Frame) -> list[Record]:
        """What a window behind its beginning says, or the head of a file that could not be read."""
        if frame.source == _BEGIN:
            self._begin = frame
        elif frame.source.startswith(_HEAD_OF):
            return self._head(frame)
        elif self._begin is not None and frame.source.startswith(_WINDOW):
            return _last_value(self._begin, frame)
        return []

    def _head(self, frame: Frame) -> list[Record]:
        try:
            size = _number(frame.source[len(_HEAD_OF) :])
        except DecodeError as error:
            return [Record([frame], None, None, error)]
        return Night(size).add(frame.data, frame.offset_ms)


def _started(begin: bytes) -> str:
    """The moment of the first sample. DecodeError when there is none, or the file is of another version."""
    fields = Fields(begin)
    version, _ = fields.take(2)
    if version != _VERSION:
        raise DecodeError("frame-garbled", "version %d" % version)
    text = fields.date_time().text
    if text is None:
        raise DecodeError("frame-garbled", "no such moment")
    return text


def _last_value(begin: Frame, window: Frame) -> list[Record]:
    """The last sample with a value in 60 s; none when there was no finger."""
    try:
        text = _started(begin.data)
        pace, _, first = window.source[len(_WINDOW) :].partition(":")
        for at in range(len(window.data) - _SAMPLE, -1, -_SAMPLE):
            raw = window.data[at : at + 3]
            if raw[0] not in _NO_SPO2 or raw[1:] not in _NO_PULSE:
                number = _number(first) + at // _SAMPLE
                return [_record([begin, window], text, number, number * _number(pace), raw)]
    except DecodeError as error:
        return [Record([begin, window], None, None, error)]
    return []


def _record(frames: list[Frame], text: str, number: int, seconds: int, raw: bytes) -> Record:
    notes = [] if DeviceTime(b"", text).clock_set() else ["clock-not-set"]
    pulse, shown = int.from_bytes(raw[1:], "little"), seconds_later(text, seconds)
    reading = oximetry("stored", raw[0], pulse, notes, shown)
    time = frames[0].data[2:_DATED] + number.to_bytes(4, "big")
    return Record(frames, reading, RecordKey("vld", None, time, raw, stored=True))


def _number(text: str) -> int:
    if len(text) > 9 or not is_digits(text):
        raise DecodeError("frame-garbled", "no such file or window")
    return int(text)

"""Stored sessions of Contec oximeters, cut into windows of 60 s: of each the last valid value is the reading.

A record has the packets of its window, and before them a frame "session": the two packets in which the
oximeter told when the session began (nothing, where it keeps no time), and in 4 bytes, high byte first, the
second of the session at which the window begins, as the hub counted it.
"""

from gateway.drivers.base import Record
from gateway.drivers.families.contec_packets import STORED_WITH_INDEX, Sample, fields, stored
from gateway.drivers.shared.fields import DeviceTime, between, date_text
from gateway.drivers.shared.later import seconds_later
from gateway.wire.items import Frame
from gateway.wire.measurement import RecordKey
from gateway.wire.reading import Reading, Value

PLACE = "session"
_START = 16  # bytes of the two packets that tell it
_WINDOW_S = 60
_BYTES_A_SECOND, _WITH_INDEX = 2, 4
_STRAY_SIZE, _SURE_STRAYS = 5, 3
_LAST_SECOND = 0xFFFFFFFF  # that the place of a window can tell


class Session:
    """A session that is being read.

    place: data of a "session" frame. size: bytes of it as the newer generation tells, or None; seconds: its
    length as the older one tells, or None.
    """

    def __init__(self, place: bytes = b"", size: int | None = None, seconds: int | None = None) -> None:
        self._start = place[:_START] if len(place) >= _START else b""
        self._second = int.from_bytes(place[len(self._start) :][:4], "big")
        self._began = self._second
        self._size = size
        self._length_s = seconds
        self._packet_size = 0
        self._window = b""
        self._best: tuple[Sample, int] | None = None
        self.damaged = False  # anywhere
        self._spoiled = False  # in this window
        self._lost_count = False
        self._strays = 0  # live packets, just now

    def add(self, packet: bytes, offset_ms: int) -> list[Record]:
        """The record of the window that this packet completes, if it has a value."""
        records = self.lost(self._strays * _STRAY_SIZE, offset_ms) if self._strays else []
        self._packet_size = len(packet)
        if self._size is not None:
            self._length_s = self._size // (
                _WITH_INDEX if packet[0] == STORED_WITH_INDEX else _BYTES_A_SECOND
            )
        self._window += packet
        for sample in stored(packet):
            if sample.valid():
                self._best = sample, self._second
            self._second += sample.seconds
        return records + (self._closed(offset_ms) if self._second - self._began >= _WINDOW_S else [])

    def lost(self, size: int, offset_ms: int) -> list[Record]:
        """So many damaged bytes. A window with damage is left for another reading of the session.

        If they are not clearly those of one packet, nobody knows what second it is from here on.
        """
        self.damaged = self._spoiled = True
        self._strays = 0
        if not self._packet_size - 1 <= size <= self._packet_size:
            self._lost_count = True
        self._second += 3 if self._packet_size > 6 else 1
        return self._closed(offset_ms) if self._second - self._began >= _WINDOW_S else []

    def stray(self) -> bool:
        """A live packet of the older generation: damage can look like one, until there are three in a row."""
        self._strays += 1
        return self._length_s is not None and self._strays < _SURE_STRAYS

    def whole(self) -> bool:
        """All that was announced has come."""
        return self._length_s is not None and not self._lost_count and self._second >= self._length_s

    def over_when_silent(self) -> bool:
        """True when silence is its end: it was whole, or nobody told how long it is."""
        return self.whole() or (self._length_s is None and self._size is None)

    def ended(self, offset_ms: int) -> list[Record]:
        """What is left is the last window."""
        return self._closed(offset_ms)

    def _closed(self, offset_ms: int) -> list[Record]:
        records = []
        if self._best is not None and not (self._spoiled or self._lost_count):
            place = Frame(PLACE, offset_ms, self._start + self._began.to_bytes(4, "big"))
            frames = [place, Frame("serial", offset_ms, self._window)]
            records.append(self._record(frames, self._best[0], self._best[1]))
        self._window, self._best, self._spoiled = b"", None, False
        self._began += (self._second - self._began) // _WINDOW_S * _WINDOW_S or _WINDOW_S
        self._began, self._second = min(self._began, _LAST_SECOND), min(self._second, _LAST_SECOND)
        return records

    def _record(self, frames: list[Frame], sample: Sample, second: int) -> Record:
        time = began(self._start)
        text = None if time.text is None else seconds_later(time.text, second)
        key = RecordKey(PLACE, self._began, time.key(), frames[1].data, stored=True)
        notes = ["clock-not-set"] if self._start and not time.clock_set() else []
        return Record(frames, reading(sample, "stored", notes, text), key)


def began(start: bytes) -> DeviceTime:
    """When a session began, from the packets with its date and its time (or nothing)."""
    if len(start) < _START:
        return DeviceTime(start, None)
    date, time = fields(start[:8]), fields(start[8:])
    text = date_text(date[2] * 100 + date[3], date[4], date[5], time[2], time[3], time[4])
    return DeviceTime(start, text)


def reading(sample: Sample, origin: str, notes: list[str], text: str | None = None) -> Reading:
    """The two numbers of a sample."""
    values = [_value("spo2", sample.spo2, "%"), _value("pulse-rate", sample.pulse, "/min")]
    if not (between(values[0], 1, 100) and between(values[1], 10, 350)):
        notes.append("implausible")
    return Reading("oximetry", origin, values, notes, None, None, text)


def _value(name: str, number: int | None, unit: str) -> Value:
    return Value(name, number, 0, unit, "unknown" if number is None else None)

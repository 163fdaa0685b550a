"""Continuous glucose sensors that follow the Bluetooth Continuous Glucose Monitoring Profile.

Source: Continuous Glucose Monitoring Service 1.0.1 (0x181F): values 2AA7, several of them in one
notification; features 2AA8, session start 2AAA, control point 2AAC, record access 2A52. Nothing is written
but record access: no session is started or stopped, no alarm, interval or calibration changed.
"""

from gateway.drivers.base import Known, Record
from gateway.drivers.families.cgm_records import Features, Sample, Session, check_other
from gateway.drivers.shared.clocks import CURRENT_TIME
from gateway.drivers.shared.later import minutes_later
from gateway.drivers.shared.record_access import RACP, RecordReader
from gateway.wire.errors import DecodeError
from gateway.wire.items import Frame
from gateway.wire.measurement import RecordKey
from gateway.wire.reading import Reading

_VALUES, _FEATURES, _SESSION, _CONTROL = "2aa7", "2aa8", "2aaa", "2aac"
_OTHERS = ("2aa9", "2aab", _CONTROL)
_LEAST = 6  # bytes of a record: size, flags, concentration, minute


class ContinuousGlucose(RecordReader):
    """One visit of a sensor; each value is a record of its own, whatever notification it came in."""

    name = "continuous-glucose"
    services = ("181f",)
    subscribe = (_VALUES, _CONTROL, RACP)
    reads = (_FEATURES, _SESSION)
    clocks = (CURRENT_TIME,)
    cuts = True

    def __init__(self) -> None:
        super().__init__()
        self._features: Features | None = None
        self._session: Session | None = None
        self._read: list[Frame] = []  # what decided how the values are read

    def start(self, known: Known) -> None:
        """Without its session a value has no time; then nothing is asked for, and the next visit asks."""
        if self._session is not None:
            super().start(known)

    def received(self, frame: Frame) -> list[Record]:
        """A record for each value; an error for what is cut short or damaged."""
        if frame.source == _VALUES:
            return self._values(frame)
        if frame.source == RACP:
            self._say(self._access.answered(frame.data))
        try:
            self._other(frame)
        except DecodeError as error:
            return [Record([frame], None, None, error)]
        return []

    def _other(self, frame: Frame) -> None:
        if frame.source == _FEATURES:
            self._features = Features(frame.data)
        elif frame.source == _SESSION:
            self._session = Session(frame.data)
        elif frame.source in _OTHERS:
            check_other(frame.source, frame.data)
        if frame.source in self.reads:
            self._read = [read for read in self._read if read.source != frame.source] + [frame]

    def _values(self, frame: Frame) -> list[Record]:
        """Cut at the size that each record begins with. Where that makes no sense, the rest is damaged."""
        records: list[Record] = []
        data, at = frame.data, 0
        while at < len(data) or not records:
            size = data[at] if at < len(data) else 0
            if size < _LEAST or at + size > len(data):
                rest = Frame(_VALUES, frame.offset_ms, data[at:])
                code = "frame-garbled" if 0 < size < _LEAST else "frame-short"
                error = DecodeError(code, "a record of %d bytes in %d" % (size, len(rest.data)))
                return records + [Record([rest], None, None, error)]
            records.append(self._record(Frame(_VALUES, frame.offset_ms, data[at : at + size])))
            at += size
        return records

    def _record(self, frame: Frame) -> Record:
        features, session = self._features, self._session
        try:
            found = Sample(frame.data, None if features is None else features.has_crc)
        except DecodeError as error:
            return Record(self._read + [frame], None, None, error)
        start = None if session is None else session.start
        # Of another session the same minute may show the same value.
        self._access.record(found.minute, (b"" if start is None else start.raw) + frame.data)
        reading = Reading(
            "cgm-glucose",
            "stored",
            found.values,
            found.notes(session),
            None,
            None,
            None if start is None else minutes_later(start, found.minute),
            (features.context if features else []) + (session.context if session else []),
        )
        key_time = None if start is None else start.key()
        key = RecordKey(_VALUES, found.minute, key_time, found.raw_value, stored=True)
        return Record(self._read + [frame], reading, key)

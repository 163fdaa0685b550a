"""Pulse oximeters that follow the Bluetooth Pulse Oximeter Profile.

Source: Pulse Oximeter Service 1.0.1 (0x1822): PLX Spot-Check Measurement 2A5E, PLX Continuous Measurement
2A5F, PLX Features 2A60. A spot check is a record by itself; the continuous values are a stream.
"""

from gateway.drivers.base import Driver, Record
from gateway.drivers.shared.clocks import CURRENT_TIME, DATE_TIME
from gateway.drivers.shared.fields import DeviceTime, Fields, between
from gateway.drivers.shared.last_valid import LastValid
from gateway.wire.errors import DecodeError
from gateway.wire.items import Frame
from gateway.wire.measurement import RecordKey
from gateway.wire.reading import Reading

_SPOT, _CONTINUOUS, _FEATURES = "2a5e", "2a5f", "2a60"
# First byte of a spot check: what follows the two numbers. Of a continuous value: other bits, other fields.
_HAS_TIME, _CLOCK_NOT_SET = 0x01, 0x10
_PARTS = {"2a5e": (0x02, 0x04, 0x08), "2a5f": (0x04, 0x08, 0x10)}  # status, sensor status, amplitude index

# Measurement status.
_ONGOING, _EARLY, _APPROVED, _FROM_MEMORY = 0x0020, 0x0040, 0x0180, 0x0200
_NO_MEASUREMENT = 0xAC00  # demonstration, test, no data, invalid
_STATUS_NOTES = ((0x0180, "quality-checked"), (0x5020, "questionable"))  # ongoing, calibrating, questionable
# Device and sensor status.
_SENSOR_OFF = 0x8800  # not on the user, disconnected
_SENSOR_NOTES = (
    (0x0020, "low-perfusion"),
    (0x2000, "sensor-displaced"),
    (0x8800, "no-contact"),
    (0x55DE, "questionable"),  # any fault of signal, pulse, sensor or device
)


class PulseOximeter(Driver):
    """One visit of an oximeter. Of the three kinds of averaging in a stream only the normal one is taken.

    An oximeter whose features (2A60) say that it marks what it has approved is held to that.
    """

    name = "pulse-oximeter"
    services = ("1822",)
    subscribe = ("2a5e", "2a5f")
    reads = ("2a60",)
    clocks = (CURRENT_TIME, DATE_TIME)
    cuts = True
    repeats_within_s = 5  # a spot check takes longer

    def __init__(self) -> None:
        self._rule = LastValid()
        self._features: Frame | None = None

    def received(self, frame: Frame) -> list[Record]:
        """The record that is due, if any; an error for a frame without form."""
        if frame.source == _FEATURES:
            self._features = frame if _marks_approved(frame.data) else None
        if frame.source not in _PARTS:
            return []
        try:
            content = _Content(frame)
        except DecodeError as error:
            record = Record([frame], None, None, error)
            return [record] if frame.source == _SPOT else self._rule.damaged(record)
        if frame.source == _SPOT:
            return [self._record(frame, content)] if self._measured(content) else []
        return self._streamed(frame, content)

    def finish(self) -> list[Record]:
        """The last value of a stream that ends without a word."""
        return self._rule.ended()

    def _streamed(self, frame: Frame, content: "_Content") -> list[Record]:
        if content.sensor & _SENSOR_OFF:
            return self._rule.ended()
        if not self._measured(content):
            return self._rule.passed(frame.offset_ms)
        return self._rule.valid(self._record(frame, content), frame.offset_ms)

    def _measured(self, content: "_Content") -> bool:
        """False for what is no result: tests, estimates, what was not approved, nothing but NaN."""
        if content.status & _NO_MEASUREMENT or content.values_missing():
            return False
        must = content.status & _EARLY or (self._features is not None and content.has_status)
        return not must or content.status & _APPROVED != 0

    def _record(self, frame: Frame, content: "_Content") -> Record:
        frames = [frame] if self._features is None else [self._features, frame]
        key_time = content.time.key() if content.time else None
        stored = content.status & _FROM_MEMORY != 0
        reading = Reading(
            "oximetry",
            # With a time of its own it may come from the memory, and that time places it; else it is new.
            "stored" if stored or key_time is not None else "spot",
            content.values,
            content.notes(),
            None,
            None,
            content.time.text if content.time else None,
            None,
            content.status & _ONGOING == 0,
        )
        return Record(
            frames, reading, RecordKey(frame.source, None, key_time, content.raw_value, stored=stored)
        )


class _Content:
    """The fields of one record, read in the order in which they stand."""

    def __init__(self, frame: Frame) -> None:
        fields = Fields(frame.data)
        flags = fields.uint8()
        status, sensor, amplitude = _PARTS[frame.source]
        self.values = [fields.sfloat("spo2", "%"), fields.sfloat("pulse-rate", "/min")]
        self.raw_value = fields.since(1)
        self.time: DeviceTime | None = None
        self.clock_not_set = frame.source == _SPOT and flags & _CLOCK_NOT_SET != 0
        if frame.source == _CONTINUOUS:
            for bit in (0x01, 0x02):  # fast, slow
                fields.take(4 if flags & bit else 0)
        elif flags & _HAS_TIME:
            self.time = fields.date_time()
        self.has_status = flags & status != 0
        self.status = fields.uint16() if self.has_status else 0
        self.sensor = fields.uint24() if flags & sensor else 0
        if flags & amplitude:
            self.values.append(fields.sfloat("perfusion-index", "%"))
            self.raw_value += fields.since(fields.at - 2)

    def values_missing(self) -> bool:
        return all(value.absent == "not-a-number" for value in self.values[:2])

    def notes(self) -> list[str]:
        notes: list[str] = []
        for bits, table in ((self.status, _STATUS_NOTES), (self.sensor, _SENSOR_NOTES)):
            notes += [note for mask, note in table if bits & mask and note not in notes]
        if self.clock_not_set or (self.time and not self.time.clock_set()):
            notes.append("clock-not-set")
        if not (between(self.values[0], 1, 100) and between(self.values[1], 10, 350)):
            notes.append("implausible")
        return notes


def _marks_approved(features: bytes) -> bool:
    """True when the oximeter has a measurement status and, where it lists its bits, one of approval."""
    has_status = features[:1] != b"" and features[0] & 1 != 0
    return has_status and (len(features) < 4 or int.from_bytes(features[2:4], "little") & _APPROVED != 0)

"""Blood pressure monitors that follow the Bluetooth Blood Pressure Profile.

Source: Blood Pressure Service 1.1.1 (0x1810): Blood Pressure Measurement 2A35, Intermediate Cuff Pressure
2A36, Enhanced Blood Pressure Measurement 2B34, Enhanced Intermediate Cuff Pressure 2B35. A monitor
indicates each stored measurement once, oldest first, so nothing may stand between us and the outbox.
"""

from gateway.drivers.base import Driver, Record
from gateway.drivers.shared.clocks import CURRENT_TIME, DATE_TIME
from gateway.drivers.shared.fields import DeviceTime, Fields, between
from gateway.wire.errors import DecodeError
from gateway.wire.items import Frame
from gateway.wire.measurement import RecordKey
from gateway.wire.reading import Reading, Value

# First byte: what the rest of the record holds. Bits 5 and 6 count in the enhanced records only.
_IN_KPA = 0x01
_HAS_TIME = 0x02
_HAS_PULSE = 0x04
_HAS_USER = 0x08
_HAS_STATUS = 0x10
_HAS_LOCAL_TIME = 0x20
_SINCE_2000 = 0x40

_UNKNOWN_USER = 255
_MEASUREMENTS = ("2a35", "2b34")
_INTERMEDIATE = {"2a36": 3, "2b35": 1}  # characteristic: pressures in it; 2A36 carries two unused ones
_ENHANCED = ("2b34", "2b35")

# Status bits that a care team must see next to the numbers: (mask, value, note). Other bits are reserved.
_NOTES = (
    (0x0001, 0x0001, "body-moved"),
    (0x0002, 0x0002, "cuff-too-loose"),
    (0x0004, 0x0004, "irregular-pulse"),
    (0x0018, 0x0008, "pulse-above-range"),
    (0x0018, 0x0010, "pulse-below-range"),
    (0x0020, 0x0020, "improper-position"),
)
# What no cuff on a living person can measure: a fault of the device, not a medical judgement.
_LIMITS = {"mm[Hg]": (10, 350), "kPa": (1, 47), "/min": (10, 350)}


class BloodPressure(Driver):
    """One visit of a blood pressure monitor; each indication is a record of its own.

    Only 2A35 is subscribed: every monitor has it, and one that offers 2B34 too would tell everything twice.
    """

    name = "blood-pressure"
    services = ("1810",)
    subscribe = ("2a35",)
    clocks = (CURRENT_TIME, DATE_TIME)
    keeps_records = True
    repeats_within_s = 20  # a cuff needs longer to inflate and deflate

    def received(self, frame: Frame) -> list[Record]:
        """One record for a measurement; none for what is no result: cuff pressures, nothing but NaN."""
        try:
            if frame.source in _INTERMEDIATE:
                _Content(frame, _INTERMEDIATE[frame.source])
                return []
            return _measurement(frame) if frame.source in _MEASUREMENTS else []
        except DecodeError as error:
            return [Record([frame], None, None, error)]


class _Content:
    """The fields of one record, read in the order in which they stand."""

    def __init__(self, frame: Frame, pressures: int) -> None:
        enhanced = frame.source in _ENHANCED
        fields = Fields(frame.data)
        self.flags = fields.uint8()
        unit = "kPa" if self.flags & _IN_KPA else "mm[Hg]"
        start = fields.at
        names = ("systolic", "diastolic", "mean-arterial")
        self.values = [fields.sfloat(name, unit) for name in names[:pressures]]
        self.raw_value = fields.since(start)
        self.time = self._time(fields, enhanced) if self.flags & _HAS_TIME else None
        if self.flags & _HAS_PULSE:
            start = fields.at
            self.values.append(fields.sfloat("pulse-rate", "/min"))
            self.raw_value += fields.since(start)
        self.user = fields.uint8() if self.flags & _HAS_USER else _UNKNOWN_USER
        self.status = fields.uint16() if self.flags & _HAS_STATUS else 0
        local = enhanced and self.flags & _HAS_LOCAL_TIME
        self.local_time = fields.seconds(self._first_year()) if local else None

    def _time(self, fields: Fields, enhanced: bool) -> DeviceTime:  # noqa: FBT001 (private, one caller)
        return fields.seconds(self._first_year()) if enhanced else fields.date_time()

    def _first_year(self) -> int:
        return 2000 if self.flags & _SINCE_2000 else 1900


def _measurement(frame: Frame) -> list[Record]:
    content = _Content(frame, 3)
    if all(value.absent == "not-a-number" for value in content.values):
        return []  # the measurement failed and the monitor says so: nothing was measured
    shown, key_time = _times(content)
    context = [("device-time", "utc")] if frame.source == "2b34" and shown is content.time else []
    reading = Reading(
        "blood-pressure",
        # With a time of its own it may come from the memory, and that time places it; else it is new.
        "spot" if key_time is None else "stored",
        content.values,
        _notes(content, shown),
        None if content.user == _UNKNOWN_USER else content.user,
        None,
        shown.text if shown else None,
        context if shown and shown.text else None,
    )
    return [Record([frame], reading, RecordKey(frame.source, None, key_time, content.raw_value))]


def _times(content: _Content) -> tuple[DeviceTime | None, bytes | None]:
    """The time to show, local where the monitor tells it, and the bytes for the record key.

    The key takes the first clock that was set: UTC in the enhanced record, which no summer time moves.
    """
    key = content.time.key() if content.time else None
    if key is None and content.local_time:
        key = content.local_time.key()
    return content.local_time or content.time, key


def _notes(content: _Content, shown: DeviceTime | None) -> list[str]:
    notes = [note for mask, value, note in _NOTES if content.status & mask == value]
    if shown and not shown.clock_set():
        notes.append("clock-not-set")
    if not all(_plausible(value) for value in content.values):
        notes.append("implausible")
    return notes


def _plausible(value: Value) -> bool:
    low, high = _LIMITS[value.unit]
    return between(value, low, high)

"""What a glucose meter tells of one measurement: Glucose Measurement 2A18 and its context 2A34.

Source: Glucose Service 1.0.1, sections 3.1 and 3.2, and the GATT Specification Supplement. On the wire a
concentration is in kg/L or mol/L; the meter means mg/dL and mmol/L, which is a shift by a power of ten.
That meal 6 marks a ketone result, whose figure in mg/dL is ten times the mmol/L: CareSens Dual (i-SENS), as
NightscoutFoundation/xDrip reads it.
"""

from gateway.drivers.shared.fields import DeviceTime, Fields, between
from gateway.drivers.shared.later import minutes_later
from gateway.wire.items import Frame
from gateway.wire.reading import Value

# Flags of a measurement.
_HAS_OFFSET, _HAS_VALUE, _IN_MOL, _HAS_STATUS, _HAS_CONTEXT = 0x01, 0x02, 0x04, 0x08, 0x10
# Flags of a context.
_HAS_CARBOHYDRATE, _HAS_MEAL, _HAS_TESTER, _HAS_EXERCISE = 0x01, 0x02, 0x04, 0x08
_HAS_MEDICATION, _IN_LITRE, _HAS_HBA1C, _HAS_MORE_FLAGS = 0x10, 0x20, 0x40, 0x80

_CONTROL_SOLUTION, _CONTROL_LOCATION = 10, 4
_NO_OFFSET = (0x7FFF, 0x8000)  # overrun, underrun
_KETONE_MEAL = 6
_ENDLESS = 0xFFFF  # exercise that was longer than the field can say
# Status: the result is beyond what the meter can measure.
_TOO_HIGH, _TOO_LOW, _CLOCK_FAULT = 0x20, 0x40, 0x800
_STATUS_NOTES = (
    (0x0001, "low-battery"),
    (0x0402, "device-fault"),
    (0x0004, "sample-too-small"),
    (0x0008, "strip-misplaced"),
    (0x0010, "strip-wrong"),
    (0x0200, "strip-removed-early"),
    (0x0080, "too-warm"),
    (0x0100, "too-cold"),
)
# What no meter can measure: a fault of the device, not a medical judgement. In tenths of the unit.
_LIMITS = {"glucose mg/dL": (50, 10000), "glucose mmol/L": (3, 560), "ketone mmol/L": (0, 150)}
_SAMPLES = (
    "",
    "capillary-blood",
    "capillary-plasma",
    "venous-blood",
    "venous-plasma",
    "arterial-blood",
    "arterial-plasma",
    "blood",
    "plasma",
    "interstitial-fluid",
)
_LOCATIONS = ("", "finger", "alternate-site", "earlobe", "", "subcutaneous")
_MEALS = ("", "before-meal", "after-meal", "fasting", "casual", "bedtime")
_CARBOHYDRATES = ("", "breakfast", "lunch", "dinner", "snack", "drink", "supper", "brunch")
_TESTERS = ("", "self", "professional", "lab")
_HEALTH = ("", "minor-issues", "major-issues", "menses", "stress", "none")
_MEDICATIONS = ("", "rapid-acting", "short-acting", "intermediate-acting", "long-acting", "pre-mixed")


class Measurement:
    """The fields of one 2A18. DecodeError when bytes are missing.

    value: None when the meter sent no result. counts: False for that and for control solution.
    time: what the meter's user sees, base time and offset; key_time: the base time, which no setting of the
    clock changes, or None. announces: a context is to follow.
    """

    def __init__(self, frame: Frame) -> None:
        self.frame = frame
        fields = Fields(frame.data)
        flags = fields.uint8()
        self.number = fields.uint16()
        base = fields.date_time()
        self.key_time, self._base_set = base.key(), base.clock_set()
        self.time = _offset(base, fields.uint16()) if flags & _HAS_OFFSET else base
        self.value: Value | None = None
        self.raw_value, what = b"", 0
        if flags & _HAS_VALUE:
            self.value = _concentration(fields, flags & _IN_MOL)
            self.raw_value = fields.since(fields.at - 2)
            what = fields.uint8()
        self.status = fields.uint16() if flags & _HAS_STATUS else 0
        self.announces = flags & _HAS_CONTEXT != 0
        if self.status & (_TOO_HIGH | _TOO_LOW):
            self.value = _limit(self.value, flags & _IN_MOL, self.status & _TOO_HIGH)
        control = what & 15 == _CONTROL_SOLUTION or what >> 4 == _CONTROL_LOCATION
        self.counts = self.value is not None and not control
        self.context = sample(what)

    def notes(self, value: Value) -> list[str]:
        """What the meter says next to the value, and our own doubts."""
        notes = status_notes(self.status, _STATUS_NOTES)
        if not (self.time.clock_set() and self._base_set) or self.status & _CLOCK_FAULT:
            notes.append("clock-not-set")
        if not plausible(value):
            notes.append("implausible")
        return notes


class Context:
    """The fields of one 2A34. DecodeError when bytes are missing.

    pairs: what the person said at the meter. ketone: the measurement is one of ketone, not of glucose.
    """

    def __init__(self, frame: Frame) -> None:
        self.frame = frame
        fields = Fields(frame.data)
        flags = fields.uint8()
        self.number = fields.uint16()
        fields.take(1 if flags & _HAS_MORE_FLAGS else 0)
        self.pairs: list[tuple[str, str]] = []
        if flags & _HAS_CARBOHYDRATE:
            self.pairs += _pairs(("carbohydrates", _CARBOHYDRATES, fields.uint8()))
            self.pairs += _quantity("carbohydrates-g", fields, 3)
        meal = fields.uint8() if flags & _HAS_MEAL else 0
        self.ketone = meal == _KETONE_MEAL
        self.pairs += _pairs(("meal", _MEALS, meal))
        if flags & _HAS_TESTER:
            who = fields.uint8()
            self.pairs += _pairs(("tester", _TESTERS, who & 15), ("health", _HEALTH, who >> 4))
        if flags & _HAS_EXERCISE:
            self.pairs += _exercise(fields.uint16(), fields.uint8())
        if flags & _HAS_MEDICATION:
            self.pairs += _pairs(("medication", _MEDICATIONS, fields.uint8()))
            litre = flags & _IN_LITRE
            self.pairs += _quantity("medication-ml" if litre else "medication-mg", fields, 3 if litre else 6)
        self.hba1c = fields.sfloat("hba1c", "%") if flags & _HAS_HBA1C else None


def as_ketone(value: Value) -> Value:
    """The same result as what it is."""
    exponent = value.exponent - 1 if value.unit == "mg/dL" else value.exponent
    return Value("ketone", value.digits, exponent, "mmol/L", value.absent, value.comparator)


def sample(what: int) -> list[tuple[str, str]]:
    """What was measured in (low 4 bits) and where it was taken (high 4 bits), as context."""
    return _pairs(("sample", _SAMPLES, what & 15), ("location", _LOCATIONS, what >> 4))


def status_notes(status: int, table: tuple[tuple[int, str], ...]) -> list[str]:
    """The notes whose bits are set, in the table's order, each once."""
    notes: list[str] = []
    for mask, note in table:
        if status & mask and note not in notes:
            notes.append(note)
    return notes


def plausible(value: Value) -> bool:
    """False for what no meter and no sensor can have measured."""
    low, high = _LIMITS[value.name + " " + value.unit]
    return between(Value(value.name, value.digits, value.exponent + 1, value.unit, value.absent), low, high)


def beyond(value: Value, high: int) -> Value:
    """A value at the edge of what the device can measure: its limit, or without one only the direction."""
    if value.digits is None:
        return Value(value.name, None, 0, value.unit, "positive-infinity" if high else "negative-infinity")
    return Value(value.name, value.digits, value.exponent, value.unit, None, ">" if high else "<")


def _concentration(fields: Fields, in_mol: int) -> Value:
    value = fields.sfloat("glucose", "mmol/L" if in_mol else "mg/dL")
    if value.digits is not None:
        value.exponent += 3 if in_mol else 5
    return value


def _limit(value: Value | None, in_mol: int, high: int) -> Value:
    return beyond(value or Value("glucose", None, 0, "mmol/L" if in_mol else "mg/dL", "unknown"), high)


def _offset(base: DeviceTime, offset: int) -> DeviceTime:
    """The time that the meter shows: signed minutes from the base time."""
    minutes = offset - 0x10000 if offset & 0x8000 else offset
    return DeviceTime(base.raw, None if offset in _NO_OFFSET else minutes_later(base, minutes))


def _pairs(*rows: tuple[str, tuple[str, ...], int]) -> list[tuple[str, str]]:
    """What each code means; nothing for what is reserved or not stated."""
    return [(key, words[code]) for key, words, code in rows if code < len(words) and words[code]]


def _quantity(key: str, fields: Fields, shift: int) -> list[tuple[str, str]]:
    value = fields.sfloat(key, "")
    if value.digits is None:
        return []
    return [(key, Value(key, value.digits, value.exponent + shift, "").text() or "")]


def _exercise(seconds: int, percent: int) -> list[tuple[str, str]]:
    time = ">65534" if seconds == _ENDLESS else str(seconds)
    return [("exercise-s", time), ("exercise-percent", str(percent))]

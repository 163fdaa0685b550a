"""What a record of a TaiDoc meter says: its time (reply 25) and its value (reply 26), by kind of meter.

Sources: Glucometer Protocols, TaiDoc TD-42xx (time, glucose, meal); Tidepool Uploader, GlucoRx driver
(control, ketone, ranges: HI above 600 mg/dL or 8.0 mmol/L, LO below 20 mg/dL); advmeds-bluetooth-lib (which
model measures what, multi-parameter types, temperature); Ultron-esp32BLE, FORA P30 and IR (mean pressure,
status bits in the time). The first digit of the model number tells what a meter measures.
"""

from gateway.drivers.shared.fields import DeviceTime, between, date_text
from gateway.wire.errors import DecodeError
from gateway.wire.measurement import RecordKey
from gateway.wire.reading import Reading, Value

STRIP, OXIMETER = "strip", "oximeter"
_PRESSURE, _TEMPERATURE = "pressure", "temperature"
_FAMILIES = {1: _TEMPERATURE, 3: _PRESSURE, 4: STRIP, 8: OXIMETER}
_BOTH = 0x32  # TD-32xx: a cuff and a glucose meter in one; bit 7 of the minute tells which it was

# The time's minute and hour have status in their upper bits.
_MINUTE, _HOUR = 0x3F, 0x1F
_IS_PRESSURE, _IRREGULAR = 0x80, 0x40  # minute
_AVERAGE = _FAHRENHEIT = 0x80  # hour
_OBJECT, _ROOM = 4, 5  # what a thermometer measured that was no person
_SITES = {2: "rectum", 3: "armpit"}

_NO_USER = 255
_TYPE, _MEAL, _CONTROL = 0x3C, 0xC0, 0xC0  # d3 of a strip
_MEALS = {0x40: "before-meal", 0x80: "after-meal"}
_GLUCOSE, _KETONE = 0, 7
_LOWEST, _HIGHEST = 20, 600  # mg/dL
_MOST_KETONE = 80  # 0.1 mmol/L


def family(model: int | None) -> str | None:
    """What a meter of this model (0x4277) measures; None: not known. Without a model it is a strip meter."""
    return STRIP if model is None else _FAMILIES.get(model >> 12)


def device_time(data: bytes) -> DeviceTime:
    """Day (7 bits year from 2000, 4 month, 5 day), minute, hour. Seconds are not told and shown as 00."""
    day = int.from_bytes(data[:2], "little")
    raw = data[:2] + bytes((data[2] & _MINUTE, data[3] & _HOUR))
    return DeviceTime(raw, date_text(2000 + (day >> 9), day >> 5 & 15, day & 31, raw[3], raw[2], 0))


class Content:
    """One record. time and value: the four data bytes of the replies, time None where it was not told.

    reading and key are None where nothing was measured: all zero, control solution, a room's temperature.
    DecodeError("model-unknown"), or ("kind-unsupported") for what has no kind of reading (uric acid …).
    """

    def __init__(self, model: int | None, user: int, time: bytes | None, value: bytes) -> None:
        self._status = time or bytes(4)
        self._value = value
        self._user = user if 0 < user < _NO_USER else None
        self._clock = device_time(time) if time else None
        self._notes: list[str] = []
        self._context: list[tuple[str, str]] = []
        self.reading: Reading | None = None
        self.key: RecordKey | None = None
        kind = family(model)
        if model is not None and model >> 8 == _BOTH:
            kind = _PRESSURE if self._status[2] & _IS_PRESSURE else STRIP
        if kind is None:
            raise DecodeError("model-unknown", "no driver for the records of model %04x" % (model or 0))
        if any(value):
            _READERS[kind](self)

    def _u16(self) -> int:
        return self._value[0] | self._value[1] << 8

    def strip(self) -> None:
        """Glucose, ketone or another test strip; the code number of the strips (d2, d3) is not told on."""
        kind, raw = (self._value[3] & _TYPE) >> 2, self._u16()
        if self._value[3] & _MEAL == _CONTROL or not raw:
            return
        if kind not in (_GLUCOSE, _KETONE):
            raise DecodeError("kind-unsupported", "test strip of type %d" % kind)
        raw_value = self._value[:2] + bytes((self._value[3] & _TYPE,))
        if kind == _KETONE:
            # 1/30 mmol/L; the meter shows one decimal and drops the rest
            self._tell("ketone", [_limited("ketone", raw // 3, -1, "mmol/L", 0, _MOST_KETONE)], raw_value)
            return
        if self._value[3] & _MEAL:
            self._context = [("meal", _MEALS[self._value[3] & _MEAL])]
        self._tell("glucose", [_limited("glucose", raw, 0, "mg/dL", _LOWEST, _HIGHEST)], raw_value)

    def pressure(self) -> None:
        """Systolic (16 bits; or 8, then the mean: nobody has 512 mm[Hg]), diastolic, pulse."""
        first, second, diastolic, pulse = self._value
        alone = second > 1
        systolic = first if alone else self._u16()
        if not systolic:
            return  # no pressure was found
        values = [Value("systolic", systolic, 0, "mm[Hg]")]
        values.append(Value("diastolic", diastolic, 0, "mm[Hg]"))
        if alone and diastolic <= second <= first:
            values.append(Value("mean-arterial", second, 0, "mm[Hg]"))
        values.append(Value("pulse-rate", pulse or None, 0, "/min", None if pulse else "unknown"))
        if self._status[2] & _IRREGULAR:
            self._notes.append("irregular-pulse")
        self._plausible(values, 10, 350)
        self._tell("blood-pressure", values, self._value, average=self._status[3] & _AVERAGE != 0)

    def temperature(self) -> None:
        """Tenths or, where nobody could have that, hundredths of a degree; d2 and d3 are the room's."""
        kind = self._status[2] >> 6 | (self._status[3] & 0x20) >> 3
        if kind in (_OBJECT, _ROOM) or not self._u16():
            return
        fahrenheit = self._status[3] & _FAHRENHEIT != 0
        exponent = -2 if self._u16() >= (5000 if fahrenheit else 1000) else -1
        if kind in _SITES:
            self._context = [("location", _SITES[kind])]
        values = [Value("body-temperature", self._u16(), exponent, "[degF]" if fahrenheit else "Cel")]
        self._plausible(values, 50 if fahrenheit else 10, 122 if fahrenheit else 50)
        self._tell("temperature", values, self._value[:2])

    def oximetry(self) -> None:
        spo2, pulse = self._value[0], self._value[3]
        if not spo2:
            return
        values = [Value("spo2", spo2, 0, "%")]
        values.append(Value("pulse-rate", pulse or None, 0, "/min", None if pulse else "unknown"))
        self._plausible(values[:1], 1, 100)
        self._plausible(values[1:], 10, 350)
        self._tell("oximetry", values, bytes((spo2, pulse)))

    def _plausible(self, values: list[Value], low: int, high: int) -> None:
        if "implausible" not in self._notes and not all(between(value, low, high) for value in values):
            self._notes.append("implausible")

    def _tell(self, kind: str, values: list[Value], raw: bytes, *, average: bool = False) -> None:
        if self._clock and not self._clock.clock_set():
            self._notes.append("clock-not-set")
        origin = "device-average" if average else "stored"
        shown = self._clock.text if self._clock else None
        self.reading = Reading(kind, origin, values, self._notes, self._user, None, shown, self._context)
        space = "record-%d" % self._user if self._user else "record"
        self.key = RecordKey(space, None, self._clock.key() if self._clock else None, raw, stored=True)


class Live(Content):
    """A value that an oximeter shows just now (reply 49)."""

    def __init__(self, value: bytes) -> None:
        super().__init__(0x8000, 0, None, value)
        if self.reading and self.key:
            self.reading.origin = "spot"
            self.key = RecordKey("live", None, None, self.key.value)


def _limited(name: str, digits: int, exponent: int, unit: str, low: int, high: int) -> Value:
    """Beyond what the meter can tell it showed LO or HI: its limit, with a comparator."""
    if low <= digits <= high:
        return Value(name, digits, exponent, unit)
    over = digits > high
    return Value(name, high if over else low, exponent, unit, None, ">" if over else "<")


_READERS = {
    STRIP: Content.strip,
    _PRESSURE: Content.pressure,
    _TEMPERATURE: Content.temperature,
    OXIMETER: Content.oximetry,
}

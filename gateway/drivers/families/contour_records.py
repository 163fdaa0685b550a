"""The records of Ascensia Contour meters: text with fields, as ASTM E1394 has them.

Source: ASTM E1394-97; Glucometer Utilities, contourusb; Tidepool Uploader, Contour and Contour Next drivers.
Fields stand between "|". Header: product^versions^serial in the fifth; settings in the sixth, of which
V=20600 are the lowest and highest value in mg/dL; the meter's time in the last. Result: number, ^^^test,
value, unit^method, flags and markers, time without seconds in the last.
"""

from gateway.drivers.shared.fields import DeviceTime, date_text
from gateway.wire.errors import DecodeError, WireError
from gateway.wire.measurement import RecordKey
from gateway.wire.reading import Reading, Value, is_digits, parse_decimal

_UNITS = ("mg/dL", "mmol/L")
_MEALS = (("B", "before-meal"), ("A", "after-meal"))
_METHODS = {"B": "whole-blood", "P": "plasma"}
_CONTROL, _CONTROL_OLD = "C", "E"
_FLAGS_AT, _MARKERS_AT, _STATUS_AT, _SHORT = 6, 7, 8, 9
_HIGH, _LOW = (">", "HI"), ("<", "LO")
_CR = 0x0D
_MOST_DIGITS = 9


def text_of(data: bytes) -> str:
    """The text of a record without its end; DecodeError("frame-garbled") for what is no ASCII."""
    if not all(0x20 <= byte < 0x7F or byte == _CR for byte in data):
        raise DecodeError("frame-garbled", "a record is plain text")
    return data.decode().rstrip("\r")


class Header:
    """Who the meter is, and what it can tell. limits: lowest and highest value in mg/dL, or None."""

    def __init__(self, text: str) -> None:
        fields = text.split("|")
        names = (fields[4] if len(fields) > 4 else "").split("^")
        self.about = {"manufacturer": "Ascensia"}
        for name, value in (
            ("model", names[0]),
            ("firmware", "".join(names[1:2])),
            ("serial", "".join(names[2:3])),
        ):
            if value:
                self.about[name] = value
        self.time = _time(fields[-1]).text
        self.limits: tuple[int, int] | None = None
        for setting in (fields[5] if len(fields) > 5 else "").split("^"):
            if setting[:2] == "V=" and len(setting) == 7 and is_digits(setting[2:]):
                self.limits = (int(setting[2:4]), int(setting[4:]))


class Result:
    """One result. reading and key are None for control solution and for the meter's averages.

    limits: those of the header, or None; `limited` tells whether they were needed.
    DecodeError("frame-garbled") for a record of no known form, ("kind-unsupported") for what is no glucose.
    """

    def __init__(self, text: str, limits: tuple[int, int] | None) -> None:
        self.reading: Reading | None = None
        self.key: RecordKey | None = None
        self.limited = False
        fields = text.split("|")
        if len(fields) < _SHORT or not is_digits(fields[1]) or len(fields[1]) > _MOST_DIGITS:
            raise DecodeError("frame-garbled", "a result has more fields")
        test = fields[2].split("^")[-1]
        if test not in ("Glucose", "GlucoseA"):
            raise DecodeError("kind-unsupported", "a record that is no glucose")
        # Where the standard's place for markers and status is used, the time comes later.
        markers = _parts(fields[_FLAGS_AT]) + _parts(fields[_MARKERS_AT])
        old_control = len(fields) > _SHORT and fields[_STATUS_AT] == _CONTROL_OLD
        if test == "Glucose" and _CONTROL not in markers and not old_control:
            self._read(fields, markers, limits)

    def _read(self, fields: list[str], markers: list[str], limits: tuple[int, int] | None) -> None:
        unit, _, method = fields[4].partition("^")
        if unit not in _UNITS:
            raise DecodeError("frame-garbled", "a unit that no meter has")
        time = _time(fields[-1])
        value = self._value(fields[3], unit, markers, limits)
        context = [("meal", meal) for marker, meal in _MEALS if marker in markers][:1]
        if method in _METHODS:
            context.append(("reference-method", _METHODS[method]))
        notes = [] if time.clock_set() else ["clock-not-set"]
        record = int(fields[1])
        self.reading = Reading("glucose", "stored", [value], notes, None, record, time.text, context)
        self.key = RecordKey("result", None, time.key(), fields[3].encode(), stored=True)

    def _value(self, text: str, unit: str, markers: list[str], limits: tuple[int, int] | None) -> Value:
        """The number with its resolution; beyond what the meter can tell its limit, with a comparator."""
        over = text in _HIGH or ">" in markers
        under = text in _LOW or "<" in markers
        comparator = ">" if over else "<" if under else None
        if comparator and limits and unit == "mg/dL":
            self.limited = True
            return Value("glucose", limits[1] if over else limits[0], 0, unit, None, comparator)
        if comparator and text in ("HI", "LO"):
            return Value("glucose", None, 0, unit, "positive-infinity" if over else "negative-infinity")
        try:
            digits, exponent = parse_decimal(text)
        except WireError:
            raise DecodeError("frame-garbled", "a value that is no number") from None
        return Value("glucose", digits, exponent, unit, None, comparator)


def _parts(field: str) -> list[str]:
    return field.replace("\\", "/").split("/")


def _time(field: str) -> DeviceTime:
    """YYYYMMDDHHMM and sometimes SS; seconds that are not told are shown as 00."""
    text = None
    if len(field) in (12, 14) and is_digits(field):
        year, month, day = int(field[:4]), int(field[4:6]), int(field[6:8])
        text = date_text(year, month, day, int(field[8:10]), int(field[10:12]), int(field[12:] or "0"))
    return DeviceTime(field.encode(), text)

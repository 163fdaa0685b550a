"""Reads a record from left to right: the only place in the drivers that can run out of bytes.

Sources: IEEE 11073-20601 (SFLOAT, FLOAT), Bluetooth GATT Specification Supplement (Date Time 2A08).
Numbers stay decimal (digits and exponent); no binary float is ever made.
"""

from gateway.wire.errors import DecodeError
from gateway.wire.reading import Value

# Special values hold with exponent 0 only: 0xF7FF is 204.7. As FHIR data-absent-reason codes.
_ABSENT_16 = {
    0x07FE: "positive-infinity",
    0x07FF: "not-a-number",
    0x0800: "error",  # NRes: not at this resolution
    0x0801: "error",  # reserved
    0x0802: "negative-infinity",
}
_ABSENT_32 = {
    0x007FFFFE: "positive-infinity",
    0x007FFFFF: "not-a-number",
    0x00800000: "error",
    0x00800001: "error",
    0x00800002: "negative-infinity",
}
_DAYS = (31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
_FIRST_YEAR = 1582  # the Gregorian calendar; Date Time knows no earlier year
# Where clocks of devices start after their battery was changed. A time on such a day is kept, not trusted.
_RESET_DAYS = ("1900-01-01", "2000-01-01")


class DeviceTime:
    """What a device's own clock said: the raw bytes, and local time as text or None when it is no time."""

    def __init__(self, raw: bytes, text: str | None) -> None:
        self.raw = raw
        self.text = text

    def clock_set(self) -> bool:
        """False when there is no usable time, or one that only a clock which was never set would tell."""
        return self.text is not None and self.text[:4] != "1970" and self.text[:10] not in _RESET_DAYS

    def key(self) -> bytes | None:
        """The bytes that tell this record from others of the device, or None.

        A clock that runs on from its reset still tells records apart; one that stands at its reset,
        midnight of the first day, does not.
        """
        stands = not self.clock_set() and self.text is not None and self.text[4:] == "-01-01T00:00:00"
        return None if self.text is None or stands else self.raw


class Fields:
    """The fields of one record. Every method takes the next bytes; DecodeError("frame-short") at the end."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self.at = 0

    def take(self, size: int) -> bytes:
        part = self._data[self.at : self.at + size]
        if len(part) < size:
            raise DecodeError("frame-short", "%d bytes missing at offset %d" % (size - len(part), self.at))
        self.at += size
        return part

    def since(self, start: int) -> bytes:
        """The raw bytes from `start` up to here, for the record key."""
        return self._data[start : self.at]

    def uint8(self) -> int:
        return self.take(1)[0]

    def uint16(self) -> int:
        return int.from_bytes(self.take(2), "little")

    def uint24(self) -> int:
        return int.from_bytes(self.take(3), "little")

    def uint32(self) -> int:
        return int.from_bytes(self.take(4), "little")

    def sfloat(self, name: str, unit: str) -> Value:
        """IEEE 11073 16-bit float: 12 bits of digits, 4 bits of exponent, both two's complement."""
        raw = self.uint16()
        if raw in _ABSENT_16:
            return Value(name, None, 0, unit, _ABSENT_16[raw])
        return Value(name, _signed(raw & 0x0FFF, 12), _signed(raw >> 12, 4), unit)

    def float32(self, name: str, unit: str) -> Value:
        """IEEE 11073 32-bit float: 24 bits of digits, 8 bits of exponent.

        An exponent beyond +-40 is no measurement but a fault; the wire format takes no such number.
        """
        raw = self.uint32()
        exponent = _signed(raw >> 24, 8)
        if raw in _ABSENT_32 or not -40 <= exponent <= 40:
            return Value(name, None, 0, unit, _ABSENT_32.get(raw, "error"))
        return Value(name, _signed(raw & 0x00FFFFFF, 24), exponent, unit)

    def date_time(self) -> DeviceTime:
        """Date Time: local wall time without zone; year, month or day 0 mean unknown."""
        start = self.at
        year = self.uint16()
        month, day, hour, minute, second = self.take(5)
        return DeviceTime(self.since(start), date_text(year, month, day, hour, minute, second))

    def seconds(self, first_year: int) -> DeviceTime:
        """Seconds since the first of January of a year, 32 bits."""
        start = self.at
        number = self.uint32()
        return DeviceTime(self.since(start), seconds_text(number, first_year))


def _signed(number: int, bits: int) -> int:
    return number - (1 << bits) if number >> (bits - 1) else number


def days_in(year: int, month: int) -> int:
    leap = month == 2 and year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
    return 29 if leap else _DAYS[month - 1]


def date_text(year: int, month: int, day: int, hour: int, minute: int, second: int) -> str | None:
    """YYYY-MM-DDTHH:MM:SS, or None when there is no such moment."""
    if not (_FIRST_YEAR <= year <= 9999 and 1 <= month <= 12 and 1 <= day <= days_in(year, month)):
        return None
    if hour > 23 or minute > 59 or second > 59:
        return None
    return "%04d-%02d-%02dT%02d:%02d:%02d" % (year, month, day, hour, minute, second)


def days_before(year: int) -> int:
    """Days from the first of January of the year 1 to that of this one."""
    years = year - 1
    return 365 * years + years // 4 - years // 100 + years // 400


def seconds_text(number: int, first_year: int) -> str | None:
    """The moment that many seconds after the first of January of `first_year`."""
    days, rest = divmod(number, 86400)
    year, month = first_year + days // 366, 1  # never too far
    days -= days_before(year) - days_before(first_year)
    while days >= 337 + days_in(year, 2):
        days -= 337 + days_in(year, 2)
        year += 1
    while days >= days_in(year, month):
        days -= days_in(year, month)
        month += 1
    return date_text(year, month, days + 1, rest // 3600, rest // 60 % 60, rest % 60)


def between(value: Value, low: int, high: int) -> bool:
    """True when a value is absent or lies within whole-number limits, compared as decimals."""
    if value.digits is None:
        return True
    digits, scale = value.digits, 1
    for _ in range(abs(value.exponent)):
        if value.exponent < 0:
            scale *= 10
        else:
            digits *= 10
    return low * scale <= digits <= high * scale

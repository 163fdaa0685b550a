"""How Bluetooth devices write numbers and times, encoded here without any code of the gateway.

Source: IEEE 11073-20601 (SFLOAT, FLOAT), GATT Specification Supplement (Date Time, Current Time).
"""

from datetime import datetime

NAN, NRES, PLUS_INFINITY, MINUS_INFINITY = 0x07FF, 0x0800, 0x07FE, 0x0802
FLOAT_NAN = 0x007FFFFF


def sfloat(number: int | None, exponent: int = 0) -> bytes:
    """SFLOAT, 2 bytes: number x 10^exponent; None is NaN."""
    if number is None:
        return NAN.to_bytes(2, "little")
    return ((exponent & 0x0F) << 12 | number & 0x0FFF).to_bytes(2, "little")


def float32(number: int | None, exponent: int = 0) -> bytes:
    """FLOAT, 4 bytes: number x 10^exponent; None is NaN."""
    if number is None:
        return FLOAT_NAN.to_bytes(4, "little")
    return ((exponent & 0xFF) << 24 | number & 0x00FFFFFF).to_bytes(4, "little")


def date_time(moment: datetime) -> bytes:
    """Date Time (2A08): year, little-endian, then month to second."""
    parts = (moment.month, moment.day, moment.hour, moment.minute, moment.second)
    return moment.year.to_bytes(2, "little") + bytes(parts)


def current_time(moment: datetime) -> bytes:
    """Current Time (2A2B): Date Time, day of the week (Monday 1), 1/256 s, no reason for a change."""
    return date_time(moment) + bytes((moment.isoweekday(), moment.microsecond * 256 // 1_000_000, 0))


def moment_of(data: bytes) -> datetime:
    """The moment in the first 7 bytes (2A08, 2A2B). ValueError when it is none."""
    return datetime(int.from_bytes(data[:2], "little"), *data[2:7])  # noqa: DTZ001 (devices know no zone)


def scaled(number: int, places: int) -> str:
    """The digits that a device shows: 365 with 1 place is "36.5"."""
    if places == 0:
        return str(number)
    whole, rest = divmod(abs(number), 10**places)
    return f"{'-' if number < 0 else ''}{whole}.{rest:0{places}d}"

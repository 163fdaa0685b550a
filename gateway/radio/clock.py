"""A device's own clock: its bytes, and whether they are far enough off to be set.

Source: Current Time Service 1.1, section 3.1 (2A2B: Date Time, day of week, 1/256 s, adjust reason) and the
older Date Time (2A08). A device clock is local wall time without a zone. Pure: no clock in here.
"""

from datetime import datetime

from gateway.wire.errors import MeethubError

CURRENT_TIME, DATE_TIME = "2a2b", "2a08"
TOLERANCE_S = 60
_DATE_TIME_SIZE = 7
# Adjust reason (2A2B, last byte): bit 1, set from an external reference.
_EXTERNAL_REFERENCE = 0x02


class ClockError(MeethubError):
    """The device's clock gives no time."""


def read_clock(data: bytes) -> datetime:
    """The naive local time in the first seven bytes; ClockError when it was never set or is impossible."""
    if len(data) < _DATE_TIME_SIZE:
        raise ClockError("clock-unreadable", f"{len(data)} bytes")
    try:
        return datetime(int.from_bytes(data[:2], "little"), *data[2:_DATE_TIME_SIZE])  # noqa: DTZ001 (devices know no zone)
    except ValueError:
        raise ClockError("clock-unreadable", "no possible date") from None


def clock_bytes(characteristic: str, moment: datetime) -> bytes:
    """What is written to set this characteristic to a local time."""
    date = moment.year.to_bytes(2, "little")
    date += bytes((moment.month, moment.day, moment.hour, moment.minute, moment.second))
    if characteristic == DATE_TIME:
        return date
    return date + bytes((moment.isoweekday(), moment.microsecond * 256 // 1_000_000, _EXTERNAL_REFERENCE))


def seconds_off(device_time: datetime, wall: datetime) -> float:
    """How far a device's clock is from the local wall time, either way."""
    return abs((device_time - wall).total_seconds())

"""The clocks of devices: how their current time is read and set.

Source: Current Time Service 1.1, section 3.1 (2A2B: Date Time, day of week, 1/256 s, adjust reason) and the
older Date Time (2A08), which A&D has inside the measuring service and Roche in the Glucose service. A device
clock is local wall time without a zone.
"""

from gateway.drivers.shared.fields import Fields
from gateway.drivers.shared.later import minutes_later
from gateway.wire.errors import DecodeError

# Adjust reason (2A2B, last byte): bit 1, set from an external reference.
_EXTERNAL_REFERENCE = 0x02


class WallTime:
    """A moment as a clock on the wall shows it.

    date: year, month, day, hour, minute, second. weekday: 1 Monday to 7. fraction: 1/256 s.
    offset_min: how far this wall's clock is ahead of UTC, summer time included.
    """

    def __init__(
        self, date: tuple[int, int, int, int, int, int], weekday: int, fraction: int, offset_min: int
    ) -> None:
        self.date = date
        self.weekday = weekday
        self.fraction = fraction
        self.offset_min = offset_min


class Clock:
    """Date Time (2A08), and base of all clocks.

    characteristic: where it is read and written. readable: False where the device only lets it be set.
    """

    characteristic = "2a08"
    readable = True

    def read(self, data: bytes) -> str | None:
        """The clock's time as YYYY-MM-DDTHH:MM:SS; None when it was never set or shows no moment."""
        try:
            return Fields(data).date_time().text
        except DecodeError:
            return None

    def write(self, now: WallTime) -> list[bytes]:
        """What is written, one after the other, to set the clock."""
        return [date_time(now.date)]


class CurrentTime(Clock):
    """Current Time (2A2B). The weekday that devices show may be impossible; nobody reads it."""

    characteristic = "2a2b"

    def write(self, now: WallTime) -> list[bytes]:
        return [date_time(now.date) + bytes((now.weekday, now.fraction, _EXTERNAL_REFERENCE))]


class ContourClock(Clock):
    """Contour Next One and Plus One (Ascensia): UTC, and how far local time is ahead of it.

    Source: weliem/blessed-android, BluetoothHandler (which adds an hour in winter too; here the offset is
    the one in force).
    """

    characteristic = "00001026-0002-11e2-9e96-0800200c9a66"
    readable = False

    def write(self, now: WallTime) -> list[bytes]:
        utc = minutes_later(Fields(date_time(now.date)).date_time(), -now.offset_min) or ""
        parts = [int(utc[:4])] + [int(utc[at : at + 2]) for at in (5, 8, 11, 14, 17)]
        offset = (now.offset_min & 0xFFFF).to_bytes(2, "little")
        return [b"\x01" + parts[0].to_bytes(2, "little") + bytes(parts[1:]) + offset]


class IsensClock(Clock):
    """CareSens (i-SENS): only the second of two equal writes counts.

    Source: NightscoutFoundation/xDrip, BluetoothGlucoseMeter and caresens/TimeTx.
    """

    characteristic = "fff1"
    readable = False

    def write(self, now: WallTime) -> list[bytes]:
        return [b"\xc0\x03\x01\x00" + date_time(now.date)] * 2


DATE_TIME, CURRENT_TIME = Clock(), CurrentTime()
CONTOUR_CLOCK, ISENS_CLOCK = ContourClock(), IsensClock()


def date_time(date: tuple[int, int, int, int, int, int]) -> bytes:
    """The seven bytes of a Date Time."""
    return date[0].to_bytes(2, "little") + bytes(date[1:])

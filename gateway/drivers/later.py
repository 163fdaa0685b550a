"""Moments that a device tells as a date and minutes after it: a meter's offset, a sensor's session."""

from gateway.drivers.fields import DeviceTime, days_in, seconds_text


def minutes_later(time: DeviceTime, minutes: int) -> str | None:
    """YYYY-MM-DDTHH:MM:SS so many minutes, at most 65535 either way, after a Date Time; None without one."""
    if time.text is None:
        return None
    year = int.from_bytes(time.raw[:2], "little")
    month, day, hour, minute, second = time.raw[2:7]
    days = 337 + days_in(year - 1, 2) + day - 1
    for before in range(1, month):
        days += days_in(year, before)
    number = days * 86400 + hour * 3600 + (minute + minutes) * 60 + second
    return seconds_text(number, year - 1)

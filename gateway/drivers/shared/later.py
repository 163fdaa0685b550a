"""Moments that a device tells as a date and the time after it: a meter's offset, a second of a recording."""

from gateway.drivers.shared.fields import DeviceTime, days_before, days_in, seconds_text


def seconds_later(text: str, seconds: int) -> str | None:
    """YYYY-MM-DDTHH:MM:SS so many seconds, at most a year either way, after such a text."""
    year = int(text[:4]) - 1
    return seconds_text(seconds_at(text) + seconds - days_before(year) * 86400, year)


def seconds_at(text: str) -> int:
    """Seconds from the first of January of the year 1 to such a text's moment."""
    year = int(text[:4])
    days = days_before(year) + int(text[8:10]) - 1
    for month in range(1, int(text[5:7])):
        days += days_in(year, month)
    return days * 86400 + int(text[11:13]) * 3600 + int(text[14:16]) * 60 + int(text[17:19])


def minutes_later(time: DeviceTime, minutes: int) -> str | None:
    """The same after a device's time, at most 65535 minutes either way; None where it told none."""
    return None if time.text is None else seconds_later(time.text, minutes * 60)

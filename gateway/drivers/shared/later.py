"""Moments that a device tells as a date and the time after it: a meter's offset, a second of a recording."""

from gateway.drivers.shared.fields import DeviceTime, days_in, seconds_text


def seconds_later(text: str, seconds: int) -> str | None:
    """YYYY-MM-DDTHH:MM:SS so many seconds, at most a year either way, after such a text."""
    year, month = int(text[:4]), int(text[5:7])
    days = 337 + days_in(year - 1, 2) + int(text[8:10]) - 1
    for before in range(1, month):
        days += days_in(year, before)
    number = days * 86400 + int(text[11:13]) * 3600 + int(text[14:16]) * 60 + int(text[17:19]) + seconds
    return seconds_text(number, year - 1)


def minutes_later(time: DeviceTime, minutes: int) -> str | None:
    """The same after a device's time, at most 65535 minutes either way; None where it told none."""
    return None if time.text is None else seconds_later(time.text, minutes * 60)

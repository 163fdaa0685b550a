"""From when to when a certificate counts, cut from its DER form, and the system's calendar for TLS.

MicroPython's own check of these dates reads the system's calendar, which a board begins at 2000-01-01: before
anybody told the time it would refuse every certificate. So the hub checks the dates itself, once it knows the
time, and until then sets the calendar to a date on which the broker's certificate counts.
Source: RFC 5280, 4.1 (Certificate, Validity) and 4.1.2.5 (UTCTime, GeneralizedTime); X.690, 8.1.
"""

from firmware.time_zone import date_of, days_since_1970, weekday
from gateway.wire.errors import MeethubError

try:
    from machine import RTC
except ImportError:  # the unix port and CPython: a system whose calendar is not ours to set
    RTC = None

_SEQUENCE, _VERSION, _UTC_TIME, _GENERALIZED_TIME = 0x30, 0xA0, 0x17, 0x18


class CertificateError(MeethubError):
    """No certificate whose dates can be read. Code: uplink-broker-not-trusted."""

    def __init__(self, detail: str) -> None:
        super().__init__("uplink-broker-not-trusted", detail)


def dates(der: bytes | memoryview) -> tuple[int, int]:
    """Seconds since 1970 from and until which this certificate (DER, bytes or a view) counts."""
    _, at, _ = _element(der, 0, _SEQUENCE)
    _, at, _ = _element(der, at, _SEQUENCE)
    tag, _, after = _element(der, at)
    if tag == _VERSION:
        at = after
    for _ in range(3):  # serial number, algorithm, issuer
        at = _element(der, at)[2]
    _, at, _ = _element(der, at, _SEQUENCE)
    begins, at = _time(der, at)
    return begins, _time(der, at)[0]


def _element(der: bytes | memoryview, at: int, wanted: int = -1) -> tuple[int, int, int]:
    """Tag, begin and end of the content of the element at this place."""
    size, tag = len(der), -1
    if at + 2 <= size:
        tag, length = der[at], der[at + 1]
        at += 2
        if length > 128 and length < 132 and at + length - 128 <= size:
            count = length - 128
            length = int.from_bytes(bytes(der[at : at + count]), "big")
            at += count
        elif length > 127:
            length = size
        if at + length <= size and wanted in (-1, tag):
            return tag, at, at + length
    raise CertificateError("DER at %d" % at)


def _time(der: bytes | memoryview, at: int) -> tuple[int, int]:
    """The moment at this place, in seconds since 1970, and where the next element is."""
    tag, at, end = _element(der, at)
    text = bytes(der[at:end])
    digits = 10 if tag == _UTC_TIME else 12
    if tag not in (_UTC_TIME, _GENERALIZED_TIME) or len(text) != digits + 3 or not text[:-1].isdigit():
        raise CertificateError("a date")
    number = [int(text[place : place + 2]) for place in range(0, digits + 2, 2)]
    year = number[0] + (2000 if number[0] < 50 else 1900) if digits == 10 else number[0] * 100 + number[1]
    month, day, hour, minute, second = number[-5:]
    if not (1 <= month <= 12 and 1 <= day <= 31 and hour < 24 and minute < 60 and second < 60):
        raise CertificateError("a date")
    return days_since_1970(year, month, day) * 86400 + hour * 3600 + minute * 60 + second, end


def set_calendar(utc_s: int) -> bool:
    """Set the system's calendar; False where it is not ours to set."""
    if not hasattr(RTC, "datetime"):
        return False
    days, second = divmod(utc_s, 86400)
    date = date_of(days) + (weekday(days) - 1, second // 3600, second // 60 % 60, second % 60, 0)
    RTC().datetime(date)
    return True

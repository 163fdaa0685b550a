"""Local time of the home from a rule as POSIX writes it, and the calendar that all clocks here share.

Source: POSIX.1-2017, 8.3 (TZ); RFC 8536, 3.3.1 (hours from -167 to 167). Of the ways to name a day only
M month.week.weekday is read: no home needs another one today. The calendar counts days since 1970-01-01 by
itself: `time.gmtime` begins in 1970 on one board and in 2000 on another.
"""

from gateway.wire.errors import MeethubError

_DAY = 86400


class ZoneError(MeethubError):
    """No rule that can be followed. Code: zone-rule."""

    def __init__(self) -> None:
        super().__init__("zone-rule")


def days_since_1970(year: int, month: int, day: int) -> int:
    """Days from 1970-01-01 to a date of the Gregorian calendar, from the year 1 on."""
    if month < 3:
        year, month = year - 1, month + 12
    return 365 * year + year // 4 - year // 100 + year // 400 + (153 * month - 457) // 5 + day - 719469


def date_of(days: int) -> tuple[int, int, int]:
    """Year, month and day so many days after 1970-01-01."""
    days += 719468
    era, day = divmod(days, 146097)
    year = (day - day // 1460 + day // 36524 - day // 146096) // 365
    day -= 365 * year + year // 4 - year // 100
    month = (5 * day + 2) // 153
    day -= (153 * month + 2) // 5 - 1
    month = month + 3 if month < 10 else month - 9
    return era * 400 + year + (month < 3), month, day


def weekday(days: int) -> int:
    """1 Monday to 7 Sunday; 1970-01-01 was a Thursday."""
    return (days + 3) % 7 + 1


class Zone:
    """A rule such as "CET-1CEST,M3.5.0,M10.5.0/3". ZoneError where it is none."""

    def __init__(self, rule: str) -> None:
        try:
            self._read(rule)
        except (ValueError, IndexError):
            raise ZoneError from None

    def _read(self, rule: str) -> None:
        parts = rule.split(",")
        rest = _after_name(parts[0])
        self._standard, rest = _time(rest, 24)
        self._standard = self._summer = -self._standard
        self._changes = None
        if not rest and len(parts) == 1:
            return
        rest = _after_name(rest)
        self._summer = self._standard + 3600
        if rest:
            behind, rest = _time(rest, 24)
            self._summer = -behind
        begins, ends = parts[1:]
        if rest:
            raise ValueError
        self._changes = (_change(begins), _change(ends))

    def ahead_s(self, utc_s: int) -> int:
        """Seconds by which this zone's clocks are ahead of UTC at a moment (seconds since 1970)."""
        if self._changes is None:
            return self._standard
        year = date_of((utc_s + self._standard) // _DAY)[0]
        begins = _moment(year, self._changes[0]) - self._standard
        ends = _moment(year, self._changes[1]) - self._summer
        if begins < ends:
            return self._summer if begins <= utc_s < ends else self._standard
        return self._standard if ends <= utc_s < begins else self._summer


def _moment(year: int, change: tuple[int, int, int, int]) -> int:
    """When the clocks of this zone change in that year, in seconds as they show them just before."""
    month, week, day, second = change
    first = days_since_1970(year, month, 1)
    at = first + (day - weekday(first)) % 7 + 7 * (week - 1)
    if week == 5:
        following = days_since_1970(year + month // 12, month % 12 + 1, 1)
        while at >= following:
            at -= 7
    return at * _DAY + second


def _after_name(text: str) -> str:
    """What follows the name of a zone: letters, or anything within < and >."""
    if text[0] == "<":
        name, _, rest = text[1:].partition(">")
        if len(name) < 3:
            raise ValueError
        return rest
    length = 0
    while length < len(text) and text[length].isalpha():
        length += 1
    if length < 3:
        raise ValueError
    return text[length:]


def _time(text: str, most_hours: int) -> tuple[int, str]:
    """Seconds of [+-]hh[:mm[:ss]], and what follows it."""
    sign = -1 if text[0] == "-" else 1
    at = 1 if text[0] in "+-" else 0
    end = at
    while end < len(text) and (text[end].isdigit() or text[end] == ":"):
        end += 1
    numbers = [int(part) for part in text[at:end].split(":")]
    if len(numbers) > 3 or numbers[0] > most_hours or max(numbers[1:] or [0]) > 59:
        raise ValueError
    seconds = 0
    for number, unit in zip(numbers, (3600, 60, 1)):
        seconds += number * unit
    return sign * seconds, text[end:]


def _change(text: str) -> tuple[int, int, int, int]:
    """Month, week (5: the last), weekday (0 Sunday) and second of Mm.w.d[/time]."""
    day, slash, time = text.partition("/")
    second, rest = _time(time, 167) if slash else (7200, "")
    month, week, weekday_ = [int(part) for part in day[1:].split(".")]
    if day[0] != "M" or rest or not (1 <= month <= 12 and 1 <= week <= 5 and 0 <= weekday_ <= 6):
        raise ValueError
    return month, week, weekday_, second

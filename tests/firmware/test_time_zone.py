"""Local time by POSIX rules, compared with Python's zoneinfo over twenty years."""

import os
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firmware.time_zone import Zone, ZoneError, date_of, days_since_1970, weekday

DOSE = int(os.environ.get("MEETHUB_DOSE", "1"))
# The rule that the time zone database itself gives for the years to come (the last line of each file).
RULES = {
    "Europe/Amsterdam": "CET-1CEST,M3.5.0,M10.5.0/3",
    "Europe/London": "GMT0BST,M3.5.0/1,M10.5.0",
    "America/New_York": "EST5EDT,M3.2.0,M11.1.0",
    "Australia/Sydney": "AEST-10AEDT,M10.1.0,M4.1.0/3",
    "Pacific/Chatham": "<+1245>-12:45<+1345>,M9.5.0/2:45,M4.1.0/3:45",
    "Asia/Kolkata": "IST-5:30",
    "America/Curacao": "AST4",
    "Europe/Dublin": "IST-1GMT0,M10.5.0,M3.5.0/1",
}
FROM, TO = datetime(2020, 1, 1, tzinfo=UTC), datetime(2041, 1, 1, tzinfo=UTC)


def expected(name: str, utc_s: int) -> int:
    offset = datetime.fromtimestamp(utc_s, ZoneInfo(name)).utcoffset()
    assert offset is not None
    return int(offset.total_seconds())


@pytest.mark.parametrize("name", RULES)
def test_every_change_of_twenty_years_to_the_second(name) -> None:
    zone, hour = Zone(RULES[name]), int(FROM.timestamp())
    changes, before = 0, expected(name, hour)
    while hour < TO.timestamp():
        after = expected(name, hour)
        assert zone.ahead_s(hour) == after
        if after != before:
            changes += 1
            low, high = hour - 21600, hour
            while high - low > 1:
                middle = (low + high) // 2
                low, high = (middle, high) if expected(name, middle) == before else (low, middle)
            assert (zone.ahead_s(low), zone.ahead_s(high)) == (before, after)
        hour, before = hour + 21600, after
    assert changes == (0 if "," not in RULES[name] else 42)


@settings(max_examples=200 * DOSE, deadline=None)
@given(st.sampled_from(sorted(RULES)), st.integers(int(FROM.timestamp()), int(TO.timestamp())))
def test_any_second(name, utc_s) -> None:
    assert Zone(RULES[name]).ahead_s(utc_s) == expected(name, utc_s)


@pytest.mark.parametrize("time", [-1, 25, 48])
def test_a_change_on_another_day_than_the_rule_names(time) -> None:
    """Hours from -167 to 167 (RFC 8536): the night before, the day after."""
    zone = Zone(f"<-02>2<-01>,M3.5.0/{time},M10.5.0/{time}")
    change = datetime(2026, 3, 29, tzinfo=UTC) + timedelta(hours=2 + time)
    assert zone.ahead_s(int(change.timestamp()) - 1) == -7200
    assert zone.ahead_s(int(change.timestamp())) == -3600


@pytest.mark.parametrize(
    "rule",
    [
        "", "C", "CE-1", "CET", "CET-", "CET-1CEST", "CET-1CEST,M3.5.0", "CET-25", "CET-1:60", "CET-1:1:1:1", "<CET-1",
        "<>-1", "CET-1CEST,M13.5.0,M10.5.0", "CET-1CEST,M3.6.0,M10.5.0", "CET-1CEST,M3.5.7,M10.5.0",
        "CET-1CEST,J60,J300", "CET-1CEST,M3.5.0/,M10.5.0", "CET-1CEST,M3.5.0/168,M10.5.0", "CET-1CEST,M3.5.0/2x,M10.5.0",
        "CET-1CEST,M3.5.0,M10.5.0,M1.1.1", "CET-1,M3.5.0,M10.5.0", "CET-1CEST-2x,M3.5.0,M10.5.0", "Europe/Amsterdam",
    ],
)  # fmt: skip
def test_what_is_no_rule(rule) -> None:
    with pytest.raises(ZoneError, match="zone-rule"):
        Zone(rule)


@settings(max_examples=500 * DOSE, deadline=None)
@given(st.text(max_size=40) | st.text("CEST-+0123456789,M./:<>J", max_size=30))
def test_any_text_is_a_rule_or_refused(text) -> None:
    try:
        zone = Zone(text)
    except ZoneError:
        return
    assert -30 * 3600 <= zone.ahead_s(1_800_000_000) <= 30 * 3600


@settings(max_examples=500 * DOSE, deadline=None)
@given(st.dates())
def test_the_calendar(day: date) -> None:
    days = days_since_1970(day.year, day.month, day.day)
    assert days == (day - date(1970, 1, 1)).days
    assert date_of(days) == (day.year, day.month, day.day)
    assert weekday(days) == day.isoweekday()

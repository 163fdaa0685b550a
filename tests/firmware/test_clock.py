"""Time since boot over the turns of a board's counter, and which word on the wall time counts."""

import os
from datetime import datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firmware.clock import EARLIEST_MS, LATEST_MS, Clock
from firmware.config import ZONE
from firmware.time_zone import Zone
from gateway.wire.measurement import Moment, moment_from_wire

DOSE = int(os.environ.get("MEETHUB_DOSE", "1"))
TURN_MS = 1 << 30  # of an ESP32's ticks_ms
HOUR_MS = 3600 * 1000
NOW_MS = 1_800_000_000_000
AMSTERDAM = ZoneInfo("Europe/Amsterdam")


class Counter:
    """A board's counter: milliseconds since power came, that begin again after TURN_MS."""

    def __init__(self, now: int = 0) -> None:
        self.now = now

    def __call__(self) -> int:
        return self.now % TURN_MS


def made(counter: Counter) -> Clock:
    return Clock(Zone(ZONE), counter, TURN_MS - 1)


@pytest.fixture
def counter() -> Counter:
    return Counter()


@pytest.fixture
def clock(counter) -> Clock:
    return made(counter)


def said(moment: Moment) -> tuple[int | None, str]:
    """A moment as the wire takes it; a clock never gives one that it does not."""
    moment_from_wire(moment.wire())
    return moment.wall_ms, moment.quality


def test_each_boot_has_a_name_of_its_own() -> None:
    assert len({made(Counter()).boot for _ in range(50)}) == 50
    assert len(made(Counter()).boot) == 8


@pytest.mark.parametrize("every_ms", [1000, HOUR_MS, TURN_MS // 2, TURN_MS - 1])
def test_time_since_boot_goes_on_over_many_turns(every_ms, counter, clock) -> None:
    """A second apart, as the hub asks; an hour; and the longest that is allowed."""
    steps = max(20, 3 * TURN_MS // every_ms) if every_ms > 1000 else 5000
    if every_ms == 1000:
        counter.now = TURN_MS - 2_000_000
        clock.mono_ms()
    for _ in range(steps):
        counter.now += every_ms
        assert clock.mono_ms() == counter.now
    assert counter.now > TURN_MS


@settings(max_examples=100 * DOSE, deadline=None)
@given(st.integers(0, TURN_MS - 1), st.lists(st.integers(0, TURN_MS - 1), max_size=30))
def test_any_steps(start, steps) -> None:
    counter = Counter(start)
    clock = made(counter)
    for step in steps:
        counter.now += step
        assert clock.mono_ms() == counter.now


def test_no_wall_time_while_nobody_told_it(clock, counter) -> None:
    assert said(clock.now()) == (None, "none")
    counter.now = 5 * 86_400_000
    assert said(clock.now()) == (None, "none")
    assert clock.wall() is None


def test_the_bridges_word_and_then_an_ntp_servers(clock, counter) -> None:
    clock.anchor(NOW_MS)
    counter.now += 10_000
    assert said(clock.now()) == (NOW_MS + 10_000, "bridge")
    clock.set_ntp(NOW_MS + 11_000)
    assert said(clock.now()) == (NOW_MS + 11_000, "ntp")
    counter.now += 3 * TURN_MS // 4
    assert clock.wall() == NOW_MS + 11_000 + 3 * TURN_MS // 4


def test_the_newest_word_of_a_source_counts(clock) -> None:
    for tell, quality in ((clock.anchor, "bridge"), (clock.set_ntp, "ntp")):
        tell(NOW_MS)
        tell(NOW_MS + 50_000)
        assert said(clock.now()) == (NOW_MS + 50_000, quality)


@pytest.mark.parametrize("off_ms", [60_001, -60_001, 86_400_000 * 400])
def test_where_they_disagree_the_signed_one_counts(clock, off_ms) -> None:
    clock.set_ntp(NOW_MS + off_ms)
    clock.anchor(NOW_MS)
    assert said(clock.now()) == (NOW_MS, "bridge")
    clock.set_ntp(NOW_MS + off_ms)
    assert said(clock.now()) == (NOW_MS, "bridge"), "nor does it matter who spoke last"
    clock.set_ntp(NOW_MS + 60_000)
    assert said(clock.now()) == (NOW_MS + 60_000, "ntp"), "agreed again"


def test_a_word_of_the_bridge_that_is_old_is_weighed_with_what_the_counter_may_have_drifted(
    clock, counter
) -> None:
    """Thirty days without the bridge, with a crystal that is 40 parts in a million off."""
    clock.anchor(NOW_MS)
    month_ms = 30 * 86_400_000
    for _ in range(30):
        counter.now += month_ms // 30
        clock.mono_ms()
    right_ms = NOW_MS + month_ms + month_ms * 40 // 1_000_000
    clock.set_ntp(right_ms)
    assert said(clock.now()) == (right_ms, "ntp")
    clock.set_ntp(NOW_MS + month_ms + 60_000 + month_ms // 10_000 + 1000)
    assert said(clock.now()) == (NOW_MS + month_ms, "bridge")


@pytest.mark.parametrize("teller", ["anchor", "set_ntp"])
def test_an_impossible_time_is_no_word(clock, teller) -> None:
    """What a server or a board says that has forgotten: 1970, 2000, a counter that turned over."""
    tell = getattr(clock, teller)
    for wall_ms in (0, 1, 946_684_800_000, EARLIEST_MS - 1, LATEST_MS, 1 << 62, -1):
        tell(wall_ms)
        assert said(clock.now()) == (None, "none")
    tell(EARLIEST_MS)
    assert clock.wall() == EARLIEST_MS


@settings(max_examples=300 * DOSE, deadline=None)
@given(st.integers(EARLIEST_MS, 2_240_000_000_000))
def test_the_clock_on_the_wall_at_home(wall_ms) -> None:
    shown = made(Counter()).local_time(wall_ms)
    home = datetime.fromtimestamp(wall_ms / 1000, AMSTERDAM)
    assert shown.date == (home.year, home.month, home.day, home.hour, home.minute, home.second)
    assert shown.weekday == home.isoweekday()
    assert shown.offset_min * 60 == home.utcoffset().total_seconds()
    assert shown.fraction == wall_ms % 1000 * 256 // 1000

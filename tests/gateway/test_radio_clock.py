"""A device's clock: bytes to time and back, and any bytes at all."""

from datetime import datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.drivers.shared.clocks import CURRENT_TIME, DATE_TIME
from gateway.radio.clock import seconds_off, wall_time

WINTER = timezone(timedelta(hours=1))


def naive(*parts):
    return datetime(*parts)  # noqa: DTZ001 (devices know no zone)


def test_a_recorded_current_time():
    """RonanB96/bluetooth-sig-python, test_current_time.py: a Wednesday that calls itself Sunday is read."""
    assert CURRENT_TIME.read(bytes.fromhex("e9070c1f173b3b07ff06")) == "2025-12-31T23:59:59"


def test_what_is_written():
    """Worked out by hand: Sunday 2026-11-22 12:00:07.5, set from an external reference."""
    now = wall_time(datetime(2026, 11, 22, 12, 0, 7, 500_000, WINTER))
    assert [data.hex() for data in CURRENT_TIME.write(now)] == ["ea070b160c0007" + "07" + "80" + "02"]
    assert [data.hex() for data in DATE_TIME.write(now)] == ["ea070b160c0007"]
    assert now.offset_min == 60


@pytest.mark.parametrize("data", ["", "e9070c1f173b", "00000c1f173b3b", "e9070d1f173b3b", "e90702 1e000000"])
def test_no_time(data):
    assert CURRENT_TIME.read(bytes.fromhex(data)) is None


@given(st.binary(max_size=12))
def test_any_bytes_give_a_time_or_none(data):
    shows = CURRENT_TIME.read(data)
    assert shows is None or datetime.fromisoformat(shows).tzinfo is None


@given(st.datetimes(min_value=naive(1600, 1, 1)), st.sampled_from([CURRENT_TIME, DATE_TIME]))
def test_what_is_written_can_be_read(moment, clock):
    (data,) = clock.write(wall_time(moment.replace(tzinfo=WINTER)))
    assert clock.read(data) == moment.isoformat(timespec="seconds")


def test_off_either_way():
    assert seconds_off(naive(2026, 1, 1), naive(2026, 1, 1, 0, 1)) == 60
    assert seconds_off(naive(2026, 1, 1, 0, 1), naive(2026, 1, 1)) == 60

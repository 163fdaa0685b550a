"""A device's clock: bytes to time and back, and any bytes at all."""

from contextlib import suppress
from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.radio.clock import CURRENT_TIME, DATE_TIME, ClockError, clock_bytes, read_clock, seconds_off


def naive(*parts):
    return datetime(*parts)  # noqa: DTZ001 (devices know no zone)


def test_a_recorded_current_time():
    """RonanB96/bluetooth-sig-python, test_current_time.py: a Wednesday that calls itself Sunday is read."""
    assert read_clock(bytes.fromhex("e9070c1f173b3b07ff06")) == naive(2025, 12, 31, 23, 59, 59)


def test_what_is_written():
    """Worked out by hand: Sunday 2026-11-22 12:00:07.5, set from an external reference."""
    moment = naive(2026, 11, 22, 12, 0, 7, 500_000)
    assert clock_bytes(CURRENT_TIME, moment).hex() == "ea070b160c0007" + "07" + "80" + "02"
    assert clock_bytes(DATE_TIME, moment).hex() == "ea070b160c0007"


@pytest.mark.parametrize("data", ["", "e9070c1f173b", "00000c1f173b3b", "e9070d1f173b3b", "e90702 1e000000"])
def test_no_time(data):
    with pytest.raises(ClockError, match="clock-unreadable"):
        read_clock(bytes.fromhex(data))


@given(st.binary(max_size=12))
def test_any_bytes_give_a_time_or_the_error(data):
    with suppress(ClockError):
        assert read_clock(data).tzinfo is None


@given(st.datetimes(), st.sampled_from([CURRENT_TIME, DATE_TIME]))
def test_what_is_written_can_be_read(moment, characteristic):
    assert read_clock(clock_bytes(characteristic, moment)) == moment.replace(microsecond=0)


def test_off_either_way():
    assert seconds_off(naive(2026, 1, 1), naive(2026, 1, 1, 0, 1)) == 60
    assert seconds_off(naive(2026, 1, 1, 0, 1), naive(2026, 1, 1)) == 60

"""The clocks of devices: what is read of them and what is written to set them."""

from device_bytes import date_time, le

from gateway.drivers.shared.clocks import CONTOUR_CLOCK, CURRENT_TIME, DATE_TIME, ISENS_CLOCK, WallTime

# A Sunday in summer, half past one at night; in UTC it is still Saturday.
NOW = WallTime((2026, 7, 5, 1, 30, 9), 7, 128, 120)
BYTES = date_time(2026, 7, 5, 1, 30, 9)


def test_what_a_clock_says():
    for clock in (CURRENT_TIME, DATE_TIME):
        assert clock.readable
        assert clock.read(BYTES + b"\x09\x00\x00") == "2026-07-05T01:30:09"
        assert clock.read(date_time(0, 7, 5)) is None
        assert clock.read(BYTES[:6]) is None


def test_what_sets_a_clock():
    assert (DATE_TIME.characteristic, DATE_TIME.write(NOW)) == ("2a08", [BYTES])
    assert (CURRENT_TIME.characteristic, CURRENT_TIME.write(NOW)) == ("2a2b", [BYTES + b"\x07\x80\x02"])


def test_contour_is_set_in_utc():
    assert not CONTOUR_CLOCK.readable
    assert CONTOUR_CLOCK.write(NOW) == [b"\x01" + date_time(2026, 7, 4, 23, 30, 9) + le(120, 2)]
    west = WallTime((2026, 12, 31, 20, 0, 0), 4, 0, -300)
    assert CONTOUR_CLOCK.write(west) == [b"\x01" + date_time(2027, 1, 1, 1, 0, 0) + b"\xd4\xfe"]


def test_isens_is_set_twice():
    assert (ISENS_CLOCK.characteristic, ISENS_CLOCK.readable) == ("fff1", False)
    assert ISENS_CLOCK.write(NOW) == [b"\xc0\x03\x01\x00" + BYTES] * 2

"""When a reading was measured, told from what device, hub and bridge said."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloud_bridge import placing
from cloud_bridge.measured import Interval
from cloud_bridge.placing import CAPTURE, CLOCK, DEVICE, NONE, Placed, Told, device_seconds, place
from gateway.wire.items import DeviceClock
from gateway.wire.measurement import Moment

NOW = 1_800_000_000_000  # 2027-01-15T09:00:00 in Amsterdam
MINUTE, HOUR, DAY = 60_000, 3_600_000, 86_400_000
BOOT = b"boot-one"


def moment(mono_ms=100_000, wall_ms=NOW, quality="ntp", boot=BOOT):
    return Moment(boot, mono_ms, wall_ms, quality)


def exactly(ms):
    return Interval(ms, ms)


def clock(shown, mono_ms=100_000):
    return DeviceClock(shown, mono_ms, written=False)


@pytest.mark.parametrize(
    ("capture", "sealed", "bounds", "expected"),
    [
        (moment(), None, None, exactly(NOW)),
        (moment(quality="rtc"), None, None, exactly(NOW)),
        (moment(quality="bridge"), None, None, exactly(NOW)),
        # The hub's clock is ahead of the bridge's by up to a minute: arrival bounds it. By more: not used.
        (moment(wall_ms=NOW + MINUTE + 60_000), None, None, exactly(NOW + MINUTE)),
        (moment(wall_ms=NOW + MINUTE + 60_001), None, None, Interval(0, NOW + MINUTE)),
        (moment(quality="none"), None, None, Interval(0, NOW + MINUTE)),
        (moment(quality="device"), None, None, Interval(0, NOW + MINUTE)),
        (moment(wall_ms=5000), None, None, Interval(0, NOW + MINUTE)),  # 1970
        (moment(wall_ms=None), None, Interval(NOW - HOUR, NOW + HOUR), Interval(NOW - HOUR, NOW + MINUTE)),
        (moment(wall_ms=None), None, Interval(NOW - HOUR, NOW - MINUTE), Interval(NOW - HOUR, NOW - MINUTE)),
        # Sealed in the same boot: what the wall clock said then, or at least how old it was when sealed.
        (moment(wall_ms=None), moment(130_000, NOW + 30_000), None, exactly(NOW)),
        (moment(wall_ms=None), moment(130_000, None), None, Interval(0, NOW + 30_000)),
        (moment(wall_ms=None), moment(130_000, NOW, boot=b"boot-two"), None, Interval(0, NOW + MINUTE)),
        (moment(wall_ms=None), None, Interval(NOW + DAY, NOW - DAY), exactly(NOW - DAY)),
    ],
)
def test_when_a_record_was_captured(capture, sealed, bounds, expected):
    assert placing.captured(capture, sealed, NOW + MINUTE, bounds) == expected


LOCAL_NINE = "2027-01-15T09:00:00"
CAPTURED = exactly(NOW)


@pytest.mark.parametrize(
    ("own", "device_clock", "told", "expected"),
    [
        # The device offers its clock: own time + what it is off, whatever its clock says.
        ("2027-01-15T08:58:00", clock(LOCAL_NINE), {}, (exactly(NOW - 2 * MINUTE), CLOCK)),
        ("2020-01-01T00:01:00", clock("2020-01-01T00:03:00"), {}, (exactly(NOW - 2 * MINUTE), CLOCK)),
        ("1970-01-25T17:42:33", clock("1970-01-25T17:43:33"), {}, (exactly(NOW - MINUTE), CLOCK)),
        ("2031-05-05T12:00:00", clock("2031-05-05T12:00:10"), {}, (exactly(NOW - 10_000), CLOCK)),
        # Read 40 s before the capture.
        ("2027-01-15T09:00:30", clock(LOCAL_NINE, 60_000), {}, (exactly(NOW - 10_000), CLOCK)),
        # Own time before the clock's last step: mapped by what the clock showed before that, when known.
        ("2027-01-10T12:00:00", clock(LOCAL_NINE), {"timeline_from": device_seconds("2027-01-14T00:00:00")},
         (exactly(NOW - 4 * DAY - 21 * HOUR), DEVICE)),
        ("2027-01-10T12:00:00", clock(LOCAL_NINE),
         {"timeline_from": device_seconds("2027-01-14T00:00:00"),
          "before": (device_seconds("2027-01-10T12:10:00"), exactly(NOW - 5 * DAY))},
         (exactly(NOW - 5 * DAY - 10 * MINUTE), CLOCK)),
        # The clock was set right after this record was made with an unset one.
        ("2020-01-01T00:01:00", clock(LOCAL_NINE), {}, (Interval(0, NOW), NONE)),
        # Later than the device's own clock now, which restarted: its time was right when it was made.
        ("2027-01-15T08:00:00", clock("2020-01-01T00:05:00"), {}, (exactly(NOW - HOUR), DEVICE)),
        # No clock offered: local time in the Netherlands, where that can be.
        ("2027-01-15T08:00:00", None, {}, (exactly(NOW - HOUR), DEVICE)),
        ("2026-07-15T12:00:00", None, {}, (exactly(1_784_109_600_000), DEVICE)),
        ("2026-10-25T02:30:00", None, {}, (Interval(1_792_888_200_000, 1_792_891_800_000), DEVICE)),
        ("2027-01-15T09:01:00", None, {}, (exactly(NOW), DEVICE)),  # a minute fast: never after its capture
        ("2027-01-15T09:30:00", None, {}, (Interval(0, NOW), NONE)),  # the future
        ("1970-01-01T00:10:00", None, {}, (Interval(0, NOW), NONE)),
        ("2000-01-01T00:10:00", None, {}, (Interval(0, NOW), NONE)),
        ("2015-01-05T00:10:00", None, {}, (Interval(0, NOW), NONE)),
        ("2021-01-20T00:10:00", None, {}, (Interval(0, NOW), NONE)),
        ("2027-01-05T00:10:00", None, {}, (exactly(1_799_104_200_000), DEVICE)),  # a January like any other
        ("9999-12-31T23:59:59", None, {}, (Interval(0, NOW), NONE)),
        ("0001-01-01T00:00:00", None, {}, (Interval(0, NOW), NONE)),
        ("2027-01-15T08:00:00", None, {"ran_back": True}, (Interval(0, NOW), NONE)),
        # No time of its own.
        (None, None, {"live": True}, (CAPTURED, CAPTURE)),
        (None, clock(LOCAL_NINE), {"live": True}, (CAPTURED, CAPTURE)),
        (None, None, {"live": False}, (Interval(0, NOW), NONE)),
        ("2027-01-15T08:00:00", clock("no time"), {}, (exactly(NOW - HOUR), DEVICE)),
    ],
)  # fmt: skip
def test_where_a_record_stands_in_time(own, device_clock, told, expected):
    told = {"live": False} | told
    placed = place(Told(device_seconds(own), device_clock, **told), moment(), CAPTURED)
    assert (placed.interval, placed.by) == expected


def test_the_doubt_about_the_capture_stays_in_the_result():
    when = Interval(NOW - 5 * MINUTE, NOW)
    told = Told(device_seconds("2027-01-15T08:58:00"), clock(LOCAL_NINE), live=False)
    assert place(told, moment(), when).interval == Interval(NOW - 7 * MINUTE, NOW - 2 * MINUTE)


@pytest.mark.parametrize(("doubt_ms", "known"), [(0, True), (DAY, True), (DAY + 1, False)])
def test_more_than_a_day_of_doubt_is_for_the_citizen(doubt_ms, known):
    assert Placed(Interval(NOW, NOW + doubt_ms), DEVICE).known is known


@pytest.mark.parametrize(("age_ms", "late"), [(0, False), (DAY, False), (DAY + 1, True)])
def test_nagekomen_is_more_than_a_day_old_on_arrival(age_ms, late):
    assert placing.is_late(Interval(NOW - age_ms - HOUR, NOW - age_ms), NOW) is late


@given(
    st.integers(-(2**62), 2**62),
    st.integers(0, 2**64 - 1),
    st.one_of(st.none(), st.integers(0, 2**64 - 1)),
    st.sampled_from(["none", "device", "rtc", "ntp", "bridge"]),
    st.one_of(st.none(), st.datetimes().map(lambda moment: moment.isoformat(timespec="seconds"))),
    st.one_of(st.none(), st.text(max_size=20), st.datetimes().map(lambda one: one.isoformat()[:19])),
    st.booleans(),
)
def test_whatever_is_said_it_is_never_later_than_arrival(before, mono_ms, wall_ms, quality, own, shown, live):
    capture = Moment(BOOT, mono_ms, wall_ms, quality)
    when = placing.captured(capture, None, NOW, Interval(0, max(0, min(NOW, before))))
    device_clock = None if shown is None else DeviceClock(shown, abs(before), written=False)
    placed = place(Told(device_seconds(own), device_clock, live=live), capture, when)
    assert 0 <= placed.interval.low_ms <= placed.interval.high_ms <= NOW

"""When something was measured: an interval, told from what device, hub and bridge said. Pure rules.

Decision 0006. Never later than arrival, never 1970: what cannot be placed within a day is held for
the citizen to place. Times are ms UTC; a device's own clock is local time without a zone, in seconds.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from cloud_bridge.measured import Interval
from gateway.wire.items import DeviceClock
from gateway.wire.measurement import Moment

ZONE = ZoneInfo("Europe/Amsterdam")
_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 (a device's clock has no zone)
SECOND_MS, MINUTE_MS, DAY_MS = 1000, 60_000, 86_400_000
AGREE_MS = 60_000
TRUSTED = ("rtc", "ntp", "bridge")
_LAST_MS = 250_000_000_000_000  # year 9892: still within what calendars here can count
# No device we read was made before this; an earlier time is a clock that was never set.
_FIRST_YEAR = 2010
# Where clocks of home devices restart after a battery change; a month from there may be such a clock.
_RESTART_YEARS = (2010, 2012, 2015, 2018, 2019, 2020, 2021)
_RESTART_SPAN = timedelta(days=31)

CLOCK, CAPTURE, DEVICE, NONE = "device-clock", "capture", "device-time", "none"
CITIZEN = "citizen"


@dataclass(frozen=True)
class Placed:
    """When it was measured, and how that is known.

    by: device-clock (own time and its offset), device-time (own time as local time), capture (it was measured
    while the hub listened), citizen (who placed it) or none (only that it was before its capture).
    """

    interval: Interval
    by: str

    @property
    def known(self) -> bool:
        """At most 24 hours of doubt; otherwise the citizen is asked."""
        return self.interval.high_ms - self.interval.low_ms <= DAY_MS


def device_seconds(text: str | None) -> int | None:
    """A device's own time ("YYYY-MM-DDTHH:MM:SS") as a count of seconds; None when there is none."""
    if text is None:
        return None
    try:
        own = datetime.strptime(text, "%Y-%m-%dT%H:%M:%S")  # noqa: DTZ007 (a device's clock has no zone)
    except ValueError:
        return None
    return int((own - _EPOCH).total_seconds())


def local_seconds(ms: int) -> int:
    """What a right device clock in the Netherlands shows at this moment, as `device_seconds` counts."""
    ms = min(ms, _LAST_MS)
    local = datetime.fromtimestamp(ms // SECOND_MS, UTC).astimezone(ZONE).replace(tzinfo=None)
    return int((local - _EPOCH).total_seconds())


def local_interval(own: int) -> Interval:
    """When a Dutch clock shows this second: twice in the hour that summer time ends, so an hour of doubt."""
    local = _EPOCH + timedelta(seconds=own)
    moments = [int(local.replace(tzinfo=ZONE, fold=fold).timestamp()) * SECOND_MS for fold in (0, 1)]
    return Interval(min(moments), max(moments))


def captured(
    capture: Moment, sealed: Moment | None, arrived_ms: int, bounds: Interval | None = None
) -> Interval:
    """When the hub got a record.

    capture, sealed: as the envelope says (sealed None for a newer form); arrived_ms: bridge time. bounds:
    what the envelopes before and after it in the chain allow. The hub's wall clock counts only when it is of
    a trusted kind and does not contradict the bridge's by more than 60 s.
    """
    age = 0
    if sealed is not None and sealed.boot == capture.boot:
        age = max(0, sealed.mono_ms - capture.mono_ms)
    wall = _wall(capture, arrived_ms)
    if wall is None and age and sealed is not None:
        then = _wall(sealed, arrived_ms)
        wall = None if then is None else then - age
    if wall is not None:
        wall = min(wall, arrived_ms)
        return Interval(wall, wall)
    low = bounds.low_ms if bounds else 0
    high = min(arrived_ms - age, bounds.high_ms) if bounds else arrived_ms - age
    return Interval(min(low, high), high)


def _wall(moment: Moment, arrived_ms: int) -> int | None:
    if moment.wall_ms is None or moment.quality not in TRUSTED:
        return None
    if moment.wall_ms > arrived_ms + AGREE_MS or _year(moment.wall_ms) < _FIRST_YEAR:
        return None
    return moment.wall_ms


def _year(ms: int) -> int:
    return datetime.fromtimestamp(ms // SECOND_MS, UTC).year


@dataclass(frozen=True)
class Told:
    """What device and ledger know of a record's time.

    own: the device's own time of it; clock: what the device's clock said at its capture; live: it was
    measured while the hub listened. timeline_from: the device's clock has run without a step from this own
    time on; what lies before it belongs to another setting of that clock. before: what the clock showed when,
    last before that step. ran_back: there is no clock to compare with, and this own time comes from one that
    ran back.
    """

    own: int | None
    clock: DeviceClock | None
    live: bool
    timeline_from: int | None = None
    before: tuple[int, Interval] | None = None
    ran_back: bool = False


def place(told: Told, capture: Moment, when: Interval) -> Placed:
    """When a record was measured that was captured at this moment, and `when` in bridge time."""
    if told.own is not None:
        placed = _by_clock(told, told.own, capture, when)
        if placed is not None:
            return placed
        if not told.ran_back and _plausible(told.own, when):
            return Placed(_not_after(local_interval(told.own), when.high_ms), DEVICE)
    elif told.live:
        return Placed(when, CAPTURE)
    return Placed(Interval(0, when.high_ms), NONE)


def _by_clock(told: Told, own: int, capture: Moment, when: Interval) -> Placed | None:
    """Own time + (true time - device time at one moment), where both times come from one running clock."""
    shown = device_seconds(told.clock.device_time) if told.clock else None
    if told.clock is None or shown is None:
        return None
    since_clock_ms = capture.mono_ms - told.clock.mono_ms
    later = own * SECOND_MS > shown * SECOND_MS + since_clock_ms + MINUTE_MS
    if not later and own >= (own if told.timeline_from is None else told.timeline_from):
        return _by_offset(own, shown, _shifted(when, -since_clock_ms), when)
    if told.before is not None:
        return _by_offset(own, *told.before, when)
    return None


def _by_offset(own: int, shown: int, then: Interval, when: Interval) -> Placed | None:
    interval = _shifted(then, (own - shown) * SECOND_MS)
    if not _plausible(local_seconds(interval.low_ms), when):
        return None  # the clock is right by now, and this record was made before it was set
    return Placed(_not_after(interval, when.high_ms), CLOCK)


def _shifted(interval: Interval, by_ms: int) -> Interval:
    return Interval(max(0, interval.low_ms + by_ms), max(0, interval.high_ms + by_ms))


def _plausible(own: int, when: Interval) -> bool:
    """Whether a device's own time can be the true local time: past, and not where clocks restart."""
    try:
        local = _EPOCH + timedelta(seconds=own)
    except OverflowError:
        return False
    if local.year < _FIRST_YEAR or local_interval(own).low_ms > when.high_ms + 2 * MINUTE_MS:
        return False
    start = datetime(local.year, 1, 1)  # noqa: DTZ001 (a device's clock has no zone)
    return local.year not in _RESTART_YEARS or local - start > _RESTART_SPAN


def _not_after(interval: Interval, high_ms: int) -> Interval:
    return Interval(min(interval.low_ms, high_ms), min(interval.high_ms, high_ms))


def is_late(placed: Interval, arrived_ms: int) -> bool:
    """More than 24 hours old on arrival ("nagekomen"): it never counts as current."""
    return arrived_ms - placed.high_ms > DAY_MS

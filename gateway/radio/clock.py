"""The clock of a device that is here: read, and set where it is far enough off.

How a clock is coded is the driver's knowledge (gateway/drivers/shared/clocks.py).
"""

from datetime import datetime, timedelta

import structlog

from gateway.drivers.base import Driver
from gateway.drivers.shared.clocks import Clock, WallTime
from gateway.hub.visit import Visit
from gateway.radio.base import HubTime, Line, RadioError, maybe
from gateway.wire.items import DeviceClock

TOLERANCE_S = 60
log = structlog.get_logger()


class ClockKeeper:
    """Of one device's clock. problem: why it could not be set at this visit."""

    def __init__(self, line: Line, driver: type[Driver], time: HubTime) -> None:
        self.problem: RadioError | None = None
        self._line = line
        self._driver = driver
        self._time = time

    def _clock(self) -> Clock | None:
        """The first of the clocks that such devices have which this one has."""
        return next((clock for clock in self._driver.clocks if self._line.has(clock.characteristic)), None)

    async def read(self) -> DeviceClock | None:
        """What the device's clock says, and when it said so."""
        clock = self._clock()
        if clock is None or not clock.readable:
            return None
        before = self._time.mono_ms()
        data = await maybe(self._line, clock.characteristic)
        after = self._time.mono_ms()
        shows = clock.read(data or b"")
        return None if shows is None else DeviceClock(shows, (before + after) // 2, written=False)

    async def set(self, visit: Visit) -> None:
        """Sets a clock that is more than 60 s off, where nothing stored moves with it, and reads it back."""
        clock, now = self._clock(), self._time.at_home()
        if clock is None or now is None or self._driver.clock_moves_records:
            return
        shown = visit.clock
        if not (clock.readable if shown is None else self._is_off(shown, now)):
            return  # right, or nobody knows
        self.problem = RadioError("clock-not-set")
        try:
            for data in clock.write(wall_time(now)):
                await self._line.write(clock.characteristic, data)
            visit.clock = shown and DeviceClock(shown.device_time, shown.mono_ms, written=True)
            after = await self.read()
        except RadioError as error:
            self.problem = RadioError("clock-not-set", error.code)
            after = None
        # One that cannot be read back shows at the next visit whether it took the time.
        if not clock.readable or (after is not None and not self._is_off(after, now)):
            self.problem = None
        log.info("clock-not-set" if self.problem else "clock-set", driver=self._driver.name)

    def _is_off(self, clock: DeviceClock, now: datetime) -> bool:
        elapsed = timedelta(milliseconds=self._time.mono_ms() - clock.mono_ms)
        shows_now = datetime.fromisoformat(clock.device_time) + elapsed
        return seconds_off(shows_now, now.replace(tzinfo=None)) > TOLERANCE_S


def wall_time(moment: datetime) -> WallTime:
    """An aware moment of the home as a clock is set to it."""
    offset = moment.utcoffset()
    assert offset is not None
    date = (moment.year, moment.month, moment.day, moment.hour, moment.minute, moment.second)
    fraction = moment.microsecond * 256 // 1_000_000
    return WallTime(date, moment.isoweekday(), fraction, int(offset.total_seconds()) // 60)


def seconds_off(device_time: datetime, wall: datetime) -> float:
    """How far a device's clock is from the local wall time, either way; both without zone."""
    return abs((device_time - wall).total_seconds())

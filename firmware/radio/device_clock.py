"""The clock of a device that is here: read, and set where it is far enough off.

The same rules as gateway/radio/clock.py; how a clock is coded is the driver's knowledge.
"""

from firmware.radio.base import RadioError
from firmware.radio.line import Line
from gateway.drivers.shared.clocks import Clock
from gateway.drivers.shared.fields import date_text
from gateway.drivers.shared.later import seconds_at
from gateway.hub.events import log
from gateway.hub.visit import Visit
from gateway.wire.items import DeviceClock

TYPE_CHECKING = False
if TYPE_CHECKING:
    from firmware.radio.given import HubClock

_TOLERANCE_S = 60


def _clock(line: Line) -> Clock | None:
    """The first of the clocks that such devices have which this one has."""
    for clock in line.device.driver.clocks:
        if line.has(clock.characteristic):
            return clock
    return None


async def read(line: Line, hub: "HubClock") -> DeviceClock | None:
    """What the device's clock says, and when it said so."""
    clock = _clock(line)
    if clock is None or not clock.readable:
        return None
    before = hub.mono_ms()
    data = await line.maybe(clock.characteristic)
    after = hub.mono_ms()
    shows = clock.read(data or b"")
    return None if shows is None else DeviceClock(shows, (before + after) // 2, written=False)


async def set_right(line: Line, visit: Visit, hub: "HubClock") -> None:
    """Sets a clock that is more than 60 s off, where nothing stored moves with it, and reads it back.

    hub: the hub's clock (firmware.clock.Clock).
    """
    clock, wall_ms, device = _clock(line), hub.wall(), line.device
    if clock is None or wall_ms is None or device.driver.clock_moves_records:
        return
    shown = visit.clock
    if not (clock.readable if shown is None else _is_off(shown, hub, wall_ms)):
        return  # right, or nobody knows
    problem = ""
    try:
        for data in clock.write(hub.local_time(hub.wall() or wall_ms)):
            await line.write(clock.characteristic, data)
        visit.clock = shown and DeviceClock(shown.device_time, shown.mono_ms, written=True)
        after = await read(line, hub)
        # One that cannot be read back shows at the next visit whether it took the time.
        if clock.readable and (after is None or _is_off(after, hub, wall_ms)):
            problem = "clock-not-set"
    except RadioError:
        problem = "clock-not-set"
    device.clock_problem = problem
    log.info(problem or "clock-set", driver=device.driver.name)


def _is_off(clock: DeviceClock, hub: "HubClock", wall_ms: int) -> bool:
    passed_s = (hub.mono_ms() - clock.mono_ms) // 1000
    now = date_text(*hub.local_time(hub.wall() or wall_ms).date) or ""
    return abs(seconds_at(clock.device_time) + passed_s - seconds_at(now)) > _TOLERANCE_S

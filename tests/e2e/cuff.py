"""A blood pressure monitor beside a hub, as its radio would report it: a memory and a clock of its own.

Its bytes are made by the simulator's own encoder. For stories in which time is moved on by the test; where the
radio itself matters the virtual meter of the simulator is used instead.
"""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from gateway.drivers.blood_pressure import BloodPressure
from gateway.hub.visit import Visit
from gateway.simulator.devices.blood_pressure_monitor import measurement
from gateway.simulator.meter_memory import CLOCK_AFTER_BATTERY
from gateway.wire.items import DeviceClock
from gateway.wire.measurement import Device
from tests.e2e.gateways import Gateway, Time

HOME = ZoneInfo("Europe/Amsterdam")
CUFF = "F0:5A:01:00:00:01"
PANEL, PULSE = "85354-9", "8867-4"
# What stands at a receiver: code, values, effective time in ms.
Observed = tuple[str, tuple[str | None, ...], int]


@dataclass(frozen=True)
class Measured:
    """What one measurement truly was: when, and every number the device showed."""

    true_ms: int
    pressures: tuple[int, int, int]
    pulse: int | None
    user: int | None
    data: bytes

    def observed(self) -> list[Observed]:
        """The Observations that a receiver must end up with, one of each."""
        panel = (PANEL, tuple(str(number) for number in self.pressures), self.true_ms)
        return [panel] if self.pulse is None else [panel, (PULSE, (str(self.pulse),), self.true_ms)]


@dataclass
class Cuff:
    """A meter that keeps its records (keeps_memory) or forgets what was confirmed."""

    time: Time
    identity: str = CUFF
    offers_clock: bool = True
    keeps_memory: bool = True
    memory: list[Measured] = field(default_factory=list)
    truth: list[Measured] = field(default_factory=list)
    _offset: timedelta = timedelta()

    def clock(self) -> datetime:
        """What its own clock shows: local time without a zone, as far as it is right."""
        local = datetime.fromtimestamp(self.time.now_ms / 1000, UTC).astimezone(HOME).replace(tzinfo=None)
        return local + self._offset

    def set_clock(self, shown: datetime) -> None:
        self._offset += shown - self.clock()

    def change_battery(self) -> None:
        """The records stay, the clock restarts."""
        self.set_clock(CLOCK_AFTER_BATTERY)

    def measure(
        self,
        pressures: tuple[int, int, int] | None = None,
        *,
        pulse: int | None = None,
        user: int | None = None,
    ) -> Measured:
        """Somebody measures; without numbers given each measurement has its own."""
        number = len(self.truth)
        shown = pressures or (90 + number % 100, 50 + number // 100 % 40, 70 + number % 7)
        data = measurement(shown, self.clock(), pulse, user, None)
        made = Measured(self.time.now_ms, shown, pulse, user, data)
        self.truth.append(made)
        self.memory.append(made)
        return made

    def measure_some(self, count: int, every_s: int = 60) -> list[Measured]:
        """One after the other, so far apart; time has passed after the last as well."""
        made = []
        for _ in range(count):
            made.append(self.measure())
            self.time.pass_s(every_s)
        return made

    def visit(self, gateway: Gateway) -> None:
        """Connects, tells all it remembers, oldest first, has its clock set when it is a minute off, leaves."""
        visit = Visit(Device(self.identity, "Meethub", "BP-SIM"), BloodPressure)
        if self.offers_clock:
            mono_ms = gateway.clock.mono_ms()
            visit.clock = DeviceClock(self.clock().isoformat(timespec="seconds"), mono_ms, written=False)
        gateway.hub.visits.opened(visit)
        for record in list(self.memory):
            gateway.hub.visits.received(visit, "2a35", record.data)
            if not self.keeps_memory:
                self.memory.remove(record)
        self._be_set(visit, gateway)
        gateway.hub.visits.closed(visit)

    def _be_set(self, visit: Visit, gateway: Gateway) -> None:
        """As the radio does it: only when the hub knows the time, and after the records."""
        wall = gateway.clock.wall()
        if wall is None or visit.clock is None:
            return
        right = wall.astimezone(HOME).replace(tzinfo=None)
        if abs(right - self.clock()) > timedelta(seconds=60):
            self.set_clock(right)
            visit.clock = DeviceClock(visit.clock.device_time, visit.clock.mono_ms, written=True)

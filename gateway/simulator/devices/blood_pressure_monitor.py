"""A virtual blood pressure monitor (Bluetooth SIG 1810, 1805) that behaves as a patient's meter.

It advertises only for a while after a measurement or in pairing mode, answers only over an encrypted bond,
sends what it stored oldest first, forgets a record exactly when that record's indication is confirmed, and
hangs up first. Layout: Blood Pressure Service 1.1.1 (GATT Specification Supplement, 2A35).
"""

import random
from dataclasses import dataclass
from datetime import datetime, timedelta

from gateway.simulator.encoding import date_time, sfloat
from gateway.simulator.meter_memory import Record
from gateway.simulator.peripheral_options import PeripheralOptions
from gateway.simulator.storing import Storing

_FEATURES = b"\x07\x00"  # movement, cuff fit and irregular pulse are told


@dataclass
class MeterOptions(PeripheralOptions):
    """As any peripheral."""

    model: str = "BP-SIM"


class BloodPressureMonitor(Storing):
    """One meter in the street. What it measured, sent and saw confirmed stands in `truth`."""

    driver, called, advertised = "blood-pressure", "BPM", (0x1810,)
    options_type = MeterOptions

    def declare(self) -> None:
        measurement = self.offers(0x2A35, indicates=True)
        self.told = {"2a35": measurement}
        self.service(0x1810, measurement, self.offers(0x2A49, value=_FEATURES))
        self.service(0x1805, self.current_time())

    async def measure(
        self,
        systolic: int,
        diastolic: int,
        mean_arterial: int | None,
        pulse: int,
        *,
        user: int | None = None,
        status: int | None = None,
        ago: timedelta = timedelta(0),
    ) -> Record:
        """A person measures, or did some time ago: stored in the meter, which then advertises."""
        moment = self.clock() - ago
        pressures = (systolic, diastolic, mean_arterial)
        names = ("systolic", "diastolic", "mean-arterial", "pulse-rate")
        shown = [None if number is None else str(number) for number in (*pressures, pulse)]
        return await self.store(
            "blood-pressure",
            dict(zip(names, shown, strict=True)),
            ("2a35", measurement(pressures, moment, pulse, user, status)),
            device_time=moment,
        )

    async def use(self, ago: timedelta = timedelta(0)) -> None:
        systolic, diastolic = random.randint(105, 165), random.randint(60, 95)
        mean = diastolic + (systolic - diastolic) // 3
        await self.measure(systolic, diastolic, mean, random.randint(52, 99), ago=ago)


def measurement(
    pressures: tuple[int, int, int | None],
    moment: datetime | None,
    pulse: int | None,
    user: int | None,
    status: int | None,
) -> bytes:
    """A Blood Pressure Measurement (2A35) in mmHg; what is None is absent, a pressure then is NaN."""
    fields = b"".join(sfloat(pressure) for pressure in pressures)
    flags = 0
    for bit, part in (
        (0x02, None if moment is None else date_time(moment)),
        (0x04, None if pulse is None else sfloat(pulse)),
        (0x08, None if user is None else bytes((user,))),
        (0x10, None if status is None else status.to_bytes(2, "little")),
    ):
        if part is not None:
            flags |= bit
            fields += part
    return bytes((flags,)) + fields

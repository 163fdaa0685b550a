"""Virtual Xiaomi Mi scales, which only advertise: service data of 181D (first) or 181B (with impedance).

Layout: devices.md section 7.12. While somebody steps on, it tells weights that are not stable; then the
stable one over and over; then, when he has left, the same with the bit "removed".
"""

import asyncio
import random
from dataclasses import dataclass
from datetime import datetime, timedelta

from gateway.simulator.advertiser import Advertiser, AdvertiserOptions, flags, local_name, service_data
from gateway.simulator.encoding import date_time, scaled

KG, POUND, JIN = "kg", "[lb_av]", "jin"
_STABLE, _REMOVED = 0x20, 0x80
_THING, _THING_2 = 0x40, 0x04
_UNIT = {KG: 0x02, POUND: 0x01, JIN: 0x10}
_UNIT_2 = {KG: (2, 0), POUND: (3, 0), JIN: (2, 0x40)}
_IMPEDANCE, _ALWAYS_2 = 0x02, 0x04


@dataclass
class MiScaleOptions(AdvertiserOptions):
    """second: the scale that measures impedance. unit: what it shows. each_s: how long it tells each thing.

    clock_set: False: its clock runs from 1970.
    """

    second: bool = True
    unit: str = KG
    each_s: float = 1
    clock_set: bool = True


class MiScale(Advertiser):
    """One scale. It cannot know who heard it: what it told is only "sent"."""

    driver, called = "mi-scale", "MIBCS"
    options: MiScaleOptions
    options_type = MiScaleOptions

    async def weigh(self, counts: int, impedance: int | None = None, *, thing: bool = False) -> None:
        """counts: of 5 g, 0.01 lb or 0.01 jin. thing: it weighs a small object, which is no reading."""
        moment = self._now()
        for part in (4, 2):
            await self._say(counts - counts // part, moment, 0)
        number = self._demand(counts, impedance, moment, thing=thing)
        for ohm in (None, impedance) if impedance else (None,):
            self.truth.sent(number)
            await self._say(counts, moment, _STABLE, ohm, thing=thing)
        await self._say(counts, moment, _STABLE | _REMOVED, impedance, thing=thing)
        await self.silence()

    def _demand(self, counts: int, impedance: int | None, moment: datetime, *, thing: bool) -> int:
        if thing:
            return self.truth.no_reading()
        pound = self.options.unit == POUND
        values: dict[str, str | list[str] | None] = {
            "body-weight": scaled(counts, 2) if pound else scaled(counts * 5, 3)
        }
        if impedance is not None:
            values["impedance"] = str(impedance)
        return self.truth.measured(
            "weight" if impedance is None else "body-composition",
            values,
            moment,
            origin="spot",
            units={"body-weight": "[lb_av]" if pound else "kg"},
            context={"shown-unit": "jin"} if self.options.unit == JIN else {},
            notes=[] if self.options.clock_set else ["clock-not-set"],
        )

    def _now(self) -> datetime:
        now = self.clock().replace(microsecond=0)
        return now if self.options.clock_set else now.replace(year=1970)

    async def _say(
        self, counts: int, moment: datetime, control: int, ohm: int | None = None, *, thing: bool = False
    ) -> None:
        """One thing for a while."""
        raw, time = counts.to_bytes(2, "little"), date_time(moment)
        if self.options.second:
            first, unit = _UNIT_2[self.options.unit]
            first |= _THING_2 if thing else 0
            control |= unit | _ALWAYS_2 | (0 if ohm is None else _IMPEDANCE)
            data = bytes((first, control)) + time + (ohm or 0).to_bytes(2, "little") + raw
        else:
            data = bytes((control | _UNIT[self.options.unit] | (_THING if thing else 0),)) + raw + time
        service = 0x181B if self.options.second else 0x181D
        await self.advertise(flags(), service_data(service, data), local_name(self.called))
        await asyncio.sleep(self.options.each_s)

    async def use(self, ago: timedelta = timedelta(0)) -> None:  # noqa: ARG002 (it stores nothing)
        await self.weigh(random.randint(11_000, 19_000), random.randint(380, 620))

"""A virtual thermometer (Bluetooth SIG 1809) as A&D builds it: its clock stands in the same service.

Layout: Health Thermometer Service 1.0 (2A1C, 2A1D, 2A1E), Date Time 2A08.
"""

import random
from dataclasses import dataclass
from datetime import datetime, timedelta

from gateway.simulator.encoding import date_time, float32, scaled
from gateway.simulator.meter_memory import Record
from gateway.simulator.peripheral_options import PeripheralOptions
from gateway.simulator.storing import Storing

_FAHRENHEIT, _TIME, _SITE = 0x01, 0x02, 0x04
_SITES = {"armpit": 1, "body": 2, "ear": 3, "finger": 4, "mouth": 6, "rectum": 7, "tympanum": 9}


@dataclass
class ThermometerOptions(PeripheralOptions):
    """tells_time: each record has a time. fixed_site: told once (2A1D); None: it is not."""

    model: str = "TEMP-SIM"
    tells_time: bool = True
    fixed_site: str | None = "ear"
    fahrenheit: bool = False


class Thermometer(Storing):
    """One thermometer."""

    driver, called, advertised = "thermometer", "TEMP", (0x1809,)
    options: ThermometerOptions
    options_type = ThermometerOptions

    def declare(self) -> None:
        measurement = self.offers(0x2A1C, indicates=True)
        self.told = {"2a1c": measurement}
        offers = [measurement, self.offers(0x2A1E, notifies=True), self.date_time()]
        if self.options.fixed_site is not None:
            offers.append(self.offers(0x2A1D, value=bytes((_SITES[self.options.fixed_site],))))
        self.service(0x1809, *offers)

    async def measure(
        self,
        digits: int | None,
        places: int = 1,
        *,
        site: str | None = None,
        ago: timedelta = timedelta(0),
    ) -> Record:
        """digits: 366 with 1 place is 36.6; None: the measurement failed (NaN). site: told in this record."""
        moment = self.clock() - ago if self.options.tells_time else None
        place = site or self.options.fixed_site
        return await self.store(
            "temperature",
            {"body-temperature": None if digits is None else scaled(digits, places)},
            ("2a1c", self._encoded(digits, places, moment, site)),
            device_time=moment,
            units={"body-temperature": "[degF]" if self.options.fahrenheit else "Cel"},
            context={} if place is None else {"location": place},
            origin="spot" if moment is None else "stored",
        )

    def _encoded(self, digits: int | None, places: int, moment: datetime | None, site: str | None) -> bytes:
        flags = _FAHRENHEIT if self.options.fahrenheit else 0
        fields = float32(digits, -places)
        if moment is not None:
            flags |= _TIME
            fields += date_time(moment)
        if site is not None:
            flags |= _SITE
            fields += bytes((_SITES[site],))
        return bytes((flags,)) + fields

    async def use(self, ago: timedelta = timedelta(0)) -> None:
        digits = random.randint(360, 389)
        await self.measure(digits * 9 // 5 + 320 if self.options.fahrenheit else digits, ago=ago)

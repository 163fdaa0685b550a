"""A virtual pulse oximeter (Bluetooth SIG 1822): spot checks from its memory, values while a finger is in.

Layout: Pulse Oximeter Service 1.0.1 (2A5E, 2A5F, 2A60), Current Time 2A2B.
"""

import contextlib
import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from gateway.simulator.encoding import date_time, scaled, sfloat
from gateway.simulator.hub_link import HubGoneError, HubLink
from gateway.simulator.meter_memory import Record
from gateway.simulator.peripheral_options import PeripheralOptions
from gateway.simulator.storing import Storing

# Flags of 2A5E and of 2A5F.
_SPOT_TIME, _SPOT_STATUS, _SPOT_AMPLITUDE, _CLOCK_NOT_SET = 0x01, 0x02, 0x08, 0x10
_FAST, _SLOW, _STATUS, _SENSOR = 0x01, 0x02, 0x04, 0x08
EARLY, VALIDATED, FROM_MEMORY, TEST = 0x0040, 0x0080, 0x0200, 0x0800
_NOT_ON_THE_USER = 0x0800
_FEATURES = b"\x7b\x00"  # status, sensor status, time, fast, slow, amplitude
_LISTENER_S = 30.0


@dataclass
class PlxOptions(PeripheralOptions):
    """beat_s: seconds between two continuous values."""

    model: str = "PLX-SIM"
    beat_s: float = 1


class PulseOximeter(Storing):
    """One oximeter."""

    driver, called, advertised = "pulse-oximeter", "PLX", (0x1822,)
    options: PlxOptions
    options_type = PlxOptions

    def declare(self) -> None:
        spot = self.offers(0x2A5E, indicates=True)
        self.told = {"2a5e": spot}
        self._values = self.offers(0x2A5F, notifies=True)
        self._uses = 0
        self.service(0x1822, spot, self._values, self.offers(0x2A60, value=_FEATURES))
        self.service(0x1805, self.current_time())

    async def check(
        self,
        spo2: int | None,
        pulse: int | None,
        *,
        amplitude: int | None = None,
        status: int = VALIDATED,
        clock_set: bool = True,
        ago: timedelta = timedelta(0),
    ) -> Record:
        """A spot check, kept. amplitude: 0.1 %. Not validated, or without numbers: no reading."""
        moment = self.clock() - ago
        flags = _SPOT_TIME | _SPOT_STATUS | (0 if clock_set else _CLOCK_NOT_SET)
        fields = (
            sfloat(spo2) + sfloat(pulse) + date_time(moment) + (status | FROM_MEMORY).to_bytes(2, "little")
        )
        values = _values(spo2, pulse)
        if amplitude is not None:
            flags |= _SPOT_AMPLITUDE
            fields += sfloat(amplitude, -1)
            values["perfusion-index"] = scaled(amplitude, 1)
        part = ("2a5e", bytes((flags,)) + fields)
        if status & VALIDATED == 0 or (spo2 is None and pulse is None):
            return await self.store_no_reading(part)
        return await self.store("oximetry", values, part, device_time=moment, origin="stored")

    async def finger(self, values: Sequence[tuple[int, int]], within_s: float = _LISTENER_S) -> None:
        """A finger is put in, these (SpO2, pulse) go to the first hub that listens, it is taken out.

        Nobody listens: nothing is told. Before the first value stands an estimate, which is no reading.
        """
        self.talking = True
        await self.open_window(within_s)
        with contextlib.suppress(TimeoutError, HubGoneError):
            await self._tell_values(await self.listener(self._values, within_s), values)
        self.talking = False
        if self.link is not None:
            self.link.news.set()

    async def _tell_values(self, link: HubLink, values: Sequence[tuple[int, int]]) -> None:
        told, number = values[0], None
        try:
            await link.notify(self._values, _continuous(told, EARLY))
            for pair in values:
                await link.notify(self._values, _continuous(pair, VALIDATED))
                told = pair
                await link.pause(self.options.beat_s)
            number = self._demand(told)
            await link.notify(self._values, _continuous((None, None), VALIDATED, _NOT_ON_THE_USER))
            await link.pause(self.options.beat_s)
        except HubGoneError:  # what a hub that leaves has is the last value until then
            self.truth.cut_off(number or self._demand(told))
            raise
        self.truth.confirmed(number)

    def _demand(self, pair: tuple[int, int]) -> int:
        data = _continuous(pair, VALIDATED)
        number = self.truth.measured("oximetry", _values(*pair), origin="spot", hex=data.hex())
        self.truth.sent(number)
        return number

    async def use(self, ago: timedelta = timedelta(0)) -> None:
        """By turns a spot check and a finger for some seconds; of before there are spot checks only."""
        self._uses += 1
        if ago or self._uses % 2:
            await self.check(random.randint(93, 99), random.randint(52, 99), ago=ago)
        else:
            await self.finger([(random.randint(93, 99), random.randint(52, 99)) for _ in range(4)])


def _values(spo2: int | None, pulse: int | None) -> dict[str, str | list[str] | None]:
    return {
        "spo2": None if spo2 is None else str(spo2),
        "pulse-rate": None if pulse is None else str(pulse),
    }


def _continuous(pair: tuple[int | None, int | None], status: int, sensor: int = 0) -> bytes:
    """With fast and slow averages that differ, so that whoever takes the wrong ones is seen."""
    spo2, pulse = pair
    fast, slow = sfloat(88) + sfloat(120), sfloat(89) + sfloat(121)
    flags = _FAST | _SLOW | _STATUS | (_SENSOR if sensor else 0)
    fields = sfloat(spo2) + sfloat(pulse) + fast + slow + status.to_bytes(2, "little")
    return bytes((flags,)) + fields + (sensor.to_bytes(3, "little") if sensor else b"")

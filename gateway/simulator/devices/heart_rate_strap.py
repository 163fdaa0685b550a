"""A virtual chest strap (Bluetooth SIG 180D): it tells a heart rate every second while it is worn.

No bond, no memory, no clock. Layout: Heart Rate Service 1.0 (2A37, 2A38).
"""

import contextlib
import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from gateway.simulator.encoding import scaled
from gateway.simulator.hub_link import HubGoneError, HubLink
from gateway.simulator.peripheral import Peripheral
from gateway.simulator.peripheral_options import PeripheralOptions

_16_BITS, _CONTACT, _TELLS_CONTACT, _ENERGY, _INTERVALS = 0x01, 0x02, 0x04, 0x08, 0x10
_CHEST = b"\x01"
_LISTENER_S = 30.0


@dataclass
class StrapOptions(PeripheralOptions):
    """beat_s: seconds between two values. tells_contact: whether it can feel the skin."""

    model: str = "HR-SIM"
    bonds: bool = False
    beat_s: float = 1
    tells_contact: bool = True


@dataclass(frozen=True)
class Beat:
    """One value: beats a minute, energy so far in kJ, and the time between beats in 1/1024 s."""

    rate: int
    energy: int | None = None
    intervals: tuple[int, ...] = ()


class HeartRateStrap(Peripheral):
    """One strap. A right driver reports the last value of each time that it was worn (up to a minute)."""

    driver, called, advertised = "heart-rate", "STRAP", (0x180D,)
    options: StrapOptions
    options_type = StrapOptions

    def declare(self) -> None:
        self._beats = self.offers(0x2A37, notifies=True)
        self.service(0x180D, self._beats, self.offers(0x2A38, value=_CHEST))

    async def wear(self, beats: Sequence[Beat], within_s: float = _LISTENER_S) -> None:
        """Put on, told to the first hub that listens, taken off. Nobody listens: nothing is told."""
        await self.open_window(within_s)
        with contextlib.suppress(TimeoutError, HubGoneError):
            await self._tell(await self.listener(self._beats, within_s), beats)

    async def _tell(self, link: HubLink, beats: Sequence[Beat]) -> None:
        told, number = beats[0], None
        try:
            for beat in beats:
                await link.notify(self._beats, self._encoded(beat, worn=True))
                told = beat
                await link.pause(self.options.beat_s)
            number = self._demand(told)
            for _ in range(2):
                await link.notify(self._beats, self._encoded(Beat(0), worn=False))
            self.news = False
            await link.pause(self.options.beat_s)
        except HubGoneError:  # what a hub that leaves has is the last value until then
            self.truth.cut_off(number or self._demand(told))
            raise
        self.truth.confirmed(number)
        await link.hang_up()

    def _demand(self, beat: Beat) -> int:
        values: dict[str, str | list[str] | None] = {"heart-rate": str(beat.rate)}
        if beat.energy is not None:
            values["energy"] = str(beat.energy)
        if beat.intervals:
            values["rr-interval"] = [scaled(ticks * 9765625, 10) for ticks in beat.intervals]
        number = self.truth.measured(
            "heart-rate",
            values,
            origin="spot",
            context={"location": "chest"},
            hex=self._encoded(beat, worn=True).hex(),
        )
        self.truth.sent(number)
        return number

    def _encoded(self, beat: Beat, *, worn: bool) -> bytes:
        wide = beat.rate > 255
        flags = _16_BITS if wide else 0
        if self.options.tells_contact:
            flags |= _TELLS_CONTACT | (_CONTACT if worn else 0)
        fields = beat.rate.to_bytes(2 if wide else 1, "little")
        if beat.energy is not None:
            flags |= _ENERGY
            fields += beat.energy.to_bytes(2, "little")
        if beat.intervals:
            flags |= _INTERVALS
            fields += b"".join(ticks.to_bytes(2, "little") for ticks in beat.intervals)
        return bytes((flags,)) + fields

    async def use(self, ago: timedelta = timedelta(0)) -> None:  # noqa: ARG002 (it stores nothing)
        rates = [random.randint(58, 110) for _ in range(4)]
        await self.wear([Beat(rate, intervals=(61440 // rate,)) for rate in rates])

"""A virtual Nonin 3230: a value a second while a finger is in, nothing kept.

Layout: devices.md section 7.10 and Nonin's sample for iOS; encoded here without any code of the gateway.
"""

import contextlib
import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from bumble.core import AdvertisingData

from gateway.simulator.advertiser import Part, flags, services
from gateway.simulator.encoding import scaled
from gateway.simulator.hub_link import HubGoneError, HubLink
from gateway.simulator.peripheral import Peripheral
from gateway.simulator.peripheral_options import PeripheralOptions
from gateway.simulator.truth import Values

SERVICE = "46a970e0-0d5f-11e2-8b5e-0002a5d5c51b"
_MEASUREMENT = "0aad7ea0-0d60-11e2-8e3c-0002a5d5c51b"
SMART_POINT, SEARCHING, PLACED, LOW_BATTERY = 0x04, 0x08, 0x10, 0x20
_NO_SPO2, _NO_PULSE = 127, 511
_LISTENER_S = 30.0
Sample = tuple[int | None, int | None]


@dataclass
class Nonin3230Options(PeripheralOptions):
    """beat_s: seconds between two values. It asks for no bond."""

    manufacturer: str = "Nonin Medical"
    model: str = "Model 3230"
    bonds: bool = False
    beat_s: float = 1


class Nonin3230(Peripheral):
    """One oximeter. status: bits of every packet while a finger is in, beside PLACED."""

    driver, called = "nonin-3230", "Nonin3230_"
    advertised: tuple[int | str, ...] = (SERVICE,)
    options: Nonin3230Options
    options_type = Nonin3230Options
    status = 0

    def declare(self) -> None:
        self._values = self.offers(_MEASUREMENT, notifies=True)
        self._second = 0
        self.service(SERVICE, self._values)

    def advertisement(self) -> list[Part]:
        short = (AdvertisingData.SHORTENED_LOCAL_NAME, self.called[:8].encode())
        return [flags(), services(*self.advertised), short]  # no more fits

    async def use(self, ago: timedelta = timedelta(0)) -> None:
        if not ago:  # it keeps nothing
            await self.finger([(random.randint(93, 99), random.randint(52, 99)) for _ in range(4)])

    async def finger(
        self, values: Sequence[Sample], *, amplitude: int = 0, within_s: float = _LISTENER_S
    ) -> None:
        """A finger is put in, these (SpO2, pulse) go to the first hub that listens, it is taken out.

        amplitude: 0.01 %. A sample of None twice: it looks for the pulse. Nobody listens: nothing is told.
        """
        await self.open_window(within_s)
        with contextlib.suppress(TimeoutError, HubGoneError):
            await self._tell(await self.listener(self._values, within_s), values, amplitude)
        self.news = False

    async def _tell(self, link: HubLink, values: Sequence[Sample], amplitude: int) -> None:
        told: Sample | None = None
        try:
            for sample in values:
                await link.notify(self._values, self.packet(sample, PLACED | self.status, amplitude))
                told = sample if sample != (None, None) else told
                await link.pause(self.options.beat_s)
        finally:  # a hub that leaves has the last value until then
            number = None if told is None else self._measured(told, amplitude)
        await link.notify(self._values, self.packet((None, None), 0, 0))
        await link.pause(self.options.beat_s)
        if number is not None:
            self.truth.confirmed(number)
        await link.hang_up()

    def _measured(self, sample: Sample, amplitude: int) -> int:
        shown = [None if number is None else str(number) for number in sample]
        values: Values = {"spo2": shown[0], "pulse-rate": shown[1]}
        if amplitude:
            values = {**values, "perfusion-index": scaled(amplitude, 2)}
        number = self.truth.measured("oximetry", values, origin="spot")
        self.truth.sent(number)
        return number

    def packet(self, sample: Sample, status: int, amplitude: int) -> bytes:
        """Length, status, battery, amplitude, counter, SpO2, pulse: high byte first."""
        self._second += 1
        spo2, pulse = sample
        numbers = (amplitude, self._second, 0, _NO_PULSE if pulse is None else pulse)
        amplitude_bytes, counter, _, pulse_bytes = (number.to_bytes(2, "big") for number in numbers)
        spo2_byte = bytes((_NO_SPO2 if spo2 is None else spo2,))
        return bytes((10, status, 30)) + amplitude_bytes + counter + spo2_byte + pulse_bytes

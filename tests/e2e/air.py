"""Virtual meters on the virtual radio, read by gateways with the real radio: all in the test's own event loop."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

from gateway.drivers.base import Driver
from gateway.drivers.blood_pressure import BloodPressure
from gateway.radio import BluetoothDevice, Limits, Radio
from gateway.simulator.devices.blood_pressure_monitor import BloodPressureMonitor, MeterOptions
from gateway.simulator.devices.glucose_meter import GlucoseMeter, GlucoseOptions
from gateway.simulator.peripheral import Peripheral
from gateway.simulator.virtual_adapter import VirtualAdapter
from gateway.simulator.virtual_radio import AdapterPort, Air
from tests.e2e.cuff import CUFF
from tests.e2e.gateways import Gateway

GLUCOSE = "F0:5A:03:00:00:01"
QUICK = Limits(
    connect_s=3,
    read_s=1,
    prepare_s=2,
    quiet_s=0.4,
    settle_s=0.05,
    rest_s=0.02,
    idle_rest_s=0.05,
    first_retry_s=0.05,
    last_retry_s=0.2,
)


class House:
    """The air, the meters in it, and a radio for each gateway; `close` ends them."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._air = Air()
        self._count = 0
        self._radios: list[asyncio.Task[None]] = []
        self._parts: list[Any] = []

    async def meter(self, address: str = CUFF, **options: Any) -> BloodPressureMonitor:
        """A meter that hangs up soon after its last record."""
        chosen = MeterOptions(**{"hang_up_after_s": 0.15, "idle_s": 1, **options})
        made = BloodPressureMonitor(self._air, address, self._directory / address, chosen)
        await made.start()
        self._parts.append(made)
        return made

    async def glucose_meter(self, **options: Any) -> GlucoseMeter:
        """A glucose meter that hangs up when nothing is asked any more."""
        made = GlucoseMeter(
            self._air, GLUCOSE, self._directory / GLUCOSE, GlucoseOptions(**{"idle_s": 0.5, **options})
        )
        await made.start()
        self._parts.append(made)
        return made

    async def listen(
        self,
        gateway: Gateway,
        address: str = CUFF,
        allowed: Callable[[], bool] = lambda: True,
        driver: type[Driver] = BloodPressure,
    ) -> Radio:
        """This gateway's radio, until the test ends. allowed: may it visit the meter now?"""
        self._count += 1
        number = self._count
        port = AdapterPort(self._air, f"00:AA:01:00:00:{number:02X}")
        await port.open()
        adapter = VirtualAdapter(port.port, self._directory / f"bonds-{number}.json")
        radio = Radio(
            [BluetoothDevice(address, driver, address)],
            gateway.hub.visits,
            gateway.clock.wall,
            adapter.backend(),
            lambda _: allowed(),
            pairing_open=lambda _: True,
            limits=QUICK,
            mono_ms=gateway.clock.mono_ms,
        )
        self._radios.append(asyncio.ensure_future(radio.run()))
        self._parts = [adapter, port, *self._parts]
        return radio

    async def kill(self, gateway: Gateway) -> None:
        """The gateway's process is gone in the middle of whatever it did; its radio with it."""
        gateway.outbox.close()  # nothing more is written
        await self.silence()
        gateway.offline()

    async def close(self) -> None:
        await self.silence()
        for part in self._parts:
            await (part.stop() if isinstance(part, Peripheral) else part.close())

    async def silence(self) -> None:
        """No gateway listens any more."""
        for task in self._radios:
            task.cancel()
        await asyncio.gather(*self._radios, return_exceptions=True)
        self._radios.clear()


async def until(true: Callable[[], bool], timeout_s: float = 20) -> None:
    """Lets the event loop go round until it is so."""
    async with asyncio.timeout(timeout_s):
        while not true():  # noqa: ASYNC110 (facts are plain numbers)
            await asyncio.sleep(0)


def observed_values(meter: BloodPressureMonitor) -> list[tuple[str, tuple[str, ...]]]:
    """(code, values) of every Observation that a PGO must hold once, told by the meter's truth log alone."""
    rows = []
    for event in meter.truth.of("measured"):
        shown = [str(event["values"][name]) for name in ("systolic", "diastolic", "mean-arterial")]
        rows += [("85354-9", tuple(shown)), ("8867-4", (str(event["values"]["pulse-rate"]),))]
    return rows

"""The street: virtual devices and the air between them and the gateways, in one process.

    python -m gateway.simulator.street --directory DIR --adapters 1 --interval 8

Writes DIR/ready.json when all are there: {"pid", "adapters": [port, …], "devices": [{"by": "bluetooth",
"address", "driver", "truth"}, {"by": "serial", "port", "driver", "truth"}]}. Measures every `interval`
seconds until SIGUSR1, ends on SIGTERM or SIGINT, and at the next start goes on with the same addresses,
bonds, memories, clocks and truth logs (and the same ports where they are free).
"""

import argparse
import asyncio
import contextlib
import json
import os
import random
import signal
from datetime import timedelta
from pathlib import Path
from typing import Any

from gateway.simulator.blood_pressure_monitor import BloodPressureMonitor, MeterOptions
from gateway.simulator.oximeter import Oximeter
from gateway.simulator.virtual_radio import AdapterPort, Air

METER = "F0:5A:01:00:00:01"
CUFF, OXIMETER = "cuff", "oximeter"
ADAPTER = "00:AA:01:00:00:{:02X}"


class Street:
    """The devices and adapters of one directory. Made inside a running event loop."""

    def __init__(self, directory: Path, kinds: list[str], options: MeterOptions, speed: float = 1) -> None:
        self.air = Air()
        self.adapters: list[AdapterPort] = []
        self.meter: BloodPressureMonitor | None = None
        self.oximeter: Oximeter | None = None
        self.enough = asyncio.Event()
        self.quiet_file = directory / "quiet.json"
        self.quiet_file.unlink(missing_ok=True)
        self._directory = directory
        if CUFF in kinds:
            self.meter = BloodPressureMonitor(self.air, METER, directory / "blood-pressure-monitor", options)
        if OXIMETER in kinds:
            self.oximeter = Oximeter(directory / "oximeter", directory / "oximeter-data", speed)

    async def open(self, adapters: int) -> None:
        """All switched on, and the ready file written."""
        ports_file = self._directory / "ports.json"
        ports = read_json(ports_file).get("ports", [])
        for number in range(adapters):
            adapter = AdapterPort(self.air, ADAPTER.format(number + 1))
            await adapter.open(ports[number] if number < len(ports) else 0)
            self.adapters.append(adapter)
        write_json(ports_file, {"ports": [adapter.port for adapter in self.adapters]})
        if self.meter is not None:
            await self.meter.start()
            if not await self.meter.bonded():
                await self.meter.pairing_mode()
        if self.oximeter is not None:
            self.oximeter.plug_in()
        write_json(self._directory / "ready.json", self._facts())

    async def close(self) -> None:
        """All switched off; files stay."""
        if self.oximeter is not None:
            self.oximeter.unplug()
        if self.meter is not None:
            await self.meter.stop()
        for adapter in self.adapters:
            await adapter.close()

    async def fill_memory(self, records: int) -> None:
        """At the very first start the meter holds measurements of the last hours, one an hour."""
        if self.meter is not None and not self.meter.truth.path.exists():
            for hours in range(records, 0, -1):
                await _measure_once(self.meter, timedelta(hours=hours))

    async def measure(self, interval_s: float) -> None:
        """People measure, until `enough` is set: with each device every interval_s."""
        async with asyncio.TaskGroup() as people:
            if self.meter is not None:
                people.create_task(self._measure_pressure(self.meter, interval_s))
            if self.oximeter is not None:
                people.create_task(self._measure_oximetry(self.oximeter, interval_s))

    async def _measure_pressure(self, meter: BloodPressureMonitor, interval_s: float) -> None:
        while not self.enough.is_set():
            await _measure_once(meter)
            await self._rest(interval_s)

    async def _measure_oximetry(self, oximeter: Oximeter, interval_s: float) -> None:
        """Only while somebody listens: nobody puts a finger in for nobody."""
        oximeter.noise()
        while not self.enough.is_set():
            await oximeter.wait_for_listener()
            started = asyncio.get_running_loop().time()
            await oximeter.idle(1)
            await oximeter.session([(random.randint(93, 99), random.randint(52, 99)) for _ in range(9)])
            took_s = asyncio.get_running_loop().time() - started
            await self._rest(max(interval_s - took_s, 0.1))

    async def _rest(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self.enough.wait(), seconds)

    def _facts(self) -> dict[str, Any]:
        devices: list[dict[str, str]] = []
        if self.meter is not None:
            place = {"by": "bluetooth", "address": self.meter.address, "driver": "blood-pressure"}
            devices.append({**place, "truth": str(self.meter.truth.path)})
        if self.oximeter is not None:
            place = {"by": "serial", "port": str(self.oximeter.path), "driver": "nonin-serial"}
            devices.append({**place, "truth": str(self.oximeter.truth.path)})
        ports = [adapter.port for adapter in self.adapters]
        return {"pid": os.getpid(), "adapters": ports, "devices": devices}


async def _measure_once(meter: BloodPressureMonitor, ago: timedelta = timedelta(0)) -> None:
    systolic, diastolic = random.randint(105, 165), random.randint(60, 95)
    mean = diastolic + (systolic - diastolic) // 3
    await meter.measure(systolic, diastolic, mean, random.randint(52, 99), ago=ago)


def read_json(path: Path) -> dict[str, Any]:
    """What the file says; empty when there is none."""
    with contextlib.suppress(FileNotFoundError, ValueError):
        facts: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return facts
    return {}


def write_json(path: Path, facts: dict[str, Any]) -> None:
    beside = path.with_suffix(".new")
    beside.write_text(json.dumps(facts, indent=1), encoding="utf-8")
    beside.replace(path)


async def live(chosen: argparse.Namespace) -> None:
    """Until SIGTERM or SIGINT. interval 0: nobody measures by himself."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    chosen.directory.mkdir(parents=True, exist_ok=True)
    options = MeterOptions(clock_offset_s=chosen.clock_offset, keeps_memory=chosen.keeps_memory)
    street = Street(chosen.directory.resolve(), chosen.devices.split(","), options, chosen.speed)
    loop.add_signal_handler(signal.SIGUSR1, street.enough.set)
    await street.open(chosen.adapters)
    await street.fill_memory(chosen.stored)
    work: list[asyncio.Task[Any]] = [asyncio.create_task(stop.wait())]
    if chosen.interval:
        work.append(asyncio.create_task(_measured(street, chosen.interval)))
    try:
        done, _ = await asyncio.wait(work, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        for task in work:
            task.cancel()
        await asyncio.gather(*work, return_exceptions=True)
        await street.close()


async def _measured(street: Street, interval_s: float) -> None:
    """Measuring ends; being there does not."""
    await street.measure(interval_s)
    write_json(street.quiet_file, {"quiet": True})
    await asyncio.Event().wait()


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="gateway.simulator.street", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--directory", type=Path, required=True, help="where the devices keep their state")
    parser.add_argument("--devices", default=f"{CUFF},{OXIMETER}", help="which there are")
    parser.add_argument("--adapters", type=int, default=1, help="one for each gateway")
    parser.add_argument("--interval", type=float, default=8, help="seconds between measurements; 0: none")
    parser.add_argument("--stored", type=int, default=0, help="measurements in the meter at its first start")
    parser.add_argument("--clock-offset", type=float, default=-600, help="seconds the meter's clock is off")
    parser.add_argument("--keeps-memory", action="store_true", help="the meter forgets nothing it has sent")
    parser.add_argument("--speed", type=float, default=1, help="the oximeter's, times real time")
    asyncio.run(live(parser.parse_args(arguments)))


if __name__ == "__main__":
    main()

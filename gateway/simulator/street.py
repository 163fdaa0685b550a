"""The street: virtual devices and the air between them and the gateways, in one process.

    python -m gateway.simulator.street --directory DIR --adapters 1 --interval 8

Writes DIR/ready.json when all are there: {"pid", "adapters": [port, …], "devices": [{"by": "bluetooth",
"address", "driver", "truth"}, {"by": "serial", "port", "driver", "truth"}]}. The files of each device stand
in a directory with its driver's name. Measures every `interval` seconds until SIGUSR1, ends on SIGTERM or
SIGINT, and at the next start goes on with the same addresses, bonds, memories, clocks and truth logs (and
the same ports where they are free).
"""

import argparse
import asyncio
import contextlib
import json
import os
import signal
from datetime import timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

from gateway.simulator.advertiser import Advertiser
from gateway.simulator.cable import Cable
from gateway.simulator.catalogue import SERIAL, USUAL, Entry, entries, names_in
from gateway.simulator.peripheral import Peripheral
from gateway.simulator.peripheral_options import PeripheralOptions
from gateway.simulator.virtual_device import VirtualDevice
from gateway.simulator.virtual_radio import AdapterPort, Air

ADAPTER = "00:AA:01:00:00:{:02X}"
PORT = "port"
ADVERTISING_MS = 100  # a whole street would fill the air with more


class Street:
    """The devices and adapters of one directory. Made inside a running event loop."""

    def __init__(self, directory: Path, devices: list[VirtualDevice], air: Air) -> None:
        self.devices = devices
        self.adapters: list[AdapterPort] = []
        self.enough = asyncio.Event()
        self.quiet_file = directory / "quiet.json"
        self.quiet_file.unlink(missing_ok=True)
        self._air = air
        self._directory = directory

    async def open(self, adapters: int, stored: int) -> None:
        """All switched on, and the ready file written. stored: as `_fill_memories`."""
        for device in self.devices:
            await device.start()
            if isinstance(device, Peripheral) and device.options.bonds and not await device.bonded():
                await device.pairing_mode()
        await self._fill_memories(stored)
        await self._open_adapters(adapters)  # from here on gateways come
        write_json(self._directory / "ready.json", self._facts())

    async def _open_adapters(self, adapters: int) -> None:
        ports_file = self._directory / "ports.json"
        ports = read_json(ports_file).get("ports", [])
        for number in range(adapters):
            adapter = AdapterPort(self._air, ADAPTER.format(number + 1))
            await adapter.open(ports[number] if number < len(ports) else 0)
            self.adapters.append(adapter)
        write_json(ports_file, {"ports": [adapter.port for adapter in self.adapters]})

    async def close(self) -> None:
        """All switched off; files stay."""
        for device in self.devices:
            await device.stop()
        for adapter in self.adapters:
            await adapter.close()

    async def _fill_memories(self, records: int) -> None:
        """At its very first start a device with a memory holds some of the last hours, one an hour."""
        for device in self.devices:
            if device.stores and not device.truth.path.exists():
                for hours in range(records, 0, -1):
                    await device.use(timedelta(hours=hours))

    async def measure(self, interval_s: float) -> None:
        """People measure, until `enough` is set: with each device every interval_s."""
        async with asyncio.TaskGroup() as people:
            for device in self.devices:
                people.create_task(device.person(interval_s, self.enough))

    def _facts(self) -> dict[str, Any]:
        devices = [
            {**device.facts(), "driver": device.driver, "truth": str(device.truth.path)}
            for device in self.devices
        ]
        ports = [adapter.port for adapter in self.adapters]
        return {"pid": os.getpid(), "adapters": ports, "devices": devices}


def address_of(driver: str, house: int = 1) -> str:
    """The address of a house's virtual device of this driver, the same for ever."""
    return f"F0:5A:{house:02X}:" + sha256(driver.encode()).digest()[:3].hex(":").upper()


def made(entry: Entry, air: Air, directory: Path, arguments: argparse.Namespace) -> VirtualDevice:
    """The device of this entry, with what the command line says of all devices."""
    kind, own = entry.load(), directory / entry.driver
    if entry.by == SERIAL:
        assert issubclass(kind, Cable)
        return kind(own / PORT, own, arguments.speed, clock_offset_s=arguments.clock_offset)
    assert issubclass(kind, Advertiser)
    options = kind.options_type(clock_offset_s=arguments.clock_offset, advertising_ms=ADVERTISING_MS)
    if isinstance(options, PeripheralOptions):
        options.keeps_memory = arguments.keeps_memory
    return kind(air, address_of(entry.driver, arguments.house), own, options)


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


async def live(arguments: argparse.Namespace) -> None:
    """Until SIGTERM or SIGINT. interval 0: nobody measures by himself."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    arguments.directory.mkdir(parents=True, exist_ok=True)
    directory, air = arguments.directory.resolve(), Air()
    devices = [made(entry, air, directory, arguments) for entry in entries(arguments.devices)]
    street = Street(directory, devices, air)
    loop.add_signal_handler(signal.SIGUSR1, street.enough.set)
    await street.open(arguments.adapters, arguments.stored)
    work: list[asyncio.Task[Any]] = [asyncio.create_task(stop.wait())]
    if arguments.interval:
        work.append(asyncio.create_task(_measured(street, arguments.interval)))
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
    parser.add_argument("--devices", type=names_in, default=USUAL, help="which there are: all, or a list")
    parser.add_argument("--adapters", type=int, default=1, help="one for each gateway")
    parser.add_argument("--interval", type=float, default=8, help="seconds between measurements; 0: none")
    parser.add_argument(
        "--stored", type=int, default=0, help="measurements in each memory at the first start"
    )
    parser.add_argument(
        "--clock-offset", type=float, default=-600, help="seconds the devices' clocks are off"
    )
    parser.add_argument(
        "--house", type=int, default=1, help="1 to 255: devices of another have other addresses"
    )
    parser.add_argument("--keeps-memory", action="store_true", help="meters forget nothing they have sent")
    parser.add_argument("--speed", type=float, default=1, help="of devices on cables, times real time")
    asyncio.run(live(parser.parse_args(arguments)))


if __name__ == "__main__":
    main()

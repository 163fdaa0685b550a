"""What every virtual device is: something that a person uses, and that writes down what it truly measured.

A new one is one file in `devices/` and one line in `catalogue.py`. It extends `Peripheral` (Bluetooth, a hub
connects to it), `Storing` (the same, and it sends what it stored by itself), `Advertiser` (it only
advertises) or `Cable` (serial), encodes without any code of the gateway, and says in its truth log
(`truth.py`) what a right driver must report. `use` makes one measurement of plausible values; tests call the
device's own methods with the values they want.
"""

import asyncio
import contextlib
import random
from datetime import datetime, timedelta
from pathlib import Path

from gateway.simulator.meter_memory import MeterMemory
from gateway.simulator.truth import TruthLog


class VirtualDevice:
    """One device in the street. Its files (memory, bonds, truth log) stand in `directory` over restarts.

    driver: name of the driver it is made for. stores: it has a memory, so that at its very first start it
    can hold measurements of the last hours.
    """

    driver = ""
    stores = False

    def __init__(self, directory: Path, clock_offset_s: float = 0) -> None:
        self.truth = TruthLog(directory / "truth.jsonl", self.driver)
        self._unused: list[int] = []
        self.memory = MeterMemory(directory / "memory.json", timedelta(seconds=clock_offset_s))

    async def start(self) -> None:
        """Switched on, or plugged in."""
        raise NotImplementedError

    async def stop(self) -> None:
        """Switched off, or pulled out; files stay."""
        raise NotImplementedError

    def facts(self) -> dict[str, str]:
        """How a gateway reaches it: {"by": "bluetooth", "address"} or {"by": "serial", "port"}."""
        raise NotImplementedError

    async def use(self, ago: timedelta = timedelta(0)) -> None:
        """A person measures once, any plausible values; `ago`: it happened before, and was stored."""
        raise NotImplementedError

    async def person(self, interval_s: float, enough: asyncio.Event) -> None:
        """Somebody measures every interval_s until it is enough."""
        now = asyncio.get_running_loop().time
        while not enough.is_set():
            started = now()
            await self.use()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(enough.wait(), max(interval_s - (now() - started), 0.1))

    def unlike(self, low: int, high: int) -> int:
        """A number from low to below high, unlike all of the last ones.

        Where a device tells the minute only, two equal values within one are the same record.
        """
        self._unused = self._unused or random.sample(range(low, high), high - low)
        return self._unused.pop()

    def clock(self) -> datetime:
        """What the device's own clock shows."""
        return self.memory.now()

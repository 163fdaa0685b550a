"""Virtual meters in the air, and radios that listen to them: all in the test's own event loop."""

import asyncio
from datetime import UTC, datetime

from gateway.drivers.blood_pressure import BloodPressure
from gateway.radio import BluetoothDevice, Limits, Radio
from gateway.simulator.devices.blood_pressure_monitor import BloodPressureMonitor, MeterOptions
from gateway.simulator.virtual_adapter import VirtualAdapter
from gateway.simulator.virtual_radio import AdapterPort, Air

METER = "F0:5A:01:00:00:01"
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
    silence_s=1,
)


class Hub:
    """A listener that keeps what it hears and lets a test wait for it."""

    def __init__(self):
        self.visits = []
        self.ended = []
        self.frames = []
        self.clocks = []
        self.changed = asyncio.Event()

    def _news(self):
        self.changed.set()
        self.changed = asyncio.Event()

    def opened(self, visit):
        self.visits.append(visit)
        self.clocks.append(visit.clock)
        self._news()

    def received(self, visit, source, data):
        assert visit is self.visits[-1] or visit in self.visits
        self.frames.append((source, data))
        self._news()
        return []

    def begun(self, _visit):
        return []

    def closed(self, visit):
        self.ended.append(visit)
        self._news()

    async def until(self, true, timeout_s=20):
        async with asyncio.timeout(timeout_s):
            while not true():
                await self.changed.wait()

    def values(self):
        return [data.hex() for source, data in self.frames if source == "2a35"]


class House:
    """The air, the devices on it, and radios that run until the test ends."""

    def __init__(self, directory):
        self.directory = directory
        self.air = Air()
        self.ports = []
        self.adapters = []
        self.meters = []
        self.tasks = []

    async def meter(self, address=METER, **options):
        options = {"hang_up_after_s": 0.15, "idle_s": 1, **options}
        meter = BloodPressureMonitor(self.air, address, self.directory / address, MeterOptions(**options))
        await meter.start()
        self.meters.append(meter)
        return meter

    async def adapter(self):
        number = len(self.ports) + 1
        port = AdapterPort(self.air, f"00:AA:01:00:00:{number:02X}")
        await port.open()
        adapter = VirtualAdapter(lambda: port.port, self.directory / f"bonds-{number}.json")
        self.ports.append(port)
        self.adapters.append(adapter)
        return adapter

    async def radio(self, hub, *addresses, driver=BloodPressure, limits=QUICK, **options):
        adapter = await self.adapter()
        options = {"pairing_open": lambda _: True, **options}
        wall = options.pop("wall", lambda: datetime.now(UTC))
        usual = [BluetoothDevice(address, driver, address) for address in addresses or (METER,)]
        devices = options.pop("devices", usual)
        radio = Radio(devices, hub, wall, adapter.backend(), limits=limits, **options)
        self.tasks.append(asyncio.ensure_future(radio.run()))
        return radio

    async def close(self):
        assert not [task for task in self.tasks if task.done()], "run must never end by itself"
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)
        for part in (*self.adapters, *self.ports):
            await part.close()
        for meter in self.meters:
            await meter.stop()


async def measured(meter, count, start=100):
    return [(await meter.measure(start + number, 70, None, 60)).data.hex() for number in range(count)]


async def until(true, timeout_s=20):
    """Lets the loop go round until it is so."""
    async with asyncio.timeout(timeout_s):
        while not true():  # noqa: ASYNC110 (facts are plain numbers)
            await asyncio.sleep(0)

"""The hub's UART with the virtual devices of the gateway's tests: the firmware runs on MicroPython, on a pty."""

import asyncio
import contextlib
import json
import os
import random
import termios
import tty
from datetime import timedelta

import pytest

from gateway.simulator.devices.ascii_scale import AsciiScale
from gateway.simulator.devices.contec_oximeters import NewContec, OldContec
from gateway.simulator.devices.contour_meter import ContourMeter
from gateway.simulator.devices.freestyle_meter import FreestyleMeter
from gateway.simulator.devices.lifescan_meters import UltraEasy
from gateway.simulator.devices.oximeter import Oximeter, packet
from gateway.simulator.devices.taidoc_meters import TaiDocCable
from tests.firmware.conftest import ROOT, micropython

DOSE = int(os.environ.get("MEETHUB_DOSE", "1"))
QUICK = {
    "quiet_ms": 400,
    "gather_ms": 5,
    "poll_ms": 100,
    "rest_ms": 300,
    "settle_ms": 150,
    "first_retry_ms": 20,
}


class Hub:
    """The firmware's process; `said` is all that it told so far, [what, facts] each."""

    def __init__(self, process):
        self.process = process
        self.said = []
        self._news = asyncio.Event()
        self._reading = asyncio.ensure_future(self._read())

    async def _read(self):
        async for line in self.process.stdout:
            self.said.append(json.loads(line))
            self._news.set()
        self._news.set()

    def all(self, what):
        return [facts for name, facts in self.said if name == what]

    @property
    def heard(self):
        return b"".join(bytes.fromhex(facts["bytes"]) for facts in self.all("heard"))

    @property
    def values(self):
        """What each record that is a reading says, as decimals."""
        rows = [facts["values"] for facts in self.all("record") if "values" in facts]
        return [
            {
                name: f"{digits * 10**exponent:.{max(0, -exponent)}f}"
                for name, (digits, exponent) in row.items()
            }
            for row in rows
        ]

    async def until(self, true, timeout_s=20):
        try:
            async with asyncio.timeout(timeout_s):
                while not true():
                    assert not self._reading.done(), (self.said[-5:], await self.process.stderr.read())
                    self._news.clear()
                    await self._news.wait()
        except TimeoutError:
            raise AssertionError(self.said[-20:]) from None

    async def order(self, command):
        done = len(self.all("obeyed"))
        self.process.stdin.write(command.encode() + b"\n")
        await self.until(lambda: len(self.all("obeyed")) > done)

    async def end(self):
        """Closes its standard input: it ends by itself, without an error."""
        self.process.stdin.close()
        complaint = await self.process.stderr.read()
        await self._reading
        assert (await self.process.wait(), complaint) == (0, b""), self.said[-5:]


@pytest.fixture
async def hub_on():
    """Starts a hub with this driver on this path; `heap` as for the interpreter."""
    hubs = []

    async def start(path, driver, heap="200k", **options):
        words = [f"{name}={number}" for name, number in {**QUICK, **options}.items()]
        process = await asyncio.create_subprocess_exec(
            micropython(),
            *("-X", f"heapsize={heap}", "tests/firmware/board/run_serial_port.py", driver, *words),
            cwd=ROOT,
            env={**os.environ, "MICROPYPATH": "firmware/virtual:.:.frozen", "MEETHUB_UART1": str(path)},
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        hubs.append(Hub(process))
        await hubs[-1].until(lambda: hubs[-1].all("ready"))
        return hubs[-1]

    yield start
    for hub in hubs:
        if hub.process.returncode is None:
            await hub.end()


@pytest.fixture
async def plugged(tmp_path):
    """Makes a virtual device and plugs it in."""
    made = []

    async def plug(kind, **options):
        device = kind(tmp_path / "port", tmp_path / "truth", speed=1000, seed=1, **options)
        await device.start()
        made.append(device)
        return device

    (tmp_path / "truth").mkdir()
    yield plug
    for device in made:
        if device.plugged_in:
            await device.stop()


def demanded(device):
    return [dict(row["values"]) for row in device.truth.of("measured")]


async def listening(device):
    await device.wait_for_listener(20)


# A device that talks by itself.


async def test_every_byte_of_a_session_arrives(hub_on, plugged):
    oximeter = await plugged(Oximeter)
    hub = await hub_on(oximeter.path, oximeter.driver)
    await listening(oximeter)
    oximeter.noise(9)
    assert await oximeter.session([(97, 72), (96, 300)], first_skipped=3)
    await hub.until(lambda: len(hub.heard) == 9 + 4 * 125 - 3 * 5)
    await hub.until(lambda: hub.all("closed"))
    assert hub.values == demanded(oximeter) == [{"spo2": "96", "pulse-rate": "300"}]
    (record,) = (facts for facts in hub.all("record") if "values" in facts)
    assert record["frames"] in hub.heard.hex()
    assert hub.all("problem") == []


async def test_a_cable_that_is_pulled_out_and_put_back(hub_on, plugged):
    """Ten times, in the middle of a frame: a visit ends with quiet, and the next byte begins another."""
    oximeter = await plugged(Oximeter)
    hub = await hub_on(oximeter.path, oximeter.driver, quiet_ms=60)
    sizes = [random.Random(5).randrange(1, 125) for _ in range(10)]
    for count, size in enumerate(sizes, start=1):
        await listening(oximeter)
        had = len(hub.heard)
        oximeter.send(packet(95, 60)[:size])
        await hub.until(lambda had=had, size=size: len(hub.heard) == had + size)
        oximeter.unplug()
        await hub.until(lambda count=count: len(hub.all("closed")) == count)
        oximeter.plug_in()
    await listening(oximeter)
    assert await oximeter.session([(97, 72)])
    await hub.until(lambda: hub.values)
    assert hub.values == demanded(oximeter)
    assert hub.all("problem") == []


async def test_a_cable_that_is_put_in_later(hub_on, plugged, tmp_path):
    hub = await hub_on(tmp_path / "port", "nonin-serial")
    oximeter = await plugged(Oximeter)
    await listening(oximeter)
    assert await oximeter.session([(97, 72)])
    await hub.until(lambda: hub.values)
    assert hub.values == demanded(oximeter)


async def test_quiet_ends_the_visit_and_the_next_byte_begins_another(hub_on, plugged):
    oximeter = await plugged(Oximeter)
    hub = await hub_on(oximeter.path, oximeter.driver, quiet_ms=40)
    await listening(oximeter)
    for count in (1, 2):
        oximeter.send(packet(95, 60))
        await hub.until(lambda count=count: len(hub.all("closed")) == count)
    assert len(hub.all("opened")) == 2


async def test_what_came_while_the_hub_was_held_up_is_no_silence(hub_on, plugged):
    """A signature stops the event loop; the device went on talking meanwhile."""
    oximeter = await plugged(Oximeter)
    hub = await hub_on(oximeter.path, oximeter.driver, quiet_ms=200)
    await listening(oximeter)
    oximeter.send(packet(97, 72))
    await hub.until(lambda: len(hub.heard) == 125)
    blocked = asyncio.ensure_future(hub.order("block 300"))
    await asyncio.sleep(0.05)  # in the middle of it: nothing tells when the loop stands still
    oximeter.send(packet(96, 73))
    await blocked
    await hub.until(lambda: len(hub.heard) == 250)
    assert len(hub.all("opened")) == 1


async def test_a_full_hub_lets_go_of_the_port_and_takes_it_again(hub_on, plugged):
    oximeter = await plugged(Oximeter)
    hub = await hub_on(oximeter.path, oximeter.driver)
    await listening(oximeter)
    oximeter.send(packet(None, None))
    await hub.until(lambda: len(hub.heard) == 125)
    await hub.order("forbid")
    await hub.until(lambda: hub.all("closed"))
    async with asyncio.timeout(20):
        while oximeter.heard:  # noqa: ASYNC110 (the kernel tells only when asked)
            await asyncio.sleep(0.01)
    await hub.order("allow")
    await listening(oximeter)
    assert await oximeter.session([(97, 72)])
    await hub.until(lambda: hub.values)
    assert hub.values == demanded(oximeter)


# Devices that are asked.


async def measured(meter, numbers):
    for at, number in enumerate(numbers):
        act = meter.glucose if isinstance(meter, TaiDocCable) else meter.measure
        await act(number, ago=timedelta(minutes=len(numbers) - at))


@pytest.mark.parametrize(
    "kind", [ContourMeter, UltraEasy, FreestyleMeter, TaiDocCable], ids=lambda kind: kind.driver
)
async def test_a_meter_is_asked_and_tells_what_it_holds(hub_on, plugged, kind):
    meter = await plugged(kind)
    hub = await hub_on(meter.path, meter.driver, heap="400k")
    await measured(meter, [98, 133, 180])
    await hub.until(lambda: len({json.dumps(row, sort_keys=True) for row in hub.values}) == 3, 40)
    wanted = demanded(meter)
    assert sorted(row["glucose"] for row in hub.values[:3]) == sorted(row["glucose"] for row in wanted)
    assert [facts for facts in hub.all("record") if "error" in facts] == []
    assert hub.all("problem") == []


@pytest.mark.parametrize("kind", [OldContec, NewContec], ids=lambda kind: kind.__name__)
async def test_an_oximeter_tells_the_night_that_it_holds(hub_on, plugged, kind):
    """Two minutes of a value a second, at whichever speed and parity this one has."""
    oximeter = await plugged(kind)
    await oximeter.night([(93 + at % 6, 60 + at % 60) for at in range(130)], ago=timedelta(hours=1))
    hub = await hub_on(oximeter.path, oximeter.driver, heap="400k")
    wanted = demanded(oximeter)
    await hub.until(lambda: len(hub.values) >= len(wanted), 40)
    assert hub.values[: len(wanted)] == wanted
    assert hub.all("problem") == []


async def test_a_scale_tells_what_stood_on_it(hub_on, plugged):
    scale = await plugged(AsciiScale)
    hub = await hub_on(scale.path, scale.driver)
    await listening(scale)
    assert await scale.weigh(724)
    await hub.until(lambda: hub.values)
    assert hub.values == demanded(scale)


async def test_a_meter_that_waits_for_acknowledgements_gets_them_only_for_what_is_stored(hub_on, plugged):
    """There is no room for the second record: it is not acknowledged, and comes again at the next visit."""
    meter = await plugged(ContourMeter)
    await measured(meter, [98, 133, 180])
    hub = await hub_on(meter.path, meter.driver, heap="400k", full=2)
    await hub.until(lambda: hub.all("problem"))
    at = next(n for n, (what, facts) in enumerate(hub.said) if what == "problem")
    assert hub.said[at][1]["code"] == "frame-not-stored"
    before = hub.said[:at]
    assert len([what for what, facts in before if what == "record"]) == 1
    last_heard = max(n for n, (what, _) in enumerate(before) if what == "heard")
    after = [what for what, _ in before[last_heard:]]
    assert "sent" not in after
    assert after[-1] == "closed"
    await hub.until(lambda: len({row["glucose"] for row in hub.values}) == 3, 40)
    assert {row["glucose"] for row in hub.values} == {"98", "133", "180"}


@pytest.mark.parametrize("fault", ["damages", "ignores"])
async def test_what_a_cable_does_costs_no_reading(hub_on, plugged, fault):
    meter = await plugged(ContourMeter)
    await measured(meter, [98, 133, 180])
    setattr(meter, fault, 2)
    hub = await hub_on(meter.path, meter.driver, heap="400k")
    await hub.until(lambda: len({row["glucose"] for row in hub.values}) == 3, 60)
    assert {row["glucose"] for row in hub.values} == {"98", "133", "180"}


# Speeds.


def speed_of(device):
    return termios.tcgetattr(device._master)[4]


async def test_a_device_that_is_not_understood_is_tried_at_its_other_speeds(hub_on, plugged):
    """The settings of the chip are the driver's, in turn, and the line has their speed."""
    scale = await plugged(AsciiScale)
    hub = await hub_on(scale.path, scale.driver, strange_ms=20, quiet_ms=100)
    for count in range(1, 6):
        await hub.until(lambda count=count: len(hub.all("settings")) == count)
        chosen = hub.all("settings")[-1]
        wanted = {2400: termios.B2400, 9600: termios.B9600}[chosen["baudrate"]]
        async with asyncio.timeout(20):
            while not (scale.heard and speed_of(scale) == wanted):  # noqa: ASYNC110 (as above)
                await asyncio.sleep(0.01)
        while len(hub.all("settings")) == count:
            scale.send(b"\xfe\xfe?")
            await asyncio.sleep(0.005)
    told = [(row["baudrate"], row["bits"], row["parity"], row["stop"]) for row in hub.all("settings")][:5]
    assert told == [(2400, 7, 0, 1), (9600, 8, None, 1), (2400, 8, None, 1), (9600, 7, 0, 1), (2400, 7, 0, 1)]
    assert hub.values == []


# A device gone mad.


def anything(noise):
    return noise.randbytes(2048)


def text(noise):
    return bytes(noise.choices(range(0x20, 0x7F), k=2000)) + b"\r\n"


@pytest.mark.parametrize(
    ("driver", "junk"),
    [
        ("ascensia-contour", anything),
        ("taidoc", anything),
        ("ascii-scale", anything),
        ("nonin-serial", text),  # of bytes at random its sum of 8 bits lets some pass
        ("contec-cms50", text),
    ],
    ids=lambda value: getattr(value, "__name__", value),
)
async def test_junk_at_full_speed_tells_nothing_false_and_takes_no_memory(hub_on, tmp_path, driver, junk):
    """As fast as the terminal takes it; then it is silent and the port is as before."""
    master, slave = os.openpty()
    tty.setraw(slave)  # from the first byte on
    noise = random.Random(driver)
    hub = await hub_on(os.ttyname(slave), driver, strange_ms=200)
    os.set_blocking(master, False)

    async def rave(size):
        """Until the hub has heard so much of it; and not all at once."""
        async with asyncio.timeout(60):
            while len(hub.heard) < size:
                with contextlib.suppress(BlockingIOError):
                    os.write(master, junk(noise))
                with contextlib.suppress(BlockingIOError):
                    os.read(master, 4096)  # what it asks
                await asyncio.sleep(0.001)
        await hub.order("memory")
        return hub.all("memory")[-1]["bytes"]

    early = await rave(1_500)
    late = await rave(1_500 + 2_500 * DOSE)
    assert late - early < 2 * 4096  # a port's buffer may be full now or then
    await hub.until(lambda: len(hub.all("closed")) == len(hub.all("opened")))
    assert hub.values == []
    assert [facts["code"] for facts in hub.all("problem") if facts["level"] == "error"] == []
    await hub.end()
    os.close(master)
    os.close(slave)

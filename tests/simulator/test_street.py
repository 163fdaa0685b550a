"""The street as a process: what it promises to whoever starts it."""

import asyncio
import json
import signal
import sys

import pytest
from bumble.transport import open_transport

from gateway.drivers.blood_pressure import BloodPressure
from gateway.radio import BluetoothDevice, Limits, Radio
from gateway.simulator.street import address_of
from gateway.simulator.truth import read_truth
from gateway.simulator.virtual_adapter import VirtualAdapter

METER = address_of("blood-pressure")


class Street:
    def __init__(self, directory):
        self.directory = directory
        self.ready = directory / "ready.json"

    async def start(self, *arguments):
        self.ready.unlink(missing_ok=True)
        self.process = await asyncio.create_subprocess_exec(
            *(
                sys.executable,
                "-m",
                "gateway.simulator.street",
                "--directory",
                str(self.directory),
                *arguments,
            )
        )
        await until(self.ready.exists)
        return json.loads(self.ready.read_text())

    async def stop(self, number=signal.SIGTERM):
        self.process.send_signal(number)
        return await asyncio.wait_for(self.process.wait(), 10)

    def measured(self):
        truth = read_truth(self.directory / "blood-pressure" / "truth.jsonl")
        return [line["hex"] for line in truth if line["event"] == "measured"]


class Hub:
    def __init__(self):
        self.values = []

    def opened(self, visit):
        pass

    def received(self, _visit, _source, data):
        self.values.append(data.hex())

    def closed(self, visit):
        pass


async def until(true, timeout_s=20):
    async with asyncio.timeout(timeout_s):
        while not true():  # noqa: ASYNC110 (files and plain numbers)
            await asyncio.sleep(0)


@pytest.fixture
async def street(tmp_path):
    made = Street(tmp_path)
    yield made
    if made.process.returncode is None:
        await made.stop(signal.SIGKILL)


async def test_it_goes_on_where_it_was(street, tmp_path):
    """Stopped with SIGTERM, then killed: ports, memory, bonds and truth log are as before."""
    hub = Hub()
    adapter = VirtualAdapter(lambda: json.loads(street.ready.read_text())["adapters"][0], tmp_path / "bonds")
    device = BluetoothDevice(METER, BloodPressure, METER)
    limits = Limits(silence_s=0.5, first_retry_s=0.05, last_retry_s=0.2, rest_s=0.1)
    opened = [True]
    radio = Radio(
        [device], hub, lambda: None, adapter.backend(), pairing_open=lambda _: opened[0], limits=limits
    )
    task = asyncio.ensure_future(radio.run())
    ports = set()
    try:
        for number in (signal.SIGTERM, signal.SIGKILL, signal.SIGINT):
            facts = await street.start("--interval", "0.5", "--devices", "cuff")
            ports.add(facts["adapters"][0])
            had = len(hub.values)
            await until(lambda had=had: len(hub.values) >= had + 2)
            opened[0] = False  # the bond must do from now on
            assert await street.stop(number) == (0 if number != signal.SIGKILL else -number)
        assert not task.done()
        assert len(ports) == 1
        assert hub.values
        known = street.measured()
        assert [value for value in dict.fromkeys(hub.values) if value not in known] == []
        assert list(dict.fromkeys(hub.values)) == known[: len(set(hub.values))]
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await adapter.close()


async def test_the_ready_file_names_all_devices(street):
    facts = await street.start("--interval", "0", "--adapters", "2")
    assert facts["pid"] == street.process.pid
    assert len(set(facts["adapters"])) == 2
    cuff, oximeter = facts["devices"]
    assert (cuff["by"], cuff["address"], cuff["driver"]) == ("bluetooth", METER, "blood-pressure")
    assert (oximeter["by"], oximeter["driver"]) == ("serial", "nonin-serial")
    assert oximeter["port"] == str(street.directory / "nonin-serial" / "port")


async def test_an_adapter_takes_one_host_at_a_time(street):
    port = (await street.start("--interval", "0", "--devices", "cuff"))["adapters"][0]
    first = await open_transport(f"tcp-client:127.0.0.1:{port}")
    second = await open_transport(f"tcp-client:127.0.0.1:{port}")
    await asyncio.wait_for(second.source.terminated, 10)
    assert not first.source.terminated.done()
    await first.close()

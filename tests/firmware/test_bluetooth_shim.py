"""MicroPython's `bluetooth` module over the virtual radio, judged with devices and with a phone of bumble."""

import asyncio
import json
import os
import signal
import subprocess
import sys

from bumble.core import UUID
from bumble.device import Device, Peer
from bumble.host import Host
from bumble.link import LocalLink
from bumble.transport.common import AsyncPipeSink

from gateway.simulator.devices.blood_pressure_monitor import BloodPressureMonitor, MeterOptions
from gateway.simulator.virtual_radio import AirController
from tests.firmware.bluetooth_fixtures import with_home
from tests.firmware.conftest import ROOT

METER = "F0:5A:01:00:00:01"
PLAIN = METER.replace(":", "").lower()


async def meter_in(home, **options):
    options = {"hang_up_after_s": 0.1, "idle_s": 2, **options}
    made = BloodPressureMonitor(home.air, METER, home.directory / "meter", MeterOptions(**options))
    return await home.add(made)


def words_of(said):
    return {line[0]: line[1:] for line in said}


def test_a_device_is_found_bonded_and_heard_and_known_again(tmp_path):
    async def test(home):
        meter = await meter_in(home)
        await meter.pairing_mode()
        record = await meter.measure(120, 80, 93, 60)
        port = await home.board()
        said = words_of(await (await home.run(port, "run_bluetooth_central.py", PLAIN)).ended())
        assert said["mac"] == ["00aa01000001"]
        assert said["found"][:2] == [1, -50]
        assert said["found"][2].startswith("020106")
        assert said["mtu"] == [247]
        assert "1018" in said["services"][0]
        assert said["refused"] == [0x10F]
        assert said["encrypted"] == [[1, 0, 1, 16]]
        assert said["clock"] == [10, 0]
        assert said["indicated"] == [record.data.hex()]
        assert said["overwritten"][0]
        assert sorted(row[0] for row in said["kept"][0]) == [1, 2, 10]
        again = await meter.measure(121, 80, 93, 60)
        kept = tmp_path / "kept.json"
        kept.write_text(json.dumps(said["kept"][0]))
        firmware = await home.run(port, "run_bluetooth_central.py", PLAIN, str(kept))
        said = words_of(await firmware.ended())
        assert said["encrypted"] == [[1, 0, 1, 16]]
        assert said["indicated"] == [again.data.hex()]
        assert len(meter.truth.of("paired")) == 1

    with_home(test, tmp_path)


def test_a_ring_that_is_too_small_loses_what_the_handler_is_too_late_for(tmp_path):
    async def test(home):
        meter = await meter_in(home)
        await meter.pairing_mode()
        for systolic in range(100, 120):
            await meter.measure(systolic, 80, 93, 60)
        port = await home.board()
        for ring, lost in ((128, True), (4096, False)):
            for number in range(20) if not lost else ():
                await meter.measure(130 + number, 80, 93, 60)
            firmware = await home.run(port, "run_bluetooth_ring.py", PLAIN, str(ring))
            told = (await firmware.ended())[-1]
            assert told[0] == "heard"
            assert (told[1] < 20, told[2] > 0) == (lost, lost)
            await meter.forget_bonds()
            await meter.pairing_mode()

    with_home(test, tmp_path)


def phone(air: LocalLink) -> Device:
    controller = AirController("phone", link=air)
    return Device("phone", "C0:00:00:00:00:01", host=Host(controller, AsyncPipeSink(controller)))


def test_a_phone_finds_the_board_and_talks_with_it(tmp_path):
    async def test(home):
        firmware = await home.run(await home.board(), "run_bluetooth_peripheral.py")
        assert await firmware.until("advertises") == ["advertises", "meethub"]
        central = phone(home.air)
        await central.power_on()
        connection = await central.connect_le("00:AA:01:00:00:01/P", timeout=5)
        peer = Peer(connection)
        assert await peer.request_mtu(247) == 200
        await peer.discover_all()
        (name,) = peer.get_characteristics_by_uuid(UUID.from_16_bits(0x2A00))
        assert await name.read_value() == b"meethub"
        (state,) = peer.get_characteristics_by_uuid(UUID("00467768-6228-2272-4663-277478268001"))
        (command,) = peer.get_characteristics_by_uuid(UUID.from_16_bits(0x2A9F))
        assert await state.read_value() == b"\x01"
        assert await command.get_descriptor(UUID.from_16_bits(0x2901)).read_value() == b"commands"
        told = asyncio.Queue()
        await state.subscribe(told.put_nowait)
        await command.subscribe(told.put_nowait)
        await command.write_value(bytes(range(30)), with_response=True)
        assert (await firmware.until("written"))[1] == bytes(range(20)).hex()  # a buffer holds 20 bytes
        await asyncio.sleep(0.2)
        await command.write_value(b"\x01\x02", with_response=True)
        await command.write_value(b"\x03", with_response=True)
        assert (await firmware.until("appended"))[1:] == ["010203", ""]
        assert [await told.get() for _ in range(3)] == [b"\x02", b"\x03\x04", b"yes"]
        await firmware.until("confirmed")
        await connection.disconnect()
        await firmware.ended()

    with_home(test, tmp_path)


def test_the_board_runs_as_a_process_and_says_its_port(tmp_path):
    street = tmp_path / "street"
    words = [
        "gateway.simulator.virtual_board",
        "--street",
        str(street),
        "--directory",
        str(tmp_path / "board"),
    ]
    board = subprocess.Popen([sys.executable, "-m", *words], cwd=ROOT)
    try:

        async def ready():
            async with asyncio.timeout(20):
                while not (tmp_path / "board" / "ready.json").exists():
                    assert board.poll() is None
                    await asyncio.sleep(0.02)

        asyncio.run(ready())
        facts = json.loads((tmp_path / "board" / "ready.json").read_text())
        assert facts["pid"] == board.pid
        assert facts["port"]
    finally:
        os.kill(board.pid, signal.SIGTERM)
    assert board.wait(timeout=10) == 0

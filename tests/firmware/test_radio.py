"""The firmware's radio on the virtual radio: MicroPython, its `bluetooth` module, and virtual devices."""

import json
from datetime import UTC, datetime

from gateway.simulator.devices.blood_pressure_monitor import BloodPressureMonitor, MeterOptions
from tests.firmware.bluetooth_fixtures import with_home

METER = "F0:5A:01:00:00:01"
QUICK = {
    "connect_ms": 3000,
    "read_ms": 1000,
    "prepare_ms": 2000,
    "quiet_ms": 400,
    "settle_ms": 50,
    "rest_ms": 20,
    "idle_rest_ms": 50,
    "first_retry_ms": 50,
    "last_retry_ms": 200,
    "silence_ms": 1000,
}


def now_ms():
    return int(datetime.now(UTC).timestamp() * 1000)


async def radio_of(home, port, devices=None, heap="4M", limits=None, **facts):
    """Firmware with these devices: (address, driver, bond, identity)."""
    usual = [(METER, "blood-pressure", False, "cuff")]
    told = {
        "devices": devices or usual,
        "limits": {**QUICK, **(limits or {})},
        "bonds": str(home.directory / "bonds"),
        "wall_ms": now_ms(),
        **facts,
    }
    path = home.directory / "facts.json"
    path.write_text(json.dumps(told))
    return await home.run(port, "run_radio.py", str(path), heap=heap)


async def cuff_in(home, address=METER, **options):
    options = {"hang_up_after_s": 0.15, "idle_s": 1, **options}
    folder = home.directory / address
    return await home.add(BloodPressureMonitor(home.air, address, folder, MeterOptions(**options)))


async def measured(meter, count, start=100):
    return [(await meter.measure(start + number, 70, None, 60)).data.hex() for number in range(count)]


def heard(said, identity="cuff"):
    return [line[3] for line in said if line[:2] == ["received", identity]]


async def end(firmware):
    await firmware.tell("end")
    return await firmware.ended()


def test_a_cuff_is_bonded_with_and_read(tmp_path):
    async def test(home):
        meter = await cuff_in(home, clock_offset_s=-600)
        sent = await measured(meter, 3)
        await meter.pairing_mode()
        firmware = await radio_of(home, await home.board())
        await firmware.until("closed")
        sent += await measured(meter, 2, start=140)
        await firmware.until("closed")
        await firmware.tell("state")
        state = await firmware.until("state")
        said = await end(firmware)
        assert heard(said) == sent
        opened = [line for line in said if line[0] == "opened"]
        assert opened[0][2] == 80
        assert opened[0][4:] == [True, ["Meethub", "BP-SIM", "0001", "1.0", "010000feff015af0"]]
        assert [line[2] for line in said if line[0] == "closed"] == [True, False]
        assert len(meter.truth.of("paired")) == 1
        assert state[2] == [["cuff", "", 2, 5, ""]]
        assert state[1]["radio-hears"] == 1

    with_home(test, tmp_path)

"""Each Bluetooth driver's virtual device, read by the firmware's radio: what it measured is what is heard."""

import asyncio
from datetime import timedelta

from gateway.simulator.advertiser import Advertiser
from gateway.simulator.catalogue import BLUETOOTH, CATALOGUE
from gateway.simulator.devices.taidoc_meters import TaiDocBluetooth
from gateway.simulator.peripheral import Peripheral
from tests.firmware.bluetooth_fixtures import with_home
from tests.firmware.test_radio import end, radio_of
from tests.simulator.bench import agrees, told

KINDS = {entry.driver: entry.load() for entry in CATALOGUE if entry.by == BLUETOOTH} | {
    "taidoc": TaiDocBluetooth
}
ADDRESS = "F0:5A:02:00:00:{:02X}"


async def devices_in(home):
    made = {}
    for number, (driver, kind) in enumerate(KINDS.items()):
        assert issubclass(kind, Advertiser)
        address = ADDRESS.format(number)
        options = kind.options_type(clock_offset_s=-600, advertising_ms=50)
        made[driver] = device = await home.add(kind(home.air, address, home.directory / driver, options))
        if isinstance(device, Peripheral) and device.options.bonds:
            await device.pairing_mode()
        if device.stores:
            await device.use(timedelta(hours=2))
    return made


def differences(devices, said):
    """Rows of truth logs without a reading, and readings that no row explains; each reading counts once."""
    readings = []
    for line in said:
        if line[0] == "reading" and (line[1], told(line[2])) not in readings:
            readings.append((line[1], told(line[2])))
    missing = []
    for driver, device in devices.items():
        for row in device.truth.of("measured"):
            found = next((one for one in readings if one[0] == driver and agrees(row, one[1])), None)
            if found is not None:
                readings.remove(found)
            elif not any(line["number"] == row["number"] for line in device.truth.of("cut-off")):
                missing.append((driver, row))
    return missing, readings


def test_every_bluetooth_device_is_read_as_it_measured(tmp_path):
    async def test(home):
        devices = await devices_in(home)
        bound = [(device.address, driver, False, driver) for driver, device in devices.items()]
        limits = {"quiet_ms": 1000, "rest_ms": 100, "idle_rest_ms": 100, "prepare_ms": 8000, "read_ms": 4000}
        firmware = await radio_of(home, await home.board(), bound, limits=limits)
        people = [asyncio.create_task(device.use()) for device in devices.values()]
        try:
            async with asyncio.timeout(60):
                while differences(devices, firmware.said) != ([], []):
                    await firmware.until("closed", 60)
        except TimeoutError:
            missing, unexplained = differences(devices, firmware.said)
            logged = [line[2:] for line in firmware.said if line[0] == "log"]
            raise AssertionError([missing, unexplained, logged[-60:]]) from None
        await asyncio.gather(*people)
        said = await end(firmware)
        assert differences(devices, said) == ([], [])
        assert {line[1] for line in said if line[0] == "reading"} == set(KINDS)
        assert len(KINDS) == 13
        assert [line for line in said if line[0] == "unread"] == []
        for driver, device in devices.items():
            assert not device.truth.of("fault"), driver

    with_home(test, tmp_path)

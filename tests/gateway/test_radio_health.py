"""The radio stays alive: unmodified bleak on a real D-Bus, with a small stand-in for bluetoothd on it."""

import asyncio
import contextlib

import pytest

from gateway.drivers.blood_pressure import BloodPressure
from gateway.radio import BluetoothDevice, Limits, Radio
from gateway.radio.machine import BluezAdapter
from gateway.radio.watchdog import HEARS, OBEYS, POWER_CYCLE, RESTART, Watchdog
from tests.gateway.bluez_fixtures import BlueZ, needs_bus, private_bus

METER, NEIGHBOUR = "F0:5A:01:00:00:01", "C0:FF:EE:00:00:99"
QUICK = Limits(
    silence_s=0.4, longest_silence_s=2, first_retry_s=0.02, last_retry_s=0.1, connect_s=0.5, read_s=0.5
)
PATIENT = Limits(silence_s=60, first_retry_s=0.02, last_retry_s=0.1)


@pytest.fixture
async def place(bus_address, monkeypatch):
    """A bus that bleak takes for the system's."""
    monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", bus_address)
    return bus_address


@contextlib.asynccontextmanager
async def listening(limits=PATIENT, devices=()):
    devices = [BluetoothDevice(address, BloodPressure, address) for address in devices]
    radio = Radio(devices, None, lambda: None, limits=limits)
    task = asyncio.ensure_future(radio.run())
    try:
        yield radio
        assert not task.done()
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def until(true, timeout_s=20):
    async with asyncio.timeout(timeout_s):
        while not true():  # noqa: ASYNC110 (facts are plain numbers)
            await asyncio.sleep(0.005)


async def heard(bluez, radio):
    """Advertisements of a neighbour come in until the radio says that it hears."""
    await asyncio.wait_for(bluez.adapter.scan.wait(), 10)
    async with asyncio.timeout(10):
        while radio.facts.proof != HEARS:
            await bluez.hears(NEIGHBOUR)
            await asyncio.sleep(0.005)


@needs_bus
class TestOnABus:
    async def test_begins_to_scan_and_knows_that_the_adapter_obeys_and_then_that_it_hears(self, place):
        async with BlueZ(place) as bluez, listening() as radio:
            await until(lambda: radio.facts.proof == OBEYS)
            await heard(bluez, radio)
            assert radio.facts.numbers()["radio-hears"] == 1

    async def test_survives_restarts_of_bluetoothd(self, place):
        async with listening() as radio:
            for restarts in range(3):
                async with BlueZ(place) as bluez:
                    await heard(bluez, radio)
                    assert bluez.adapter.scan.is_set()
                assert radio.facts.scanner_restarts >= restarts
                await until(lambda: not radio.facts.scanning)
                assert radio.facts.numbers()["radio-hears"] == 0

    async def test_survives_a_restart_that_is_over_at_once(self, place):
        """The new bluetoothd is there before the radio has noticed; it scans for nobody."""
        async with BlueZ(place) as old, listening() as radio:
            await heard(old, radio)
            new = BlueZ(place)
            await old.bus.release_name("org.bluez")
            async with new:
                await heard_anew(new, radio)

    async def test_survives_a_restart_of_the_bus_itself(self, tmp_path, monkeypatch):
        monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", f"unix:path={tmp_path}/bus")
        async with listening() as radio:
            for _ in range(2):
                async with private_bus(tmp_path) as address, BlueZ(address) as bluez:
                    await heard(bluez, radio)
                await until(lambda: not radio.facts.scanning)

    async def test_remembered_devices_are_neither_heard_nor_visited(self, place):
        async with BlueZ(place) as bluez, listening(devices=[METER]) as radio:
            path = bluez.remember(METER, name="BPM 0001")
            await until(lambda: radio.facts.scanning)
            await bluez.adds(path)
            await bluez.hears(NEIGHBOUR)
            await until(lambda: radio.facts.proof == HEARS)
            assert radio.facts.devices[METER].seen_at is None
            await bluez.hears(METER)
            await until(lambda: radio.facts.devices[METER].seen_at is not None)
            assert (radio.facts.devices[METER].rssi, radio.facts.devices[METER].name) == (-50, "BPM 0001")

    async def test_a_deaf_adapter_is_mended_and_proves_it(self, place):
        async with BlueZ(place) as bluez, listening(QUICK) as radio:
            await heard(bluez, radio)
            bluez.adapter.deaf = True
            await until(lambda: bluez.adapter.power_cycles == 1, 60)
            assert radio.facts.proof != HEARS
            scans = bluez.adapter.scans
            assert scans >= 2, "the scanner was started anew first"
            await heard(bluez, radio)
            assert (radio.facts.power_cycles, radio.facts.problem) == (1, None)

    async def test_a_silent_house_is_said_to_be_and_does_not_stop_the_hub(self, place):
        async with BlueZ(place) as bluez, listening(QUICK) as radio:
            await until(lambda: radio.facts.problem is not None, 60)
            assert radio.facts.problem.code == "radio-silent"
            assert radio.facts.numbers()["radio-hears"] == 0
            await heard(bluez, radio)
            assert radio.facts.problem is None

    @pytest.mark.parametrize("told", [True, False])
    async def test_a_scan_that_was_ended_goes_on(self, place, told):
        async with BlueZ(place) as bluez, listening(QUICK if not told else PATIENT) as radio:
            await heard(bluez, radio)
            if told:
                bluez.adapter.end_scan()
            else:
                bluez.adapter.scan.clear()
            await until(lambda: bluez.adapter.scans == 2)
            await heard(bluez, radio)
            assert bluez.adapter.power_cycles == 0

    async def test_an_adapter_that_was_switched_off_is_switched_on(self, place):
        async with BlueZ(place) as bluez, listening() as radio:
            await heard(bluez, radio)
            bluez.adapter.powered = False
            bluez.adapter.end_scan()
            await until(lambda: bluez.adapter.powered and bluez.adapter.scan.is_set())
            await heard(bluez, radio)

    async def test_an_adapter_that_may_not_be_switched_on(self, place):
        async with BlueZ(place) as bluez:
            bluez.adapter.powered, bluez.adapter.blocked = False, True
            async with listening() as radio:
                await until(lambda: radio.facts.adapter_faults >= 2)
                assert radio.facts.problem.code == "adapter-off"
                assert radio.facts.problem.detail == "org.bluez.Error.Blocked"
                bluez.adapter.blocked = False
                await heard(bluez, radio)
                assert radio.facts.problem is None

    async def test_an_adapter_that_is_pulled_out_and_plugged_in(self, place):
        async with BlueZ(place) as bluez, listening() as radio:
            await heard(bluez, radio)
            await bluez.pulls_out()
            await until(lambda: radio.facts.problem is not None)
            assert radio.facts.problem.code == "adapter-missing"
            await bluez.plugs_in()
            await heard(bluez, radio)
            assert bluez.adapter.powered

    async def test_without_bluetoothd_it_waits(self, place):
        async with listening() as radio:
            await until(lambda: radio.facts.adapter_faults >= 2)
            assert radio.facts.problem.code == "adapter-missing"
            async with BlueZ(place) as bluez:
                await heard(bluez, radio)

    async def test_a_visit_is_not_disturbed(self, place):
        async with BlueZ(place) as bluez, listening(QUICK, devices=[METER]) as radio:
            await heard(bluez, radio)
            radio.facts.devices[METER].busy = True
            before = bluez.adapter.scans
            bluez.adapter.deaf = True
            await asyncio.sleep(4 * QUICK.silence_s)  # nothing may happen: there is nothing to wait for
            assert (bluez.adapter.scans, bluez.adapter.power_cycles) == (before, 0)

    async def test_which_adapter_holds_a_bond(self, place):
        async with BlueZ(place) as bluez:
            bluez.remember(METER)
            bluez.remember(METER, adapter="/org/bluez/hci1")
            bluez.remember(NEIGHBOUR, bonded=False)
            assert await BluezAdapter("hci0").bonds() == {METER: {"hci0", "hci1"}}

    async def test_a_bond_that_another_adapter_holds_is_said(self, place):
        async with BlueZ(place) as bluez, listening(devices=[METER]) as radio:
            bluez.remember(METER, bonded=False)
            bluez.remember(METER, adapter="/org/bluez/hci1")
            await asyncio.wait_for(bluez.adapter.scan.wait(), 10)
            await bluez.hears(METER)
            await until(lambda: radio.facts.devices[METER].problem is not None)
            problem = radio.facts.devices[METER].problem
            assert (problem.code, problem.detail) == ("bond-other-adapter", "hci1")
            assert radio.facts.numbers()["devices-unbonded"] == 1


async def heard_anew(bluez, radio):
    """The adapter of this new bluetoothd is told to scan, and the radio hears by it."""
    await asyncio.wait_for(bluez.adapter.scan.wait(), 10)
    await heard(bluez, radio)


def attempts(watchdog, now, count):
    """What is done, and after how long, while nothing is heard."""
    for _ in range(count):
        due = watchdog.due()
        yield watchdog.remedy(), due - now
        now = due
        watchdog.started(now)


def test_ever_more_rarely():
    watchdog = Watchdog(60, 1800)
    watchdog.started(1000)
    done = list(attempts(watchdog, 1000, 9))
    assert done[0] == (RESTART, 60)
    assert done[1:] == [(POWER_CYCLE, wait) for wait in (60, 120, 240, 480, 960, 1800, 1800, 1800)]


def test_what_is_heard_ends_all_doubt():
    watchdog = Watchdog(60, 1800)
    watchdog.started(0)
    list(attempts(watchdog, 0, 5))
    watchdog.heard(10_000)
    assert (watchdog.attempts, watchdog.due()) == (0, 10_060)
    assert watchdog.remedy() == RESTART

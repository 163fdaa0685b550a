"""The radio on the virtual radio: bleak, a bumble host and controller, and virtual devices, all real parts."""

import asyncio
import json
import os
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from time import monotonic

import pytest
from bumble.controller import Controller
from bumble.core import UUID, AdvertisingData
from bumble.device import Device
from bumble.gatt import Characteristic, Service
from bumble.hci import Address
from bumble.host import Host
from bumble.transport.common import AsyncPipeSink

from gateway.drivers.blood_pressure import BloodPressure
from gateway.radio import BluetoothDevice, Radio, RadioError
from gateway.radio.base import Budget
from gateway.radio.line import HUNG_UP
from gateway.radio.turned_away import turned_away
from gateway.simulator.street import address_of
from gateway.simulator.truth import read_truth
from gateway.simulator.virtual_adapter import VirtualAdapter
from gateway.wire.errors import MeethubError
from tests.gateway.radio_fixtures import METER, QUICK, House, Hub, measured, until

ROGUE = "F0:5A:66:66:66:66"


@pytest.fixture
async def house(tmp_path):
    made = House(tmp_path)
    yield made
    await made.close()


def local_now():
    return datetime.now(UTC).astimezone().replace(tzinfo=None)


async def test_first_visit_pairs_and_later_ones_encrypt_again(house):
    hub, meter = Hub(), await house.meter()
    sent = await measured(meter, 3)
    await meter.pairing_mode()
    radio = await house.radio(hub)
    await hub.until(lambda: len(hub.ended) == 1)
    sent += await measured(meter, 2, start=140)
    await until(lambda: radio.facts.devices[METER].values == 5)
    assert hub.values() == sent
    assert len(meter.truth.of("paired")) == 1
    assert len(meter.truth.of("encrypted")) == len(meter.truth.of("connected")) == len(hub.visits)
    device = hub.visits[0].device
    assert (device.manufacturer, device.model, device.serial, device.firmware) == (
        "Meethub",
        "BP-SIM",
        "0001",
        "1.0",
    )
    assert (device.system_id, device.address, device.identity) == ("010000feff015af0", METER, METER)
    assert hub.visits[0].battery == 80
    facts = radio.facts.devices[METER]
    assert (facts.values, facts.battery, facts.problem) == (5, 80, None)
    assert all(visit.bonded for visit in hub.visits)
    assert radio.facts.numbers() == {
        "radio-scanning": 1,
        "radio-hears": 1,
        "radio-faults": 0,
        "radio-restarts": 0,
        "radio-power-cycles": 0,
        "devices-failing": 0,
        "devices-unbonded": 0,
    }


async def test_a_hub_that_restarts_uses_its_bond(house):
    hub, meter = Hub(), await house.meter()
    await measured(meter, 1)
    await meter.pairing_mode()
    await house.radio(hub)
    await hub.until(lambda: len(hub.ended) == 1)
    house.tasks.pop().cancel()
    await house.adapters[0].close()
    again = VirtualAdapter(house.ports[0].port, house.directory / "bonds-1.json")
    house.adapters.append(again)
    radio = Radio(
        [BluetoothDevice(METER, BloodPressure, METER)], hub, lambda: None, again.backend(), limits=QUICK
    )
    house.tasks.append(asyncio.ensure_future(radio.run()))
    await measured(meter, 1)
    await hub.until(lambda: len(hub.values()) == 2)
    assert len(meter.truth.of("paired")) == 1


async def test_a_burst_and_a_slow_hub_lose_nothing(house, tmp_path):
    """50 stored readings, and a listener that syncs five times for each."""

    class Slow(Hub):
        def received(self, visit, source, data):
            with (tmp_path / "slow").open("ab") as file:
                for byte in data[:5]:
                    file.write(bytes((byte,)))
                    file.flush()
                    os.fsync(file.fileno())
            return super().received(visit, source, data)

    hub, meter = Slow(), await house.meter()
    sent = await measured(meter, 50)
    await house.radio(hub)
    await meter.pairing_mode()
    await meter.truth.wait_for("confirmed", 50)
    await hub.until(lambda: hub.ended)
    assert hub.values() == sent
    assert meter.memory.records == []


async def test_the_device_is_confirmed_before_the_hub_hears(tmp_path):
    """The street is another process; the listener returns only when the meter has seen the confirmation."""
    street = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "gateway.simulator.street", "--directory", str(tmp_path)),
        *("--interval", "1000", "--devices", "cuff"),
    )
    truth = tmp_path / "blood-pressure" / "truth.jsonl"

    class Waits(Hub):
        confirmed = False

        def received(self, visit, source, data):
            end = monotonic() + 10
            while not self.confirmed and monotonic() < end:
                self.confirmed = any(line["event"] == "confirmed" for line in read_truth(truth))
            return super().received(visit, source, data)

    hub = Waits()
    await until((tmp_path / "ready.json").exists)
    adapter = VirtualAdapter(
        lambda: json.loads((tmp_path / "ready.json").read_text())["adapters"][0], tmp_path / "bonds.json"
    )
    meter = address_of("blood-pressure")
    radio = Radio(
        [BluetoothDevice(meter, BloodPressure, meter)],
        hub,
        lambda: None,
        adapter.backend(),
        pairing_open=lambda _: True,
    )
    task = asyncio.ensure_future(radio.run())
    try:
        await hub.until(hub.values)
        assert hub.confirmed
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await adapter.close()
        street.terminate()
        assert await asyncio.wait_for(street.wait(), 10) == 0


async def test_a_lost_confirmation_brings_the_same_reading_again(house):
    hub, meter = Hub(), await house.meter(lose_confirmations=1)
    sent = await measured(meter, 2)
    await house.radio(hub)
    await meter.pairing_mode()
    await hub.until(lambda: len(hub.values()) == 3)
    assert hub.values() == [sent[0], sent[0], sent[1]]
    assert hub.visits[0].number != hub.visits[-1].number


async def test_a_frame_that_cannot_be_stored_leaves_the_rest_on_the_device(house):
    class Full(Hub):
        full = True

        def received(self, visit, source, data):
            if self.full and len(self.values()) == 2:
                self.full = False
                raise MeethubError("outbox-full")
            return super().received(visit, source, data)

    hub, meter = Full(), await house.meter(pace_s=0.02)
    sent = await measured(meter, 6)
    radio = await house.radio(hub)
    await meter.pairing_mode()
    await hub.until(lambda: len(hub.values()) == 5)
    # one was confirmed by the stack and not stored: counted by the hub as such, never more than that one
    assert hub.values() == sent[:2] + sent[3:]
    await until(lambda: radio.facts.devices[METER].problem is None)


async def test_a_wrong_clock_is_recorded_then_set_then_read_back(house):
    hub, meter = Hub(), await house.meter(clock_offset_s=-600, hang_up_after_s=1)
    await measured(meter, 3)
    await meter.pairing_mode()
    await house.radio(hub)
    await hub.until(lambda: hub.ended)
    first = hub.clocks[0]
    assert (
        timedelta(seconds=590)
        < local_now() - datetime.fromisoformat(first.device_time)
        < timedelta(seconds=630)
    )
    assert not first.written
    assert hub.ended[0].clock.device_time == first.device_time
    assert hub.ended[0].clock.written
    assert len(meter.truth.of("clock-set")) == 1
    events = [line["event"] for line in meter.truth.events]
    assert events.index("clock-set") > max(at for at, event in enumerate(events) if event == "confirmed")
    assert abs(meter.clock() - local_now()) < timedelta(seconds=5)
    await measured(meter, 1)
    await hub.until(lambda: len(hub.ended) == 2)
    assert len(meter.truth.of("clock-set")) == 1


@pytest.mark.parametrize("case", ["30 s off", "wall time unknown", "records move"])
async def test_a_clock_that_must_not_be_set(house, case):
    class Moving(BloodPressure):
        clock_moves_records = True

    hub = Hub()
    meter = await house.meter(clock_offset_s=-30 if case == "30 s off" else -600)
    options = {"wall": lambda: None} if case == "wall time unknown" else {}
    await measured(meter, 1)
    await meter.pairing_mode()
    await house.radio(hub, driver=Moving if case == "records move" else BloodPressure, **options)
    await hub.until(lambda: hub.ended)
    assert hub.clocks[0] is not None
    assert not hub.ended[0].clock.written
    assert meter.truth.of("clock-set") == []


async def test_a_clock_reset_by_a_new_battery_is_set(house):
    hub, meter = Hub(), await house.meter()
    await meter.change_battery()
    await measured(meter, 1)
    await meter.pairing_mode()
    await house.radio(hub)
    await hub.until(lambda: hub.ended)
    assert hub.clocks[0].device_time.startswith("2000-01-01")
    assert abs(meter.clock() - local_now()) < timedelta(seconds=5)


async def test_nobody_pairs_unless_a_person_opened_it(house):
    opened = []
    hub, meter = Hub(), await house.meter()
    radio = await house.radio(hub, pairing_open=lambda _: bool(opened))
    await meter.pairing_mode()
    sent = await measured(meter, 1)
    await until(lambda: radio.facts.devices[METER].problem is not None)
    assert radio.facts.devices[METER].problem.code == "pairing-needed"
    assert meter.truth.of("paired") == []
    opened.append(METER)
    await hub.until(hub.values)
    assert hub.values() == sent


async def test_a_meter_that_is_not_in_pairing_mode_refuses(house):
    hub, meter = Hub(), await house.meter()
    radio = await house.radio(hub)
    await measured(meter, 1)
    await until(lambda: radio.facts.devices[METER].problem is not None)
    assert radio.facts.devices[METER].problem.code == "pairing-failed"


async def test_a_bond_that_the_meter_lost_is_told_and_mended_by_a_person(house):
    hub, meter = Hub(), await house.meter()
    await measured(meter, 1)
    await meter.pairing_mode()
    radio = await house.radio(hub)
    await hub.until(lambda: hub.ended)
    await meter.forget_bonds()
    sent = await measured(meter, 1)
    lost = lambda: radio.facts.devices[METER].problem  # noqa: E731
    await until(lambda: lost() is not None and lost().code == "bond-lost")
    assert len(hub.values()) == 1
    await meter.pairing_mode()
    paired = await radio.pair(METER, BloodPressure, 20)
    assert (paired.device.model, paired.device.address, paired.bonded) == ("BP-SIM", METER, True)
    await meter.open_window()
    await hub.until(lambda: len(hub.values()) == 2)
    assert hub.values()[1:] == sent


async def test_no_visit_begins_while_a_person_pairs(house):
    """Not even when one went on at that moment."""
    hub, meter = Hub(), await house.meter(pace_s=0.1)
    radio = await house.radio(hub)
    await measured(meter, 3)
    await meter.pairing_mode()
    await hub.until(lambda: hub.visits)
    pairing = asyncio.ensure_future(radio.pair(METER, BloodPressure, 20))
    await hub.until(lambda: hub.ended)
    await meter.pairing_mode()
    assert (await pairing).bonded
    assert len(hub.visits) == 1
    await measured(meter, 1)
    await hub.until(lambda: len(hub.values()) == 4)


async def test_a_device_that_waits_for_the_hub_to_leave_after_the_bond_is_left_at_once(house):
    """A&D: bonded in a visit or by a person's wish, it tells nothing before the next connection."""
    hub = Hub()
    meter = await house.meter(manufacturer="A&D Medical", only_bonds_at_first=True, idle_s=60)
    sent = await measured(meter, 3)
    await house.radio(hub)
    await meter.pairing_mode()
    await hub.until(lambda: len(hub.values()) == 3)
    assert hub.values() == sent
    first, *later = told_by_connection(meter)
    assert "paired" in first
    assert "subscribed" not in first, "the hub left before anything else"
    assert all("subscribed" in told for told in later)


async def test_the_hub_subscribes_at_each_connection_and_leaves_when_it_is_quiet(house):
    """A device that does not hang up itself is not held: the hub does, and the device told all it had."""
    hub, meter = Hub(), await house.meter(hang_up_after_s=60, idle_s=60, keeps_memory=True)
    await house.radio(hub)
    await meter.pairing_mode()
    for count in (1, 2, 3):
        await measured(meter, 1, start=100 + 10 * count)
        await hub.until(lambda count=count: len(hub.ended) >= count)
        await meter.truth.wait_for("disconnected", count)
    told = told_by_connection(meter)
    assert [names.count("subscribed") for names in told] == [1] * len(told)


def told_by_connection(meter):
    """The names of events of each connection."""
    told = []
    for line in meter.truth.events:
        if line["event"] == "connected":
            told.append([])
        elif told:
            told[-1].append(line["event"])
    return told


async def test_a_device_that_was_paired_is_not_visited_without_its_bond(house):
    """The hub lost its bond: whoever answers to this address may be anybody."""
    hub, meter = Hub(), await house.meter(bonds=False)
    device = BluetoothDevice(METER, BloodPressure, METER, bond=True)
    opened = []
    radio = await house.radio(hub, devices=[device], pairing_open=lambda _: bool(opened))
    await measured(meter, 1)
    await until(lambda: radio.facts.devices[METER].problem is not None)
    assert radio.facts.devices[METER].problem.code == "bond-lost"
    assert meter.truth.of("connected") == []
    opened.append(METER)
    await hub.until(hub.values)
    assert hub.visits[0].bonded, "it had to bond before it was heard, although it would have told without"


@pytest.mark.parametrize("how", ["hangs up", "not for us"])
async def test_a_device_that_answers_to_another_host_is_said_to(house, how):
    hub = Hub()
    other = Rogue(house.air, [Service(UUID.from_16_bits(0x1810), [pressure()])], name="BPM 0009")
    if how == "hangs up":
        other.device.on(Device.EVENT_CONNECTION, lambda link: asyncio.ensure_future(link.disconnect()))
    else:
        other.controller.on_le_connect_ind = lambda _: None
    radio = await house.radio(hub, ROGUE, limits=replace(QUICK, connect_s=0.3))
    await other.start()
    facts = radio.facts.devices[ROGUE]
    await until(lambda: facts.problem is not None and facts.problem.code == "bond-elsewhere", 60)
    assert facts.turned_away == facts.failures == 3
    assert radio.facts.numbers()["devices-unbonded"] == 1


def test_far_away_is_no_sign_of_another_host():
    lost = RadioError("connect-failed", "TimeoutError")
    assert turned_away(lost, -60)
    assert not turned_away(lost, -95)
    assert turned_away(RadioError("connect-failed", HUNG_UP), -95)
    assert not turned_away(RadioError("device-silent"), -40)


async def test_pairing_a_device_that_is_not_there(house):
    radio = await house.radio(Hub())
    with pytest.raises(RadioError, match="device-not-found"):
        await radio.pair(ROGUE, BloodPressure, 0.2)


async def test_two_gateways_read_the_memory_of_one_device(house):
    hubs = [Hub(), Hub()]
    turn = []
    meter = await house.meter(keeps_memory=True)
    sent = []
    for hub in hubs:
        await house.radio(hub, allowed=lambda _, hub=hub: turn == [hub])
    for hub in hubs:
        turn[:] = [hub]
        await meter.pairing_mode()
        sent += await measured(meter, 3)
        await hub.until(lambda hub=hub: hub.ended)
        assert hub.values() == sent
    assert len(meter.truth.of("paired")) == 2


async def test_two_gateways_answer_one_advertisement(house):
    """The device takes one of them; the other one sees its connection fail, and nothing is lost or doubled."""
    hubs = [Hub(), Hub()]
    turn = []
    meter = await house.meter()
    for hub in hubs:
        await house.radio(hub, allowed=lambda _, hub=hub: hub in turn)
    for hub in hubs:
        turn[:] = [hub]
        await meter.pairing_mode()
        await hub.until(lambda hub=hub: hub.ended)
    turn[:] = hubs
    sent = []
    for _ in range(5):
        sent += await measured(meter, 2, start=100 + len(sent))
        await meter.truth.wait_for("confirmed", len(sent))
    await until(lambda: sorted(hubs[0].values() + hubs[1].values()) == sorted(sent))


async def test_a_street_that_was_gone_is_found_again(house):
    hub, meter = Hub(), await house.meter()
    radio = await house.radio(hub)
    await meter.pairing_mode()
    await measured(meter, 1)
    await hub.until(lambda: hub.ended)
    await house.ports[0].close()
    await until(lambda: radio.facts.adapter_faults > 0)
    assert radio.facts.problem.code == "adapter-missing"
    await house.ports[0].open()
    await measured(meter, 1)
    await hub.until(lambda: len(hub.values()) == 2)


async def test_an_adapter_pulled_out_in_a_burst_loses_what_the_stack_confirmed_at_most(house):
    hub, meter = Hub(), await house.meter(pace_s=0.005)
    sent = await measured(meter, 30)
    await house.radio(hub)
    await meter.pairing_mode()
    await hub.until(lambda: len(hub.values()) == 10)
    await house.ports[0].close()
    await hub.until(lambda: hub.ended)
    await house.ports[0].open()
    await meter.open_window()
    await meter.truth.wait_for("confirmed", 30)
    await hub.until(lambda: set(hub.values()) == set(sent))
    assert len(hub.values()) <= 31  # the one in flight may come twice


class Rogue:
    """A device that does not behave: same name as a meter, another address."""

    def __init__(self, air, services, *, name="BPM 0001", address=ROGUE, deaf=False):
        self.controller = controller = Controller("rogue", link=air)
        self.device = Device(
            name=name, address=Address(address), host=Host(controller, AsyncPipeSink(controller))
        )
        self.device.advertising_interval_min = self.device.advertising_interval_max = 20
        self.connected = asyncio.Event()
        self.name = name
        for service in services:
            self.device.add_service(service)
        if deaf:
            self.device.gatt_server.on_gatt_pdu = lambda *_: None
        self.device.on(Device.EVENT_CONNECTION, lambda _: self.connected.set())
        self.flood = None

    async def start(self):
        await self.device.power_on()
        data = [(AdvertisingData.COMPLETE_LOCAL_NAME, self.name.encode())]
        self.device.advertising_data = bytes(AdvertisingData(data))
        await self.device.start_advertising(auto_restart=True)

    def floods(self, characteristic):
        def begin(connection, _notify, _indicate):
            self.flood = asyncio.ensure_future(self._flood(connection, characteristic))

        characteristic.on(Characteristic.EVENT_SUBSCRIPTION, begin)

    async def _flood(self, connection, characteristic):
        number = 0
        while connection in self.device.connections.values():
            await self.device.notify_subscriber(connection, characteristic, number.to_bytes(4, "big"))
            number += 1
            await asyncio.sleep(0)


def pressure(properties=Characteristic.Properties.NOTIFY):
    return Characteristic(UUID.from_16_bits(0x2A35), properties, Characteristic.Permissions(0), b"")


@pytest.mark.parametrize("kind", ["flood", "deaf", "wrong service", "stranger"])
async def test_a_rogue_device_does_not_stop_the_others(house, kind):
    hub, meter = Hub(), await house.meter()
    characteristic = pressure()
    number = 0x180D if kind == "wrong service" else 0x1810
    listed = [] if kind == "wrong service" else [characteristic]
    name = meter.name if kind == "stranger" else "BPM 0001"
    rogue = Rogue(house.air, [Service(UUID.from_16_bits(number), listed)], name=name, deaf=kind == "deaf")
    rogue.floods(characteristic)
    bound = (METER,) if kind == "stranger" else (METER, ROGUE)
    limits = replace(QUICK, connect_s=0.5, frames=300)
    radio = await house.radio(hub, *bound, limits=limits)
    await rogue.start()
    await meter.pairing_mode()
    if kind != "stranger":
        await asyncio.wait_for(rogue.connected.wait(), 10)
    sent = []
    for _ in range(3):
        sent += await measured(meter, 2, start=120 + len(sent))
        await meter.truth.wait_for("confirmed", len(sent))
    await hub.until(lambda: set(sent) <= set(hub.values()))
    good = [value for value in hub.values() if value in sent]
    assert good == sent
    codes = {"flood": "frame-flood", "deaf": "connect-failed", "wrong service": "service-missing"}
    if kind == "stranger":
        assert not rogue.connected.is_set()
        assert hub.values() == sent
    else:
        problem = lambda: radio.facts.devices[ROGUE].problem  # noqa: E731
        await until(lambda: problem() is not None)
        assert problem().code == codes[kind]
    assert radio.facts.devices[METER].problem is None


async def test_a_device_on_hold_is_not_visited(house):
    allowed = []
    hub, meter = Hub(), await house.meter()
    radio = await house.radio(hub, allowed=lambda _: bool(allowed))
    await meter.pairing_mode()
    await measured(meter, 1)
    await until(lambda: radio.facts.devices[METER].seen_at is not None)
    assert meter.truth.of("connected") == []
    allowed.append(True)
    await hub.until(hub.values)


async def test_no_adapter_at_all_is_a_fact_and_no_end(tmp_path):
    adapter = VirtualAdapter(1, tmp_path / "bonds.json")
    radio = Radio([], Hub(), lambda: None, adapter.backend(), limits=QUICK)
    task = asyncio.ensure_future(radio.run())
    await until(lambda: radio.facts.adapter_faults >= 2)
    assert not task.done()
    assert radio.facts.problem.code == "adapter-missing"
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


def test_a_budget_fills_again():
    budget = Budget(frames=2, frames_per_s=1)
    assert [budget.take(10) for _ in range(3)] == [True, True, False]
    assert not budget.take(10.5)
    assert budget.take(15)

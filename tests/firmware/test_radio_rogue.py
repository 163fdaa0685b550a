"""Devices that misbehave beside a good one: nothing false is heard, the good one is read, and codes say why."""

import asyncio
import contextlib
import itertools

import pytest
from bumble import att, ll
from bumble.controller import Controller
from bumble.core import UUID, AdvertisingData
from bumble.device import Device
from bumble.gatt import Characteristic, Service
from bumble.hci import Address
from bumble.host import Host
from bumble.transport.common import AsyncPipeSink

from tests.firmware.bluetooth_fixtures import with_home
from tests.firmware.test_radio import (
    METER,
    bonded,
    cuff_in,
    end,
    failures,
    heard,
    measured,
    radio_of,
    state_of,
)

ROGUE = "F0:5A:66:66:66:66"
BOUND = [(METER, "blood-pressure", False, "cuff"), (ROGUE, "blood-pressure", False, "rogue")]
NOTIFY, INDICATE = Characteristic.Properties.NOTIFY, Characteristic.Properties.INDICATE


class Rogue:
    """A bare device: advertises a name, takes connections, and does what a test says."""

    def __init__(self, home, *services, name="BPM 0001", address=ROGUE):
        controller = Controller("rogue", link=home.air)
        self.device = Device(name, Address(address), host=Host(controller, AsyncPipeSink(controller)))
        self.device.advertising_interval_min = self.device.advertising_interval_max = 30
        self.device.advertising_data = bytes(
            AdvertisingData([(AdvertisingData.COMPLETE_LOCAL_NAME, name.encode())])
        )
        self.connections = 0
        self.sent = 0
        self.tasks = []
        for service in services:
            self.device.add_service(service)
        self.device.on(Device.EVENT_CONNECTION, self._came)

    def _came(self, _):
        self.connections += 1

    async def start(self):
        await self.device.power_on()
        await self.device.start_advertising(auto_restart=True)

    async def stop(self):
        for task in self.tasks:
            task.cancel()
        for connection in list(self.device.connections.values()):
            with contextlib.suppress(Exception):
                await connection.disconnect()

    def floods(self, characteristic, data, per_s):
        """Sends this without end to whoever subscribes."""

        def begin(connection, _notify, _indicate):
            self.tasks.append(asyncio.ensure_future(self._flood(connection, characteristic, data, per_s)))

        characteristic.on(Characteristic.EVENT_SUBSCRIPTION, begin)

    async def _flood(self, connection, characteristic, data, per_s):
        while connection in self.device.connections.values():  # past the MTU: a rogue does not ask
            pdu = bytes(att.ATT_Handle_Value_Notification(characteristic.handle, data))
            self.device.gatt_server.send_gatt_pdu(connection, pdu)
            self.sent += 1
            await asyncio.sleep(1 / per_s)


def pressure(properties=NOTIFY):
    return Characteristic(UUID.from_16_bits(0x2A35), properties, Characteristic.Permissions(0), b"")


def service(number, *characteristics):
    return Service(UUID.from_16_bits(number), list(characteristics))


async def good_beside(firmware, meter, rounds=2):
    """The good device measures and is read, over and over; what it sent."""
    sent = []
    for _ in range(rounds):
        sent += await measured(meter, 2, start=120 + len(sent))
        await meter.truth.wait_for("confirmed", len(sent))
    async with asyncio.timeout(20):
        while heard(firmware.said) != sent:
            await firmware.until("received")
    return sent


async def failing(firmware, codes):
    async with asyncio.timeout(20):
        while not set(failures(firmware.said)) & codes:
            await firmware.until("log")


def test_a_stranger_with_the_name_of_a_device_is_not_visited(tmp_path):
    async def test(home):
        meter = await cuff_in(home)
        rogue = await home.add(Rogue(home, service(0x1810, pressure()), name=meter.name))
        await meter.pairing_mode()
        firmware = await radio_of(home, await home.board())
        sent = await good_beside(firmware, meter)
        assert heard(await end(firmware)) == sent
        assert rogue.connections == 0

    with_home(test, tmp_path)


JUNK = b"\xff" * 512


@pytest.mark.parametrize(
    ("kind", "codes"),
    [
        ("wrong service", {"service-missing"}),
        ("nothing to subscribe", {"service-missing"}),
        ("deaf", {"connect-failed", "bond-elsewhere"}),
        ("hangs up", {"connect-failed", "bond-elsewhere"}),
        ("flood", {"frame-flood", "radio-queue-full"}),
        ("junk", {"radio-queue-full"}),
        ("wants a bond", {"pairing-needed"}),
    ],
)
def test_a_bound_device_gone_bad_costs_only_itself(tmp_path, kind, codes):
    async def test(home):
        meter = await cuff_in(home)
        await meter.pairing_mode()
        sent = await measured(meter, 1)
        first = await radio_of(home, board := await home.board())
        await first.until("closed")
        await end(first)
        made = bad(home, kind)
        limits = {
            "connect_ms": 400,
            "read_ms": 300,
            "frames": 100,
            "room": 4096 if kind == "junk" else 16_384,
        }
        work_ms = 5 if kind == "junk" else 0
        firmware = await radio_of(home, board, BOUND, limits=limits, pairing=False, work_ms=work_ms)
        await home.add(made)
        await failing(firmware, codes)
        sent = await good_beside(firmware, meter)
        facts, _, _, _ = await state_of(firmware)
        rogue, numbers, _, _ = await state_of(firmware, "rogue")
        said = await end(firmware)
        assert heard(said) == sent
        assert facts[0] == ""
        assert rogue[0] in codes
        assert numbers["devices-failing"] == 1
        told = [line[2] for line in said if line[:2] == ["reading", "rogue"]]
        assert all("implausible" in reading["notes"] for reading in told)
        assert not told or kind == "junk"
        assert made.connections > 0

    with_home(test, tmp_path)


def bad(home, kind):
    notifies = pressure(INDICATE if kind == "wants a bond" else NOTIFY)
    if kind == "nothing to subscribe":
        return Rogue(home, service(0x1810, pressure(Characteristic.Properties.READ)))
    rogue = Rogue(home, service(0x180D) if kind == "wrong service" else service(0x1810, notifies))
    if kind == "deaf":
        rogue.device.gatt_server.on_gatt_pdu = lambda *_: None
    elif kind == "hangs up":
        rogue.device.on(
            Device.EVENT_CONNECTION, lambda link: rogue.tasks.append(asyncio.ensure_future(link.disconnect()))
        )
    elif kind == "flood":
        rogue.floods(notifies, b"\xff\x01", 1000)
    elif kind == "junk":
        rogue.floods(notifies, JUNK, 1000)
    elif kind == "wants a bond":
        rogue.device.gatt_server.write_cccd = refuses
    return rogue


def refuses(*_):
    raise att.ATT_Error(att.ATT_INSUFFICIENT_ENCRYPTION_ERROR)


async def crowd(home, names, per_s):
    """So many devices advertise, each under its own address, without end; nobody takes a connection."""
    controller = Controller("crowd", link=home.air)
    for number in itertools.cycle(range(len(names))):
        address = Address(f"F0:5A:77:00:00:{number:02X}")
        data = bytes(AdvertisingData([(AdvertisingData.COMPLETE_LOCAL_NAME, names[number].encode()[:29])]))
        controller.send_advertising_pdu(ll.AdvInd(address, data))
        await asyncio.sleep(1 / per_s)


def test_two_hundred_names_in_the_air_cost_no_reading_and_no_memory(tmp_path):
    async def test(home):
        meter = await cuff_in(home)
        await meter.pairing_mode()
        firmware = await radio_of(home, await home.board())
        sent = await good_beside(firmware, meter, rounds=1)
        _, _, before, _ = await state_of(firmware)
        names = [meter.name if number % 2 else f"BPM {number:04d} " + "x" * 20 for number in range(200)]
        people = asyncio.ensure_future(crowd(home, names, 800))
        for start in (150, 160):
            sent += await measured(meter, 2, start=start)
            await meter.truth.wait_for("confirmed", len(sent))
            await firmware.until("closed")
        _, _, after, _ = await state_of(firmware)
        people.cancel()
        said = await end(firmware)
        assert heard(said) == sent
        assert failures(said) == []
        assert after - before < 4096

    with_home(test, tmp_path)


def test_a_device_that_asks_for_a_bond_by_itself_gets_none(tmp_path):
    """A peripheral may ask (Security Request); keys are kept only while a person has opened pairing."""

    async def test(home):
        made = Rogue(home, service(0x1810, pressure()))
        made.device.on(Device.EVENT_CONNECTION, made.device.smp_manager.request_pairing)
        await home.add(made)
        firmware = await radio_of(home, await home.board(), BOUND[1:], pairing=False)
        await firmware.until("closed")
        await firmware.until("closed")
        said = await end(firmware)
        assert not bonded(home)
        assert {line[4] for line in said if line[0] == "opened"} == {False}

    with_home(test, tmp_path)

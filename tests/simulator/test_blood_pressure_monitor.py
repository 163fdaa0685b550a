"""The virtual blood pressure monitor by itself, over a plain bumble central that knows nothing of the gateway."""

import asyncio
from contextlib import asynccontextmanager
from datetime import datetime, timedelta

import pytest
from bumble import att
from bumble.core import UUID
from bumble.core import TimeoutError as BumbleTimeoutError
from bumble.device import Connection, Device, Peer
from bumble.hci import Address
from bumble.host import Host
from bumble.transport.common import AsyncPipeSink

from gateway.simulator.devices.blood_pressure_monitor import BloodPressureMonitor, MeterOptions, measurement
from gateway.simulator.meter_memory import MeterMemory
from gateway.simulator.truth import TruthLog, read_truth
from gateway.simulator.virtual_adapter import just_works
from gateway.simulator.virtual_radio import Air, AirController

METER = "F0:5A:01:00:00:01"
OPTIONS = {"hang_up_after_s": 0.05, "idle_s": 0.2}


class Phone:
    """A central without any code of ours."""

    def __init__(self, air, address="F5:00:00:00:00:01"):
        controller = AirController("phone", link=air)
        self.device = Device(
            name="phone", address=Address(address), host=Host(controller, AsyncPipeSink(controller))
        )
        self.device.pairing_config_factory = just_works
        self.values = []

    @asynccontextmanager
    async def visit(self, *, pair=True):
        connection = await self.device.connect(Address(METER), timeout=5)
        self.gone = asyncio.get_running_loop().create_future()
        connection.on(Connection.EVENT_DISCONNECTION, self.gone.set_result)
        peer = Peer(connection)
        await peer.discover_services()
        await peer.discover_characteristics()
        if pair and await self.device.keystore.get(METER):
            await connection.encrypt()
        elif pair:
            await connection.pair()
        yield connection, lambda number: peer.get_characteristics_by_uuid(UUID.from_16_bits(number))[0]
        if not self.gone.done():
            await connection.disconnect()

    async def subscribe(self, characteristic):
        await characteristic.subscribe(lambda value: self.values.append(value.hex()))

    async def ended(self):
        await asyncio.wait_for(asyncio.shield(self.gone), 10)


@pytest.fixture
async def air():
    return Air()


@pytest.fixture
async def phone(air):
    made = Phone(air)
    await made.device.power_on()
    return made


@pytest.fixture
async def meter(air, tmp_path):
    made = BloodPressureMonitor(air, METER, tmp_path, MeterOptions(**OPTIONS))
    await made.start()
    yield made
    await made.stop()


async def test_it_is_silent_until_somebody_measures(meter, phone):
    with pytest.raises(BumbleTimeoutError):
        await phone.device.connect(Address(METER), timeout=0.1)


async def test_without_a_bond_it_refuses(meter, phone):
    await meter.pairing_mode()
    async with phone.visit(pair=False) as (_, find):
        for refused in (find(0x2A35).subscribe(lambda _: None), find(0x2A2B).read_value()):
            with pytest.raises(att.ATT_Error) as error:
                await refused
            assert error.value.error_code == att.ATT_INSUFFICIENT_ENCRYPTION_ERROR
        assert await find(0x2A19).read_value() == b"\x50"
        assert await find(0x2A49).read_value() == b"\x07\x00"


async def test_the_refusal_can_be_insufficient_authentication(meter, phone):
    meter.options.refusal = att.ATT_INSUFFICIENT_AUTHENTICATION_ERROR
    await meter.pairing_mode()
    async with phone.visit(pair=False) as (_, find):
        with pytest.raises(att.ATT_Error) as error:
            await find(0x2A35).subscribe(lambda _: None)
        assert error.value.error_code == att.ATT_INSUFFICIENT_AUTHENTICATION_ERROR


async def test_it_pairs_in_pairing_mode_only(meter, phone):
    await meter.measure(120, 80, None, 60)
    with pytest.raises(Exception, match="PAIRING"):  # bumble's ProtocolError
        async with phone.visit():
            pass


async def test_stored_records_come_oldest_first_and_go_when_confirmed(meter, phone):
    await meter.pairing_mode()
    sent = [(await meter.measure(100 + number, 80, None, 60)).data.hex() for number in range(5)]
    async with phone.visit() as (_, find):
        await phone.subscribe(find(0x2A35))
        await phone.ended()  # the meter hangs up, the phone does not
    assert phone.values == sent
    assert meter.memory.records == []
    events = [(line["event"], line["number"]) for line in meter.truth.events if "number" in line]
    assert events[5:] == [(event, number) for number in range(1, 6) for event in ("sent", "confirmed")]


async def test_what_is_measured_meanwhile_is_sent_too(meter, phone):
    await meter.pairing_mode()
    meter.options.hang_up_after_s = 1
    await meter.measure(120, 80, None, 60)
    async with phone.visit() as (_, find):
        await phone.subscribe(find(0x2A35))
        await meter.truth.wait_for("confirmed", 1)
        await meter.measure(121, 80, None, 60)
        await meter.truth.wait_for("confirmed", 2)
    assert len(phone.values) == 2


async def test_a_lost_confirmation_repeats_the_indication(meter, phone):
    meter.options.lose_confirmations = 1
    await meter.pairing_mode()
    await meter.measure(120, 80, None, 60)
    for _ in range(2):
        async with phone.visit() as (_, find):
            await phone.subscribe(find(0x2A35))
            await phone.ended()
    assert len(phone.values) == 2
    assert phone.values[0] == phone.values[1]
    assert meter.memory.records == []


async def test_a_meter_that_keeps_its_memory_tells_it_again(meter, phone):
    meter.options.keeps_memory = True
    await meter.pairing_mode()
    for count in (1, 2):
        await meter.measure(120 + count, 80, None, 60)
        async with phone.visit() as (_, find):
            await phone.subscribe(find(0x2A35))
            await phone.ended()
    assert len(phone.values) == 3
    assert phone.values[0] == phone.values[1]


async def test_its_clock_can_be_read_and_set(meter, phone):
    meter.memory.set_clock(datetime(2021, 3, 4, 5, 6, 7))  # noqa: DTZ001
    await meter.pairing_mode()
    async with phone.visit() as (_, find):
        assert (await find(0x2A2B).read_value())[:6].hex() == "e50703040506"
        await find(0x2A2B).write_value(bytes.fromhex("ea070b160c0000070002"), with_response=True)
        assert timedelta() <= meter.clock() - datetime(2026, 11, 22, 12) < timedelta(seconds=5)  # noqa: DTZ001
        with pytest.raises(att.ATT_Error):
            await find(0x2A2B).write_value(b"\x00", with_response=True)


@pytest.mark.parametrize("wipes", [True, False])
async def test_a_new_battery(meter, wipes):
    await meter.measure(120, 80, None, 60)
    await meter.change_battery(wipes_memory=wipes)
    assert meter.clock() - datetime(2000, 1, 1) < timedelta(seconds=5)  # noqa: DTZ001
    assert len(meter.memory.records) == (0 if wipes else 1)
    assert meter.truth.of("battery-changed")[0]["lost"] == ([1] if wipes else [])


def test_memory_clock_and_numbers_survive_a_restart(tmp_path):
    memory = MeterMemory(tmp_path / "memory.json", timedelta(seconds=-600))
    kept = [memory.add(number, ("2a35", bytes((number,)))) for number in range(3)]
    memory.forget(kept[1])
    memory.set_clock(datetime(2000, 1, 1))  # noqa: DTZ001
    again = MeterMemory(tmp_path / "memory.json", timedelta())
    assert again.records == [kept[0], kept[2]]
    assert again.now().year == 2000


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        # worked out by hand from the Blood Pressure Service's table of fields
        (((120, 80, 93), None, None, None, None), "0078005000 5d00"),
        (((120, 80, None), None, 61, None, None), "04 7800 5000 ff07 3d00"),
        (
            ((120, 80, 93), datetime(2026, 3, 4, 7, 15, 0), 61, 2, 4),  # noqa: DTZ001
            "1e 7800 5000 5d00 ea07 03 04 07 0f 00 3d00 02 0400",
        ),
    ],
)
def test_the_encoding(arguments, expected):
    assert measurement(*arguments) == bytes.fromhex(expected)


async def test_the_truth_log_goes_on(tmp_path):
    for run in range(2):
        TruthLog(tmp_path / "truth.jsonl", "meter").write("measured", number=run)
    assert [line["number"] for line in read_truth(tmp_path / "truth.jsonl")] == [0, 1]
    assert read_truth(tmp_path / "nothing") == []

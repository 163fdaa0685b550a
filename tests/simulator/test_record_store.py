"""Record access of the virtual meters by itself, over a plain bumble central that knows nothing of the gateway."""

import asyncio
from contextlib import asynccontextmanager

import pytest
from bumble import att

from gateway.simulator.devices.glucose_meter import GlucoseMeter, GlucoseOptions
from gateway.simulator.devices.glucose_sensor import GlucoseSensor, SensorOptions
from gateway.simulator.virtual_radio import Air
from tests.simulator.test_blood_pressure_monitor import METER, Phone

NOT_SUBSCRIBED, IN_PROGRESS = 0xFD, 0xFE


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
    made = GlucoseMeter(air, METER, tmp_path, GlucoseOptions(idle_s=1))
    await made.start()
    for shown in (100, 101, 102):
        await made.measure(shown)
    await made.pairing_mode()
    yield made
    await made.stop()


@asynccontextmanager
async def talking(phone, *numbers):
    """A connection in which all of these are subscribed to; what writes to the control point."""
    async with phone.visit() as (_, find):
        for number in numbers:
            await phone.subscribe(find(number))
        control = find(0x2A52)
        yield lambda command: control.write_value(bytes.fromhex(command), with_response=True)


async def answers(phone, count):
    async with asyncio.timeout(5):
        while len(phone.values) < count:  # noqa: ASYNC110 (facts are plain numbers)
            await asyncio.sleep(0.005)
    return phone.values[-1]


async def test_everything_must_be_subscribed_to_first(meter, phone):
    async with talking(phone, 0x2A52) as write:
        with pytest.raises(att.ATT_Error) as error:
            await write("0101")
        assert error.value.error_code == NOT_SUBSCRIBED


async def test_what_it_knows_and_what_it_does_not(meter, phone):
    async with talking(phone, 0x2A18, 0x2A34, 0x2A52) as write:
        for place, (command, answer) in enumerate(
            (
                ("0401", "05000300"),
                ("0403010200", "05000100"),
                ("040301ff00", "05000000"),
                ("010301ff00", "06000106"),
                ("0102010200", "06000104"),
                ("0107", "06000104"),
                ("07010000", "06000702"),
                ("0300", "06000301"),
            ),
            1,
        ):
            await write(command)
            assert await answers(phone, place) == answer
        await write("0105")  # the oldest
        assert await answers(phone, 10) == "06000101"
        assert phone.values[-2][2:6] == "0000"


async def test_a_report_goes_on_until_it_is_aborted(meter, phone):
    meter.options.stops_after = 1
    async with talking(phone, 0x2A18, 0x2A34, 0x2A52) as write:
        await write("0101")
        await meter.truth.wait_for("stopped")
        with pytest.raises(att.ATT_Error) as error:
            await write("0401")
        assert error.value.error_code == IN_PROGRESS
        await write("0300")
        assert await answers(phone, 2) == "06000301"
    assert meter.truth.of("confirmed") == []


async def test_who_deletes_is_told_and_nothing_is_deleted(meter, phone):
    async with talking(phone, 0x2A18, 0x2A34, 0x2A52) as write:
        await write("0201")
        assert await answers(phone, 1) == "06000202"
    assert len(meter.memory.records) == 3
    assert len(meter.truth.of("fault")) == 1


async def test_who_writes_to_the_control_point_of_a_sensor_is_told(air, phone, tmp_path):
    sensor = GlucoseSensor(air, METER, tmp_path, SensorOptions(idle_s=1))
    await sensor.start()
    await sensor.pairing_mode()
    async with phone.visit() as (_, find):
        await find(0x2AAC).write_value(b"\x1b", with_response=True)
    assert len(sensor.truth.of("fault")) == 1
    await sensor.stop()

"""The virtual scale on a cable: its lines, and a real hub beside it."""

import pytest

from gateway.drivers.ascii_scale import AsciiScale as Driver
from gateway.simulator.devices.ascii_scale import STABLE, UNSTABLE, AsciiScale, line


def test_lines_as_the_manufacturer_describes_them():
    assert line(STABLE, 650) == b"ST,+00065.0 kg\r\n"
    assert line(UNSTABLE, 653, "lb") == b"US,+00065.3 lb\r\n"
    assert line(STABLE, -5) == b"ST,-00000.5 kg\r\n"


async def standing(bench, **options):
    scale = await bench.on_cable(AsciiScale, Driver, **options)
    await scale.wait_for_listener(10)
    return scale


async def test_each_weighing_is_one_reading(bench):
    scale = await standing(bench)
    for tenths in (724, 651, 652):
        assert await scale.weigh(tenths)
    await scale.overload()
    await bench.reported(scale)
    assert bench.errors == []


async def test_pounds_stay_pounds(bench):
    scale = await standing(bench)
    scale.unit = "lb"
    await scale.weigh(1435)
    await bench.reported(scale)


@pytest.mark.parametrize("lost", [1, 7, 18])
async def test_noise_and_lost_bytes_cost_no_reading(bench, lost):
    scale = await standing(bench)
    scale.noise(20)
    scale.loses = lost
    await scale.weigh(724)
    scale.noise(3)
    scale.loses = lost
    await scale.weigh(651)
    await bench.reported(scale)


async def test_a_plug_that_is_pulled_while_somebody_stands_there(bench):
    scale = await standing(bench)
    scale.pulled_after = 3 * len(line(STABLE, 724)) + 9
    assert not await scale.weigh(724)
    await scale.truth.wait_for("unplugged")
    scale.plug_in()
    await scale.wait_for_listener(10)
    await scale.weigh(651)
    await bench.reported(scale)


async def test_a_plug_that_is_pulled_after_the_weight_was_told(bench):
    scale = await standing(bench)
    scale.bytes_a_second, scale.pulled_after = 20, 5 * len(line(STABLE, 724)) + 9
    await scale.weigh(724)
    scale.plug_in()
    await scale.wait_for_listener(10)
    await bench.reported(scale)

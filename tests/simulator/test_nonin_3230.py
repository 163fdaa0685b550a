"""A virtual Nonin 3230 on the air beside a real hub."""

from datetime import timedelta

from gateway.drivers.nonin_3230 import Nonin3230 as Driver
from gateway.simulator.devices.nonin_3230 import LOW_BATTERY, SMART_POINT, Nonin3230


async def test_the_last_value_of_each_finger(bench):
    oximeter = await bench.on_air(Nonin3230, Driver, beat_s=0.02)
    await bench.listen()
    await oximeter.finger([(95, 70), (96, 300), (97, 301)], amplitude=507)
    await oximeter.finger([(None, None), (94, 66), (None, None)])
    await bench.reported(oximeter)
    assert [reading["values"]["spo2"] for reading in bench.readings] == ["97", "94"]
    assert bench.readings[0]["values"]["perfusion-index"] == "5.07"
    assert bench.errors == []


async def test_what_it_says_of_itself(bench):
    oximeter = await bench.on_air(Nonin3230, Driver, beat_s=0.02)
    oximeter.status = SMART_POINT | LOW_BATTERY
    await bench.listen()
    await oximeter.finger([(95, None)])
    await bench.reported(oximeter)
    assert bench.readings[0]["notes"] == ["quality-checked", "low-battery"]
    assert bench.readings[0]["values"] == {"spo2": "95", "pulse-rate": None}


async def test_a_finger_that_is_never_measured_and_a_hub_that_is_not_there(bench):
    oximeter = await bench.on_air(Nonin3230, Driver, beat_s=0.02)
    await oximeter.finger([(95, 70)], within_s=0.05)
    await oximeter.use(timedelta(hours=1))
    await bench.listen()
    await oximeter.finger([(None, None)] * 3)
    await bench.visited(oximeter)
    assert (oximeter.truth.of("measured"), bench.readings, bench.errors) == ([], [], [])


async def test_a_hub_that_leaves_has_the_last_value(bench):
    oximeter = await bench.on_air(Nonin3230, Driver, beat_s=5)
    await bench.listen()  # goes away when nothing comes for so long
    await oximeter.finger([(95, 70), (96, 71)])
    await bench.until(lambda: bench.readings != [])
    await bench.reported(oximeter)
    assert oximeter.truth.of("confirmed") == []

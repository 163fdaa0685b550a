"""A virtual OneTouch Verio on the air beside a real hub."""

from datetime import timedelta

from gateway.drivers.onetouch_verio import OnetouchVerio as Driver
from gateway.simulator.devices.onetouch_verio import OnetouchVerio


def told(meter, place):
    number = meter.memory.records[place].number
    return len([row for row in meter.truth.of("sent") if row["number"] == number])


async def meter_with(bench, *values, **options):
    meter = await bench.on_air(OnetouchVerio, Driver, **options)
    for at, mg_dl in enumerate(values):
        await meter.measure(mg_dl, ago=timedelta(minutes=len(values) - 1 - at))
    await bench.listen()
    return meter


async def test_it_reports_what_was_measured(bench):
    meter = await meter_with(bench, 104, 19, 612, 600)
    await bench.reported(meter)
    await meter.measure(99, control=True)
    await bench.visited(meter, 2)
    await bench.reported(meter)
    assert bench.errors == []


async def test_the_next_visit_reads_only_what_is_new(bench):
    meter = await meter_with(bench, 104, 110, 95)
    await bench.reported(meter)
    await bench.visited(meter)
    await meter.measure(120)
    await bench.reported(meter)
    assert [told(meter, place) for place in range(4)] == [1, 1, 2, 1]


async def test_what_is_notified_twice_or_not_at_all_at_first(bench):
    meter = await meter_with(bench, 104, 110, twice=True, deaf=1)
    await bench.reported(meter)
    assert bench.errors == []


async def test_a_moved_clock_moves_what_is_stored(bench):
    meter = await meter_with(bench, 104, 110)
    await bench.reported(meter)
    await bench.visited(meter)
    meter.move_clock(timedelta(hours=-1))
    await meter.open_window()
    await bench.until(lambda: len(bench.readings) >= 4)
    assert sorted(reading["values"]["glucose"] for reading in bench.readings) == ["104", "104", "110", "110"]


async def test_a_meter_that_was_never_used(bench):
    meter = await meter_with(bench)
    await bench.visited(meter)
    await meter.measure(104)
    await bench.reported(meter)

"""Virtual TaiDoc meters beside a real hub: cable, air, lost bytes, moved clocks, second visits."""

from datetime import timedelta

import pytest

from gateway.drivers.taidoc import TaiDoc
from gateway.hub.bookkeeping import TOLD, told_identity
from gateway.simulator.devices.taidoc_meters import TaiDocBluetooth, TaiDocCable


async def reported(bench, meter):
    """Returns when the hub has reported every measurement, and nothing else."""
    await bench.until(lambda: len(bench.readings) >= len(meter.truth.of("measured")), 40)
    await bench.reported(meter)


async def on_cable(bench, *values, model=0x4277, **options):
    """A meter with these glucose values of the last minutes, the last one of now."""
    meter = await bench.on_cable(TaiDocCable, TaiDoc, **options)
    meter.model = model
    for at, mg_dl in enumerate(values):
        await meter.glucose(mg_dl, ago=timedelta(minutes=len(values) - at))
    return meter


async def visited(bench, meter, times=1):
    """Returns when the hub has asked the meter's newest record so often more."""
    newest = meter.memory.records[-1].number
    before = len([row for row in meter.truth.of("sent") if row["number"] == newest])
    await bench.until(
        lambda: len([r for r in meter.truth.of("sent") if r["number"] == newest]) >= before + times
    )


async def test_a_cable_tells_what_was_measured(bench):
    meter = await on_cable(bench, 98)
    await meter.glucose(133, "before-meal")
    await meter.glucose(180, "after-meal")
    await meter.glucose(12)
    await meter.glucose(640)
    await meter.glucose(118, control=True)
    await meter.failed()
    await reported(bench, meter)
    await meter.truth.wait_for("confirmed", 7)
    assert bench.errors == []


async def test_the_device_on_a_cable_is_known_by_its_own_number(bench):
    meter = await on_cable(bench, 98)
    await reported(bench, meter)
    known = bench.hub.outbox.setting(TOLD + "port-1")
    assert known == told_identity("taidoc", meter.serial).encode()


@pytest.mark.parametrize("fault", ["ignores", "loses", "wakes", "damages"])
async def test_what_a_cable_does_to_bytes_costs_no_reading(bench, fault):
    meter = await on_cable(bench)
    for at, mg_dl in enumerate((98, 133, 180)):
        await meter.glucose(mg_dl, ago=timedelta(minutes=at))
        setattr(meter, fault, 3 if fault == "loses" else 1)
    meter.noise()
    await reported(bench, meter)


async def test_a_plug_that_is_pulled_in_mid_frame(bench):
    meter = await on_cable(bench, *range(100, 110))
    for after in (60, 100, 230):
        meter.pulled_after = after
        await meter.truth.wait_for("unplugged", len(meter.truth.of("unplugged")) + 1)
        meter.plug_in()
    await reported(bench, meter)
    assert bench.errors == []


async def test_the_second_visit_brings_nothing_new(bench):
    meter = await on_cable(bench, 98, 133)
    await reported(bench, meter)
    sent = len(meter.truth.of("sent"))
    await visited(bench, meter, 2)
    assert len(bench.readings) == 2
    assert len(meter.truth.of("sent")) >= sent + 2
    await meter.glucose(180)
    await reported(bench, meter)
    assert len(bench.readings) == 3


async def test_nobody_sets_the_clock_though_it_is_wrong(bench):
    """Its times would move with it: then everything would look new."""
    meter = await on_cable(bench, 98, 133, clock_offset_s=-86_400 * 400)
    await reported(bench, meter)
    await visited(bench, meter, 2)
    assert len(bench.readings) == 2
    assert not meter.truth.of("fault")
    assert abs((meter.clock() - meter.memory.now()).total_seconds()) < 1


async def read_to_the_end(bench, meter):
    """Returns when the hub has just read the oldest record, and so rests before it asks again."""
    oldest = meter.memory.records[0].number

    def read():
        return len([row for row in meter.truth.of("confirmed") if row["number"] == oldest])

    before = read()
    await bench.until(lambda: read() > before)


async def test_a_clock_that_a_person_sets_makes_nothing_new(bench):
    """As when summer time ends: all stored times move, and they are the same records."""
    meter = await on_cable(bench, 98, 133, 180)
    await reported(bench, meter)
    await read_to_the_end(bench, meter)
    meter.move_clock(timedelta(hours=-1))
    await visited(bench, meter, 2)
    assert len(bench.readings) == 3
    await meter.glucose(75)
    await bench.until(lambda: len(bench.readings) == 4)
    await visited(bench, meter, 2)
    assert [reading["values"]["glucose"] for reading in bench.readings[3:]] == ["75"]


@pytest.mark.parametrize("model", [0x3128, 0x3261, 0x1261, 0x4141], ids=hex)
async def test_every_kind_of_meter(bench, model):
    meter = await on_cable(bench, model=model)
    await meter.use(timedelta(hours=1))
    if model == 0x3261:
        await meter.glucose(133, "before-meal", user=2)
    if model == 0x3128:
        await meter.cuff(150, 90, 70, irregular=True)
    if model == 0x1261:
        await meter.temperature(211, room=True)
    if model == 0x4141:
        await meter.ketone(47)
        await meter.ketone(250)
    await reported(bench, meter)
    assert bench.errors == []


async def test_two_users_of_one_cuff(bench):
    meter = await on_cable(bench, model=0x3140)
    await meter.cuff(120, 80, 62, user=1)
    await meter.cuff(150, 90, 70, user=2)
    await meter.cuff(121, 81, 63, user=1)
    await reported(bench, meter)


async def test_over_the_air(bench):
    meter = await bench.on_air(TaiDocBluetooth, TaiDoc, together=3)
    await meter.glucose(98, ago=timedelta(hours=1))
    await bench.listen()
    await meter.glucose(133, "after-meal")
    await reported(bench, meter)
    await bench.visited(meter)
    await meter.glucose(134)
    await reported(bench, meter)
    assert len(bench.readings) == 3
    assert bench.errors == []


async def test_a_link_that_drops_in_the_middle(bench):
    meter = await bench.on_air(TaiDocBluetooth, TaiDoc, pace_s=0.02)
    for number in range(8):
        await meter.glucose(100 + number, ago=timedelta(minutes=number))
    await bench.listen()
    await meter.truth.wait_for("sent", 3)
    await meter.hang_up()
    await meter.open_window()
    await reported(bench, meter)

"""Virtual FreeStyle meters on a cable beside a real hub: deaf, damaged, silent, unplugged, visited again."""

from datetime import timedelta

import pytest

from gateway.drivers.freestyle_serial import FreestyleSerial
from gateway.hub.bookkeeping import TOLD, told_identity
from gateway.simulator.devices.freestyle_meter import FreestyleMeter


async def meter_with(bench, *values, **options):
    """A meter with these glucose values of the last minutes, the last one of now."""
    meter = await bench.on_cable(FreestyleMeter, FreestyleSerial, **options)
    for at, mg_dl in enumerate(values):
        await meter.measure(mg_dl, ago=timedelta(minutes=len(values) - 1 - at))
    return meter


async def visited(bench, meter, times=1):
    """Returns when the whole memory was told so often more."""
    number = meter.memory.records[0].number

    def told():
        return len([row for row in meter.truth.of("confirmed") if row["number"] == number])

    before = told()
    await bench.until(lambda: told() >= before + times, 30)


async def test_it_reports_what_was_measured(bench):
    meter = await meter_with(bench, 104, 12, 640, 500, 20)
    await meter.measure(118, control=True)
    await meter.ketone(3)
    await meter.ketone(27)
    await meter.ketone(150)
    await bench.reported(meter)
    assert bench.errors == []
    assert (
        bench.hub.outbox.setting(TOLD + "port-1") == told_identity("freestyle-serial", meter.serial).encode()
    )


async def test_a_second_visit_brings_nothing_new(bench):
    meter = await meter_with(bench, 104, 110, 95)
    await bench.reported(meter)
    await visited(bench, meter, 2)
    assert len(bench.readings) == 3
    await meter.measure(120, ago=timedelta(minutes=5))
    await bench.reported(meter)


async def test_a_long_memory(bench):
    meter = await meter_with(bench, *range(50, 150))
    await bench.reported(meter)


async def test_a_clock_that_is_wrong_is_left_as_it_is(bench):
    meter = await meter_with(bench, 104, 110, clock_offset_s=-86_400 * 400)
    await bench.reported(meter)
    await visited(bench, meter)
    await bench.reported(meter)
    assert abs((meter.clock() - meter.memory.now()).total_seconds()) < 1
    offset = bench.hub.outbox.setting("clock " + told_identity("freestyle-serial", meter.serial))
    assert offset is not None


@pytest.mark.parametrize("ignored", [1, 2])
async def test_commands_that_are_not_heard(bench, ignored):
    meter = await bench.on_cable(FreestyleMeter, FreestyleSerial)
    meter.ignores = ignored
    await meter.measure(104)
    meter.noise()
    await bench.reported(meter, within_s=30)


async def test_an_older_meter(bench):
    meter = await bench.on_cable(FreestyleMeter, FreestyleSerial)
    meter.older = True
    await meter.measure(104)
    await meter.measure(12, ago=timedelta(minutes=3))
    await bench.reported(meter, within_s=30)


async def test_of_a_damaged_text_nothing_is_believed_and_it_is_asked_for_again(bench):
    meter = await bench.on_cable(FreestyleMeter, FreestyleSerial)
    meter.damages = 2
    await meter.measure(104)
    await bench.reported(meter)
    await bench.until(lambda: bench.errors)
    assert set(bench.errors) == {"checksum-wrong"}


async def test_a_byte_that_got_lost(bench):
    meter = await meter_with(bench, 104)
    await bench.reported(meter)
    meter.loses = 3
    await meter.measure(110, ago=timedelta(minutes=2))
    await bench.reported(meter, within_s=30)


async def test_a_pause_in_the_middle_of_the_text(bench):
    meter = await bench.on_cable(FreestyleMeter, FreestyleSerial)
    meter.pause_s = 1
    await meter.measure(104)
    await bench.reported(meter)
    assert bench.errors == []


async def test_a_plug_that_is_pulled_in_the_middle_of_the_text(bench):
    meter = await meter_with(bench, *range(100, 112))
    meter.pulled_after = 300
    await meter.truth.wait_for("unplugged")
    assert bench.readings == []
    meter.plug_in()
    await bench.reported(meter)

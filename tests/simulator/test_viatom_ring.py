"""A virtual O2Ring on the air beside a real hub."""

from datetime import timedelta

from gateway.drivers.viatom_oximeter import ViatomOximeter
from gateway.simulator.devices.viatom_ring import NO_FINGER, ViatomRing


def night(minutes, start=90):
    """A value every 4 s, another one each minute."""
    return [(start + at // 15 % 10, 60 + at % 15) for at in range(15 * minutes)]


async def test_each_minute_of_a_night_is_reported(bench):
    ring = await bench.on_air(ViatomRing, ViatomOximeter, clock_offset_s=-600)
    await ring.sleep(night(3) + [NO_FINGER] * 30 + night(2)[:20], ago=timedelta(hours=1))
    await ring.sleep([(97, 61)] * 70, pace_s=2)
    await bench.listen()
    await bench.reported(ring)
    assert len(bench.readings) == 3 + 2 + 3
    assert bench.errors == []


async def test_a_second_visit_reads_only_new_files(bench):
    ring = await bench.on_air(ViatomRing, ViatomOximeter)
    await ring.sleep(night(4), ago=timedelta(hours=9))
    await bench.listen()
    await bench.reported(ring)
    await bench.visited(ring)
    before, blocks = len(bench.readings), len(ring.truth.of("sent"))
    ring.memory.set_clock(ring.clock() + timedelta(hours=2))  # what is stored stays as it is
    await ring.open_window()
    await bench.visited(ring, 2)
    assert (len(bench.readings), len(ring.truth.of("sent"))) == (before, blocks)
    await ring.sleep(night(2, 80))
    await bench.reported(ring)
    assert len(bench.readings) == before + 2


async def test_a_link_that_drops_in_the_middle_loses_nothing(bench):
    ring = await bench.on_air(ViatomRing, ViatomOximeter, block=100, hang_up_after_blocks=4)
    await ring.sleep(night(8))
    await bench.listen()
    await bench.reported(ring)
    assert ring.options.hang_up_after_blocks is None
    assert len(bench.readings) == 8


async def test_commands_that_are_not_heard_are_said_again(bench):
    ring = await bench.on_air(ViatomRing, ViatomOximeter, deaf=1)
    await ring.sleep(night(2))
    await bench.listen()
    await bench.reported(ring)
    assert bench.errors == []


async def test_a_ring_without_files(bench):
    ring = await bench.on_air(ViatomRing, ViatomOximeter)
    await ring.open_window()
    await bench.listen()
    await bench.visited(ring)
    assert (bench.readings, bench.errors, ring.truth.of("fault")) == ([], [], [])


async def test_a_long_night_in_small_pieces_is_no_flood(bench):
    ring = await bench.on_air(ViatomRing, ViatomOximeter)
    await ring.sleep(night(60 * 10))
    await bench.listen()
    await bench.reported(ring, within_s=60)
    assert len(bench.readings) == 600

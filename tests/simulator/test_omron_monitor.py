"""A virtual Omron monitor on the air beside a real hub: paired, opened with the hub's key, read whole."""

from datetime import timedelta

import pytest

from gateway.drivers.omron_blood_pressure import OmronBloodPressure
from gateway.simulator.devices.omron_monitor import OmronMonitor


async def monitor_with(bench, count, **options):
    """Paired, and with so many measurements, by turns of each user."""
    monitor = await bench.on_air(OmronMonitor, OmronBloodPressure, **options)
    for at in range(count):
        user = 1 + at % len(monitor.layout.starts)
        await monitor.measure(110 + at, 70 + at, 60 + at, user, ago=timedelta(hours=count - at))
    await bench.listen()
    return monitor


async def again(bench, monitor, times):
    await monitor.open_window()
    await bench.visited(monitor, times)


async def test_it_is_paired_in_one_visit_and_read_in_the_next(bench):
    monitor = await monitor_with(bench, 5, clock_offset_s=-600)
    await bench.reported(monitor)
    await bench.visited(monitor, 2)
    assert len(monitor.key) == 16
    assert [reading["user"] for reading in bench.readings] == [1, 1, 1, 2, 2]
    assert bench.errors == []
    assert monitor.truth.of("fault") == []


async def test_what_it_says_beside_the_numbers(bench):
    monitor = await bench.on_air(OmronMonitor, OmronBloodPressure)
    await monitor.measure(150, 95, 80, 2, moved=True, irregular=True)
    await monitor.measure(120, 80, 60, 1, irregular=True)
    await bench.listen()
    await bench.reported(monitor)


async def test_a_second_visit_gives_nothing_new(bench):
    monitor = await monitor_with(bench, 4)
    await bench.reported(monitor)
    await bench.visited(monitor, 2)
    await again(bench, monitor, 3)
    monitor.memory.set_clock(monitor.clock() + timedelta(hours=2))  # what is stored stays as it is
    await again(bench, monitor, 4)
    assert (len(bench.readings), bench.errors) == (4, [])
    await monitor.measure(133, 77, 66)
    await bench.reported(monitor)


async def test_the_bond_takes_longer_than_the_first_wish_for_a_key(bench):
    monitor = await monitor_with(bench, 2, not_yet=2)
    await bench.reported(monitor)
    assert bench.errors == []


@pytest.mark.parametrize("token", [True, False])
async def test_the_newer_stack_is_read_at_once(bench, token):
    monitor = await monitor_with(bench, 3, model="HEM-7142T2-Z", token=token)
    await bench.reported(monitor)
    assert [reading["user"] for reading in bench.readings] == [None] * 3
    assert bench.errors == []


async def test_records_over_the_edges_of_blocks(bench):
    monitor = await monitor_with(bench, 10, model="HEM-7530T-Z")
    await bench.reported(monitor)
    assert bench.errors == []


async def test_a_link_that_drops_in_the_middle_loses_nothing(bench):
    monitor = await monitor_with(bench, 12, hang_up_after_reads=2)
    await bench.reported(monitor)
    await bench.visited(monitor, 3)
    assert monitor.options.hang_up_after_reads is None
    assert len(bench.readings) == 12


async def test_commands_that_are_not_heard_and_pieces_that_get_lost(bench):
    monitor = await monitor_with(bench, 3, deaf=1)
    await bench.reported(monitor)
    await bench.visited(monitor, 2)
    monitor.options.lost_pieces = 1
    await monitor.measure(140, 90, 70)
    await bench.reported(monitor)
    assert set(bench.errors) <= {"frame-short"}


async def test_a_user_whom_it_does_not_know(bench):
    monitor = await bench.on_air(OmronMonitor, OmronBloodPressure, refused_user=1)
    await monitor.measure(140, 90, 70, 2)
    await bench.listen()
    await bench.reported(monitor)


async def test_a_monitor_that_was_paired_with_something_else(bench):
    monitor = await monitor_with(bench, 1)
    await bench.reported(monitor)
    await bench.visited(monitor, 2)
    monitor.forget_key()
    bench.pairing = False
    await monitor.measure(140, 90, 70)
    await bench.until(lambda: bench.errors != [])
    await bench.visited(monitor, 4)
    assert bench.errors == ["device-not-allowed"]  # told once, at however many visits
    assert len(bench.readings) == 1


async def test_a_model_that_nobody_knows_is_told_once_and_not_read(bench):
    monitor = await monitor_with(bench, 2, model="HEM-9999T-E")
    await bench.until(lambda: bench.errors != [])
    await bench.visited(monitor)
    await again(bench, monitor, 2)
    assert (bench.errors, bench.readings) == (["model-unknown"], [])
    assert monitor.truth.of("sent") == []


async def test_it_has_so_many_slots(bench):
    monitor = await bench.on_air(OmronMonitor, OmronBloodPressure, model="HEM-7142T2-Z")
    for _ in range(14):
        await monitor.use()
    with pytest.raises(ValueError, match="full"):
        await monitor.use()


async def test_it_says_when_somebody_writes_to_its_memory(bench):
    monitor = await bench.on_air(OmronMonitor, OmronBloodPressure)
    await monitor.written(0, None, bytes.fromhex("0901c00260010000ab"))
    assert [line["error"] for line in monitor.truth.of("fault")] == ["a write to 0260"]
    assert monitor.written(0, None, bytes.fromhex("0901c00260010000ac")) is None

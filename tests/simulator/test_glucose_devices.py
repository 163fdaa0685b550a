"""Virtual glucose meters, a glucose sensor and Mi scales, read by a real hub: what they measured is what it reports."""

from datetime import datetime, timedelta

import pytest

from gateway.drivers import glucose_meter
from gateway.drivers.continuous_glucose import ContinuousGlucose
from gateway.drivers.glucose_meter import GlucoseMeter as GlucoseMeterDriver
from gateway.drivers.mi_scale import MiScale as MiScaleDriver
from gateway.drivers.shared import record_access
from gateway.simulator.devices.glucose_meter import (
    CONTROL_BY_PLACE,
    CONTROL_BY_TYPE,
    DATE_TIME,
    HIGH,
    LOW,
    NO_CLOCK,
    GlucoseMeter,
)
from gateway.simulator.devices.glucose_sensor import GlucoseSensor
from gateway.simulator.devices.mi_scale import JIN, POUND, MiScale

MEALS = ("fasting", "before-meal", "after-meal", "bedtime", "casual")
ALL, SINCE, ABORT = "0101", "010301", "0300"


async def filled(meter, count=6):
    """A memory of the last hours."""
    for place in range(count):
        meal = MEALS[place] if place < len(MEALS) else None
        await meter.measure(90 + place, meal=meal, ago=timedelta(hours=count - place))


async def read(bench, *devices):
    """Every record was told to the end, and the hub reports just these."""
    for device in devices:
        await bench.until(lambda device=device: numbers(device, "measured") <= numbers(device, "confirmed"))
    await bench.reported(*devices)


def numbers(device, event):
    return {line["number"] for line in device.truth.of(event)}


def asked(meter):
    return [event["hex"] for event in meter.truth.of("asked")]


@pytest.fixture
def hurried(monkeypatch):
    """A hub that waits shorter for a meter than 30 and 5 seconds; nothing else of it changes."""
    monkeypatch.setattr(record_access, "_PATIENCE_S", 0.4)
    monkeypatch.setattr(record_access, "_SHORT_PATIENCE_S", 0.2)


# Glucose meter


async def test_everything_it_stored_and_what_came_since(bench):
    meter = await bench.on_air(GlucoseMeter, GlucoseMeterDriver)
    await filled(meter)
    await bench.listen()
    await read(bench, meter)
    await bench.visited(meter)
    before = len(asked(meter))
    await meter.measure(140, meal="after-meal")
    await read(bench, meter)
    again = asked(meter)[before:]
    assert ALL not in again
    assert any(command.startswith(SINCE) for command in again)


async def test_a_full_memory(bench):
    meter = await bench.on_air(GlucoseMeter, GlucoseMeterDriver)
    for place in range(400):
        await meter.measure(80 + place % 200, meal="fasting", ago=timedelta(minutes=400 - place))
    await bench.listen()
    await read(bench, meter)
    assert asked(meter).count(ALL) == 1


async def test_mmol_and_results_beyond_its_range(bench):
    meter = await bench.on_air(GlucoseMeter, GlucoseMeterDriver, in_mmol=True)
    await meter.measure(56)
    await meter.measure(0, beyond=HIGH, meal="fasting")
    await meter.measure(0, beyond=LOW)
    await bench.listen()
    await read(bench, meter)
    assert [reading["values"]["glucose"] for reading in bench.readings] == ["5.6", None, None]
    assert bench.errors == []


async def test_control_solution_is_no_reading_of_a_person(bench):
    meter = await bench.on_air(GlucoseMeter, GlucoseMeterDriver)
    for marked in (CONTROL_BY_TYPE, CONTROL_BY_PLACE):
        await meter.test_with_control_solution(marked)
    await meter.measure(101)
    await bench.listen()
    await read(bench, meter)
    await bench.visited(meter)
    assert bench.errors == []


async def test_ketone_is_told_from_glucose(bench):
    meter = await bench.on_air(GlucoseMeter, GlucoseMeterDriver, manufacturer="i-SENS", clock=NO_CLOCK)
    await meter.measure_ketone(12)
    await meter.measure(104, meal="fasting")
    await bench.listen()
    await read(bench, meter)


async def test_without_its_context_ketone_is_not_taken_for_glucose(bench, monkeypatch):
    monkeypatch.setattr(glucose_meter, "_JOIN_S", 0.2)
    meter = await bench.on_air(GlucoseMeter, GlucoseMeterDriver, manufacturer="i-SENS", contexts="never")
    await meter.measure_ketone(12)
    await bench.listen()
    await bench.until(lambda: "context-missing" in bench.errors)
    assert bench.readings == []
    meter.options.contexts = "at-once"
    await meter.open_window()
    await read(bench, meter)


async def test_contexts_that_come_late_or_never(bench):
    late = await bench.on_air(GlucoseMeter, GlucoseMeterDriver, contexts="late")
    never = await bench.on_air(GlucoseMeter, GlucoseMeterDriver, contexts="never", idle_s=8)
    await filled(late)
    await filled(never, 3)
    await bench.listen()
    await read(bench, late, never)
    assert [reading["final"] for reading in bench.readings].count(False) == 3


async def test_the_clock_is_set_and_nothing_is_new(bench):
    """Also where the meter then tells all its records with another offset."""
    meter = await bench.on_air(GlucoseMeter, GlucoseMeterDriver, clock_offset_s=-600, moves_offsets=True)
    await filled(meter)
    await bench.listen()
    await meter.truth.wait_for("clock-set")
    await bench.visited(meter)
    assert len(bench.readings) == 6
    assert abs(meter.clock() - datetime.now()) < timedelta(seconds=5)  # noqa: DTZ005
    await meter.open_window()
    await bench.visited(meter, 2)
    assert asked(meter).count(ALL) == 2  # all was read again, since the records look different
    await read(bench, meter)
    await meter.measure(99)
    await read(bench, meter)


async def test_the_clock_of_roche_stands_in_the_glucose_service(bench):
    meter = await bench.on_air(
        GlucoseMeter, GlucoseMeterDriver, clock=DATE_TIME, clock_offset_s=7200, manufacturer="Roche"
    )
    await filled(meter, 2)
    await bench.listen()
    await meter.truth.wait_for("clock-set")
    await meter.measure(100)
    await read(bench, meter)
    assert asked(meter).count(ALL) == 1


async def test_a_link_that_drops_in_the_middle_loses_nothing(bench):
    meter = await bench.on_air(GlucoseMeter, GlucoseMeterDriver, hangs_up_after=3)
    await filled(meter)
    await bench.listen()
    await meter.truth.wait_for("dropped")
    await read(bench, meter)
    assert asked(meter).count(ALL) == 2
    await meter.measure(150)
    meter.options.hangs_up_after = 1
    await read(bench, meter)


async def test_a_meter_that_was_renumbered_hides_nothing(bench):
    meter = await bench.on_air(GlucoseMeter, GlucoseMeterDriver)
    await filled(meter)
    await bench.listen()
    await read(bench, meter)
    await bench.visited(meter)
    await meter.renumber(first=100)
    await meter.open_window()
    await bench.visited(meter, 2)
    await read(bench, meter)  # nothing twice
    for record in list(meter.memory.records):
        meter.memory.forget(record)
    await meter.measure(133)  # emptied: begins at 0
    await read(bench, meter)


async def test_a_battery_change_resets_its_clock(bench):
    meter = await bench.on_air(GlucoseMeter, GlucoseMeterDriver)
    await filled(meter, 3)
    await bench.listen()
    await read(bench, meter)
    await bench.visited(meter)
    await meter.change_battery(wipes_memory=True)
    await meter.measure(120)
    await meter.measure(121)
    await read(bench, meter)
    assert [reading["notes"] for reading in bench.readings[3:]] == [["clock-not-set"]] * 2
    await bench.visited(meter, 2)
    await meter.measure(122)
    await read(bench, meter)
    assert bench.readings[-1]["notes"] == []


async def test_a_meter_that_renumbers_at_each_measurement(bench):
    meter = await bench.on_air(
        GlucoseMeter, GlucoseMeterDriver, manufacturer="TaiDoc", renumbers=True, clock=NO_CLOCK
    )
    await filled(meter, 3)
    await bench.listen()
    await read(bench, meter)
    await meter.measure(144)
    await read(bench, meter)
    assert not any(command.startswith(SINCE) for command in asked(meter))


async def test_a_meter_that_is_busy_slow_or_ignores_the_hub(bench, hurried):
    meter = await bench.on_air(GlucoseMeter, GlucoseMeterDriver, busy=2, ignores=1, pace_s=0.02)
    await filled(meter)
    await bench.listen()
    await read(bench, meter)
    await bench.visited(meter)
    meter.options.busy = 1
    await meter.measure(111)
    await read(bench, meter)


async def test_a_report_that_stops_is_aborted_and_asked_again(bench, hurried):
    meter = await bench.on_air(GlucoseMeter, GlucoseMeterDriver, stops_after=2, idle_s=3)
    await filled(meter)
    await bench.listen()
    await meter.truth.wait_for("stopped")
    await read(bench, meter)
    assert ABORT in asked(meter)
    assert asked(meter).count(ALL) == 2


async def test_lost_notifications_are_asked_for_again(bench):
    meter = await bench.on_air(GlucoseMeter, GlucoseMeterDriver, loses=3)
    for place in range(5):
        await meter.measure(90 + place, ago=timedelta(hours=place + 1))
    await bench.listen()
    await read(bench, meter)
    assert len(meter.truth.of("lost")) == 3


async def test_a_meter_that_only_knows_how_to_report_all(bench):
    meter = await bench.on_air(
        GlucoseMeter, GlucoseMeterDriver, counts=False, selects=False, knows_newest=False
    )
    await filled(meter)
    await bench.listen()
    await read(bench, meter)
    await bench.visited(meter)
    await meter.measure(99)
    await read(bench, meter)


async def test_an_empty_meter(bench):
    meter = await bench.on_air(GlucoseMeter, GlucoseMeterDriver)
    await meter.open_window()
    await bench.listen()
    await bench.visited(meter)
    assert (bench.readings, bench.errors) == ([], [])
    await meter.use()
    await read(bench, meter)


# Glucose sensor


@pytest.mark.parametrize("crc", [True, False])
async def test_a_sensor_is_read_and_tells_what_is_new(bench, crc):
    sensor = await bench.on_air(GlucoseSensor, ContinuousGlucose, crc=crc)
    for minute in range(5, 60, 5):
        await sensor.measure(100 + minute, minute, trend=-8, quality=96)
    await sensor.measure(60, 60, warning=0x04)
    await sensor.measure(61, 61)
    await bench.listen()
    await read(bench, sensor)
    assert bench.readings[0]["context"] == {
        "sample": "interstitial-fluid",
        "location": "subcutaneous",
        "utc-offset-minutes": "60",
    }
    await bench.visited(sensor)
    await sensor.measure(99, 65)
    await read(bench, sensor)
    assert asked(sensor).count(ALL) == 1


async def test_a_value_with_a_wrong_checksum_is_asked_for_again(bench):
    sensor = await bench.on_air(GlucoseSensor, ContinuousGlucose, wrong_crcs=2)
    for minute in range(5, 40, 5):
        await sensor.measure(100 + minute, minute)
    await bench.listen()
    await read(bench, sensor)
    assert bench.errors == ["checksum-wrong"] * 2


async def test_a_new_session_hides_nothing(bench):
    sensor = await bench.on_air(GlucoseSensor, ContinuousGlucose)
    for minute in (5, 10, 15):
        await sensor.measure(100 + minute, minute)
    await bench.listen()
    await read(bench, sensor)
    await bench.visited(sensor)
    await sensor.new_session()
    for minute in (5, 10, 15, 20):
        await sensor.measure(100 + minute, minute)
    await read(bench, sensor)
    assert len(bench.readings) == 7


async def test_a_sensor_tells_at_once_to_whoever_listens(bench):
    sensor = await bench.on_air(GlucoseSensor, ContinuousGlucose, idle_s=4)
    await sensor.use(timedelta(minutes=10))
    await bench.listen()
    await bench.until(lambda: len(bench.readings) == 1)
    await sensor.use()
    await bench.until(lambda: len(bench.readings) == 2)
    await read(bench, sensor)
    assert len(asked(sensor)) > 0


# Mi scales


@pytest.mark.parametrize("second", [True, False])
async def test_somebody_steps_on_a_mi_scale_and_leaves(bench, second):
    scale = await bench.on_air(MiScale, MiScaleDriver, second=second, each_s=0.1)
    await bench.listen()
    await scale.weigh(14490)
    await bench.until(lambda: len(bench.readings) == 1)
    await scale.weigh(2000, thing=True)
    await scale.weigh(14496, 503 if second else None)
    await bench.until(lambda: len(bench.readings) == 2)
    await bench.reported(scale)
    assert bench.errors == []


@pytest.mark.parametrize("unit", [POUND, JIN])
async def test_a_mi_scale_in_another_unit_without_a_clock(bench, unit):
    scale = await bench.on_air(MiScale, MiScaleDriver, unit=unit, clock_set=False, each_s=0.1)
    await bench.listen()
    await scale.weigh(14490, 480)
    await bench.until(lambda: len(bench.readings) == 1)
    await bench.reported(scale)


async def test_two_people_one_after_the_other(bench):
    scale = await bench.on_air(MiScale, MiScaleDriver, each_s=0.1)
    await bench.listen()
    await scale.use()
    await bench.until(lambda: len(bench.readings) == 1)
    await scale.use()
    await bench.until(lambda: len(bench.readings) == 2)
    await bench.reported(scale)

"""Virtual LifeScan meters on a cable beside a real hub: lost bytes, pulled plugs, moved clocks, second visits."""

from datetime import datetime, timedelta

import pytest

from gateway.drivers.lifescan_serial import LifescanSerial
from gateway.simulator.devices.lifescan_meters import Ultra2, UltraEasy, VerioIq, frame

ALL = pytest.mark.parametrize("kind", [UltraEasy, VerioIq, Ultra2], ids=lambda kind: kind.__name__)
FRAMED = pytest.mark.parametrize("kind", [UltraEasy, VerioIq], ids=lambda kind: kind.__name__)


async def meter_with(bench, kind, *values):
    """A meter with these values of the last minutes, the last one of now."""
    meter = await bench.on_cable(kind, LifescanSerial)
    for at, mg_dl in enumerate(values):
        await meter.measure(mg_dl, ago=timedelta(minutes=len(values) - 1 - at))
    return meter


def told(meter, place=-1):
    """How often the record at this place of the memory, oldest first, was told."""
    number = meter.memory.records[place].number
    return len([row for row in meter.truth.of("sent") if row["number"] == number])


async def visited_again(bench, meter):
    """Returns when another visit has come to its end: records are read newest first, and one is known."""
    before = told(meter)
    await bench.until(lambda: told(meter) >= before + 2)


@ALL
async def test_it_reports_what_was_measured(bench, kind):
    meter = await meter_with(bench, kind, 104, 19, 612, 20, 600)
    await bench.reported(meter)
    assert bench.errors == []
    assert bench.hub.outbox.setting("told port-1") == b"lifescan-serial-" + meter.serial.encode()


@pytest.mark.parametrize("kind", [VerioIq, Ultra2], ids=lambda kind: kind.__name__)
async def test_meals_and_control_solution(bench, kind):
    meter = await meter_with(bench, kind, 104)
    await meter.measure(121, meal=1)
    await meter.measure(99, control=True)
    await meter.measure(142, meal=2)
    await bench.reported(meter)
    assert [reading["context"] for reading in bench.readings].count({}) == 1


@ALL
async def test_a_second_visit_brings_nothing_new(bench, kind):
    meter = await meter_with(bench, kind, 104, 110, 95)
    await bench.reported(meter)
    await visited_again(bench, meter)
    await bench.reported(meter)
    if kind is not Ultra2:  # which tells all at once
        assert told(meter, 0) == 1


@FRAMED
async def test_the_next_visit_reads_only_what_is_new(bench, kind):
    meter = await meter_with(bench, kind, 104, 110, 95)
    await bench.reported(meter)
    await meter.measure(120)
    await bench.reported(meter)
    await visited_again(bench, meter)
    assert told(meter, 0) == told(meter, 1) == 1


@ALL
async def test_a_plug_pulled_in_mid_frame_costs_nothing(bench, kind):
    meter = await meter_with(bench, kind, *range(100, 112))
    meter.pulled_after = {UltraEasy: 300, VerioIq: 170, Ultra2: 460}[kind]
    await meter.truth.wait_for("unplugged")
    assert len(bench.readings) < 12
    meter.plug_in()
    await bench.reported(meter)
    assert set(bench.errors) <= {"frame-short"}


@ALL
async def test_lost_bytes_and_questions_are_made_good(bench, kind):
    meter = await meter_with(bench, kind, 104, 110, 95)
    meter.ignores = 1
    meter.noise()
    await bench.until(lambda: meter.truth.of("ignored"))
    meter.loses = 3
    await bench.reported(meter, within_s=40)
    assert set(bench.errors) <= {"frame-short", "checksum-wrong"}


async def test_a_reply_whose_acknowledgement_got_lost_is_stored_once(bench):
    meter = await bench.on_cable(UltraEasy, LifescanSerial, speed=2)
    for mg_dl in (104, 110, 95):
        await meter.measure(mg_dl)
    meter.acknowledgements_lost = 5
    await bench.reported(meter)
    await meter.truth.wait_for("said-again")
    await bench.until(lambda: len(meter.truth.of("confirmed")) >= 3)
    await bench.reported(meter)
    assert bench.errors == []


@ALL
async def test_stored_times_move_with_the_clock_which_nobody_but_a_person_sets(bench, kind):
    """What moved is told once more: the bridge takes it for possible repeats and asks."""
    meter = await meter_with(bench, kind, 104, 110)
    await bench.reported(meter)
    meter.move_clock(timedelta(hours=1))
    await bench.until(lambda: len(bench.readings) >= 4)
    times = [datetime.fromisoformat(reading["device_time"]) for reading in bench.readings]
    assert {late - early for early, late in zip(sorted(times)[:2], sorted(times)[2:], strict=True)} == {
        timedelta(hours=1)
    }
    assert sorted(reading["values"]["glucose"] for reading in bench.readings) == ["104", "104", "110", "110"]


async def test_an_empty_meter(bench):
    meter = await bench.on_cable(UltraEasy, LifescanSerial)
    await bench.until(lambda: bench.hub.outbox.setting("told port-1") is not None)
    await meter.measure(104)
    await bench.reported(meter)


async def test_what_a_meter_does_not_know_it_says(bench):
    """No driver asks this: erasing, setting the clock, frames before the opening, damaged ones."""
    easy, verio = (
        await bench.on_cable(UltraEasy, LifescanSerial),
        await bench.on_cable(VerioIq, LifescanSerial),
    )
    said = []
    for meter in (easy, verio):
        meter.unplug()
        meter.say = lambda data: _kept(said, data)
    await easy.asked(frame(b"\x05\x0d\x02"))
    assert easy.truth.of("not-open")
    await easy.asked(b"\x02\x03" + frame(b"", 8)[:-1] + b"\x00" + frame(b"", 8) + frame(b"\x05\x1a"))
    await verio.asked(frame(b"\x03\x1a"))
    await verio.asked(frame(b"\x05\x1a"))
    assert said == [frame(b"", 0x0C), frame(b"", 0x06), frame(b"\x05\x09", 2), frame(b"\x03\x09")]
    await easy.stop()


async def _kept(said, data):
    said.append(data)
    return True

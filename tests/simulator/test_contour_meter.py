"""A virtual Contour meter beside a real hub: NAK, frames sent again, a plug pulled in mid-frame, reports."""

from datetime import timedelta

import pytest

from gateway.drivers.ascensia_contour import AscensiaContour
from gateway.hub.bookkeeping import TOLD, told_identity
from gateway.outbox import OutboxError
from gateway.simulator.devices.contour_meter import ContourMeter


async def reported(bench, meter):
    """Returns when the hub has reported every measurement, and nothing else."""
    await bench.until(lambda: len(bench.readings) >= len(meter.truth.of("measured")), 40)
    await bench.reported(meter)


async def on_cable(bench, *values, **options):
    """A meter with these values of the last minutes."""
    meter = await bench.on_cable(ContourMeter, AscensiaContour, **options)
    for at, number in enumerate(values):
        await meter.measure(number, ago=timedelta(minutes=len(values) - at))
    return meter


async def test_a_cable_tells_what_was_measured(bench):
    meter = await on_cable(bench, 98)
    await meter.measure(133, "before-meal")
    await meter.measure(180, "after-meal")
    await meter.measure(12)
    await meter.measure(640)
    await meter.measure(118, control=True)
    await reported(bench, meter)
    await meter.truth.wait_for("confirmed", 6)
    assert bench.errors == []
    assert (
        bench.hub.outbox.setting(TOLD + "port-1") == told_identity("ascensia-contour", meter.serial).encode()
    )


async def test_millimoles(bench):
    meter = await on_cable(bench)
    meter.mmol = True
    await meter.measure(74)
    await reported(bench, meter)


@pytest.mark.parametrize("fault", ["refuses", "damages", "deaf", "ignores"])
async def test_what_a_cable_does_costs_no_reading(bench, fault):
    meter = await on_cable(bench, 98, 133, 180)
    setattr(meter, fault, 2)
    meter.noise()
    await reported(bench, meter)
    assert bool(meter.truth.of("refused")) == (fault == "damages")


async def test_a_frame_that_comes_again_is_one_reading(bench):
    meter = await on_cable(bench, 98, 133, 180)
    await meter.truth.wait_for("sent")
    meter.deaf = 1
    await meter.truth.wait_for("said-again")
    await reported(bench, meter)


async def test_bytes_that_get_lost_on_their_way(bench):
    meter = await on_cable(bench, 98, 133, 180)
    await meter.truth.wait_for("sent")
    meter.loses = 9
    await reported(bench, meter)


async def test_a_plug_that_is_pulled_in_mid_frame(bench):
    meter = await on_cable(bench, *range(100, 110))
    for after in (60, 300, 700):
        meter.pulled_after = after
        await meter.truth.wait_for("unplugged", len(meter.truth.of("unplugged")) + 1)
        meter.plug_in()
    await reported(bench, meter)
    assert bench.errors == []


async def test_nothing_is_acknowledged_that_is_not_kept(bench, monkeypatch):
    """The hub's store refuses one record: the meter hears no ACK for it until it was kept."""
    capture, refused = bench.hub.outbox.capture, []

    def full(*arguments):
        if not refused:
            refused.append(len(meter.truth.of("confirmed")))
            raise OutboxError("outbox-failed")
        assert len(meter.truth.of("confirmed")) == 0 or bench.readings
        return capture(*arguments)

    monkeypatch.setattr(bench.hub.outbox, "capture", full)
    meter = await on_cable(bench, 98)
    await meter.truth.wait_for("confirmed")
    assert refused == [0]
    assert len(bench.readings) == 1


async def test_the_second_visit_brings_nothing_new(bench):
    meter = await on_cable(bench, 98, 133)
    await reported(bench, meter)
    await meter.truth.wait_for("confirmed", 6)  # three transfers of two
    assert len(bench.readings) == 2
    await meter.measure(180)
    await reported(bench, meter)
    assert len(bench.readings) == 3


async def test_a_clock_that_is_wrong_stays_as_it_is(bench):
    meter = await on_cable(bench, 98, clock_offset_s=-86_400 * 400)
    await reported(bench, meter)
    await meter.truth.wait_for("confirmed", 2)
    assert len(bench.readings) == 1


async def test_usb_reports(bench):
    meter = await on_cable(bench)
    meter.in_reports = True
    await meter.measure(133)
    await meter.measure(640)
    await reported(bench, meter)
    assert bench.errors == []

"""Virtual devices of the Bluetooth SIG profiles, read by a real hub: what they measured is what it reports."""

from datetime import datetime, timedelta

import pytest

from gateway.drivers.heart_rate import HeartRate
from gateway.drivers.pulse_oximeter import PulseOximeter as PulseOximeterDriver
from gateway.drivers.thermometer import Thermometer as ThermometerDriver
from gateway.drivers.weight_scale import WeightScale as WeightScaleDriver
from gateway.simulator.devices.heart_rate_strap import Beat, HeartRateStrap
from gateway.simulator.devices.pulse_oximeter import EARLY, FROM_MEMORY, TEST, VALIDATED, PulseOximeter
from gateway.simulator.devices.thermometer import Thermometer
from gateway.simulator.devices.weight_scales import FAILED, BodyScale, WeightScale
from gateway.simulator.meter_memory import CLOCK_AFTER_BATTERY

COMPOSITION = {
    "basal-metabolism": 6500,
    "muscle-percentage": 412,
    "body-water-mass": 7400,
    "impedance": 5012,
    "body-weight": 14000,
}


# Thermometer


async def test_temperatures_of_memory_and_of_now(bench):
    thermometer = await bench.on_air(Thermometer, ThermometerDriver, clock_offset_s=-600)
    for hours in (3, 2):
        await thermometer.use(timedelta(hours=hours))
    await bench.listen()
    await bench.until(lambda: len(bench.readings) == 2)
    await thermometer.measure(3660, 2, site="mouth")
    await bench.reported(thermometer)
    assert bench.readings[-1]["values"] == {"body-temperature": "36.60"}
    await thermometer.truth.wait_for("clock-set")
    assert abs(thermometer.clock() - datetime.now()) < timedelta(seconds=5)  # noqa: DTZ005


async def test_a_thermometer_that_failed_or_tells_no_time(bench):
    thermometer = await bench.on_air(
        Thermometer, ThermometerDriver, tells_time=False, fixed_site=None, fahrenheit=True
    )
    await thermometer.measure(None)
    await thermometer.measure(986)
    await bench.listen()
    await bench.reported(thermometer)


async def test_after_a_new_battery_the_time_is_not_trusted(bench):
    thermometer = await bench.on_air(Thermometer, ThermometerDriver)
    await thermometer.change_battery()
    thermometer.memory.set_clock(CLOCK_AFTER_BATTERY + timedelta(seconds=90))
    await thermometer.measure(371)
    await bench.listen()
    await bench.reported(thermometer)
    assert bench.readings[0]["device_time"].startswith("2000-01-01T00:01:3")
    assert bench.readings[0]["notes"] == ["clock-not-set"]


async def test_a_thermometer_repeats_what_was_not_confirmed(bench):
    thermometer = await bench.on_air(Thermometer, ThermometerDriver, lose_confirmations=2)
    await thermometer.use(timedelta(minutes=5))
    await bench.listen()
    await thermometer.truth.wait_for("confirmed")
    assert len(thermometer.truth.of("sent")) == 3
    await bench.reported(thermometer)


# Heart rate


async def test_the_last_value_of_each_time_that_a_strap_was_worn(bench):
    strap = await bench.on_air(HeartRateStrap, HeartRate, beat_s=0.02)
    await bench.listen()
    await strap.wear([Beat(60, 10, (1024, 1000)), Beat(61, 11, (1023,)), Beat(62, 0xFFFE, (990, 991))])
    await strap.wear([Beat(300), Beat(301)])
    await bench.reported(strap)
    assert len(bench.readings) == 2


async def test_a_strap_without_a_sense_of_contact(bench):
    """It then says 0 when it is taken off, which no heart does."""
    strap = await bench.on_air(HeartRateStrap, HeartRate, beat_s=0.02, tells_contact=False)
    await bench.listen()
    await strap.use()
    await bench.reported(strap)


async def test_a_strap_that_nobody_hears_demands_nothing(bench):
    strap = await bench.on_air(HeartRateStrap, HeartRate)
    await strap.wear([Beat(60)], within_s=0.05)
    assert strap.truth.of("measured") == []


async def test_a_hub_that_leaves_is_not_said_to_have_heard(bench):
    strap = await bench.on_air(HeartRateStrap, HeartRate, beat_s=5)
    await bench.listen()  # goes away when nothing comes for so long
    await strap.wear([Beat(60), Beat(61)])
    assert strap.truth.of("confirmed") == []


# Pulse oximeter


async def test_spot_checks_and_a_finger(bench):
    oximeter = await bench.on_air(PulseOximeter, PulseOximeterDriver, beat_s=0.02)
    await oximeter.use(timedelta(hours=1))
    await oximeter.check(97, 61, amplitude=45)
    await bench.listen()
    await bench.until(lambda: len(bench.readings) == 2)
    await oximeter.finger([(95, 70), (96, 71), (97, 72)])
    await bench.reported(oximeter)
    assert bench.readings[-1]["values"] == {"spo2": "97", "pulse-rate": "72"}


async def test_what_an_oximeter_does_not_approve_is_no_reading(bench):
    oximeter = await bench.on_air(PulseOximeter, PulseOximeterDriver)
    for status in (EARLY, TEST, 0):
        await oximeter.check(90, 90, status=status)
    await oximeter.check(None, None)
    await oximeter.check(None, 64, status=VALIDATED)
    await bench.listen()
    await oximeter.truth.wait_for("confirmed", 5)
    await bench.reported(oximeter)
    assert bench.errors == []
    assert FROM_MEMORY & VALIDATED == 0


async def test_a_finger_that_nobody_hears_and_one_that_is_heard_later(bench):
    oximeter = await bench.on_air(PulseOximeter, PulseOximeterDriver, beat_s=0.02)
    await oximeter.finger([(95, 70)], within_s=0.05)
    assert oximeter.truth.of("measured") == []
    await bench.listen()
    await oximeter.use()
    await oximeter.use()
    await bench.reported(oximeter)


# Scales


async def test_a_scale_bonds_first_and_tells_at_the_next_visit(bench):
    scale = await bench.on_air(WeightScale, WeightScaleDriver, clock_offset_s=86_400)
    await scale.use(timedelta(days=1))
    await scale.weigh(14_000, user=2, bmi=243, height=1725)
    await scale.weigh(12_000, user=255)
    await bench.listen()
    await bench.reported(scale)
    await bench.visited(scale, 2)
    encrypted, told = (
        next(at for at, line in enumerate(scale.truth.events) if line["event"] == event)
        for event in ("disconnected", "sent")
    )
    assert encrypted < told
    await scale.truth.wait_for("clock-set")


async def test_pounds_failures_and_no_clock(bench):
    scale = await bench.on_air(
        WeightScale, WeightScaleDriver, imperial=True, tells_time=False, only_bonds_at_first=False
    )
    await scale.weigh(15_432, bmi=243, height=679)
    await scale.weigh(FAILED)
    await bench.listen()
    await bench.reported(scale)


@pytest.mark.parametrize(("two_packets", "mtu"), [(True, 23), (True, 247), (False, 247)])
async def test_compositions_in_one_packet_and_in_two(bench, two_packets, mtu):
    scale = await bench.on_air(BodyScale, WeightScaleDriver, two_packets=two_packets, mtu=mtu)
    await scale.use(timedelta(hours=2))
    await scale.weigh(14_000)
    await scale.compose(245, COMPOSITION)
    await scale.compose(0, {"body-weight": 14_000, "muscle-percentage": 0, "body-water-mass": 14_000})
    await bench.listen()
    await bench.reported(scale)
    assert bench.errors == []


async def test_a_second_packet_that_was_not_confirmed_comes_with_the_first_again(bench):
    scale = await bench.on_air(BodyScale, WeightScaleDriver)
    await scale.weigh(14_000)
    await scale.compose(245, COMPOSITION)
    scale.options.lose_confirmations = 1  # of the weight
    await bench.listen()
    await bench.reported(scale)


async def test_what_is_a_users_waits_for_consent(bench):
    scale = await bench.on_air(BodyScale, WeightScaleDriver, users={1: 1234})
    await scale.weigh(14_000, user=1)
    await scale.weigh(12_000)
    await bench.listen()
    await scale.truth.wait_for("confirmed")
    await bench.visited(scale)
    assert [record.number for record in scale.memory.records] == [1]
    assert scale.truth.of("controlled") == []


async def test_a_user_whose_code_the_hub_knows_is_told_and_then_left(bench):
    """A wrong code of another user is tried once; in the end nobody is active, so that no one is mistaken."""
    scale = await bench.on_air(
        BodyScale, WeightScaleDriver, users={1: 1234, 2: 77}, consents=((1, 1234), (2, 78))
    )
    await scale.weigh(14_000, user=1)
    await scale.compose(245, COMPOSITION, user=1)
    await bench.listen()
    await bench.reported(scale)
    await bench.visited(scale)
    assert scale.active is None
    await scale.weigh(13_900, user=1)
    await bench.reported(scale)
    await bench.visited(scale, 2)
    assert scale.active is None
    right, wrong, nobody = "0201d204", "02024e00", "02000000"
    asked = [line["hex"] for line in scale.truth.of("controlled")]
    assert asked == [right, wrong, nobody, right, nobody]

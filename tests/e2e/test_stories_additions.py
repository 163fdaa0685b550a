"""A meter whose link drops, or whose hub dies, between a measurement and its context."""

from collections import Counter

import pytest

from cloud_bridge import journey
from cloud_bridge.schema import arrivals, measurements
from gateway.drivers.glucose_meter import GlucoseMeter
from gateway.simulator.compare import read_observations
from tests.e2e.air import GLUCOSE, House, until

FASTING = "14770-2"


@pytest.fixture
async def house(tmp_path):
    made = House(tmp_path / "house")
    yield made
    await made.close()


@pytest.fixture
def anna(live_village, pgo):
    person = live_village.person(pgo)
    live_village.bind(person, GLUCOSE)
    return person


def visits(radio):
    return radio.facts.devices[GLUCOSE].visits


async def read_by(house, hub, meter, count=1):
    """The hub's radio, after so many whole visits of the meter."""
    radio = await house.listen(hub, GLUCOSE, driver=GlucoseMeter)
    await meter.pairing_mode()
    await until(lambda: visits(radio) >= count)
    return radio


def shown(person):
    """(status, whether it is told as fasting) of every Observation in the PGO."""
    found = read_observations(person.server, person.patient)
    return [(one["status"], FASTING in [coding["code"] for coding in one["code"]["coding"]]) for one in found]


def sources(hub):
    """Where the frames that wait in the hub came from."""
    return {frame.source for captured in hub.outbox.captured() for frame in captured.frames}


def told(village):
    """The journey of the one measurement."""
    (row,) = village.rows(measurements)
    with village.bridge.database.reading() as connection:
        return journey.trace(connection, bytes(row.key).hex())


async def test_the_link_drops_between_measurement_and_context(live_village, anna, house):
    """A later visit brings the context: one Observation, whole."""
    hub = live_village.gateway()
    meter = await house.glucose_meter(in_mmol=True, drops_before_context=2)
    await meter.measure(56, meal="fasting")
    await read_by(house, hub, meter, 3)
    live_village.settle()
    assert len(meter.truth.of("dropped")) == 2
    assert shown(anna) == [("final", True)]
    assert [step.step for step in told(live_village).steps].count("addition") == 1
    assert (told(live_village).well, live_village.held()) == (True, [])


async def test_the_context_comes_when_the_reading_has_been_delivered(live_village, anna, house):
    """What stands at the PGO stays as it is, and only once; what came waits, and the journey says so."""
    hub = live_village.gateway()
    meter = await house.glucose_meter(in_mmol=True, drops_before_context=1)
    await meter.measure(56, meal="fasting")
    radio = await read_by(house, hub, meter)
    live_village.settle()
    assert shown(anna) == [("preliminary", False)]
    await meter.pairing_mode()
    await until(lambda: visits(radio) >= 2)
    live_village.settle()
    assert shown(anna) == [("preliminary", False)]
    assert live_village.held() == [("addition-late", "operator")]
    found = told(live_village)
    assert (found.status, [one.code for one in found.troubles]) == ("delivered", ["addition-late"])
    assert hub.outbox.unaccepted() == 0


async def test_the_hub_dies_between_measurement_and_context(live_village, anna, house):
    """What was captured is sealed at the start; the next visit completes it."""
    hub = live_village.gateway()
    meter = await house.glucose_meter(in_mmol=True, pace_s=0.3)
    await meter.measure(56, meal="fasting")
    await house.listen(hub, GLUCOSE, driver=GlucoseMeter)
    await meter.pairing_mode()
    await until(lambda: "2a18" in sources(hub))
    assert "2a34" not in sources(hub)
    await house.kill(hub)
    hub.start()
    hub.seal_now()
    assert hub.outbox.counts()["sealed"] == 1
    hub.connect()
    meter.options.pace_s = 0
    await read_by(house, hub, meter)
    live_village.settle()
    assert shown(anna) == [("final", True)]
    assert (told(live_village).well, live_village.held()) == (True, [])


async def test_the_context_reaches_another_hub(live_village, anna, house):
    """Neither hub can add anything to what the other one sealed; the bridge sees that it is the same record."""
    hubs = [live_village.gateway("hub-1"), live_village.gateway("hub-2")]
    meter = await house.glucose_meter(in_mmol=True, drops_before_context=1)
    await meter.measure(56, meal="fasting")
    for hub in hubs:
        await read_by(house, hub, meter)
        await house.silence()
    live_village.settle()
    assert shown(anna) == [("final", True)]
    assert Counter(row.relation for row in live_village.rows(arrivals)) == {"first": 1, "again": 1}
    assert live_village.held() == []

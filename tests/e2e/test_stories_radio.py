"""A virtual meter on the virtual radio and real radios: what it repeats or is asked twice arrives once."""

from collections import Counter
from datetime import timedelta

import pytest

from cloud_bridge.schema import arrivals
from gateway.simulator.meter_memory import CLOCK_AFTER_BATTERY
from tests.e2e.air import House, observed_values, until
from tests.e2e.cuff import CUFF

MEASURED = (131, 84, 99, 66)


@pytest.fixture
async def house(tmp_path):
    made = House(tmp_path / "house")
    yield made
    await made.close()


@pytest.fixture
def anna(live_village, pgo):
    person = live_village.person(pgo)
    live_village.bind(person, CUFF)
    return person


async def measured(meter, count):
    for _ in range(count):
        number = len(meter.truth.of("measured"))
        await meter.measure(110 + number, 70, 84, 60 + number)


def visits(radio):
    return radio.facts.devices[CUFF].visits


def assert_delivered(person, meter, since, time):
    """Every value once, and each at a moment between the beginning of the test and now."""
    found = person.found()
    values = Counter((code, shown) for code, shown, _ in found.elements())
    assert values == Counter(observed_values(meter))
    for _, _, effective_ms in found:
        assert since - 2000 <= effective_ms <= time.now_ms


async def test_the_cuff_repeats_an_indication_after_a_lost_confirmation(live_village, anna, house):
    """The stack has confirmed and the cuff did not hear it: the hub gets the record once more, the PGO does not."""
    since = live_village.time.now_ms
    hub = live_village.gateway()
    meter = await house.meter(lose_confirmations=2)
    radio = await house.listen(hub)
    await meter.pairing_mode()
    await measured(meter, 4)
    await meter.truth.wait_for("confirmed", 4)
    await until(lambda: visits(radio) == 3)
    assert len(meter.truth.of("sent")) == 6
    live_village.settle()
    assert_delivered(anna, meter, since, live_village.time)
    assert live_village.held() == []


async def test_the_repeat_reaches_another_hub(live_village, anna, house):
    """The first hub has the record, the second one hears the repeat: the bridge sees that it is the same."""
    since = live_village.time.now_ms
    turn = []
    hubs = [live_village.gateway("hub-1"), live_village.gateway("hub-2")]
    meter = await house.meter()
    radios = [await house.listen(hub, allowed=lambda hub=hub: turn == [hub]) for hub in hubs]
    for hub, radio in zip(hubs, radios, strict=True):
        turn[:] = [hub]
        await meter.pairing_mode()
        await until(lambda radio=radio: visits(radio) == 1)
    meter.options.lose_confirmations = 1
    turn[:] = hubs[:1]
    await measured(meter, 2)
    await meter.truth.wait_for("confirmation-lost")
    turn[:] = hubs[1:]
    await meter.truth.wait_for("confirmed", 2)
    await until(lambda: visits(radios[1]) == 2)
    live_village.settle()
    assert_delivered(anna, meter, since, live_village.time)
    assert Counter(row.relation for row in live_village.rows(arrivals)) == {"first": 2, "again": 1}
    assert live_village.held() == []


@pytest.mark.parametrize("offset_s", [0, -600, 600], ids=["right", "slow", "fast"])
async def test_two_gateways_read_the_memory_of_one_device(live_village, anna, house, offset_s):
    """One set of resources each time, also when the first gateway sets the clock before the second one reads."""
    since = live_village.time.now_ms
    turn = []
    hubs = [live_village.gateway("hub-1"), live_village.gateway("hub-2")]
    meter = await house.meter(keeps_memory=True, clock_offset_s=offset_s)
    radios = [await house.listen(hub, allowed=lambda hub=hub: turn == [hub]) for hub in hubs]
    for round_ in range(2):
        for hub, radio in zip(hubs, radios, strict=True):
            done = visits(radio)
            turn[:] = [hub]
            if not round_:
                await meter.pairing_mode()
            await measured(meter, 2)
            await until(
                lambda radio=radio, done=done: visits(radio) > done and not radio.facts.devices[CUFF].busy
            )
            live_village.settle()
    asked = [code for code, _ in live_village.held()]
    for question in live_village.questions():
        live_village.answer(question, "same")
    live_village.settle()
    assert_delivered(anna, meter, since, live_village.time)
    assert live_village.held() == []
    # A clock that was fast and is set back passes the same minutes twice: only then a person is asked.
    assert set(asked) <= ({"possible-repeat"} if offset_s > 0 else set())


async def test_a_battery_is_changed_twice(live_village, anna, house):
    """The clock restarts at 2000-01-01 each time, the same numbers at the same second: the repeat is a question."""
    since = live_village.time.now_ms
    hub = live_village.gateway()
    meter = await house.meter()
    radio = await house.listen(hub)
    await meter.pairing_mode()
    await measured(meter, 1)
    await until(lambda: visits(radio) == 1)
    live_village.settle()
    for number in (2, 3):
        await until(lambda: not radio.facts.devices[CUFF].busy)
        await meter.change_battery()
        live_village.time.leap_s(90)
        meter.memory.set_clock(CLOCK_AFTER_BATTERY + timedelta(seconds=10))
        await meter.measure(*MEASURED)
        await until(lambda number=number: visits(radio) == number)
        live_village.settle()
    twins = [event["hex"] for event in meter.truth.of("measured")[1:]]
    assert twins[0] == twins[1]
    assert live_village.held() == [("possible-repeat", "patient")]
    live_village.answer(live_village.questions()[0], "new")
    live_village.settle()
    assert_delivered(anna, meter, since, live_village.time)
    assert live_village.held() == []

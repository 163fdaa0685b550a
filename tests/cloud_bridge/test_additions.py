"""What completes a reading at the bridge: before it, after it, again, from another hub, and after delivery."""

import pytest
from sqlalchemy import update

from cloud_bridge import journey, people_desk
from cloud_bridge.ledger import deliveries as sending
from cloud_bridge.ledger.deliveries import CLAIMED, DELIVERED
from cloud_bridge.schema import deliveries, disclosures, measurements
from cloud_bridge.schema import journey as steps
from gateway.drivers import decode_record
from gateway.wire.cbor import decode
from gateway.wire.items import Addition, Frame, ReadingItem
from gateway.wire.measurement import Device
from gateway.wire.reading import reading_from_wire
from tests.cloud_bridge.people_fixtures import ANNA, DAY, HOUR, MINUTE, START, Street, key_of
from tests.gateway.two_parts import AFTER_MEAL, BEFORE_MEAL, context, fat, glucose, muscle

METER = "meter-1"
SAMPLE = {"sample": "capillary-blood", "location": "finger"}


@pytest.fixture
def street(database):
    return _with_a_meter(Street(database))


@pytest.fixture
def hub(street):
    return street.hubs[0]


def _with_a_meter(street):
    street.hub()
    street.citizen(ANNA)
    street.bind(device=METER, from_ms=START - 400 * DAY)
    return street


def frames_of(*parts):
    return [Frame(source, 100 * place, data) for place, (source, data) in enumerate(parts)]


def named_muscle():
    """The second packet of a scale that names its user there, slot 2."""
    source, data = muscle()
    return source, bytes([data[0] | 4]) + data[1:11] + b"\x02" + data[11:]


def item(hub, *parts, driver="glucose-meter", at_ms=START):
    frames = frames_of(*parts)
    record = decode_record(driver, frames)[0]
    return ReadingItem(hub.capture(at_ms), Device(METER), driver, 1, frames, record.reading, None)


def addition(hub, reading, *parts, at_ms=START + HOUR):
    return Addition(key_of(reading), hub.capture(at_ms), reading.driver, 1, frames_of(*parts))


def kept(street):
    """The one measurement's reading as the ledger has it now."""
    (row,) = street.rows(measurements)
    return reading_from_wire(decode(bytes(row.reading)))


def told(street):
    (row,) = street.rows(measurements)
    with street.database.reading() as connection:
        return journey.trace(connection, bytes(row.key).hex())


def send(street, status=DELIVERED, part="glucose"):
    """As if it went to its receiver."""
    with street.within() as connection:
        connection.execute(update(deliveries).values(status=status, part=part))
        if status == DELIVERED:
            connection.execute(update(measurements).values(status="delivered", settled_ms=START + DAY))


@pytest.mark.parametrize(
    "parts", [(context(),), (glucose(), context())], ids=["what was absent", "the whole record"]
)
@pytest.mark.parametrize("early", [False, True])
def test_it_fills_what_was_absent(street, hub, parts, early):
    reading = item(hub, glucose())
    both = (reading, addition(hub, reading, *parts))
    for one in reversed(both) if early else both:
        street.take(hub, START + HOUR, one)
    assert (street.statuses(), street.open_codes()) == (["due"], [])
    assert kept(street).final
    assert dict(kept(street).context) == {**SAMPLE, "meal": "before-meal"}
    assert [(one.part, one.status) for one in street.rows(deliveries)] == [("", "waiting")]
    assert told(street).well


def test_it_counts_once(street, hub):
    reading = item(hub, glucose())
    street.take(hub, START, reading)
    for hours in (1, 2, 3):
        later = addition(hub, reading, glucose(), context(), at_ms=START + hours * HOUR)
        street.take(hub, START + hours * HOUR, later)
    assert street.open_codes() == []
    assert [row.step for row in street.rows(steps)].count("addition") == 1


def test_it_tells_whose_it_is(street, hub):
    """The second packet of a scale names the user's slot."""
    reading = item(hub, fat(), driver="weight-scale")
    street.take(hub, START, reading)
    street.take(hub, START + HOUR, addition(hub, reading, fat(), named_muscle()))
    (row,) = street.rows(measurements)
    assert row.user_slot == kept(street).user == 2
    assert [value.name for value in kept(street).values] == ["body-fat", "muscle-percentage"]


def test_the_record_under_another_number_is_the_same_record(street, hub):
    """A meter that numbers its newest record 0 tells it in other bytes the next time."""
    maker = ("2a29", b"TaiDoc Technology")
    reading = item(hub, maker, glucose())
    street.take(hub, START, reading)
    later = addition(hub, reading, maker, glucose(renumbered=5), context(5))
    street.take(hub, START + HOUR, later)
    assert dict(kept(street).context)["meal"] == "before-meal"
    assert street.open_codes() == []


def test_an_oximeter_that_was_still_measuring_has_measured(street, hub):
    """The same result in the same second, no longer questionable: in a frame that speaks for itself."""
    time = (2026).to_bytes(2, "little") + bytes([3, 4, 7, 15, 0])
    ongoing, done = (b"\x03\x61\x00\x48\x00" + time + status for status in (b"\x20\x00", b"\x00\x00"))
    reading = item(hub, ("2a5e", ongoing), driver="pulse-oximeter")
    street.take(hub, START, reading)
    assert (kept(street).final, kept(street).notes) == (False, ["questionable"])
    street.take(hub, START + HOUR, addition(hub, reading, ("2a5e", done)))
    assert (kept(street).final, kept(street).notes, street.open_codes()) == (True, [], [])


@pytest.mark.parametrize(
    "parts", [(context(9),), (glucose(2), context(2)), (("2a34", b"\x02"),)], ids=["number", "other", "short"]
)
def test_what_is_of_another_record_is_held_beside_the_reading(street, hub, parts):
    reading = item(hub, glucose())
    street.take(hub, START, reading)
    street.take(hub, START + HOUR, addition(hub, reading, *parts))
    assert (street.statuses(), street.open_codes()) == (["due"], ["addition-differs"])
    assert not kept(street).final
    assert [(one.code, one.who) for one in told(street).troubles] == [("addition-differs", "operator")]


def test_what_contradicts_is_held(street, hub):
    reading = item(hub, glucose(), context())
    street.take(hub, START, reading)
    street.take(hub, START + HOUR, addition(hub, reading, glucose(), context(meal=AFTER_MEAL)))
    assert street.open_codes() == ["addition-differs"]
    assert dict(kept(street).context)["meal"] == "before-meal"


@pytest.mark.parametrize("status", [DELIVERED, CLAIMED])
def test_after_delivery_it_waits_and_the_journey_says_so(street, hub, status):
    reading = item(hub, glucose())
    street.take(hub, START, reading)
    send(street, status)
    for hours in (1, 2):
        later = addition(hub, reading, glucose(), context(), at_ms=START + hours * HOUR)
        street.take(hub, START + hours * HOUR, later)
    assert street.open_codes() == ["addition-late"] * 2
    assert not kept(street).final
    assert [one.part for one in street.rows(deliveries)] == ["glucose"]
    found = told(street)
    assert {(one.code, one.who) for one in found.troubles} == {("addition-late", "operator")}
    assert [one.code for one in found.steps if one.step == "held"] == ["addition-late"] * 2
    lines = " ".join(found.lines("nl"))
    assert "Deze meting was al verstuurd toen er nog iets bij kwam." in lines
    assert "de beheerder" in lines


def test_a_reading_that_is_only_being_rendered_is_rendered_anew(street, hub):
    reading = item(hub, glucose())
    street.take(hub, START, reading)
    with street.within() as connection:
        claim = sending.claim(connection, START + MINUTE, lambda _: HOUR, [])
    street.take(hub, START + 2 * MINUTE, addition(hub, reading, context()))
    with street.within() as connection:
        sending.expand(connection, claim, ["glucose"], START + 2 * MINUTE)
        claims = [sending.claim(connection, START + 3 * MINUTE, lambda _: HOUR, []) for _ in range(2)]
    assert claims[1] is None
    assert claims[0].measured.reading.final
    assert street.open_codes() == []


def test_parts_that_wait_are_rendered_anew(street, hub):
    """More may be told in more resources; what was refused is tried again with them."""
    reading = item(hub, glucose())
    street.take(hub, START, reading)
    send(street, "refused")
    street.take(hub, START + HOUR, addition(hub, reading, context()))
    assert [(one.part, one.status) for one in street.rows(deliveries)] == [("", "waiting")]


def test_a_second_hub_that_heard_all_of_it_completes_the_reading(street, hub):
    other = street.hub("hub-2")
    street.take(hub, START, item(hub, glucose()))
    street.take(other, START + HOUR, item(other, glucose(), context(), at_ms=START + HOUR))
    assert street.relations() == ["first", "again"]
    assert (kept(street).final, street.open_codes()) == (True, [])
    street.take(hub, START + 2 * HOUR, item(hub, glucose(), at_ms=START + 2 * HOUR))
    assert (kept(street).final, street.statuses()) == (True, ["due"])


def test_a_second_hub_after_delivery(street, hub):
    street.take(hub, START, item(hub, glucose()))
    send(street)
    street.take(hub, START + HOUR, item(hub, glucose(), context(), at_ms=START + HOUR))
    assert (street.relations(), street.open_codes()) == (["first", "again"], ["addition-late"])
    assert [one.code for one in told(street).troubles] == ["addition-late"]


def test_a_whole_reading_seen_again_with_another_meal_changes_nothing(street, hub):
    street.take(hub, START, item(hub, glucose(), context(meal=BEFORE_MEAL)))
    street.take(hub, START + HOUR, item(hub, glucose(), context(meal=AFTER_MEAL), at_ms=START + HOUR))
    assert (street.relations(), street.open_codes()) == (["first", "again"], [])


@pytest.mark.parametrize("word", ["same", "new"])
def test_a_possible_repeat_that_a_person_calls_the_same_completes_it(street, hub, word):
    """Under another slot it is a question; it is told whole."""
    street.take(hub, START, item(hub, fat(), driver="weight-scale"))
    again = item(hub, fat(), named_muscle(), driver="weight-scale", at_ms=START + HOUR)
    street.take(hub, START + HOUR, again)
    assert street.open_codes() == ["other-slot"]
    with street.within() as connection:
        people_desk.answer(connection, street.question(), word, START + DAY, by="citizen")
    readings = [reading_from_wire(decode(bytes(row.reading))) for row in street.rows(measurements)]
    assert [one.final for one in readings] == [word == "same", True]
    assert street.statuses() == ["due", "repeat" if word == "same" else "due"]
    assert street.open_codes() == []


def test_the_same_as_one_that_was_whole_changes_nothing(street, hub):
    other = street.hub("hub-2")
    street.take(hub, START, item(hub, fat(), muscle(), driver="weight-scale"))
    street.take(
        other, START + HOUR, item(other, fat(), named_muscle(), driver="weight-scale", at_ms=START + HOUR)
    )
    with street.within() as connection:
        people_desk.answer(connection, street.question(), "same", START + DAY, by="citizen")
    assert (street.statuses(), street.open_codes()) == (["due", "repeat"], [])
    assert street.rows(measurements)[0].user_slot is None


def test_nothing_is_added_to_what_was_erased(street, hub):
    reading = item(hub, glucose())
    street.take(hub, START, reading)
    with street.within() as connection:
        connection.execute(update(disclosures).values(data=None))
        connection.execute(update(measurements).values(reading=None))
    street.take(hub, START + HOUR, addition(hub, reading, glucose(), context()))
    street.take(hub, START + 2 * HOUR, item(hub, glucose(), context(), at_ms=START + 2 * HOUR))
    assert (street.rows(measurements)[0].reading, street.open_codes()) == (None, [])


def test_a_fork_holds_it(street, hub):
    reading = item(hub, glucose())
    street.take(hub, START, reading)
    clone = hub.chain.copy()
    street.take(hub, START + HOUR, addition(hub, reading, context()))
    assert kept(street).final
    street.arrive(hub, clone.seal(addition(hub, reading, glucose(), context())), START + 2 * HOUR)
    assert "key-forked" in street.open_codes()


def test_both_engines_complete_and_hold_alike(each_database):
    street = _with_a_meter(Street(each_database))
    hub = street.hubs[0]
    for number in (1, 2):
        reading = item(hub, glucose(number))
        street.take(hub, START + number * MINUTE, reading)
        if number == 2:
            send(street)
        later = addition(hub, reading, glucose(number), context(number))
        street.take(hub, START + HOUR + number * MINUTE, later)
    finals = [reading_from_wire(decode(bytes(row.reading))).final for row in street.rows(measurements)]
    assert (finals, street.open_codes()) == ([True, False], ["addition-late"])

"""A record of which a part came late: sealed as it was, and completed once, whatever happens in between."""

import pytest

from gateway.drivers import decode_record
from gateway.drivers.base import Record
from gateway.outbox import ADDED, PARTIAL
from gateway.signer import Signer
from gateway.wire.envelope import open_disclosure, open_message
from gateway.wire.items import Addition, Frame
from gateway.wire.measurement import RecordKey, measurement_key
from gateway.wire.reading import Reading
from tests.gateway.hub_fixtures import House
from tests.gateway.two_parts import METER, SCALE, context, fat, glucose, muscle, told, visited

GLUCOSE, CONTEXT = glucose()[1], context()[1]
WHOLE = ("whole", [GLUCOSE, CONTEXT])
PARTLY, ADDITION = ("partial", [GLUCOSE]), ("addition", [GLUCOSE, CONTEXT])


@pytest.fixture
def house(tmp_path):
    house = House(tmp_path / "hub")
    yield house
    house.outbox.close()


def sealed(house):
    """Everything that was sealed and is here, oldest first; nothing is sent."""
    house.sealer.seal(online=True)
    return _sealed(house.outbox)


def _sealed(outbox):
    messages = sorted(outbox.to_send(1000, set()), key=lambda message: message.sequence)
    opened = [open_message(message.raw)[1] for message in messages]
    return [open_disclosure(part) for parts in opened for part in parts if part is not None]


def key_of(item) -> bytes:
    record = decode_record(item.driver, item.frames)[0]
    return measurement_key(METER.identity, record.key, item.capture)


def test_a_context_that_came_at_the_next_visit_is_added_once(house):
    visited(house.hub, glucose())
    assert told(sealed(house)) == [PARTLY]
    for _ in range(3):
        visited(house.hub, glucose(), context())
    assert told(sealed(house)) == [PARTLY, ADDITION]
    assert house.outbox.counts()["captured"] == 0


def test_an_addition_names_the_measurement_and_is_a_capture_of_its_own(house):
    visited(house.hub, glucose())
    house.later(60)
    visited(house.hub, glucose(), context())
    reading, addition = sealed(house)
    assert isinstance(addition, Addition)
    assert addition.key == key_of(reading) == key_of(addition)
    assert (addition.driver, addition.version) == (reading.driver, reading.version)
    assert addition.capture.moment.mono_ms - reading.capture.moment.mono_ms == 60_000
    assert addition.capture.counter > reading.capture.counter
    assert addition.frames[0].offset_ms == 0


def test_what_came_whole_is_sealed_whole_and_gets_nothing_added(house):
    visited(house.hub, glucose(), context())
    visited(house.hub, glucose())
    visited(house.hub, glucose(), context(meal=2))
    assert told(sealed(house)) == [WHOLE]


def test_a_record_that_brings_nothing_new_makes_nothing(house):
    for _ in range(3):
        visited(house.hub, glucose())
    assert told(sealed(house)) == [PARTLY]
    assert house.outbox.counts()["captured"] == 0


def test_a_composition_in_two_packets(house):
    visited(house.hub, fat(), device=SCALE)
    visited(house.hub, fat(), muscle(), device=SCALE)
    visited(house.hub, fat(), muscle(), device=SCALE)
    first, second = fat()[1], muscle()[1]
    assert told(sealed(house)) == [("partial", [first]), ("addition", [first, second])]


def test_offline_both_wait_for_company_and_keep_their_order(house):
    visited(house.hub, glucose(1))
    visited(house.hub, glucose(2), context(2))
    visited(house.hub, glucose(1), context(1))
    visited(house.hub, glucose(1), context(1))
    assert _sealed(house.outbox) == []
    assert [word for word, _ in told(sealed(house))] == ["partial", "whole", "addition"]


@pytest.mark.parametrize("first_sealed", [False, True])
def test_a_kill_before_the_addition_is_sealed_loses_and_doubles_nothing(house, first_sealed):
    visited(house.hub, glucose())
    if first_sealed:
        house.sealer.seal(online=True)
    visited(house.hub, glucose(), context(), close=False)
    for _ in range(3):
        house.restart()
        house.hub.visits.replay()
    assert told(sealed(house)) == [PARTLY, ADDITION]
    house.restart()
    house.hub.visits.replay()
    visited(house.hub, glucose(), context())
    assert told(sealed(house)) == [PARTLY, ADDITION]
    assert house.outbox.counts()["captured"] == 0


def test_a_kill_between_measurement_and_context(house):
    visited(house.hub, glucose(), close=False)
    house.restart()
    house.hub.visits.replay()
    house.sealer.seal(online=True)
    house.restart()
    visited(house.hub, glucose(), context())
    assert told(sealed(house)) == [PARTLY, ADDITION]


def test_a_kill_when_both_were_captured_gives_one_whole_reading(house):
    visited(house.hub, glucose(), context(), close=False)
    house.restart()
    house.hub.visits.replay()
    visited(house.hub, glucose(), context())
    assert told(sealed(house)) == [WHOLE]


def test_another_key_seals_the_addition(house):
    visited(house.hub, glucose())
    (reading,) = sealed(house)
    house.sealer.signer = Signer.renew(house.folder)
    visited(house.hub, glucose(), context())
    house.sealer.seal(online=True)
    (addition,) = [item for item in _sealed(house.outbox) if isinstance(item, Addition)]
    assert addition.key == key_of(reading)
    assert addition.capture.kid == house.sealer.signer.kid != reading.capture.kid


def test_a_hub_that_forgot_what_it_sealed_seals_the_whole_reading(house):
    """The bridge must see it as it is: a clock that ran back can have made another record of it."""
    visited(house.hub, glucose())
    house.sealer.forget_known()
    visited(house.hub, glucose(), context())
    visited(house.hub, glucose(), context())
    assert told(sealed(house)) == [PARTLY, WHOLE]


def damage(house, sequence: int) -> None:
    house.outbox._store.connection.execute(
        "UPDATE envelope SET signed = x'00' WHERE sequence = ?", (sequence,)
    )
    house.outbox.to_send(1000, set())  # it is noticed


@pytest.mark.parametrize(
    ("lost", "left"),
    [(1, [ADDITION, WHOLE]), (2, [PARTLY, ADDITION])],
    ids=["the reading", "the addition"],
)
def test_what_was_lost_of_the_two_is_sealed_again_and_nothing_else(house, lost, left):
    visited(house.hub, glucose())
    sealed(house)
    visited(house.hub, glucose(), context())
    assert told(sealed(house)) == [PARTLY, ADDITION]
    damage(house, lost)
    for _ in range(2):
        visited(house.hub, glucose(), context())
        assert told(sealed(house)) == left


def test_a_bridge_that_lost_what_was_freed_gets_the_whole_reading(house):
    visited(house.hub, glucose())
    visited(house.hub, glucose(), context())
    house.online()
    house.settle()
    (key,) = {item.key for item in house.line.items() if isinstance(item, Addition)}
    assert house.outbox.sealed(key) == {PARTIAL, ADDED}
    house.outbox._free_batch()
    house.bridge.held.clear()
    house.dialogue.say_hello()
    house.hear()
    assert house.outbox.sealed(key) == set()
    visited(house.hub, glucose(), context())
    assert told(sealed(house))[-1:] == [WHOLE]


def test_nothing_is_added_to_what_was_erased(house):
    visited(house.hub, glucose())
    (reading,) = sealed(house)
    house.know()
    house.hub.online()
    state = house.bridge.says()
    state.forget = [key_of(reading)]
    house.outbox.apply(state, set())
    assert house.outbox.knows(key_of(reading))
    visited(house.hub, glucose(), context())
    assert told(sealed(house)) == []


def test_an_addition_is_erased_with_its_measurement(house):
    visited(house.hub, glucose())
    visited(house.hub, glucose(), context())
    reading, _ = sealed(house)
    house.know()
    house.hub.online()
    state = house.bridge.says()
    state.forget = [key_of(reading)]
    house.outbox.apply(state, set())
    visited(house.hub, glucose(), context())
    assert told(sealed(house)) == []


def test_what_is_too_long_for_an_addition_is_sealed_as_a_reading_again(house):
    """An addition has no parts; the bridge completes a reading from the same one told whole as well."""
    key = RecordKey("serial", 1, None, b"\x01")
    for final, size in ((False, 10), (True, 5000)):
        frames = [Frame("serial", 0, bytes(size))]
        captured = house.outbox.capture(
            bytes(8), house.clock.now(), house.signer.kid, METER, "nonin-serial", frames, None
        )
        reading = Reading("spo2", "stored", [], None, None, None, None, None, final)
        house.sealer.add([captured], Record(frames, reading, key))
    items = sealed(house)
    assert [word for word, _ in told(items)] == ["partial", "whole"]
    assert items[-1].evidence is not None
    assert house.outbox.captured() == []

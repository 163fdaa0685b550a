"""What was said and what was forked under one key of a hub counts for its next key too. Real envelopes."""

import pytest

from cloud_bridge import people_desk
from tests.cloud_bridge.ledger_fixtures import Chain, Signing, next_key
from tests.cloud_bridge.people_fixtures import DAY, HOUR, MINUTE, START, Hub, Street, cuff_frame, said


@pytest.fixture
def street(database) -> Street:
    return Street(database)


@pytest.fixture
def hub(street) -> Hub:
    made = street.hub()
    street.citizen()
    street.bind()
    return made


def measured(hub: Hub, at_ms: int, systolic: int = 120):
    return hub.item(at_ms, cuff_frame(systolic))


def succeeded(street: Street, old: Hub) -> Hub:
    """The same hub with a next key, whose first envelope will name the last one of the key before."""
    new = street.hub(since_ms=START - HOUR)
    new.chain.last = old.chain.last
    return new


def test_widening_words_of_a_forked_hub_wait_whichever_of_its_keys_sealed_them(street, hub):
    pause = said(hub, "pause", 1, START)
    street.take(hub, START, pause)
    clone = hub.chain.copy()
    new = succeeded(street, hub)
    street.take(new, START + 1000, measured(new, START))
    street.take(hub, START + 2000, measured(hub, START + MINUTE, 130))
    street.arrive(hub, clone.seal(measured(hub, START + MINUTE, 131)), START + 3000)
    street.take(new, START + 4000, said(new, "resume", 2, START, refs=[pause.statement_id]))
    assert sorted(street.open_codes()) == ["key-forked"] * 3 + ["paused"]
    with street.within() as connection:
        people_desk.confirm_hub(connection, "hub-1", "installer", START + DAY)
    assert street.open_codes() == []
    assert set(street.statuses()) == {"due"}


def test_readings_of_a_key_that_a_fork_named_wait_with_it(street, hub):
    street.take(hub, START, measured(hub, START))
    clone = hub.chain.copy()
    theirs = Hub(Chain(Signing(9)), boot=b"boot-xyz")
    street.arrive(hub, clone.seal(next_key(theirs.chain.signing)), START + 1000)
    theirs.chain.last = clone.last
    street.take(theirs, START + 2000, measured(theirs, START + MINUTE, 150))
    assert street.statuses() == ["due", "due"]
    street.take(hub, START + HOUR, measured(hub, START + HOUR, 130))
    assert street.statuses() == ["due", "held"]
    assert street.open_codes() == ["key-forked"] * 2

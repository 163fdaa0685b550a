"""What was said and what was forked under one key of a hub counts for its next key too. Real envelopes."""

import pytest
from sqlalchemy import insert, update

from cloud_bridge import people_desk
from cloud_bridge.schema import households, hub_keys, quarantine
from gateway.wire.items import Status
from tests.cloud_bridge.ledger_fixtures import Chain, Signing, lost, next_key
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


def refused_nothing(street: Street) -> None:
    assert street.rows(quarantine) == []


@pytest.mark.parametrize("order", [(2, 0, 1), (2, 1, 0), (1, 2, 0), (1, 0, 2), (0, 2, 1)])
def test_a_pause_under_the_key_before_stops_readings_of_the_next(street, hub, order):
    """Said offline under the old key, then the hub changed keys; whatever comes first, nothing goes out."""
    first = hub.chain.seal(measured(hub, START))
    pause = hub.chain.seal(said(hub, "pause", 1, START))
    new = succeeded(street, hub)
    later = [new.chain.seal(measured(new, START + MINUTE, 130)), new.chain.seal(measured(new, START + HOUR))]
    sent = [(hub, pause), (new, later[0]), (new, later[1])]
    street.arrive(hub, first, START + DAY)
    for number, at in enumerate(order):
        street.arrive(*sent[at], START + DAY + number)
        assert "due" not in street.statuses()[1:]
    assert street.open_codes() == ["paused"] * 3
    refused_nothing(street)


def test_readings_of_the_next_key_go_when_the_one_before_is_complete(street, hub):
    sealed = [hub.chain.seal(measured(hub, START + at * MINUTE, 120 + at)) for at in range(3)]
    new = succeeded(street, hub)
    for at in range(3):
        street.take(new, START + HOUR, measured(new, START + HOUR + at * MINUTE, 140 + at))
    assert street.open_codes() == ["statements-missing"] * 3
    street.arrive(hub, sealed[2], START + DAY)
    assert street.statuses() == ["due"] * 4
    for one in sealed[:2]:
        street.arrive(hub, one, START + DAY)
    assert street.statuses() == ["due"] * 6


def test_a_statement_lost_under_the_key_before_is_asked_about_once(street, hub):
    hub.chain.seal(said(hub, "pause", 1, START))
    last = hub.chain.seal(measured(hub, START))
    new = succeeded(street, hub)
    street.arrive(hub, last, START + MINUTE)
    street.take(new, START + HOUR, measured(new, START + HOUR, 140))
    assert street.open_codes() == ["statements-missing"] * 2
    street.take(new, START + HOUR, lost(hub.chain.kid, 1))
    assert street.open_codes() == ["statements-lost"] * 2
    for _ in range(2):
        with street.within() as connection:
            people_desk.answer(connection, street.question(), "go-on", START + DAY, by="citizen")
    street.take(new, START + DAY, measured(new, START + DAY, 141))
    assert street.statuses() == ["due"] * 3


@pytest.mark.parametrize("known", [True, False])
def test_the_last_envelope_of_the_key_before_is_lost(street, hub, known):
    """Also where the bridge never heard of that key: it does not wait for ever, it asks."""
    street.take(hub, START, measured(hub, START))
    old = street.hub(since_ms=START - HOUR) if known else Hub(Chain(Signing(9)), boot=b"boot-xyz")
    old.chain.last = hub.chain.last
    old.chain.seal(said(old, "pause", 1, START))
    new = street.hub(since_ms=START - MINUTE)
    new.chain.last = old.chain.last
    street.take(new, START + HOUR, measured(new, START + HOUR, 140))
    assert street.open_codes() == ["statements-missing"]
    street.take(new, START + HOUR, lost(old.chain.kid, 1))
    assert street.open_codes() == ["statements-lost"]


def test_a_hub_that_could_not_read_its_head_may_have_forgotten_a_pause(street, hub):
    street.take(hub, START, measured(hub, START))
    new = street.hub(since_ms=START - HOUR)
    new.chain.reason = "head-unreadable"
    street.take(new, START + HOUR, measured(new, START + HOUR, 140))
    assert street.open_codes() == ["statements-lost"]
    with street.within() as connection:
        people_desk.answer(connection, street.question(), "go-on", START + DAY, by="citizen")
    street.take(new, START + DAY, measured(new, START + DAY, 141))
    assert street.statuses() == ["due"] * 3


def test_the_keys_of_another_household_hold_nothing_up(street, hub):
    """The hub moved: what was said at its former address is no word about the new one."""
    hub.chain.seal(said(hub, "pause", 1, START))
    last = hub.chain.seal(Status(hub.moment(START), "1.0", 1, [], [], []))
    new = succeeded(street, hub)
    street.arrive(hub, last, START)
    with street.within() as connection:
        connection.execute(insert(households).values(id="home-2", created_ms=START))
        moved = update(hub_keys).where(hub_keys.c.kid == hub.chain.kid)
        connection.execute(moved.values(household="home-2"))
    street.take(new, START + HOUR, measured(new, START + HOUR, 140))
    assert street.statuses() == ["due"]

"""A statement that was heard and cannot be carried out goes to an operator; nothing else waits for it."""

import pytest

from cloud_bridge.ledger import again
from cloud_bridge.schema import pauses, quarantine, statements
from gateway.wire.items import Statement
from tests.cloud_bridge.people_fixtures import ANNA, START, Street

REFUSED = [
    ({"verb": "mine", "citizen": "citizen-none", "refs": [bytes(32)]}, "citizen-unknown"),
    ({"verb": "answer", "citizen": ANNA, "refs": [bytes(16)], "answer": "same"}, "question-unknown"),
    ({"verb": "pause", "citizen": "citizen-none"}, "citizen-unknown"),
]


@pytest.fixture
def street(database):
    made = Street(database)
    made.home = made.hub()
    made.citizen()
    made.bind()
    return made


def said(hub, number: int, verb: str, **more) -> Statement:
    return Statement(verb, number.to_bytes(16, "big"), hub.moment(START), **more)


def frame(systolic: int) -> bytes:
    return b"\x00" + b"".join(value.to_bytes(2, "little") for value in (systolic, 80, 90))


@pytest.mark.parametrize(("words", "code"), REFUSED)
def test_readings_after_it_go_on(street, words, code):
    hub = street.home
    street.take(hub, START, said(hub, 1, **words))
    assert [row.code for row in street.rows(quarantine)] == [code]
    street.take(hub, START + 1000, hub.item(START, frame(120)))
    assert street.statuses() == ["due"]


@pytest.mark.parametrize(("words", "code"), REFUSED)
def test_a_good_statement_beside_it_counts_in_its_place(street, words, code):
    hub = street.home
    good = said(hub, 2, "resume", refs=[bytes(16)])
    street.take(hub, START, said(hub, 1, **words), good, hub.item(START, frame(120)))
    assert [(row.verb, row.number) for row in street.rows(statements)] == [(words["verb"], 1), ("resume", 2)]
    assert street.statuses() == ["due"]
    assert [row.code for row in street.rows(quarantine)] == [code]


def test_it_counts_once_however_often_it_comes(street):
    hub = street.home
    sealed = street.take(hub, START, said(hub, 1, **REFUSED[0][0]))
    street.arrive(hub, sealed, START + 1000)
    street.take(hub, START + 2000, hub.item(START, frame(120)))
    assert len(street.rows(statements)) == 1
    assert street.statuses() == ["due"]


def test_an_operator_can_have_it_carried_out_after_all(street):
    hub = street.home
    street.take(hub, START, said(hub, 1, "pause", citizen="citizen-late"))
    assert street.rows(pauses) == []
    street.citizen("citizen-late")
    (row,) = street.rows(quarantine)
    again.replay(street.database, street.ledger, row.id, START + 1000)
    assert [one.citizen for one in street.rows(pauses)] == ["citizen-late"]
    assert len(street.rows(statements)) == 1
    (row,) = street.rows(quarantine)
    assert row.ended_ms is not None

"""Readings wait for what people said before them, and for nothing else."""

import pytest

from cloud_bridge.ledger.statements import statements_lost, statements_missing
from cloud_bridge.schema import statements
from gateway.wire import cbor
from tests.cloud_bridge.ledger_fixtures import HUB, NOW, Chain, Home, Sealed, lost, pause, status


def take(home: Home, *raws: bytes | Sealed) -> None:
    for raw in raws:
        sent = raw.raw if isinstance(raw, Sealed) else raw
        assert home.ledger.take(HUB, sent, NOW).outcome != "refused"


def waits(home: Home, hub: Chain, sequence: int) -> tuple[bool, bool]:
    """(still waits, something was lost)"""
    with home.database.reading() as connection:
        missing = statements_missing(connection, hub.kid, sequence)
        return missing, statements_lost(connection, hub.kid, sequence)


def test_without_statements_nothing_waits(home: Home, hub: Chain) -> None:
    sealed = [hub.seal() for _ in range(3)]
    take(home, sealed[2])
    assert waits(home, hub, 3) == (False, False)


def test_a_reading_waits_until_the_pause_before_it_arrives(home: Home, hub: Chain) -> None:
    first, paused, reading = hub.seal(), hub.seal(pause(1)), hub.seal()
    take(home, first, reading)
    assert waits(home, hub, 3) == (True, False)
    assert waits(home, hub, 1) == (False, False)
    take(home, paused)
    assert waits(home, hub, 3) == (False, False)
    assert waits(home, hub, 2) == (False, False)


def test_statements_keep_their_number_in_whatever_order_they_arrive(home: Home, hub: Chain) -> None:
    sealed = [hub.seal(pause(1), status(1), pause(2)), hub.seal(pause(3))]
    take(home, sealed[1], sealed[0])
    rows = sorted(home.rows(statements), key=lambda row: row.number)
    assert [(row.number, row.statement_id[-1], row.verb) for row in rows] == [
        (1, 1, "pause"),
        (2, 2, "pause"),
        (3, 3, "pause"),
    ]


def test_what_is_lost_ends_the_waiting_and_is_told(home: Home, hub: Chain) -> None:
    hub.seal(pause(1))
    reading = hub.seal()
    take(home, reading)
    assert waits(home, hub, 2) == (True, False)
    take(home, hub.seal(lost(hub.kid, 1)))
    assert waits(home, hub, 2) == (False, True)


def test_a_statement_that_turns_up_after_all_ends_the_doubt(home: Home, hub: Chain) -> None:
    paused = hub.seal(pause(1), lost(hub.kid, 1, 0))
    reading = hub.seal()
    take(home, paused.without(0), reading)
    assert waits(home, hub, 2) == (False, True)
    take(home, paused)
    assert waits(home, hub, 2) == (False, False)
    (row,) = home.rows(statements)
    assert row.number is None  # not told by position alone: its envelope came in two pieces


def test_an_unreadable_item_may_be_the_statement(home: Home, hub: Chain) -> None:
    hub.statements += 1
    take(home, hub.seal(cbor.encode([bytes(16), [4, "unreadable"]])), hub.seal())
    assert waits(home, hub, 2) == (True, False)


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 2, 0)])
def test_the_last_one_to_arrive_lets_the_readings_go(home: Home, hub: Chain, order: tuple[int, ...]) -> None:
    sealed = [hub.seal(pause(1)), hub.seal(pause(2)), hub.seal(status(1))]
    for count, at in enumerate(order):
        there = {order[n] for n in range(count)}
        if 2 in there:
            assert waits(home, hub, 3) == (True, False)
        take(home, sealed[at])
    assert waits(home, hub, 3) == (False, False)

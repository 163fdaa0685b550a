"""What people said at a hub, carried out.

Restricting words (pause, not-mine) act at once, from any hub whose key we know. Widening ones (resume, mine,
answer) only from an active hub without a fork, and only within its household; from a forked hub they wait,
whichever of its keys sealed them.
"""

from typing import Any

from sqlalchemy import Connection, Row, insert, select

from cloud_bridge.ledger import answers, bindings, chain, deciding, devices, holds
from cloud_bridge.ledger.taken import TakenItem
from cloud_bridge.registry import ACTIVE, Registry
from cloud_bridge.schema import disowned, measurements
from gateway.wire.errors import MeethubError
from gateway.wire.items import RESTRICTING, Statement
from gateway.wire.measurement import KEY_SIZE


class WishError(MeethubError):
    """A statement that cannot be carried out; codes hub-not-active, citizen-unknown."""


def heard(connection: Connection, taken: TakenItem, said: Statement) -> None:
    """Carry out what was said. Once each: the ledger hands every disclosure on once."""
    if said.verb not in RESTRICTING:
        if taken.forked or chain.hub_forked(connection, taken.hub):
            place = (taken.household, taken.disclosure_id, holds.KEY_FORKED, taken.arrived_ms)
            holds.hold_item(connection, *place)
            return
        hub = Registry(connection).hub(taken.hub)
        if hub is None or hub.status != ACTIVE:
            raise WishError("hub-not-active", said.verb)
        holds.release_item(connection, taken.disclosure_id, taken.arrived_ms, "bridge")
    _VERBS[said.verb](connection, taken, said)


def _pause(connection: Connection, taken: TakenItem, said: Statement) -> None:
    bindings.pause(connection, taken.household, taken.hub, said.citizen, said.statement_id, taken.arrived_ms)
    _decide_all(connection, taken)


def _resume(connection: Connection, taken: TakenItem, said: Statement) -> None:
    bindings.resume(connection, taken.household, taken.hub, said.refs, taken.arrived_ms)
    _decide_all(connection, taken)


def _not_mine(connection: Connection, taken: TakenItem, said: Statement) -> None:
    """Also of a measurement that has not come yet: then it is stopped when it does."""
    for key in said.refs:
        there = (disowned.c.household == taken.household, disowned.c.key == key)
        if len(key) == KEY_SIZE and connection.execute(select(disowned.c.key).where(*there)).first() is None:
            row = {"household": taken.household, "key": key, "since_ms": taken.arrived_ms}
            connection.execute(insert(disowned).values(**row))
        for one in _named(connection, taken.household, key):
            if one.status == deciding.DELIVERED:
                deciding.withhold(connection, one.id, taken.arrived_ms)
            else:
                deciding.decide(connection, one.id, taken.arrived_ms)


def _mine(connection: Connection, taken: TakenItem, said: Statement) -> None:
    """Only what is held because nobody knows whose it is, since the device was last confirmed there.

    A reading that has not come yet is waited for: the hub sends its newest envelope first.
    """
    citizen = said.citizen
    if citizen is None or not bindings.lives_there(connection, taken.household, citizen):
        raise WishError("citizen-unknown")
    for key in said.refs:
        named = _named(connection, taken.household, key)
        if not named and len(key) == KEY_SIZE:
            early = (taken.household, taken.disclosure_id, holds.MINE_EARLY, taken.arrived_ms)
            holds.hold_item(connection, *early, key.hex())
        for one in named:
            held = holds.open_hold(connection, one.id)
            device = devices.known(connection, taken.household, one.device)
            fresh = device is not None and one.arrived_ms >= device.confirmed_ms
            if held is not None and held.code in holds.WHOSE_QUESTIONS and fresh:
                deciding.assign(connection, one.id, citizen, said.statement_id.hex())
                deciding.decide(connection, one.id, taken.arrived_ms)


def _answer(connection: Connection, taken: TakenItem, said: Statement) -> None:
    for question in said.refs:
        word = answers.Answer(said.answer or "", said.citizen, "answer " + said.statement_id.hex())
        answers.answer(connection, taken.household, question, word, taken.arrived_ms)


def _named(connection: Connection, household: str, key: bytes) -> list[Row[Any]]:
    chosen = select(measurements).where(measurements.c.household == household, measurements.c.key == key)
    return list(connection.execute(chosen).all())


def _decide_all(connection: Connection, taken: TakenItem) -> None:
    chosen = deciding.undelivered(connection, taken.household)
    deciding.again(connection, chosen, taken.arrived_ms)


_VERBS = {"pause": _pause, "resume": _resume, "not-mine": _not_mine, "mine": _mine, "answer": _answer}

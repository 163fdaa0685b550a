"""What a person does about readings that wait: bind a device, name a receiver, answer, confirm a hub."""

from sqlalchemy import Connection, select

from cloud_bridge import administration
from cloud_bridge.ledger import answers, bindings, chain, deciding, measurements
from cloud_bridge.ledger.answers import Answer, AnswerError
from cloud_bridge.ledger.bindings import BindingError
from cloud_bridge.ledger.database import lock
from cloud_bridge.people import ALONE
from cloud_bridge.registry import Registry
from cloud_bridge.schema import citizens, hub_keys, hubs
from cloud_bridge.schema import holds as held


def bind(  # noqa: PLR0913 (what a binding says)
    connection: Connection,
    device: str,
    citizen: str,
    *,
    from_ms: int,
    now_ms: int,
    slot: int | None = None,
    to_ms: int | None = None,
    mode: str = ALONE,
) -> int:
    """Say whose a device is from then on; how many readings that waited now go to their receivers.

    device: its identity; slot: the user number on it, in mode `slots`. BindingError when it cannot be.
    """
    household = _household(connection, citizen)
    bindings.bind(connection, household, device, citizen, from_ms, now_ms, slot=slot, mode=mode, to_ms=to_ms)
    return _decide_again(connection, household, device, now_ms)


def unbind(connection: Connection, device: str, citizen: str, to_ms: int, now_ms: int) -> int:
    """Say that a device measures this citizen no longer from then on; how many readings now wait instead.

    BindingError when it did not then. What was delivered stays.
    """
    household = _household(connection, citizen)
    bindings.unbind(connection, household, device, citizen, to_ms)
    return -_decide_again(connection, household, device, now_ms)


def link(connection: Connection, citizen: str, receiver: str, patient: str, now_ms: int) -> int:
    """This citizen's readings go to this receiver as well, also those that wait; how many now begin to go.

    AdministrationError as administration.link.
    """
    administration.link(connection, citizen, receiver, patient)
    return _decide_again(connection, _household(connection, citizen), None, now_ms)


def answer(
    connection: Connection, question: bytes, word: str, now_ms: int, *, citizen: str | None = None, by: str
) -> None:
    """Answer an open question (see ledger/answers.py for the words). by: who says so, no name."""
    household = connection.execute(select(held.c.household).where(held.c.question_id == question)).scalar()
    if household is None:
        raise AnswerError("question-unknown")
    lock(connection, {household}, set())
    answers.answer(connection, household, question, Answer(word, citizen, "answer " + by), now_ms)


def confirm_hub(connection: Connection, hub: str, by: str, now_ms: int) -> None:
    """A person has the hub in hands and it is the one: its forks end, what was held of it goes on."""
    known = Registry(connection).hub(hub)
    if known is not None:
        lock(connection, {known.household}, {hub})
    if known is not None and known.status == "suspended":
        Registry(connection).confirm(hub)
    keys = select(hub_keys.c.kid).join_from(hub_keys, hubs).where(hubs.c.id == hub)
    kids = [bytes(kid) for kid in connection.execute(keys).scalars()]
    for kid in kids:
        chain.end_fork(connection, kid, by, now_ms)
    for kid in kids:
        measurements.release_forked(connection, kid, now_ms)


def _household(connection: Connection, citizen: str) -> str:
    """Whose readings may be decided about from here on: no one else does meanwhile."""
    household = connection.execute(select(citizens.c.household).where(citizens.c.id == citizen)).scalar()
    if household is None:
        raise BindingError("citizen-unknown", citizen)
    lock(connection, {household}, set())
    return str(household)


def _decide_again(connection: Connection, household: str, device: str | None, now_ms: int) -> int:
    """What waits in this household (of this device); how many more of it go, or went, than before."""
    waiting = deciding.undelivered(connection, household, device)
    before = deciding.due(connection, waiting)
    deciding.again(connection, waiting, now_ms)
    return deciding.due(connection, waiting) - before

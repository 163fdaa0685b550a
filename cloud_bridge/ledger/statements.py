"""What people said at a hub, in the order in which its key sealed it.

An envelope says how many statements its key has sealed, its own included. While some of those below it are
missing, its readings wait: one of them may be the pause that should stop them. So they do for the keys that
the hub sealed with before.
"""

import json

from sqlalchemy import Connection, and_, exists, func, insert, or_, select

from cloud_bridge.ledger import chain, succession
from cloud_bridge.ledger.taken import TakenItem
from cloud_bridge.schema import arrivals, chains, disclosures, envelopes, holds, statements
from gateway.wire.items import Statement


def store(connection: Connection, taken: TakenItem, said: Statement, number: int | None) -> None:
    """Keep a statement, once. number: how many its key had sealed with it; None where that is not known."""
    there = select(statements.c.id).where(statements.c.disclosure == taken.disclosure_id)
    if connection.execute(there).first() is not None:
        return
    moment = said.moment
    sealed = {"boot": moment.boot, "mono_ms": moment.mono_ms, "wall_ms": moment.wall_ms}
    connection.execute(
        insert(statements).values(
            disclosure=taken.disclosure_id,
            kid=taken.kid,
            sequence=taken.sequence,
            number=number,
            verb=said.verb,
            statement_id=said.statement_id,
            citizen=said.citizen,
            refs=json.dumps([ref.hex() for ref in said.refs]),
            answer=said.answer,
            **sealed,
            quality=moment.quality,
            arrived_ms=taken.arrived_ms,
        )
    )


def statements_missing(connection: Connection, kid: bytes, sequence: int) -> bool:
    """Whether a statement that was sealed before this envelope, or in it, may still come."""
    line = succession.before(connection, kid, sequence)
    return line.begin == succession.AWAITED or any(_missing(connection, *place) for place in line.stretches)


def _missing(connection: Connection, kid: bytes, sequence: int) -> bool:
    return _short(connection, kid, sequence) > 0 and _may_come(connection, kid, sequence)


def statements_lost(connection: Connection, kid: bytes, sequence: int) -> bool:
    """Whether statements sealed before this envelope, or in it, will not come any more: ask the citizen.

    The waiting is over, but what was lost may have been a pause. Who let a reading of this key go on knows of
    what was lost by then: later ones of the key go without asking the same again.
    """
    if statements_missing(connection, kid, sequence):
        return False
    line = succession.before(connection, kid, sequence)
    answered = _answered(connection, kid)
    short = _short(connection, kid, sequence)
    if short > 0 and all(_short(connection, kid, known) < short for known in answered):
        return True
    earlier = any(_short(connection, *_end(connection, *place)) > 0 for place in line.stretches[1:])
    return (earlier or line.begin == succession.UNKNOWN) and not answered


def _end(connection: Connection, kid: bytes, sequence: int) -> tuple[bytes, int]:
    """How far this key really went: a hub that was put back names an earlier envelope as its last."""
    highest = connection.execute(select(chains.c.highest).where(chains.c.kid == kid)).scalar()
    return kid, max(sequence, highest or 0)


def _answered(connection: Connection, kid: bytes) -> list[int]:
    """Where this key sealed readings that a person let go on though statements were lost."""
    said = and_(holds.c.code == "statements-lost", holds.c.ended_by.like("answer%"))
    chosen = select(arrivals.c.sequence).join_from(
        arrivals, holds, holds.c.measurement == arrivals.c.measurement
    )
    return list(connection.execute(chosen.where(arrivals.c.kid == kid, said).distinct()).scalars())


def _short(connection: Connection, kid: bytes, sequence: int) -> int:
    """How many statements up to this envelope are not there."""
    here = and_(envelopes.c.kid == kid, envelopes.c.sequence == sequence)
    sealed = connection.execute(select(func.max(envelopes.c.statements)).where(here)).scalar() or 0
    there = select(func.count()).where(statements.c.kid == kid, statements.c.sequence <= sequence)
    return int(sealed) - int(connection.execute(there).scalar_one())


def _may_come(connection: Connection, kid: bytes, sequence: int) -> bool:
    """A missing envelope that nobody named lost, or one that is there and not understood yet."""
    if chain.waits(connection, kid, sequence):
        return True
    unread = exists().where(
        disclosures.c.envelope == envelopes.c.id,
        or_(disclosures.c.status == "quarantined", disclosures.c.status == "pending"),
    )
    below = select(envelopes.c.id).where(envelopes.c.kid == kid, envelopes.c.sequence <= sequence, unread)
    return connection.execute(below.limit(1)).first() is not None

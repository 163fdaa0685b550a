"""Which keys a hub sealed with before this one, as far as the chain tells.

The first envelope of a key names the last one of the key before. So what was said under the key before is
found from either, in whatever order they arrive.
"""

from dataclasses import dataclass

from sqlalchemy import Connection, Row, and_, func, select

from cloud_bridge.ledger import chain, origin
from cloud_bridge.registry import REVOKED
from cloud_bridge.schema import chains, envelopes, hub_keys, hubs, losses

# Why a hub began a key without naming the one before: it does not know how far that one was.
HEAD_UNREADABLE = "head-unreadable"
# How the line begins: with the hub's first key; with a key whose end may still come; with one that ended
# nobody knows where.
WHOLE, AWAITED, UNKNOWN = "whole", "awaited", "unknown"


@dataclass(frozen=True)
class Line:
    """The keys up to a reading, its own first: (key, the sequence up to which it came before the reading)."""

    stretches: list[tuple[bytes, int]]
    begin: str


def before(connection: Connection, kid: bytes, sequence: int) -> Line:
    """All that this hub sealed in this household up to this envelope, in terms of its keys."""
    stretches = [(kid, sequence)]
    while True:
        found = _predecessor(connection, stretches[-1][0])
        if isinstance(found, str):
            return Line(stretches, found)
        if any(found[0] == key for key, _ in stretches):  # only a forked hub names its keys in a ring
            return Line(stretches, WHOLE)
        stretches.append(found)


def of_one_hub(connection: Connection, kid: bytes) -> list[bytes]:
    """This key, and then the other keys of its hub."""
    owner = select(hub_keys.c.hub).where(hub_keys.c.kid == kid).scalar_subquery()
    found = connection.execute(select(hub_keys.c.kid).where(hub_keys.c.hub == owner)).scalars()
    return sorted((bytes(one) for one in found), key=lambda one: (one != kid, one))


def begins_with_unknown(connection: Connection, kid: bytes) -> bool:
    """Whether the oldest key that this one leads back to names an envelope before it that is not here."""
    oldest, _ = before(connection, kid, 1).stretches[-1]
    named = select(envelopes.c.previous).where(envelopes.c.kid == oldest, envelopes.c.sequence == 1)
    previous = connection.execute(named.order_by(envelopes.c.branch).limit(1)).scalar()
    there = select(envelopes.c.id).where(envelopes.c.hash == previous)
    return previous is not None and connection.execute(there.limit(1)).first() is None


def _predecessor(connection: Connection, kid: bytes) -> tuple[bytes, int] | str:
    """The last envelope of the key before this one; or how the line begins with this one."""
    first = and_(envelopes.c.kid == kid, envelopes.c.sequence == 1)
    begin = connection.execute(select(envelopes).where(first).order_by(envelopes.c.branch)).first()
    if begin is None:
        if not _others(connection, kid, earlier=True):
            return WHOLE
        return AWAITED if chain.waits(connection, kid, 1) else UNKNOWN
    if begin.statements is None:  # of a newer version: it will be read after an upgrade
        return AWAITED
    if begin.previous is None:
        return UNKNOWN if begin.reason == HEAD_UNREADABLE else WHOLE
    return _named(connection, kid, begin)


def _named(connection: Connection, kid: bytes, begin: Row[tuple[object, ...]]) -> tuple[bytes, int] | str:
    chosen = select(envelopes.c.kid, envelopes.c.sequence).where(envelopes.c.hash == begin.previous)
    row = connection.execute(chosen).first()
    if row is None:
        return AWAITED if _may_come(connection, kid) else UNKNOWN
    mine, other = origin.of(connection, kid), origin.of(connection, bytes(row.kid))
    if mine is None or other is None or (mine.hub, mine.household) != (other.hub, other.household):
        return WHOLE
    return bytes(row.kid), int(row.sequence)


def _may_come(connection: Connection, kid: bytes) -> bool:
    """Whether the envelope that this key names as the one before may still arrive.

    Not where no other key of the hub is known that still counts, and not once the hub named an envelope lost
    that lies beyond all that is there of its key.
    """
    owner = select(hub_keys.c.hub).where(hub_keys.c.kid == kid).scalar_subquery()
    mine = select(hub_keys.c.kid).where(hub_keys.c.hub == owner)
    highest = select(chains.c.highest).where(chains.c.kid == losses.c.kid).scalar_subquery()
    lost = (
        select(losses.c.id)
        .join_from(losses, envelopes, envelopes.c.id == losses.c.envelope)
        .where(envelopes.c.kid.in_(mine), losses.c.kid != kid, losses.c.position.is_(None))
        .where(losses.c.sequence > func.coalesce(highest, 0))
    )
    if connection.execute(lost.limit(1)).first() is not None:
        return False
    return _others(connection, kid, earlier=False)


def _others(connection: Connection, kid: bytes, *, earlier: bool) -> bool:
    """Whether its hub has other keys in the same household that still count (and were registered before)."""
    mine, other = hub_keys.alias("mine"), hub_keys.alias("other")
    household = func.coalesce(other.c.household, hubs.c.household)
    chosen = (
        select(other.c.kid)
        .join_from(mine, other, and_(other.c.hub == mine.c.hub, other.c.kid != mine.c.kid))
        .join(hubs, hubs.c.id == mine.c.hub)
        .where(mine.c.kid == kid, other.c.status != REVOKED)
        .where(household == func.coalesce(mine.c.household, hubs.c.household))
    )
    if earlier:
        chosen = chosen.where(other.c.registered_ms < mine.c.registered_ms)
    return connection.execute(chosen.limit(1)).first() is not None

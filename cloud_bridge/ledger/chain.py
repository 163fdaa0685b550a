"""The chain as evidence: which sequences of a key are there, which are missing, where it contradicts itself.

Nothing in here holds an envelope up. A gap is an episode with an owner, open until all of it arrived or was
named lost; a fork holds a key's readings from there on until a person confirms the hub.
"""

from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy import Connection, and_, delete, func, insert, select, update

from cloud_bridge.registry import FORKED, LIVE, RETIRED, REVOKED, Registry
from cloud_bridge.schema import chains, forks, gaps, hub_keys, losses, ranges
from gateway.wire.catalogue import explain

GAP_CODE = "sequence-gap"
FILLED, LOST = "filled", "lost"
NAMED_BY_FORK = "named-by-fork"

# Called when a fork is found: hold what was already taken of this key from this sequence on.
ForkTaker = Callable[[Connection, bytes, int], None]


@dataclass(frozen=True)
class Head:
    """highest: the highest sequence that arrived; ended_at: the last one before the key's successor."""

    highest: int
    ended_at: int | None


# --- which sequences are there ---


def accepted_ranges(connection: Connection, kid: bytes, limit: int) -> list[tuple[int, int]]:
    """The lowest accepted ranges (from, to) of this key, in order."""
    chosen = select(ranges.c.low, ranges.c.high).where(ranges.c.kid == kid).order_by(ranges.c.low)
    return [(row.low, row.high) for row in connection.execute(chosen.limit(limit))]


def head(connection: Connection, kid: bytes) -> Head:
    """Where this key stands; made when it is new."""
    chosen = select(chains.c.highest, chains.c.ended_at).where(chains.c.kid == kid)
    row = connection.execute(chosen).first()
    if row is None:
        connection.execute(insert(chains).values(kid=kid))
        return Head(0, None)
    return Head(row.highest, row.ended_at)


def arrived(connection: Connection, kid: bytes, sequence: int, highest: int, now_ms: int) -> None:
    """An envelope took this sequence, for the first time: its range grows, a gap opens or shrinks."""
    _extend(connection, kid, sequence)
    if sequence > highest + 1:
        _open_gap(connection, kid, highest + 1, sequence - 1, now_ms)
    if sequence > highest:
        connection.execute(update(chains).where(chains.c.kid == kid).values(highest=sequence))
    elif not _named_lost(connection, kid, sequence):
        _shrink_gap(connection, kid, sequence, FILLED, now_ms)


def _extend(connection: Connection, kid: bytes, sequence: int) -> None:
    """Join this sequence with the ranges that end before it and begin after it."""
    near = select(ranges.c.low, ranges.c.high).where(ranges.c.kid == kid, ranges.c.low <= sequence + 1)
    low, high = sequence, sequence
    for row in connection.execute(near.order_by(ranges.c.low.desc()).limit(2)).all():
        if row.low == sequence + 1:
            high = row.high
            connection.execute(delete(ranges).where(ranges.c.kid == kid, ranges.c.low == row.low))
        elif row.high == sequence - 1:
            low = row.low
    mine = update(ranges).where(ranges.c.kid == kid, ranges.c.low == low).values(high=high)
    if low == sequence or connection.execute(mine).rowcount == 0:
        connection.execute(insert(ranges).values(kid=kid, low=low, high=high))


def end(connection: Connection, kid: bytes, sequence: int) -> None:
    """The key's successor names this as its last envelope."""
    connection.execute(update(chains).where(chains.c.kid == kid).values(ended_at=sequence))


# --- what is missing ---


def _open_gap(connection: Connection, kid: bytes, low: int, high: int, now_ms: int) -> None:
    named = select(func.count(losses.c.sequence.distinct())).where(
        losses.c.kid == kid, losses.c.sequence.between(low, high), losses.c.position.is_(None)
    )
    missing = high - low + 1 - int(connection.execute(named).scalar_one())
    closed = {} if missing else {"closed_ms": now_ms, "closed_by": LOST}
    connection.execute(
        insert(gaps).values(
            kid=kid,
            low=low,
            high=high,
            missing=missing,
            who=explain(GAP_CODE)[0],
            opened_ms=now_ms,
            **closed,
        )
    )


def _shrink_gap(connection: Connection, kid: bytes, sequence: int, cause: str, now_ms: int) -> None:
    around = and_(gaps.c.kid == kid, gaps.c.low <= sequence, gaps.c.high >= sequence)
    connection.execute(update(gaps).where(around).values(missing=gaps.c.missing - 1))
    connection.execute(
        update(gaps).where(around, gaps.c.missing == 0).values(closed_ms=now_ms, closed_by=cause)
    )


def lost(connection: Connection, kid: bytes, sequence: int, now_ms: int) -> None:
    """The hub says it cannot supply this envelope: stop waiting for it. Call before the loss is stored."""
    if not _named_lost(connection, kid, sequence) and not _taken(connection, kid, sequence):
        _shrink_gap(connection, kid, sequence, LOST, now_ms)


def _named_lost(connection: Connection, kid: bytes, sequence: int) -> bool:
    named = select(losses.c.id).where(
        losses.c.kid == kid, losses.c.sequence == sequence, losses.c.position.is_(None)
    )
    return connection.execute(named.limit(1)).first() is not None


def _taken(connection: Connection, kid: bytes, sequence: int) -> bool:
    within = select(ranges.c.low).where(
        ranges.c.kid == kid, ranges.c.low <= sequence, ranges.c.high >= sequence
    )
    return connection.execute(within.limit(1)).first() is not None


def waits(connection: Connection, kid: bytes, up_to: int) -> bool:
    """Whether an envelope of this key below `up_to` is missing that may still come."""
    missing = select(gaps.c.id).where(gaps.c.kid == kid, gaps.c.low <= up_to, gaps.c.closed_ms.is_(None))
    return connection.execute(missing.limit(1)).first() is not None


# --- where it contradicts itself ---


def fork(
    connection: Connection, kid: bytes, kind: str, sequence: int, now_ms: int
) -> list[tuple[bytes, int]]:
    """Note a fork of this key: one open episode a key, from the lowest contradicting place on.

    The places (key, sequence) from which readings are to be held: a key that this one named from there on
    may be a clone's, so it waits for the same person, from its first envelope.
    """
    _note_fork(connection, kid, kind, sequence, now_ms)
    places = [(kid, sequence)]
    after = select(hub_keys.c.kid).where(hub_keys.c.named_by == kid, hub_keys.c.named_at >= sequence)
    for successor in [bytes(row.kid) for row in connection.execute(after)]:
        if forked_from(connection, successor) != 1:
            places += fork(connection, successor, NAMED_BY_FORK, 1, now_ms)
    return places


def _note_fork(connection: Connection, kid: bytes, kind: str, sequence: int, now_ms: int) -> None:
    chosen = select(forks.c.id, forks.c.sequence).where(forks.c.kid == kid, forks.c.ended_ms.is_(None))
    row = connection.execute(chosen).first()
    if row is not None:
        connection.execute(
            update(forks)
            .where(forks.c.id == row.id)
            .values(sequence=min(row.sequence, sequence), conflicts=forks.c.conflicts + 1)
        )
        return
    key = Registry(connection).key(kid)
    assert key is not None, "only envelopes of registered keys reach the chain"
    connection.execute(
        insert(forks).values(
            kid=kid, sequence=sequence, kind=kind, conflicts=1, status_before=key.status, found_ms=now_ms
        )
    )
    if key.status != REVOKED:
        Registry(connection).mark_key(kid, FORKED, now_ms)


def forked_from(connection: Connection, kid: bytes) -> int | None:
    """The sequence from which this key's readings are held, while a fork of it is open."""
    chosen = select(func.min(forks.c.sequence)).where(forks.c.kid == kid, forks.c.ended_ms.is_(None))
    return connection.execute(chosen).scalar()


def hub_forked(connection: Connection, hub: str) -> bool:
    """Whether a fork of any key of this hub is open: nobody knows which of two hubs it is that speaks."""
    chosen = select(forks.c.id).join_from(forks, hub_keys, hub_keys.c.kid == forks.c.kid)
    mine = chosen.where(hub_keys.c.hub == hub, forks.c.ended_ms.is_(None))
    return connection.execute(mine.limit(1)).first() is not None


def end_fork(connection: Connection, kid: bytes, who: str, now_ms: int) -> bool:
    """A person confirmed the hub: the fork of this key is over. False when none was open.

    The key counts again as before, but never becomes a second live key of its hub.
    """
    chosen = select(forks.c.id, forks.c.status_before).where(forks.c.kid == kid, forks.c.ended_ms.is_(None))
    row = connection.execute(chosen).first()
    if row is None:
        return False
    connection.execute(update(forks).where(forks.c.id == row.id).values(ended_ms=now_ms, ended_by=who))
    registry = Registry(connection)
    key = registry.key(kid)
    if key is not None and key.status == FORKED:
        taken = any(other.status == LIVE for other in registry.keys(key.hub))
        registry.mark_key(kid, RETIRED if taken else row.status_before, now_ms)
    return True

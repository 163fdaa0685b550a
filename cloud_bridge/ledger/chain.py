"""The chain as evidence: which sequences of a key are there, which are missing, where it contradicts itself.

Nothing in here holds an envelope up. A gap is an episode with an owner, open until all of it arrived or was
named lost; a fork holds a key's readings from there on until a person confirms the hub.
"""

from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy import Connection, and_, delete, func, insert, or_, select, update

from cloud_bridge.registry import FORKED, LIVE, RETIRED, REVOKED, Registry
from cloud_bridge.schema import chains, envelopes, forks, gaps, losses, ranges
from gateway.wire.catalogue import explain

GAP_CODE = "sequence-gap"
FILLED, LOST = "filled", "lost"
TWO_HASHES, LINK, AFTER_SUCCESSOR = "two-hashes", "link", "after-successor"

# Called when a fork is found: hold what was already taken of this key from this sequence on.
ForkTaker = Callable[[Connection, bytes, int], None]


@dataclass(frozen=True)
class Link:
    """How one envelope hangs in its chain. previous: None for a newer version, whose link is not read."""

    kid: bytes
    sequence: int
    hash: bytes
    previous: bytes | None
    linked: bool


# --- which sequences are there ---


def accepted_ranges(connection: Connection, kid: bytes, limit: int) -> list[tuple[int, int]]:
    """The lowest accepted ranges (from, to) of this key, in order."""
    chosen = select(ranges.c.low, ranges.c.high).where(ranges.c.kid == kid).order_by(ranges.c.low)
    return [(row.low, row.high) for row in connection.execute(chosen.limit(limit))]


def arrived(connection: Connection, kid: bytes, sequence: int, now_ms: int) -> None:
    """An envelope took this sequence, for the first time: its range grows, a gap opens or shrinks."""
    _extend(connection, kid, sequence)
    highest = _highest(connection, kid)
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
        if row.high >= sequence - 1:
            low, high = min(low, row.low), max(high, row.high)
            connection.execute(delete(ranges).where(ranges.c.kid == kid, ranges.c.low == row.low))
    connection.execute(insert(ranges).values(kid=kid, low=low, high=high))


def _highest(connection: Connection, kid: bytes) -> int:
    highest = connection.execute(select(chains.c.highest).where(chains.c.kid == kid)).scalar()
    if highest is None:
        connection.execute(insert(chains).values(kid=kid))
        return 0
    return int(highest)


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


def branch_of(connection: Connection, kid: bytes, sequence: int) -> int:
    """How many envelopes with another hash are already at this place."""
    there = select(func.count()).where(envelopes.c.kid == kid, envelopes.c.sequence == sequence)
    return int(connection.execute(there).scalar_one())


def contradiction(connection: Connection, link: Link) -> tuple[str, int] | None:
    """(kind of fork, sequence from which readings are held) when this new envelope shows one.

    The place of a broken link counts from the lower neighbour: which of the two is the other branch
    cannot be known. Where several things contradict, the lowest place counts, whatever the order of arrival.
    """
    found = [(TWO_HASHES, link.sequence)] if branch_of(connection, link.kid, link.sequence) else []
    torn = broken(connection, link)
    if torn is not None:
        found.append(torn)
    ended_at = connection.execute(select(chains.c.ended_at).where(chains.c.kid == link.kid)).scalar()
    if ended_at is not None and link.sequence > ended_at:
        found.append((AFTER_SUCCESSOR, link.sequence))
    return min(found, key=lambda conflict: conflict[1], default=None)


def broken(connection: Connection, link: Link) -> tuple[str, int] | None:
    """The same for the links to both neighbours alone."""
    if _broken_before(connection, link):
        return LINK, link.sequence - 1
    if _broken_after(connection, link):
        return LINK, link.sequence
    return None


def _broken_before(connection: Connection, link: Link) -> bool:
    """The envelope before is there and is not the one that this one names."""
    if not link.linked:
        return False
    before = select(envelopes.c.hash).where(
        envelopes.c.kid == link.kid, envelopes.c.sequence == link.sequence - 1
    )
    hashes = [bytes(row.hash) for row in connection.execute(before)]
    return bool(hashes) and link.previous not in hashes


def _broken_after(connection: Connection, link: Link) -> bool:
    """An envelope after is there and names another one than this."""
    after = select(envelopes.c.id).where(
        envelopes.c.kid == link.kid,
        envelopes.c.sequence == link.sequence + 1,
        envelopes.c.statements.is_not(None),  # a newer version's link is not read
        or_(envelopes.c.previous.is_(None), envelopes.c.previous != link.hash),
    )
    return connection.execute(after.limit(1)).first() is not None


def proven(connection: Connection, link: Link) -> bool:
    """Whether an envelope that is already there names this one: it was sealed before that one."""
    named = select(envelopes.c.id).where(envelopes.c.kid == link.kid, envelopes.c.previous == link.hash)
    return connection.execute(named.limit(1)).first() is not None


def succeed(connection: Connection, link: Link) -> None:
    """The first envelope of a key names the last one of the key before: that one ends there.

    Looked at from both sides, because either may arrive first.
    """
    if link.sequence == 1 and link.previous is not None:
        ends = select(envelopes.c.kid, envelopes.c.sequence).where(
            envelopes.c.hash == link.previous, envelopes.c.kid != link.kid
        )
        row = connection.execute(ends.limit(1)).first()
        if row is not None and _same_hub(connection, bytes(row.kid), link.kid):
            _end(connection, bytes(row.kid), row.sequence)
    begins = select(envelopes.c.kid).where(
        envelopes.c.previous == link.hash, envelopes.c.kid != link.kid, envelopes.c.sequence == 1
    )
    row = connection.execute(begins.limit(1)).first()
    if row is not None and _same_hub(connection, bytes(row.kid), link.kid):
        _end(connection, link.kid, link.sequence)


def _end(connection: Connection, kid: bytes, sequence: int) -> None:
    connection.execute(update(chains).where(chains.c.kid == kid).values(ended_at=sequence))


def _same_hub(connection: Connection, one: bytes, other: bytes) -> bool:
    registry = Registry(connection)
    first, second = registry.key(one), registry.key(other)
    return first is not None and second is not None and first.hub == second.hub


def fork(connection: Connection, kid: bytes, kind: str, sequence: int, now_ms: int) -> None:
    """Note a fork of this key: one open episode a key, from the lowest contradicting place on."""
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

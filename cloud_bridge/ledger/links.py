"""How an envelope hangs between its neighbours, and whether one of them says otherwise."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, bindparam, select

from cloud_bridge.ledger import chain
from cloud_bridge.registry import LIVE, RETIRED, Registry
from cloud_bridge.schema import envelopes
from gateway.wire.envelope import Sealed

TWO_HASHES, LINK, AFTER_SUCCESSOR = "two-hashes", "link", "after-successor"

_AROUND = select(
    envelopes.c.id, envelopes.c.sequence, envelopes.c.hash, envelopes.c.previous, envelopes.c.statements
).where(
    envelopes.c.kid == bindparam("kid"),
    envelopes.c.sequence.between(bindparam("low"), bindparam("high")),
)
_NAMING = select(envelopes.c.kid, envelopes.c.sequence).where(envelopes.c.previous == bindparam("hash"))
_NAMED = select(envelopes.c.kid, envelopes.c.sequence).where(envelopes.c.hash == bindparam("hash"))


@dataclass(frozen=True)
class Link:
    """One envelope in its chain. previous: the hash it names; read is False where its version is newer."""

    kid: bytes
    sequence: int
    hash: bytes
    previous: bytes | None
    read: bool


@dataclass(frozen=True)
class Around:
    """What stands at an envelope's place and beside it.

    known: row of the very envelope; others: how many with another hash. before: hashes one place lower.
    after: what envelopes one place higher name; those of a newer version are not read.
    """

    known: int | None
    others: int
    before: list[bytes]
    after: list[bytes | None]


def link_of(sealed: Sealed) -> Link:
    contents = sealed.contents
    previous = None if contents is None else contents.previous
    return Link(sealed.kid, sealed.sequence, sealed.hash, previous, contents is not None)


def around(connection: Connection, link: Link) -> Around:
    place = {"kid": link.kid, "low": link.sequence - 1, "high": link.sequence + 1}
    rows = connection.execute(_AROUND, place).all()
    here = [row for row in rows if row.sequence == link.sequence]
    same = [row.id for row in here if row.hash == link.hash]
    return Around(
        same[0] if same else None,
        len(here) - len(same),
        [row.hash for row in rows if row.sequence == link.sequence - 1],
        [row.previous for row in rows if row.sequence == link.sequence + 1 and row.statements is not None],
    )


def contradiction(link: Link, beside: Around, ended_at: int | None) -> tuple[str, int] | None:
    """(kind of fork, sequence from which readings are held) when this envelope shows one.

    ended_at: the key's last sequence before its successor began. The place of a broken link counts from
    the lower neighbour: which of the two is the other branch cannot be known. Where several things
    contradict, the lowest place counts, so that the order of arrival does not matter.
    """
    found = [(TWO_HASHES, link.sequence)] if beside.others else []
    if link.read and beside.before and link.previous not in beside.before:
        found.append((LINK, link.sequence - 1))
    if any(named != link.hash for named in beside.after):
        found.append((LINK, link.sequence))
    if ended_at is not None and link.sequence > ended_at:
        found.append((AFTER_SUCCESSOR, link.sequence))
    return min(found, key=lambda conflict: conflict[1], default=None)


def proven(connection: Connection, link: Link) -> bool:
    """Whether an envelope of the same key that is already there names this one: sealed before that one."""
    return any(row.kid == link.kid for row in connection.execute(_NAMING, {"hash": link.hash}))


def succeed(connection: Connection, link: Link, now_ms: int) -> list[tuple[bytes, int]]:
    """The first envelope of a key names the last one of the key before: that one ends there.

    Looked at from both sides, because either may arrive first. Where keys were asked for in another order
    than they were used, this is what tells: the successor of the live key is the live one.

    The places (key, sequence) from which a key turns out to have sealed on after its successor began.
    """
    ended = _endings(connection, link)
    for old, sequence, new in ended:
        chain.end(connection, old, sequence)
        _hand_over(connection, old, new, now_ms)
    return [(old, at + 1) for old, at, _ in ended if chain.head(connection, old).highest > at]


def _endings(connection: Connection, link: Link) -> list[tuple[bytes, int, bytes]]:
    """(key, its last sequence, its successor) as far as this envelope tells."""
    named: Sequence[Row[Any, Any]] = []
    if link.sequence == 1 and link.previous is not None:
        named = connection.execute(_NAMED, {"hash": link.previous}).all()
    naming = connection.execute(_NAMING, {"hash": link.hash}).all()
    pairs = [(bytes(row.kid), int(row.sequence), link.kid) for row in named]
    pairs += [(link.kid, link.sequence, bytes(row.kid)) for row in naming if row.sequence == 1]
    return [(old, at, new) for old, at, new in pairs if _succeeds(connection, old, new)]


def _hand_over(connection: Connection, old: bytes, new: bytes, now_ms: int) -> None:
    registry = Registry(connection)
    first, second = registry.key(old), registry.key(new)
    if first is not None and second is not None and (first.status, second.status) == (LIVE, RETIRED):
        registry.mark_key(old, RETIRED, now_ms)
        registry.mark_key(new, LIVE, now_ms)


def _succeeds(connection: Connection, old: bytes, new: bytes) -> bool:
    """Two keys of one hub; nobody ends the key of another."""
    registry = Registry(connection)
    first, second = registry.key(old), registry.key(new)
    return old != new and first is not None and second is not None and first.hub == second.hub

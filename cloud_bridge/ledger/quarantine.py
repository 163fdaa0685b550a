"""What is kept out of the way until somebody named acts: raw bytes, why, whose turn it is.

Also what the state tells a hub of it (refusals), and the count of attempts that ended with a crash.
Bounded per hub: a hostile hub fills its own room and nothing else. The oldest are kept, because they show
how it began; of the rest only how many there were.
"""

from dataclasses import dataclass

from sqlalchemy import ColumnElement, Connection, Row, and_, delete, func, insert, select, update
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert

from cloud_bridge.ledger.taken import Message
from cloud_bridge.schema import attempts, quarantine, refusals
from gateway.wire.catalogue import explain
from gateway.wire.state import AFTER_TIME, MAX_REFUSED

# (key id, sequence, hash of the signed bytes) as received.
Place = tuple[bytes, int, bytes]
MAX_KEPT = 64
MAX_KEPT_BYTES = 1024 * 1024
MAX_CRASHES = 3
FIRST_RETRY_MS = 5_000
LONGEST_RETRY_MS = 600_000


@dataclass(frozen=True)
class Quarantined:
    """One thing in quarantine. raw: None where the bytes stand in a disclosure, or were only counted."""

    id: int
    hub: str
    topic: str
    raw: bytes | None
    disclosure: int | None
    code: str
    who: str
    times: int
    first_ms: int
    last_ms: int


def keep(connection: Connection, message: Message, code: str) -> None:
    """Put a message aside; the same bytes again are one row with a higher count."""
    kept = {"raw": message.raw} if _room(connection, message) else {}
    if _again(connection, message, message.digest, code, **kept):
        return
    if kept:
        _add(connection, message, code, {**kept, "digest": message.digest})
    elif not _again(connection, message, code.encode(), code):
        _add(connection, message, code, {"digest": code.encode()})


def keep_disclosure(connection: Connection, message: Message, disclosure: int, code: str) -> None:
    """Put one item of an accepted envelope aside; its bytes (`message.raw`) stay with the envelope."""
    if not _again(connection, message, message.digest, code):
        _add(connection, message, code, {"digest": message.digest, "disclosure": disclosure})


def _again(connection: Connection, message: Message, digest: bytes, code: str, **kept: bytes) -> bool:
    same = update(quarantine).where(quarantine.c.hub == message.hub, quarantine.c.digest == digest)
    why = {"code": code, "who": explain(code)[0], "last_ms": message.arrived_ms}
    opened = {"times": quarantine.c.times + 1, "ended_ms": None, "ended_by": None}
    return connection.execute(same.values(**why, **opened, **kept)).rowcount > 0


def _room(connection: Connection, message: Message) -> bool:
    kept = select(func.count(quarantine.c.raw), func.coalesce(func.sum(func.length(quarantine.c.raw)), 0))
    count, total = connection.execute(kept.where(quarantine.c.hub == message.hub)).one()
    return bool(count < MAX_KEPT and total + len(message.raw) <= MAX_KEPT_BYTES)


def _add(connection: Connection, message: Message, code: str, row: dict[str, object]) -> None:
    why = {"code": code, "who": explain(code)[0], "times": 1}
    when = {"first_ms": message.arrived_ms, "last_ms": message.arrived_ms}
    connection.execute(insert(quarantine).values(hub=message.hub, topic=message.topic, **why, **when, **row))


def release(connection: Connection, hub: str, digest: bytes, why: str, now_ms: int) -> None:
    """These bytes are out of quarantine; that they were there stays. why: accepted, or who let them go."""
    kept = update(quarantine).where(
        quarantine.c.hub == hub, quarantine.c.digest == digest, quarantine.c.ended_ms.is_(None)
    )
    connection.execute(kept.values(ended_ms=now_ms, ended_by=why, raw=None))


def listed(connection: Connection, hub: str | None = None) -> list[Quarantined]:
    """What is in quarantine now, oldest first; of one hub, or of all."""
    chosen = select(quarantine).where(quarantine.c.ended_ms.is_(None)).order_by(quarantine.c.id)
    if hub is not None:
        chosen = chosen.where(quarantine.c.hub == hub)
    return [_quarantined(row) for row in connection.execute(chosen)]


def one(connection: Connection, number: int) -> Quarantined | None:
    row = connection.execute(select(quarantine).where(quarantine.c.id == number)).first()
    return None if row is None else _quarantined(row)


def _quarantined(row: Row[tuple[object, ...]]) -> Quarantined:
    return Quarantined(
        row.id,
        row.hub,
        row.topic,
        row.raw,
        row.disclosure,
        row.code,
        row.who,
        row.times,
        row.first_ms,
        row.last_ms,
    )


# --- what a state tells the hub ---


def refuse(connection: Connection, message: Message, place: Place, code: str, retry: str) -> None:
    """Tell the hub that the envelope with these signed bytes was not taken; the newest 64 are told.

    What may be taken later is tried again after 5 s, then after twice that each time, at most 10 minutes.
    """
    times = _times(connection, message.hub, place) + 1
    settle(connection, message.hub, place)
    delay = min(FIRST_RETRY_MS << min(times - 1, 20), LONGEST_RETRY_MS)
    after_ms = message.arrived_ms + delay if retry == AFTER_TIME else None
    what = dict(zip(("kid", "sequence", "hash"), place, strict=True))
    why = {"code": code, "retry": retry, "times": times, "at_ms": message.arrived_ms, "after_ms": after_ms}
    connection.execute(insert(refusals).values(hub=message.hub, **what, **why))
    _bound(connection, message.hub)


def _bound(connection: Connection, hub: str) -> None:
    newest = select(refusals.c.id).where(refusals.c.hub == hub).order_by(refusals.c.id.desc())
    beyond = connection.execute(newest.offset(MAX_REFUSED).limit(1)).scalar()
    if beyond is not None:
        connection.execute(delete(refusals).where(refusals.c.hub == hub, refusals.c.id <= beyond))


def _times(connection: Connection, hub: str, place: Place) -> int:
    return int(connection.execute(select(refusals.c.times).where(_at(hub, place))).scalar() or 0)


def _at(hub: str, place: Place) -> ColumnElement[bool]:
    kid, sequence, signed_hash = place
    return and_(
        refusals.c.hub == hub,
        refusals.c.kid == kid,
        refusals.c.sequence == sequence,
        refusals.c.hash == signed_hash,
    )


def settle(connection: Connection, hub: str, place: Place) -> None:
    """This envelope is no longer refused."""
    connection.execute(delete(refusals).where(_at(hub, place)))


# --- bytes that crash the bridge ---


def begin(connection: Connection, digest: bytes, now_ms: int) -> int:
    """Note, before these bytes are parsed, that they will be; how often that was begun now."""
    build = sqlite_insert if connection.dialect.name == "sqlite" else postgresql_insert
    first = build(attempts).values(digest=digest, times=1, last_ms=now_ms)
    again = {"times": attempts.c.times + 1, "last_ms": now_ms}
    noted = first.on_conflict_do_update(index_elements=["digest"], set_=again).returning(attempts.c.times)
    return int(connection.execute(noted).scalar_one())


def begun(connection: Connection, digests: list[bytes]) -> dict[bytes, int]:
    """How often each of these was begun and never finished."""
    chosen = select(attempts.c.digest, attempts.c.times).where(attempts.c.digest.in_(digests))
    return {bytes(row.digest): int(row.times) for row in connection.execute(chosen)}


def finished(connection: Connection, digests: list[bytes]) -> None:
    """These bytes crashed nothing; called in the commit that took or refused them."""
    connection.execute(delete(attempts).where(attempts.c.digest.in_(digests)))


def undo(connection: Connection, digests: list[bytes]) -> None:
    """These were begun and ended without fault of theirs: a full disk, a lost connection."""
    mine = attempts.c.digest.in_(digests)
    connection.execute(update(attempts).where(mine).values(times=attempts.c.times - 1))
    connection.execute(delete(attempts).where(mine, attempts.c.times <= 0))

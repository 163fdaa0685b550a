"""What an envelope discloses: each item kept by itself, opened, and handed to whoever keeps its kind."""

from dataclasses import dataclass

from sqlalchemy import Connection, insert, select, update
from sqlalchemy.exc import DataError

from cloud_bridge.ledger import chain, keys, quarantine, statements
from cloud_bridge.ledger.origin import Origin
from cloud_bridge.ledger.taken import ItemTaker, Message, TakenItem
from cloud_bridge.schema import commands, disclosures, envelopes, hub_keys, losses
from cloud_bridge.verify import Verified
from gateway.wire.envelope import Sealed, open_disclosure
from gateway.wire.errors import MeethubError, WireError
from gateway.wire.items import Item, Lost, NextKey, Part, Statement, Status

TAKEN, PENDING, QUARANTINED, ABSENT = "taken", "pending", "quarantined", "absent"
# Within one envelope: what explains or restricts comes before what it explains or restricts.
_ORDER = (Lost, NextKey, Statement, Part)


class ItemError(MeethubError):
    """One item cannot be kept, under the code of its own error; the envelope is taken without it."""

    def __init__(self, position: int, code: str) -> None:
        super().__init__(code)
        self.position = position


@dataclass(frozen=True)
class Disclosed:
    """One place of an envelope. data: None where the hub cannot supply it; item: None where not read."""

    position: int
    data: bytes | None
    item: Item | None
    status: str
    error: str | None = None


def opened(verified: Verified, refused: dict[int, str]) -> list[Disclosed]:
    """Every disclosure as far as it can be read. refused: code of items that could not be kept."""
    if verified.sealed.contents is None:
        return [
            Disclosed(position, data, None, ABSENT if data is None else PENDING)
            for position, data in enumerate(verified.disclosures)
        ]
    return [_open(position, data, refused) for position, data in enumerate(verified.disclosures)]


def _open(position: int, data: bytes | None, refused: dict[int, str]) -> Disclosed:
    if data is None:
        return Disclosed(position, None, None, ABSENT)
    try:
        item = open_disclosure(data)
    except WireError as error:
        return Disclosed(position, data, None, QUARANTINED, error.code)
    if position in refused:
        return Disclosed(position, data, item, QUARANTINED, refused[position])
    return Disclosed(position, data, item, TAKEN)


def unexplained(connection: Connection, kid: bytes, sequence: int, parts: list[Disclosed]) -> bool:
    """Whether a disclosure is missing that no *lost* item names, here or in the ledger."""
    absent = {part.position for part in parts if part.status == ABSENT}
    if not absent:
        return False
    said = [part.item for part in parts if part.status == TAKEN]
    named = [item.envelope for item in said if isinstance(item, Lost)]
    here = {where[2] for where in named if where is not None and where[:2] == (kid, sequence)}
    there = select(losses.c.position).where(losses.c.kid == kid, losses.c.sequence == sequence)
    explained = here | {row.position for row in connection.execute(there)}
    return None not in explained and not absent <= explained


def insert_all(connection: Connection, envelope: int, parts: list[Disclosed]) -> list[tuple[int, Disclosed]]:
    """Keep the disclosures of a new envelope; each with its row."""
    if not parts:
        return []
    rows = [
        {
            "envelope": envelope,
            "position": part.position,
            "data": part.data,
            "item_type": None if part.item is None else part.item.number,
            "status": part.status,
            "error": part.error,
        }
        for part in parts
    ]
    made = insert(disclosures).returning(disclosures.c.position, disclosures.c.id)
    ids = {row.position: row.id for row in connection.execute(made, rows)}
    return [(ids[part.position], part) for part in parts]


def supply(connection: Connection, envelope: int, parts: list[Disclosed]) -> list[tuple[int, Disclosed]]:
    """What a repeat brings that could not be taken before: absent, of a newer version, or put aside."""
    unread = select(disclosures.c.id, disclosures.c.position).where(
        disclosures.c.envelope == envelope, disclosures.c.status.in_((ABSENT, PENDING, QUARANTINED))
    )
    rows = {row.position: row.id for row in connection.execute(unread)}
    found = [(rows[part.position], part) for part in parts if part.data is not None and part.position in rows]
    for number, part in found:
        kind = None if part.item is None else part.item.number
        filled = {"data": part.data, "item_type": kind, "status": part.status, "error": part.error}
        connection.execute(update(disclosures).where(disclosures.c.id == number).values(**filled))
    return found


def hand_on(
    connection: Connection,
    items: ItemTaker,
    context: tuple[Message, Verified, Origin, int],
    parts: list[tuple[int, Disclosed]],
) -> bool:
    """Hand every readable item on, and put the others aside; True when a statement was among them.

    context: the message, what was verified of it, whose it is, and the envelope's row.
    """
    message, verified, source, envelope = context
    sealed = verified.sealed
    forked_from = chain.forked_from(connection, sealed.kid)
    forked = source.suspended or (forked_from is not None and forked_from <= sealed.sequence)
    numbers = _numbers(sealed, [part for _, part in parts])
    for row, part in sorted(parts, key=lambda pair: (_rank(pair[1].item), pair[1].position)):
        aside = Message(message.hub, message.topic, part.data or b"", message.arrived_ms)
        if part.status == QUARANTINED:
            quarantine.keep_disclosure(connection, aside, row, part.error or "")
        if part.item is None:
            continue
        place = (sealed.kid, sealed.sequence, part.position, row, envelope, message.arrived_ms)
        taken = TakenItem(source.household, source.hub, *place, part.item, forked)
        if part.status == TAKEN:
            quarantine.release(connection, message.hub, aside.digest, TAKEN, message.arrived_ms)
            _keep(connection, items, taken, source, numbers.get(part.position))
        elif isinstance(part.item, Statement) and part.status == QUARANTINED:
            # It was heard, though it cannot be carried out: nothing waits for it any more.
            statements.store(connection, taken, part.item, numbers.get(part.position))
    return bool(numbers)


def _rank(item: Item | None) -> int:
    return next((rank for rank, kind in enumerate(_ORDER) if isinstance(item, kind)), len(_ORDER))


def _numbers(sealed: Sealed, parts: list[Disclosed]) -> dict[int, int | None]:
    """Position of each statement → how many its key had sealed with it; None where one may be unread."""
    said = [part.position for part in parts if isinstance(part.item, Statement)]
    whole = sealed.contents is not None and len(parts) == len(sealed.contents.hashes)
    if sealed.contents is None or not whole or any(part.item is None for part in parts):
        return dict.fromkeys(said)
    first = sealed.contents.statements - len(said) + 1
    return {position: first + index for index, position in enumerate(said)}


def _keep(
    connection: Connection, items: ItemTaker, taken: TakenItem, source: Origin, number: int | None
) -> None:
    """What the ledger itself keeps of an item, then what the others keep of it; ItemError otherwise."""
    try:
        if isinstance(taken.item, Lost):
            _lost(connection, taken, taken.item)
        elif isinstance(taken.item, NextKey):
            keys.named(connection, (source, taken.sequence), taken.item, taken.arrived_ms)
        elif isinstance(taken.item, Statement):
            statements.store(connection, taken, taken.item, number)
        elif isinstance(taken.item, Status):
            _done(connection, taken, taken.item)
        items(connection, taken)
    except MeethubError as error:
        raise ItemError(taken.position, error.code) from error
    except (DataError, OverflowError) as error:
        # PostgreSQL has no NUL in text, SQLite no number beyond 64 bits: the bytes stay with the envelope.
        raise ItemError(taken.position, "item-not-storable") from error


def _lost(connection: Connection, taken: TakenItem, lost: Lost) -> None:
    kid, sequence, position = lost.envelope or (None, None, None)
    if kid is not None and sequence is not None:
        owner = connection.execute(select(hub_keys.c.hub).where(hub_keys.c.kid == kid)).scalar()
        if owner not in (None, taken.hub):  # none: a key that this bridge has not heard of yet
            raise WireError("lost-foreign")
        if position is None:
            chain.lost(connection, kid, sequence, taken.arrived_ms)
        _explain_absence(connection, (kid, sequence, position), lost.reason)
    what = {"kid": kid, "sequence": sequence, "position": position, "device": lost.device}
    how = {"count": lost.count, "reason": lost.reason, "arrived_ms": taken.arrived_ms}
    connection.execute(insert(losses).values(envelope=taken.envelope_id, **what, **how))


def _explain_absence(connection: Connection, where: tuple[bytes, int, int | None], reason: str) -> None:
    """Write beside what is absent why it is."""
    kid, sequence, position = where
    envelope = select(envelopes.c.id).where(envelopes.c.kid == kid, envelopes.c.sequence == sequence)
    absent = update(disclosures).where(disclosures.c.envelope.in_(envelope), disclosures.c.status == ABSENT)
    if position is not None:
        absent = absent.where(disclosures.c.position == position)
    connection.execute(absent.values(lost_reason=reason))


def _done(connection: Connection, taken: TakenItem, status: Status) -> None:
    """The hub reports commands that it carried out; only its own count."""
    mine = update(commands).where(commands.c.hub == taken.hub, commands.c.id.in_(status.commands))
    connection.execute(mine.where(commands.c.done_ms.is_(None)).values(done_ms=taken.arrived_ms))

"""Reading again what could not be taken when it came: after an upgrade, or when its fault is mended."""

from sqlalchemy import Connection, select

from cloud_bridge.ledger import quarantine
from cloud_bridge.ledger.database import Database
from cloud_bridge.ledger.disclosed import PENDING
from cloud_bridge.ledger.envelopes import Ledger
from cloud_bridge.ledger.taken import ACCEPTED, Message, Taken
from cloud_bridge.schema import disclosures, envelopes, hub_keys
from gateway.wire import topics
from gateway.wire.envelope import VERSION
from gateway.wire.envelope import message as upward
from gateway.wire.errors import MeethubError


class AgainError(MeethubError):
    """There is nothing to read again; codes quarantine-unknown, quarantine-bytes-gone."""


def replay(database: Database, ledger: Ledger, number: int, now_ms: int) -> Taken:
    """Take what stands under this number in quarantine in once more, its crashes forgiven."""
    with database.transaction() as connection:
        kept = quarantine.one(connection, number)
        if kept is None:
            raise AgainError("quarantine-unknown")
        hub, raw = kept.hub, kept.raw
        if kept.disclosure is not None:
            hub, raw = _rebuilt(connection, _envelope_of(connection, kept.disclosure))
        if raw is None:
            raise AgainError("quarantine-bytes-gone")
        message = Message(hub, kept.topic, raw, now_ms)
        quarantine.finished(connection, [message.digest])
    if kept.topic != topics.up(hub, topics.KEY):
        return ledger.take(hub, raw, now_ms)
    taken = ledger.take_key(hub, raw, now_ms)
    if taken.outcome == ACCEPTED:
        with database.transaction() as connection:
            quarantine.release(connection, hub, message.digest, ACCEPTED, now_ms)
    return taken


def take_unread(database: Database, ledger: Ledger, now_ms: int) -> list[Taken]:
    """Take every envelope in once more that was of a newer version than the bridge, and is not any more."""
    waiting = (
        select(envelopes.c.id)
        .join_from(envelopes, disclosures)
        .where(disclosures.c.status == PENDING, envelopes.c.version <= VERSION)
        .distinct()
        .order_by(envelopes.c.id)
    )
    with database.reading() as connection:
        numbers = [row.id for row in connection.execute(waiting)]
        rebuilt = [_rebuilt(connection, number) for number in numbers]
    return [ledger.take(hub, raw, now_ms) for hub, raw in rebuilt]


def _envelope_of(connection: Connection, disclosure: int) -> int:
    chosen = select(disclosures.c.envelope).where(disclosures.c.id == disclosure)
    return int(connection.execute(chosen).scalar_one())


def _rebuilt(connection: Connection, envelope: int) -> tuple[str, bytes]:
    """The hub, and the upward message as it came: the ledger keeps every byte of it."""
    row = connection.execute(
        select(envelopes.c.signed, hub_keys.c.hub)
        .join_from(envelopes, hub_keys)
        .where(envelopes.c.id == envelope)
    ).one()
    parts = select(disclosures.c.data).where(disclosures.c.envelope == envelope)
    data = [part.data for part in connection.execute(parts.order_by(disclosures.c.position))]
    return row.hub, upward(bytes(row.signed), data)

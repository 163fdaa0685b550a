"""What goes on when its cause is mended: a driver or bridge was updated, a receiver is well again.

Also what is put out of use: a hub that was stolen or sold, a certificate whose key leaked.
"""

from datetime import UTC, datetime
from typing import Any

import structlog
from sqlalchemy import Connection, select
from sqlalchemy.exc import SQLAlchemyError

from cloud_bridge import journey
from cloud_bridge.administration import AdministrationError
from cloud_bridge.ledger import again, deliveries, holds, measurements, quarantine
from cloud_bridge.ledger.database import Database, lock
from cloud_bridge.ledger.envelopes import Ledger
from cloud_bridge.ledger.taken import Taken
from cloud_bridge.registry import Registry
from cloud_bridge.schema import certificates
from cloud_bridge.schema import holds as held
from gateway.wire.catalogue import explain
from gateway.wire.errors import MeethubError

_UNREAD = (holds.UNDECODED, holds.DECODED_DIFFERENTLY)

log = structlog.get_logger()


def read_again(database: Database, now_ms: int) -> None:
    """At each start: what this release can read and an earlier one could not. Never stops a bridge."""
    try:
        envelopes = len(again.take_unread(database, _ledger(database), now_ms))
        readings = _decode_again(database, now_ms)
    except SQLAlchemyError:
        raise
    except Exception as error:  # noqa: BLE001 (a fault of ours in what is old must not stop what is new)
        log.error("not-read-again", error=type(error).__name__)
        return
    if envelopes or readings:
        log.info("read-again", envelopes=envelopes, readings=readings)


def _decode_again(database: Database, now_ms: int) -> int:
    waiting = select(held.c.household).where(
        held.c.ended_ms.is_(None), held.c.measurement.is_(None), held.c.code.in_(_UNREAD)
    )
    with database.reading() as connection:
        households = set(connection.execute(waiting.distinct()).scalars())
    if not households:
        return 0
    with database.transaction() as connection:
        lock(connection, households, set())
        return measurements.decode_again(connection, now_ms)


def retry(connection: Connection, reading: str, now_ms: int) -> int:
    """Deliver again what receivers refused of this reading (its short key); how many resources.

    JourneyError when there is no such reading.
    """
    return deliveries.retry(connection, journey.find(connection, reading).id, now_ms)


def replay(database: Database, number: int, now_ms: int) -> Taken:
    """Take in once more what is kept aside under this number. AgainError, or why it is refused again."""
    taken = again.replay(database, _ledger(database), number, now_ms)
    if taken.code is not None:
        raise MeethubError(taken.code)
    return taken


def kept_aside(connection: Connection, hub: str | None) -> list[dict[str, Any]]:
    """What is in quarantine, oldest first, of one hub or of all; never its bytes."""
    return [_told(one) for one in quarantine.listed(connection, hub)]


def _told(one: quarantine.Quarantined) -> dict[str, Any]:
    who, dutch, english = explain(one.code)
    why = {"code": one.code, "who": who, "nl": dutch, "en": english}
    when = {"times": one.times, "first": _utc(one.first_ms), "last": _utc(one.last_ms)}
    return {"number": one.id, "hub": one.hub, **why, **when, "kept": bool(one.raw or one.disclosure)}


def revoke_certificate(connection: Connection, fingerprint: bytes, now_ms: int) -> None:
    """This certificate alone lets nobody in any more; AdministrationError("unknown-name") if never issued."""
    known = select(certificates.c.subject).where(certificates.c.fingerprint == fingerprint)
    if connection.execute(known).first() is None:
        raise AdministrationError("unknown-name", fingerprint.hex())
    Registry(connection).revoke_certificate(fingerprint, now_ms)


def _ledger(database: Database) -> Ledger:
    return Ledger(database, measurements.take_item, measurements.hold_forked)


def _utc(at_ms: int) -> str:
    return datetime.fromtimestamp(at_ms // 1000, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")

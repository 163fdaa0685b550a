"""What completes a reading that was sealed before it was whole: it fills what was absent, and nothing else.

It comes as an addition, or as the same record once more and whole: from a second hub, or from one that was
made to forget what it had sealed. What contradicts is held; so is what comes when a receiver has the reading.
"""

from typing import Any

from sqlalchemy import Connection, Row, select, update

from cloud_bridge.ledger import captures, deciding, deliveries, holds, journey_log, records
from cloud_bridge.ledger.records import RecordError, Seen
from cloud_bridge.ledger.taken import TakenItem
from cloud_bridge.schema import measurements
from gateway.wire.cbor import decode, encode
from gateway.wire.items import Addition, ReadingItem
from gateway.wire.reading import Reading, reading_from_wire


def take(connection: Connection, taken: TakenItem, item: Addition) -> None:
    """An addition, before or after the reading that it belongs to."""
    chosen = select(measurements).where(
        measurements.c.household == taken.household, measurements.c.key == item.key
    )
    row = connection.execute(chosen).first()
    if row is None:
        household, disclosure = taken.household, taken.disclosure_id
        holds.hold_item(
            connection, household, disclosure, holds.ADDITION_EARLY, taken.arrived_ms, item.key.hex()
        )
        return
    first = captures.read_again(connection, row.first_disclosure)
    if first is None or not isinstance(first.item, ReadingItem):
        return
    try:
        reading = records.with_addition(connection, taken.household, first.item, item)
    except RecordError:
        _hold(connection, taken, row, holds.ADDITION_DIFFERS)
    else:
        _fill(connection, taken, row, reading)


def take_again(connection: Connection, seen: Seen, measurement: int) -> None:
    """A record that was taken as seen again: it may be whole where the one before was not."""
    row = connection.execute(select(measurements).where(measurements.c.id == measurement)).one()
    if row.reading is not None and seen.reading.final and not _reading(row).final:
        _fill(connection, seen.taken, row, seen.reading)


def said_same(connection: Connection, measurement: int) -> None:
    """A person said that this one is the same as the one before it: it may be whole where that was not."""
    row = connection.execute(select(measurements).where(measurements.c.id == measurement)).one()
    chosen = select(measurements).where(
        measurements.c.household == row.household,
        measurements.c.record_key == row.record_key,
        measurements.c.status != deciding.REPEAT,
        measurements.c.id != measurement,
    )
    before = connection.execute(chosen.order_by(measurements.c.id.desc()).limit(1)).first()
    taken = captures.read_again(connection, row.first_disclosure)
    if before is None or taken is None or before.reading is None:
        return
    if _reading(row).final and not _reading(before).final:
        _fill(connection, taken, before, _reading(row))


def _fill(connection: Connection, taken: TakenItem, row: Row[Any], reading: Reading) -> None:
    """Delivered as it is now, where nobody has it yet."""
    old = _reading(row)
    if reading.wire() == old.wire():
        holds.release_item(connection, taken.disclosure_id, taken.arrived_ms, "bridge")
    elif not records.only_fills(old, reading):
        _hold(connection, taken, row, holds.ADDITION_DIFFERS)
    elif not deliveries.recall(connection, row.id):
        _hold(connection, taken, row, holds.ADDITION_LATE)
    else:
        values = {"reading": encode(reading.wire()), "user_slot": reading.user}
        connection.execute(update(measurements).where(measurements.c.id == row.id).values(**values))
        holds.release_item(connection, taken.disclosure_id, taken.arrived_ms, "bridge")
        place = (taken.household, row.id, journey_log.ADDITION, taken.arrived_ms)
        journey_log.note(connection, *place, envelope=taken.envelope_id)
        deciding.decide(connection, row.id, taken.arrived_ms)


def _reading(row: Row[Any]) -> Reading:
    return reading_from_wire(decode(bytes(row.reading)))


def _hold(connection: Connection, taken: TakenItem, row: Row[Any], code: str) -> None:
    """The item waits, and its measurement's journey says so."""
    holds.hold_addition(connection, row, taken.disclosure_id, code, taken.arrived_ms)

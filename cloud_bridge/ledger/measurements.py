"""What an accepted item becomes: a measurement, the same one again, a question, or something held.

`take_item` runs inside the ledger's transaction, which holds the household's row. It decodes the frames
again, computes the measurement key from them, keeps every arrival, and ends in deciding.py.
"""

from sqlalchemy import Connection, insert, select

from cloud_bridge import placing, repeats
from cloud_bridge.ledger import (
    additions,
    captures,
    deciding,
    devices,
    holds,
    journey_log,
    placements,
    records,
    succession,
    wishes,
)
from cloud_bridge.ledger.recognition import (
    Verdict,
    doubtful,
    recognise,
    witness_clock,
    witness_record,
)
from cloud_bridge.ledger.records import RecordError, Seen
from cloud_bridge.ledger.taken import TakenItem
from cloud_bridge.placing import Placed
from cloud_bridge.repeats import Passage
from cloud_bridge.schema import arrivals, measurements, parts
from gateway.wire.cbor import encode
from gateway.wire.items import Addition, Part, ReadingItem, Statement, Status
from gateway.wire.measurement import short


def take_item(connection: Connection, taken: TakenItem) -> None:
    """Keep one item of an accepted envelope; the ledger's ItemTaker. MeethubError: this item goes aside."""
    item = taken.item
    if isinstance(item, ReadingItem):
        _take_reading(connection, taken, item)
    elif isinstance(item, Addition):
        _take_addition(connection, taken, item)
    elif isinstance(item, Part):
        _take_part(connection, taken, item)
    elif isinstance(item, Statement):
        wishes.heard(connection, taken, item)
    elif isinstance(item, Status):
        for told in item.devices:
            devices.status(connection, taken.household, told, taken.arrived_ms)
    placements.again(connection, taken)
    go_on(connection, taken.kid, taken.arrived_ms)


def go_on(connection: Connection, kid: bytes, now_ms: int) -> None:
    """Decide again about what waited for statements of this key's hub, in its order, as far as they came."""
    for one in succession.of_one_hub(connection, kid):
        while (first := holds.first_in_line(connection, one)) is not None:
            deciding.decide(connection, first, now_ms)
            if holds.first_in_line(connection, one) == first:
                break


def hold_forked(connection: Connection, kid: bytes, sequence: int) -> None:
    """A fork was found: what came from this key from this sequence on waits; the ledger's ForkTaker."""
    chosen = (
        select(measurements.c.id, arrivals.c.arrived_ms)
        .join_from(measurements, arrivals, arrivals.c.disclosure == measurements.c.first_disclosure)
        .where(arrivals.c.kid == kid, arrivals.c.sequence >= sequence, measurements.c.settled_ms.is_(None))
        .where(measurements.c.id.not_in(holds.held_for(holds.KEY_FORKED)))
    )
    for row in connection.execute(chosen).all():
        deciding.decide(connection, row.id, row.arrived_ms)


def release_forked(connection: Connection, kid: bytes, now_ms: int) -> None:
    """A person confirmed the hub: what was held of its key passes dedupe and whose as usual."""
    for disclosure in holds.held_items(connection, (holds.KEY_FORKED,), kid):
        _take_again(connection, disclosure, now_ms)
    deciding.again(connection, holds.held_measurements(connection, (holds.KEY_FORKED,), None), now_ms)


def decode_again(connection: Connection, now_ms: int) -> int:
    """After a driver update: read once more what gave no reading, or another one; how many now did."""
    waiting = holds.held_items(connection, (holds.UNDECODED, holds.DECODED_DIFFERENTLY))
    for disclosure in waiting:
        _take_again(connection, disclosure, now_ms)
    left = holds.held_items(connection, (holds.UNDECODED, holds.DECODED_DIFFERENTLY))
    return len(set(waiting) - set(left))


def _take_again(connection: Connection, disclosure: int, now_ms: int) -> None:
    taken = captures.read_again(connection, disclosure)
    if taken is None:
        holds.release_item(connection, disclosure, now_ms, "erased")
    else:
        take_item(connection, taken)


# --- readings ---


def _take_reading(connection: Connection, taken: TakenItem, item: ReadingItem) -> None:
    if taken.forked:
        _hold_item(connection, taken, holds.KEY_FORKED)
        return
    try:
        seen = records.seen(connection, taken, item)
    except RecordError as error:
        _hold_item(connection, taken, error.code, error.detail)
        return
    holds.release_item(connection, taken.disclosure_id, taken.arrived_ms, "bridge")
    passages = [(repeats.TIME, one) for one in witness_clock(connection, seen)]
    verdict = recognise(connection, seen)
    if verdict.relation == repeats.FIRST:
        passages += witness_record(connection, seen)
    _keep(connection, seen, verdict, [one for _, one in passages])
    for disclosure in doubtful(connection, seen, passages):
        _doubt(connection, disclosure)


def _keep(connection: Connection, seen: Seen, verdict: Verdict, passages: list[Passage]) -> None:
    taken = seen.taken
    if verdict.measurement is not None:
        _add_arrival(connection, seen, verdict.measurement, repeats.AGAIN)
        again = journey_log.SEEN_AGAIN
        journey_log.note(
            connection,
            taken.household,
            verdict.measurement,
            again,
            taken.arrived_ms,
            envelope=taken.envelope_id,
        )
        additions.take_again(connection, seen, verdict.measurement)
        return
    number = _new(connection, seen, verdict, placements.placed(connection, seen, passages))
    _add_arrival(connection, seen, number, verdict.relation)
    _note_route(connection, seen, number)
    if verdict.code is not None:
        holds.hold(connection, number, verdict.code, taken.arrived_ms, short(seen.record_key))
    deciding.decide(connection, number, taken.arrived_ms)
    if verdict.relation == repeats.FIRST:
        _take_early(connection, seen)


def _new(connection: Connection, seen: Seen, verdict: Verdict, placed: Placed) -> int:
    taken = seen.taken
    repeated = verdict.relation == repeats.POSSIBLE and not seen.record.live
    row = {
        "household": taken.household,
        "key": records.repeat_key(seen.record_key, seen.capture) if repeated else seen.key,
        "record_key": seen.record_key,
        "device": seen.item.device.identity,
        "hub": taken.hub,
        "user_slot": seen.reading.user,
        "kind": seen.reading.kind,
        "driver": seen.item.driver,
        "driver_version": seen.version,
        "reading": encode(seen.reading.wire()),
        "first_disclosure": taken.disclosure_id,
        "own_time": seen.own_time,
        "own_number": seen.own_number,
        "first_at_ms": seen.order_ms,
        "status": deciding.HELD,
        "placed_low_ms": placed.interval.low_ms,
        "placed_high_ms": placed.interval.high_ms,
        "placed_by": placed.by,
        "arrived_ms": taken.arrived_ms,
        "late": placing.is_late(placed.interval, taken.arrived_ms),
    }
    return int(
        connection.execute(insert(measurements).values(**row).returning(measurements.c.id)).scalar_one()
    )


def _add_arrival(connection: Connection, seen: Seen, measurement: int, relation: str) -> None:
    taken, capture, captured = seen.taken, seen.capture, seen.captured
    connection.execute(
        insert(arrivals).values(
            measurement=measurement,
            disclosure=taken.disclosure_id,
            relation=relation,
            arrived_ms=taken.arrived_ms,
            hub=taken.hub,
            kid=capture.kid,
            sequence=taken.sequence,
            boot=capture.moment.boot,
            counter=capture.counter,
            mono_ms=capture.moment.mono_ms,
            captured_low_ms=captured.when.low_ms,
            captured_high_ms=captured.when.high_ms,
            at_ms=captured.at_ms,
        )
    )


def _note_route(connection: Connection, seen: Seen, measurement: int) -> None:
    """What happened before the bridge had it, as far as clocks tell."""
    taken = seen.taken
    sealed_ms = captures.sealed_ms(connection, taken.envelope_id)
    steps = (
        (journey_log.CAPTURED, seen.captured.when.high_ms),
        (journey_log.SEALED, sealed_ms),
        (journey_log.ACCEPTED, taken.arrived_ms),
    )
    for step, at_ms in steps:
        if at_ms is not None:
            when = min(at_ms, taken.arrived_ms)
            journey_log.note(connection, taken.household, measurement, step, when, envelope=taken.envelope_id)


def _doubt(connection: Connection, disclosure: int) -> None:
    """What was taken as seen again is looked at once more, with what is known now of the device's clock."""
    taken = captures.read_again(connection, disclosure)
    if taken is None or not isinstance(taken.item, ReadingItem):
        return
    seen = records.seen(connection, taken, taken.item)
    verdict = recognise(connection, seen)
    if verdict.relation == repeats.AGAIN:
        return
    connection.execute(arrivals.delete().where(arrivals.c.disclosure == disclosure))
    holds.release_item(connection, disclosure, taken.arrived_ms, "superseded")
    _keep(connection, seen, verdict, [])


# --- what completes a reading ---


def _take_part(connection: Connection, taken: TakenItem, item: Part) -> None:
    place = {"whole": item.whole, "position": item.index, "count": item.count}
    connection.execute(
        insert(parts).values(household=taken.household, disclosure=taken.disclosure_id, **place)
    )
    for disclosure in holds.held_about(connection, holds.EVIDENCE_MISSING, item.whole.hex()):
        _take_again(connection, disclosure, taken.arrived_ms)


def _take_addition(connection: Connection, taken: TakenItem, item: Addition) -> None:
    if taken.forked:
        _hold_item(connection, taken, holds.KEY_FORKED)
    else:
        additions.take(connection, taken, item)


def _take_early(connection: Connection, seen: Seen) -> None:
    """What came about this measurement before it did."""
    for code in (holds.ADDITION_EARLY, holds.MINE_EARLY):
        for disclosure in holds.held_about(connection, code, seen.key.hex()):
            _take_again(connection, disclosure, seen.taken.arrived_ms)


def _hold_item(connection: Connection, taken: TakenItem, code: str, detail: str | None = None) -> None:
    holds.hold_item(connection, taken.household, taken.disclosure_id, code, taken.arrived_ms, detail)

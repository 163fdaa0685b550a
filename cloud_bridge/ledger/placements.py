"""Where a record stands in time; and again, when the hub has come to know the time."""

from sqlalchemy import Connection, select, update

from cloud_bridge import placing
from cloud_bridge.ledger import captures, clocks, deciding, holds, records
from cloud_bridge.ledger.records import RecordError, Seen
from cloud_bridge.ledger.taken import TakenItem
from cloud_bridge.placing import Placed, Told
from cloud_bridge.repeats import Passage
from cloud_bridge.schema import arrivals, measurements
from gateway.wire.items import ReadingItem


def placed(connection: Connection, seen: Seen, passages: list[Passage]) -> Placed:
    """Where the record stands in time. A clock that is not offered, and ran back to it, places nothing."""
    own, clock = placing.device_seconds(seen.reading.device_time), seen.item.clock
    since, before = clocks.timeline(connection, seen.device.id, seen.captured.at_ms)
    ran_back = (
        clock is None and own is not None and any(one.step and one.low < own <= one.high for one in passages)
    )
    told = Told(own, clock, seen.record.live, since, before, ran_back)
    return placing.place(told, seen.capture.moment, seen.captured.when)


def again(connection: Connection, taken: TakenItem) -> None:
    """This item's envelope tells the time: place what waits for it of the same boot of the hub.

    A hub that starts without a network knows no time at first; what it captured then can be counted back
    once it does. What a person placed, or decided about, stays so.
    """
    sealed = captures.sealed_at(connection, taken.envelope_id)
    if sealed is None or sealed.wall_ms is None:
        return
    chosen = (
        select(measurements.c.id, measurements.c.first_disclosure)
        .join_from(measurements, arrivals, arrivals.c.disclosure == measurements.c.first_disclosure)
        .where(arrivals.c.kid == taken.kid, arrivals.c.boot == sealed.boot)
        .where(measurements.c.id.in_(holds.held_for(holds.TIME_UNKNOWN)))
        .order_by(measurements.c.id)
    )
    for row in connection.execute(chosen).all():
        first = captures.read_again(connection, row.first_disclosure)
        if first is None or not isinstance(first.item, ReadingItem):
            continue
        try:
            seen = records.seen(connection, first, first.item)
        except RecordError:  # erased, or read differently by a newer driver: a person still may place it
            continue
        _place_again(connection, row.id, seen, taken.arrived_ms)


def _place_again(connection: Connection, measurement: int, seen: Seen, now_ms: int) -> None:
    if seen.reading.device_time is not None and seen.item.clock is None:
        return  # not the hub's clock is in doubt but the device's own, with which there is nothing to compare
    found = placed(connection, seen, [])
    if not found.known:
        return
    when, captured = found.interval, seen.captured.when
    late = placing.is_late(when, seen.taken.arrived_ms)
    values = {"placed_low_ms": when.low_ms, "placed_high_ms": when.high_ms, "placed_by": found.by}
    row = update(measurements).where(measurements.c.id == measurement)
    connection.execute(row.values(**values, late=late))
    first = update(arrivals).where(arrivals.c.disclosure == seen.taken.disclosure_id)
    connection.execute(first.values(captured_low_ms=captured.low_ms, captured_high_ms=captured.high_ms))
    deciding.decide(connection, measurement, now_ms)

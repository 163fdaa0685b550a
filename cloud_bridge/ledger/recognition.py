"""Seen again, possible repeat, or new: `repeats.py` asked about what the ledger holds of a record."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, and_, select, update

from cloud_bridge import repeats
from cloud_bridge.ledger import clocks, new_records
from cloud_bridge.ledger.holds import OTHER_SLOT, POSSIBLE_REPEAT
from cloud_bridge.ledger.records import Seen
from cloud_bridge.measured import Interval
from cloud_bridge.repeats import Passage
from cloud_bridge.schema import arrivals, measurements
from gateway.drivers import driver_named

NUMBER = "number:"


@dataclass(frozen=True)
class Verdict:
    """relation: first, again or possible-repeat. measurement: the one it is again; code: why it is held."""

    relation: str
    measurement: int | None = None
    code: str | None = None


def recognise(connection: Connection, seen: Seen) -> Verdict:
    """What this arrival is to what the household's ledger holds already."""
    known = _family(connection, seen)
    if not known:
        return Verdict(repeats.FIRST)
    same = _same_capture(connection, seen, known)
    if same is not None:
        return Verdict(repeats.AGAIN, same)
    if seen.record.live:
        return _live(connection, seen, known)
    in_slot = [row for row in known if row.user_slot == seen.reading.user]
    if not in_slot:
        return Verdict(repeats.POSSIBLE, code=OTHER_SLOT)
    at_ms = seen.order_ms
    nearest = max((row for row in in_slot if row.first_at_ms <= at_ms), key=_first, default=None)
    nearest = nearest or min(in_slot, key=_first)
    if made_anew(connection, seen, nearest.first_at_ms) or _twice_in_visit(connection, seen, nearest):
        return Verdict(repeats.POSSIBLE, code=POSSIBLE_REPEAT)
    if at_ms < nearest.first_at_ms:
        row = update(measurements).where(measurements.c.id == nearest.id)
        connection.execute(row.values(first_at_ms=at_ms))
    return Verdict(repeats.AGAIN, nearest.id)


def made_anew(connection: Connection, seen: Seen, other_ms: int) -> bool:
    """Whether the device can have made this record once more between its capture and the other one."""
    first_ms, again_ms = sorted((seen.order_ms, other_ms))
    if seen.record.time is not None:
        axis, own = repeats.TIME, seen.own_time
    elif seen.own_number is not None:
        axis, own = NUMBER + seen.record.space, seen.own_number
    else:
        return True  # a stored record with neither time nor number: two equal ones cannot be told apart
    between = clocks.passages(connection, seen.device.id, axis, first_ms, again_ms)
    if seen.item.clock is None and again_ms == seen.order_ms:
        between += clocks.running_on(connection, seen.sight, axis)
    return repeats.may_be_new(own, first_ms, again_ms, between)


def witness_clock(connection: Connection, seen: Seen) -> list[Passage]:
    """Note what this arrival tells of the device's clock, whether its record is new or not."""
    new_records.touch(connection, seen.sight)
    return clocks.saw_clock(connection, seen.sight)


def witness_record(connection: Connection, seen: Seen) -> list[tuple[str, Passage]]:
    """Note what a record tells that is new to the ledger; (axis, what may have been passed)."""
    space, sight = seen.record.space, seen.sight
    if seen.own_time is not None:
        if seen.item.clock is not None:
            return []
        shown = new_records.saw_record(connection, sight, repeats.TIME, space, seen.own_time)
        return [(repeats.TIME, one) for one in shown]
    if seen.own_number is None or seen.record.time is not None:
        return []
    axis = NUMBER + space
    return [(axis, one) for one in new_records.saw_record(connection, sight, axis, space, seen.own_number)]


def doubtful(connection: Connection, seen: Seen, passages: Sequence[tuple[str, Passage]]) -> list[int]:
    """Disclosures taken as *seen again* that these newly known passages put in doubt, in their order."""
    found: dict[int, int] = {}
    for axis, one in passages:
        own = measurements.c.own_time if axis == repeats.TIME else measurements.c.own_number
        chosen = (
            select(arrivals.c.disclosure, arrivals.c.at_ms)
            .join_from(arrivals, measurements)
            .where(
                measurements.c.household == seen.taken.household,
                measurements.c.device == seen.item.device.identity,
                arrivals.c.relation == repeats.AGAIN,
                arrivals.c.at_ms > one.from_ms,
                measurements.c.first_at_ms < arrivals.c.at_ms,
                own > one.low,
                own <= one.high,
            )
        )
        chosen = chosen.where(measurements.c.first_at_ms < (one.to_ms if one.step else one.from_ms + 1))
        found |= {row.disclosure: row.at_ms for row in connection.execute(chosen)}
    return sorted(found, key=lambda disclosure: (found[disclosure], disclosure))


def _family(connection: Connection, seen: Seen) -> Sequence[Row[Any]]:
    chosen = select(measurements).where(
        measurements.c.household == seen.taken.household, measurements.c.record_key == seen.record_key
    )
    return connection.execute(chosen.order_by(measurements.c.first_at_ms, measurements.c.id)).all()


def _first(row: Row[Any]) -> tuple[int, int]:
    return row.first_at_ms, row.id


def _same_capture(connection: Connection, seen: Seen, known: Sequence[Row[Any]]) -> int | None:
    capture = seen.capture
    chosen = select(arrivals.c.measurement).where(
        arrivals.c.measurement.in_([row.id for row in known]),
        arrivals.c.kid == capture.kid,
        arrivals.c.boot == capture.moment.boot,
        arrivals.c.counter == capture.counter,
        arrivals.c.disclosure != seen.taken.disclosure_id,
    )
    return connection.execute(chosen.limit(1)).scalar()


def _twice_in_visit(connection: Connection, seen: Seen, known: Row[Any]) -> bool:
    """Whether one transfer held the same record twice, with others in between.

    A device that sends a record again because its confirmation was lost does so at once. Only asked where the
    clock was read: without it a transfer that broke off and began anew cannot be told from one that went on.
    """
    clock, capture = seen.item.clock, seen.capture
    if clock is None:
        return False
    visit = (
        arrivals.c.kid == capture.kid,
        arrivals.c.boot == capture.moment.boot,
        arrivals.c.mono_ms >= clock.mono_ms,
        measurements.c.device == known.device,
    )
    both = select(arrivals).join_from(arrivals, measurements)
    first = and_(arrivals.c.measurement == known.id, arrivals.c.relation == repeats.FIRST)
    begin = connection.execute(both.where(*visit, first)).first()
    if begin is None:
        return False
    between = arrivals.c.counter.between(begin.counter + 1, capture.counter - 1)
    other = both.where(*visit, between, arrivals.c.measurement != known.id)
    return connection.execute(other.limit(1)).first() is not None


def _live(connection: Connection, seen: Seen, known: Sequence[Row[Any]]) -> Verdict:
    """Neither number nor time: the same bytes of the same device, compared by when they were captured."""
    driver = driver_named(seen.item.driver)
    window_ms = 1000 * driver.repeats_within_s if driver else 0
    if window_ms == 0:
        return Verdict(repeats.FIRST)
    undecided = False
    chosen = select(arrivals).where(arrivals.c.measurement.in_([row.id for row in known]))
    for row in connection.execute(chosen):
        same = repeats.same_live(window_ms, *_intervals(seen, row))
        if same:
            return Verdict(repeats.AGAIN, row.measurement)
        undecided = undecided or same is None
    return Verdict(repeats.POSSIBLE, code=POSSIBLE_REPEAT) if undecided else Verdict(repeats.FIRST)


def _intervals(seen: Seen, row: Row[Any]) -> tuple[Interval, Interval]:
    """When both were captured: on one hub's own clock where that can be, else in bridge time."""
    moment = seen.capture.moment
    if (seen.capture.kid, moment.boot) == (bytes(row.kid), bytes(row.boot)):
        return Interval(moment.mono_ms, moment.mono_ms), Interval(row.mono_ms, row.mono_ms)
    return seen.captured.when, Interval(row.captured_low_ms, row.captured_high_ms)

"""What records that are new to the ledger tell of a clock that is not offered, and of record counters.

Each gives one anchor, compared with what the same hub key captured in earlier visits only: a hub that reads a
memory for the first time sees old records without any clock having run back.
"""

from sqlalchemy import ColumnElement, Connection, and_, func, not_, or_, select, update

from cloud_bridge import repeats
from cloud_bridge.ledger.anchors import BACK, CLOCK, RECORD, Sight, add, keep, of_row, visit
from cloud_bridge.repeats import Anchor, Passage
from cloud_bridge.schema import clock_anchors


def saw_record(connection: Connection, sight: Sight, axis: str, space: str, value: int) -> list[Passage]:
    """Note the own time or number of a record that is new to the ledger, where no clock is offered."""
    before = _highest_before(connection, sight, axis, space)
    if before is not None and value <= before[0]:
        number = _mark(connection, sight, axis, BACK, space, value)
    else:
        number = _raise(connection, sight, axis, space, value)
    found = []
    if before is not None:
        highest, last = before
        span = (last.at_ms, sight.at_ms)
        if axis == repeats.TIME:
            since = last.captured
            found = repeats.shown_by_record(value, highest, since, sight.when, span)
        else:
            found = repeats.counted_by_record(value, highest, span)
    shown = keep(connection, sight.device, axis, number, found)
    for anchor, later in _overtaken(connection, sight, axis, space, value):
        shown += keep(connection, sight.device, axis, anchor, later)
    return shown


def touch(connection: Connection, sight: Sight) -> None:
    """The transfer goes on: whatever record this was, what follows soon belongs to the same visit."""
    mine = (clock_anchors.c.device == sight.device, clock_anchors.c.source != CLOCK)
    longer = clock_anchors.c.mono_end_ms < sight.mono_ms
    connection.execute(
        update(clock_anchors).where(*mine, visit(sight), longer).values(mono_end_ms=sight.mono_ms)
    )


def _highest_before(connection: Connection, sight: Sight, axis: str, space: str) -> tuple[int, Anchor] | None:
    """The highest value that this hub key captured in earlier visits, and the last anchor of those."""
    anchors = clock_anchors.c
    mine = or_(_of(sight, axis, space), _offered(sight, axis))
    earlier = and_(mine, anchors.at_ms < sight.at_ms, not_(visit(sight)))
    highest = connection.execute(
        select(func.max(anchors.end)).where(earlier, anchors.source != BACK)
    ).scalar()
    last = connection.execute(
        select(clock_anchors).where(earlier).order_by(anchors.at_ms.desc(), anchors.id.desc()).limit(1)
    ).first()
    return None if highest is None or last is None else (int(highest), of_row(last))


def _raise(connection: Connection, sight: Sight, axis: str, space: str, value: int) -> int:
    """The highest new value of this visit; one anchor a visit."""
    anchors = clock_anchors.c
    mine = select(clock_anchors).where(_of(sight, axis, space), visit(sight), anchors.source == RECORD)
    row = connection.execute(mine.order_by(anchors.id)).first()
    if row is None:
        return _mark(connection, sight, axis, RECORD, space, value)
    higher = update(clock_anchors).where(anchors.id == row.id, anchors.end < value)
    connection.execute(higher.values(end=value))
    return int(row.id)


def _mark(connection: Connection, sight: Sight, axis: str, source: str, space: str, value: int) -> int:
    values: dict[str, object] = {"axis": axis, "source": source, "space": space, "written": False}
    return add(connection, sight, values | {"start": value, "end": value, "mono_end_ms": sight.mono_ms})


def _overtaken(
    connection: Connection, sight: Sight, axis: str, space: str, value: int
) -> list[tuple[int, list[Passage]]]:
    """An envelope that came late: later visits of this key that showed less than it, so ran back since."""
    anchors = clock_anchors.c
    later = and_(_of(sight, axis, space), anchors.at_ms > sight.at_ms, not_(visit(sight)))
    found = []
    for row in connection.execute(select(clock_anchors).where(later, anchors.end <= value)).all():
        span = (sight.at_ms, row.at_ms)
        if axis == repeats.TIME:
            until = of_row(row).captured
            found.append((row.id, repeats.shown_by_record(row.end, value, sight.when, until, span)))
        else:
            found.append((row.id, repeats.counted_by_record(row.end, value, span)))
    return found


def _of(sight: Sight, axis: str, space: str) -> ColumnElement[bool]:
    anchors = clock_anchors.c
    return and_(
        anchors.device == sight.device,
        anchors.axis == axis,
        anchors.space == space,
        anchors.kid == sight.kid,
        anchors.source != CLOCK,
    )


def _offered(sight: Sight, axis: str) -> ColumnElement[bool]:
    """What the device's clock said to this hub key in visits in which it could be read."""
    anchors = clock_anchors.c
    return and_(
        anchors.device == sight.device,
        anchors.axis == axis,
        anchors.kid == sight.kid,
        anchors.source == CLOCK,
    )

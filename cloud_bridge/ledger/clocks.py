"""What each device's clock and record counter stood at, kept so that repeats.py can tell what it passed.

A device that offers its clock gives an anchor a visit. Where none is offered, each record that is new to the
ledger gives one, compared with what the same hub key captured in earlier visits only: a hub that reads a
memory for the first time sees old records without any clock having run back.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, and_, delete, func, insert, not_, or_, select, update

from cloud_bridge import repeats
from cloud_bridge.measured import Interval
from cloud_bridge.placing import device_seconds, local_seconds
from cloud_bridge.repeats import Anchor, Passage
from cloud_bridge.schema import clock_anchors, clock_steps
from gateway.wire.items import DeviceClock

CLOCK, RECORD, BACK = "clock", "record", "back"
# Records of one transfer follow each other faster than this; two measurements never do.
VISIT_GAP_MS = 20_000
_AnchorRow = Row[Any]


@dataclass(frozen=True)
class Sight:
    """One capture of one device: by which key, when (on the hub, in bridge time, in the order of all)."""

    device: int
    kid: bytes
    boot: bytes
    mono_ms: int
    when: Interval
    at_ms: int
    clock: DeviceClock | None


def saw_clock(connection: Connection, sight: Sight) -> list[Passage]:
    """Note what the device's clock said; what it may have passed before and after, as known now."""
    shown = device_seconds(sight.clock.device_time) if sight.clock else None
    if sight.clock is None or shown is None:
        return []
    mono_ms = sight.clock.mono_ms
    since = sight.mono_ms - mono_ms
    row = _same_visit(connection, sight, mono_ms)
    if row is None:
        number = _insert(connection, sight, shown, sight.clock)
    elif sight.mono_ms <= row.mono_end_ms:
        return []
    else:
        number = row.id
        later = {"mono_end_ms": sight.mono_ms, "end": shown + since // 1000 + 1}
        connection.execute(update(clock_anchors).where(clock_anchors.c.id == number).values(**later))
    return _renew(connection, sight.device, number)


def anchor_of(connection: Connection, sight: Sight) -> Anchor | None:
    """The anchor of the visit in which this was captured, where the device's clock was read in it."""
    if sight.clock is None:
        return None
    row = _same_visit(connection, sight, sight.clock.mono_ms)
    return None if row is None else _anchor(row)


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
    shown = _keep(connection, sight.device, axis, number, found)
    for anchor, later in _overtaken(connection, sight, axis, space, value):
        shown += _keep(connection, sight.device, axis, anchor, later)
    return shown


def passages(connection: Connection, device: int, axis: str, first_ms: int, again_ms: int) -> list[Passage]:
    """What the clock or counter may have passed between two captures, as far as anchors tell."""
    steps = clock_steps.c
    chosen = select(clock_steps).where(
        steps.device == device,
        steps.axis == axis,
        steps.from_ms < again_ms,
        or_(steps.from_ms >= first_ms, and_(steps.step, steps.to_ms > first_ms)),
    )
    return [_passage(row) for row in connection.execute(chosen)]


def running_on(connection: Connection, sight: Sight, axis: str) -> list[Passage]:
    """What it may have passed since the last anchor before a capture that read no clock."""
    last = _newest(connection, sight, axis)
    if last is None:
        return []
    visit = [_anchor(row) for row in _at_once(connection, sight, axis, last)]
    if axis != repeats.TIME:
        return [Passage(one.at_ms, sight.at_ms, one.end, repeats.NO_END, step=False) for one in visit]
    return [repeats.running_on(one, sight.when, sight.at_ms) for one in visit]


def timeline(
    connection: Connection, device: int, at_ms: int
) -> tuple[int | None, tuple[int, Interval] | None]:
    """Since which own time the clock ran without a step, and what it showed when, last before that step."""
    steps, anchors = clock_steps.c, clock_anchors.c
    later = (
        select(clock_steps)
        .join_from(clock_steps, clock_anchors, anchors.id == steps.anchor)
        .where(steps.device == device, anchors.source == CLOCK, steps.step, steps.to_ms <= at_ms)
        .order_by(steps.to_ms.desc(), steps.id.desc())
    )
    step = connection.execute(later.limit(1)).first()
    chosen = select(clock_anchors).where(
        anchors.device == device, anchors.axis == repeats.TIME, anchors.source == CLOCK
    )
    set_by_hub = chosen.where(anchors.written, anchors.at_ms < at_ms).order_by(anchors.at_ms.desc())
    written = connection.execute(set_by_hub.limit(1)).first()
    if written is not None and (step is None or written.at_ms >= step.to_ms):
        return written.written_to, _shown(_anchor(written))
    if step is None:
        return None, None
    before = connection.execute(
        chosen.where(anchors.at_ms <= step.from_ms).order_by(anchors.at_ms.desc()).limit(1)
    ).first()
    return step.low + 1, None if before is None else _shown(_anchor(before))


# --- the device's own clock ---


def _same_visit(connection: Connection, sight: Sight, mono_ms: int) -> _AnchorRow | None:
    chosen = select(clock_anchors).where(
        clock_anchors.c.device == sight.device,
        clock_anchors.c.source == CLOCK,
        clock_anchors.c.kid == sight.kid,
        clock_anchors.c.boot == sight.boot,
        clock_anchors.c.mono_ms == mono_ms,
    )
    return connection.execute(chosen).first()


def _insert(connection: Connection, sight: Sight, shown: int, clock: DeviceClock) -> int:
    since = sight.mono_ms - clock.mono_ms
    known = sight.when.high_ms - sight.when.low_ms < VISIT_GAP_MS
    to = local_seconds(sight.when.low_ms) if clock.written and known else None
    values: dict[str, object] = {
        "end": shown + max(0, since) // 1000 + 1,
        "written": clock.written,
        "written_to": to,
    }
    return _add(
        connection,
        replace(sight, mono_ms=clock.mono_ms, at_ms=sight.at_ms - since, when=_shifted(sight.when, -since)),
        {"axis": repeats.TIME, "source": CLOCK, "space": "", "start": shown, **values}
        | {"mono_end_ms": max(sight.mono_ms, clock.mono_ms)},
    )


def _renew(connection: Connection, device: int, number: int) -> list[Passage]:
    """Compare an anchor with both neighbours again."""
    anchors = clock_anchors.c
    row = connection.execute(select(clock_anchors).where(anchors.id == number)).one()
    beside = select(clock_anchors).where(
        anchors.device == device, anchors.axis == repeats.TIME, anchors.source == CLOCK, anchors.id != number
    )
    place = (anchors.at_ms, anchors.id)
    before = connection.execute(
        beside.where(or_(place[0] < row.at_ms, and_(place[0] == row.at_ms, place[1] < number)))
        .order_by(place[0].desc(), place[1].desc())
        .limit(1)
    ).first()
    after = connection.execute(
        beside.where(or_(place[0] > row.at_ms, and_(place[0] == row.at_ms, place[1] > number)))
        .order_by(*place)
        .limit(1)
    ).first()
    found = []
    for earlier, later in ((before, row), (row, after)):
        if earlier is not None and later is not None:
            connection.execute(delete(clock_steps).where(clock_steps.c.anchor == later.id))
            between = repeats.passed(_anchor(earlier), _anchor(later))
            found += _keep(connection, device, repeats.TIME, later.id, between)
    return found


# --- what new records show ---


def _visit(sight: Sight) -> ColumnElement[bool]:
    """Anchors of the transfer to which this capture belongs."""
    anchors = clock_anchors.c
    return and_(
        anchors.kid == sight.kid,
        anchors.boot == sight.boot,
        anchors.mono_ms <= sight.mono_ms + VISIT_GAP_MS,
        anchors.mono_end_ms >= sight.mono_ms - VISIT_GAP_MS,
    )


def touch(connection: Connection, sight: Sight) -> None:
    """The transfer goes on: whatever record this was, what follows soon belongs to the same visit."""
    mine = (clock_anchors.c.device == sight.device, clock_anchors.c.source != CLOCK)
    longer = clock_anchors.c.mono_end_ms < sight.mono_ms
    connection.execute(
        update(clock_anchors).where(*mine, _visit(sight), longer).values(mono_end_ms=sight.mono_ms)
    )


def _highest_before(connection: Connection, sight: Sight, axis: str, space: str) -> tuple[int, Anchor] | None:
    """The highest value that this hub key captured in earlier visits, and the last anchor of those."""
    anchors = clock_anchors.c
    mine = or_(_of(sight, axis, space), _offered(sight, axis))
    earlier = and_(mine, anchors.at_ms < sight.at_ms, not_(_visit(sight)))
    highest = connection.execute(
        select(func.max(anchors.end)).where(earlier, anchors.source != BACK)
    ).scalar()
    last = connection.execute(
        select(clock_anchors).where(earlier).order_by(anchors.at_ms.desc(), anchors.id.desc()).limit(1)
    ).first()
    return None if highest is None or last is None else (int(highest), _anchor(last))


def _raise(connection: Connection, sight: Sight, axis: str, space: str, value: int) -> int:
    """The highest new value of this visit; one anchor a visit."""
    anchors = clock_anchors.c
    mine = select(clock_anchors).where(_of(sight, axis, space), _visit(sight), anchors.source == RECORD)
    row = connection.execute(mine.order_by(anchors.id)).first()
    if row is None:
        return _mark(connection, sight, axis, RECORD, space, value)
    higher = update(clock_anchors).where(anchors.id == row.id, anchors.end < value)
    connection.execute(higher.values(end=value))
    return int(row.id)


def _mark(connection: Connection, sight: Sight, axis: str, source: str, space: str, value: int) -> int:
    values: dict[str, object] = {"axis": axis, "source": source, "space": space, "written": False}
    return _add(connection, sight, values | {"start": value, "end": value, "mono_end_ms": sight.mono_ms})


def _overtaken(
    connection: Connection, sight: Sight, axis: str, space: str, value: int
) -> list[tuple[int, list[Passage]]]:
    """An envelope that came late: later visits of this key that showed less than it, so ran back since."""
    anchors = clock_anchors.c
    later = and_(_of(sight, axis, space), anchors.at_ms > sight.at_ms, not_(_visit(sight)))
    found = []
    for row in connection.execute(select(clock_anchors).where(later, anchors.end <= value)).all():
        span = (sight.at_ms, row.at_ms)
        if axis == repeats.TIME:
            until = _anchor(row).captured
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


# --- rows ---


def _newest(connection: Connection, sight: Sight, axis: str) -> _AnchorRow | None:
    anchors = clock_anchors.c
    mine = (anchors.device == sight.device, anchors.axis == axis, anchors.at_ms <= sight.at_ms)
    order = (anchors.at_ms.desc(), anchors.id.desc())
    return connection.execute(select(clock_anchors).where(*mine).order_by(*order).limit(1)).first()


def _at_once(connection: Connection, sight: Sight, axis: str, last: _AnchorRow) -> Sequence[_AnchorRow]:
    """All anchors of the visit of this one: a transfer of records can show several values."""
    if last.source == CLOCK:
        return [last]
    anchors = clock_anchors.c
    place = replace(sight, kid=last.kid, boot=last.boot, mono_ms=last.mono_ms)
    mine = (anchors.device == sight.device, anchors.axis == axis, anchors.source != CLOCK)
    return connection.execute(select(clock_anchors).where(*mine, _visit(place))).all()


def _add(connection: Connection, sight: Sight, values: dict[str, object]) -> int:
    row = insert(clock_anchors).values(
        device=sight.device,
        kid=sight.kid,
        boot=sight.boot,
        mono_ms=sight.mono_ms,
        at_ms=sight.at_ms,
        low_ms=sight.when.low_ms,
        high_ms=sight.when.high_ms,
        **values,
    )
    return int(connection.execute(row.returning(clock_anchors.c.id)).scalar_one())


def _keep(connection: Connection, device: int, axis: str, anchor: int, found: list[Passage]) -> list[Passage]:
    for one in found:
        connection.execute(insert(clock_steps).values(device=device, axis=axis, anchor=anchor, **asdict(one)))
    return found


def _anchor(row: _AnchorRow) -> Anchor:
    return Anchor(
        row.at_ms,
        Interval(row.low_ms, row.high_ms),
        bytes(row.kid),
        bytes(row.boot),
        row.mono_ms,
        row.mono_end_ms,
        row.start,
        row.end,
        row.written,
        row.written_to,
    )


def _passage(row: _AnchorRow) -> Passage:
    return Passage(row.from_ms, row.to_ms, row.low, row.high, row.step)


def _shown(anchor: Anchor) -> tuple[int, Interval]:
    return anchor.start, anchor.captured


def _shifted(interval: Interval, by_ms: int) -> Interval:
    return Interval(max(0, interval.low_ms + by_ms), max(0, interval.high_ms + by_ms))

"""What each device's own clock said, kept so that repeats.py can tell what it passed between two captures."""

from collections.abc import Sequence
from dataclasses import replace

from sqlalchemy import Connection, and_, delete, or_, select, update

from cloud_bridge import repeats
from cloud_bridge.ledger.anchors import CLOCK, VISIT_GAP_MS, AnchorRow, Sight, add, keep, of_row, visit
from cloud_bridge.measured import Interval
from cloud_bridge.placing import device_seconds, local_seconds
from cloud_bridge.repeats import Anchor, Passage
from cloud_bridge.schema import clock_anchors, clock_steps
from gateway.wire.items import DeviceClock


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
    visit = [of_row(row) for row in _at_once(connection, sight, axis, last)]
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
        return written.written_to, _shown(of_row(written))
    if step is None:
        return None, None
    before = connection.execute(
        chosen.where(anchors.at_ms <= step.from_ms).order_by(anchors.at_ms.desc()).limit(1)
    ).first()
    return step.low + 1, None if before is None else _shown(of_row(before))


# --- the device's own clock ---


def _same_visit(connection: Connection, sight: Sight, mono_ms: int) -> AnchorRow | None:
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
    return add(
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
            between = repeats.passed(of_row(earlier), of_row(later))
            found += keep(connection, device, repeats.TIME, later.id, between)
    return found


# --- rows ---


def _newest(connection: Connection, sight: Sight, axis: str) -> AnchorRow | None:
    anchors = clock_anchors.c
    mine = (anchors.device == sight.device, anchors.axis == axis, anchors.at_ms <= sight.at_ms)
    order = (anchors.at_ms.desc(), anchors.id.desc())
    return connection.execute(select(clock_anchors).where(*mine).order_by(*order).limit(1)).first()


def _at_once(connection: Connection, sight: Sight, axis: str, last: AnchorRow) -> Sequence[AnchorRow]:
    """All anchors of the visit of this one: a transfer of records can show several values."""
    if last.source == CLOCK:
        return [last]
    anchors = clock_anchors.c
    place = replace(sight, kid=last.kid, boot=last.boot, mono_ms=last.mono_ms)
    mine = (anchors.device == sight.device, anchors.axis == axis, anchors.source != CLOCK)
    return connection.execute(select(clock_anchors).where(*mine, visit(place))).all()


def _passage(row: AnchorRow) -> Passage:
    return Passage(row.from_ms, row.to_ms, row.low, row.high, row.step)


def _shown(anchor: Anchor) -> tuple[int, Interval]:
    return anchor.start, anchor.captured


def _shifted(interval: Interval, by_ms: int) -> Interval:
    return Interval(max(0, interval.low_ms + by_ms), max(0, interval.high_ms + by_ms))

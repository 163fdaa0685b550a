"""Anchors: what a device's clock or record counter stood at, when; and what it may have passed in between."""

from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, and_, insert

from cloud_bridge.measured import Interval
from cloud_bridge.repeats import Anchor, Passage
from cloud_bridge.schema import clock_anchors, clock_steps
from gateway.wire.items import DeviceClock

# The device said it; a new record shows it; a new record shows that it ran back to it.
CLOCK, RECORD, BACK = "clock", "record", "back"
# Records of one transfer follow each other faster than this; two measurements never do.
VISIT_GAP_MS = 20_000
AnchorRow = Row[Any]


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


def visit(sight: Sight) -> ColumnElement[bool]:
    """Anchors of the transfer to which this capture belongs."""
    anchors = clock_anchors.c
    return and_(
        anchors.kid == sight.kid,
        anchors.boot == sight.boot,
        anchors.mono_ms <= sight.mono_ms + VISIT_GAP_MS,
        anchors.mono_end_ms >= sight.mono_ms - VISIT_GAP_MS,
    )


def add(connection: Connection, sight: Sight, values: dict[str, object]) -> int:
    """A new anchor where this was captured; its row."""
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


def keep(connection: Connection, device: int, axis: str, anchor: int, found: list[Passage]) -> list[Passage]:
    """Note what may have been passed up to this anchor; hands it back."""
    for one in found:
        connection.execute(insert(clock_steps).values(device=device, axis=axis, anchor=anchor, **asdict(one)))
    return found


def of_row(row: AnchorRow) -> Anchor:
    """The anchor in this row."""
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

"""When and in which order records were captured, and what came with each: told from envelope and chain."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, func, select

from cloud_bridge import placing
from cloud_bridge.ledger import chain
from cloud_bridge.ledger.taken import TakenItem
from cloud_bridge.measured import Interval
from cloud_bridge.schema import arrivals, disclosures, envelopes, hub_keys, hubs
from gateway.wire.envelope import open_disclosure
from gateway.wire.measurement import Capture, Moment

# So many envelopes to either side are looked at for one that tells the time.
NEAR = 1000


@dataclass(frozen=True)
class Captured:
    """when: bridge time, with its doubt; at_ms: its place in the order of all captures of the household."""

    when: Interval
    at_ms: int


def captured(connection: Connection, taken: TakenItem, capture: Capture) -> Captured:
    """When the hub captured what this item holds.

    Within one boot the hub's own clock orders exactly, so the first capture of a boot fixes all others.
    """
    before = _neighbour(connection, taken, after=False)
    after = _neighbour(connection, taken, after=True)
    low = 0 if before is None else before.captured_low_ms
    high = taken.arrived_ms if after is None else min(taken.arrived_ms, after.captured_high_ms)
    when = placing.captured(
        capture.moment, sealed_at(connection, taken.envelope_id), taken.arrived_ms, Interval(low, high)
    )
    if when.low_ms != when.high_ms:
        told = _told_by_boot(connection, taken, capture.moment)
        when = when if told is None else placing.captured(told, None, taken.arrived_ms, when)
    same_boot = _same_boot(connection, capture)
    if same_boot is not None:
        return Captured(when, same_boot.at_ms + capture.moment.mono_ms - same_boot.mono_ms)
    if when.low_ms == when.high_ms:
        return Captured(when, when.low_ms)
    since = select(hub_keys.c.since_ms).where(hub_keys.c.kid == capture.kid)
    at_ms = max(when.low_ms, connection.execute(since).scalar() or 0, 0 if before is None else before.at_ms)
    return Captured(when, at_ms if after is None else min(at_ms, after.at_ms - 1))


def read_again(connection: Connection, disclosure: int) -> TakenItem | None:
    """The item in a disclosure that is kept, as it was handed on when it came; None once it is erased."""
    household = func.coalesce(hub_keys.c.household, hubs.c.household).label("household")
    row = connection.execute(
        select(disclosures, envelopes.c.kid, envelopes.c.sequence, envelopes.c.arrived_ms, household)
        .add_columns(hubs.c.id.label("hub"), hubs.c.status.label("hub_status"))
        .join_from(disclosures, envelopes)
        .join(hub_keys, hub_keys.c.kid == envelopes.c.kid)
        .join(hubs, hubs.c.id == hub_keys.c.hub)
        .where(disclosures.c.id == disclosure)
    ).one()
    if row.data is None:
        return None
    forked_from = chain.forked_from(connection, bytes(row.kid))
    forked = row.hub_status == "suspended" or (forked_from is not None and forked_from <= row.sequence)
    return TakenItem(
        household=row.household,
        hub=row.hub,
        kid=bytes(row.kid),
        sequence=row.sequence,
        position=row.position,
        disclosure_id=disclosure,
        envelope_id=row.envelope,
        arrived_ms=row.arrived_ms,
        item=open_disclosure(bytes(row.data)),
        forked=forked,
    )


def sealed_ms(connection: Connection, envelope: int) -> int | None:
    """The hub's wall clock when it sealed this envelope, where it was known."""
    chosen = select(envelopes.c.sealed_wall_ms).where(envelopes.c.id == envelope)
    return connection.execute(chosen).scalar()


def sealed_at(connection: Connection, envelope: int) -> Moment | None:
    """When the hub sealed this envelope, as it says; None for one of a newer version."""
    row = connection.execute(select(envelopes).where(envelopes.c.id == envelope)).one()
    if row.sealed_boot is None:
        return None
    return Moment(bytes(row.sealed_boot), row.sealed_mono_ms, row.sealed_wall_ms, row.sealed_quality)


def _told_by_boot(connection: Connection, taken: TakenItem, moment: Moment) -> Moment | None:
    """The same moment, with the time that another envelope of this boot tells; the nearest that is near."""
    near = envelopes.c.sequence.between(taken.sequence - NEAR, taken.sequence + NEAR)
    trusted = envelopes.c.sealed_quality.in_(placing.TRUSTED)
    past = envelopes.c.sealed_wall_ms <= envelopes.c.arrived_ms + placing.AGREE_MS
    chosen = select(envelopes).where(envelopes.c.kid == taken.kid, near, trusted, past)
    same = chosen.where(envelopes.c.sealed_boot == moment.boot)
    nearest = same.order_by(func.abs(envelopes.c.sealed_mono_ms - moment.mono_ms)).limit(1)
    row = connection.execute(nearest).first()
    if row is None:
        return None
    wall_ms = row.sealed_wall_ms + moment.mono_ms - row.sealed_mono_ms
    return Moment(moment.boot, moment.mono_ms, wall_ms, row.sealed_quality)


def _neighbour(connection: Connection, taken: TakenItem, *, after: bool) -> Row[Any] | None:
    """What this key sealed nearest before or after this envelope, of all that reached the ledger."""
    sequence = arrivals.c.sequence
    beside = sequence > taken.sequence if after else sequence < taken.sequence
    chosen = select(arrivals).where(arrivals.c.kid == taken.kid, beside)
    order = (sequence, arrivals.c.id) if after else (sequence.desc(), arrivals.c.id.desc())
    return connection.execute(chosen.order_by(*order).limit(1)).first()


def _same_boot(connection: Connection, capture: Capture) -> Row[Any, Any] | None:
    chosen = select(arrivals.c.at_ms, arrivals.c.mono_ms).where(
        arrivals.c.kid == capture.kid, arrivals.c.boot == capture.moment.boot
    )
    return connection.execute(chosen.limit(1)).first()

"""What happens to a measurement: the one place that decides held, due or settled, asked again at each change.

Everything that can change the answer (a binding, a pause, a statement that arrives, an answer, a fork that
ends) ends in `decide`. The first reason that stands is the one that is shown; when it goes, the next shows.
"""

from typing import Any

from sqlalchemy import Connection, Row, func, select, update

from cloud_bridge import people, placing
from cloud_bridge.ledger import bindings, chain, deliveries, devices, holds, journey_log
from cloud_bridge.ledger.statements import statements_lost, statements_missing
from cloud_bridge.measured import Interval
from cloud_bridge.schema import arrivals, disowned, measurements

HELD, DUE, DELIVERED, REPEAT, WITHHELD = "held", "due", "delivered", "repeat", "withheld"
SETTLED = (DELIVERED, REPEAT, WITHHELD)


def decide(connection: Connection, measurement: int, now_ms: int) -> str:
    """The measurement's status from now on. What is settled stays so."""
    row = connection.execute(select(measurements).where(measurements.c.id == measurement)).one()
    if row.status in SETTLED:
        return str(row.status)
    if _is_disowned(connection, row):
        withhold(connection, measurement, now_ms)
        return WITHHELD
    citizen, code, detail = _whose(connection, row)
    if code is None:
        return _go(connection, row, citizen or "", now_ms)
    if code == holds.WITHDRAWAL_DUE:
        deliveries.withdraw(connection, measurement)
    holds.hold(connection, measurement, code, now_ms, detail)
    _set(connection, measurement, status=HELD)
    return HELD


def again(connection: Connection, chosen: list[int], now_ms: int) -> None:
    """Decide about each of these once more."""
    for measurement in chosen:
        decide(connection, measurement, now_ms)


def undelivered(connection: Connection, household: str, device: str | None = None) -> list[int]:
    """Measurements of this household (and device) that are held or due."""
    rows = select(measurements.c.id).where(
        measurements.c.household == household, measurements.c.settled_ms.is_(None)
    )
    if device is not None:
        rows = rows.where(measurements.c.device == device)
    return [int(row[0]) for row in connection.execute(rows.order_by(measurements.c.id))]


def due(connection: Connection, chosen: list[int]) -> int:
    """How many of these may go, or went, to their receivers."""
    rows = select(func.count()).where(measurements.c.id.in_(chosen))
    going = measurements.c.status.in_((DUE, DELIVERED))
    return int(connection.execute(rows.where(going)).scalar_one())


def withhold(connection: Connection, measurement: int, now_ms: int) -> None:
    """A person said that it is not theirs: nothing more goes out. What was delivered must be withdrawn."""
    deliveries.withdraw(connection, measurement)
    if deliveries.went_out(connection, measurement):
        holds.hold(connection, measurement, holds.WITHDRAWAL_DUE, now_ms)
        _set(connection, measurement, status=HELD, settled_ms=None)
        return
    settle(connection, measurement, WITHHELD, now_ms)


def settle(connection: Connection, measurement: int, status: str, now_ms: int) -> None:
    """Delivered or decided: the hub may free it first."""
    holds.release(connection, measurement, now_ms, "superseded")
    row = _set(connection, measurement, status=status, settled_ms=now_ms)
    step = journey_log.WITHHELD if status == WITHHELD else journey_log.SETTLED
    journey_log.note(connection, row.household, measurement, step, now_ms, code=status)


def delivered(connection: Connection, measurement: int, now_ms: int) -> None:
    """All of it stands at every receiver, read back; also when it was stopped with the last on its way.

    Not settled where it stands at somebody else than whose it turned out to be: that must be withdrawn.
    """
    row = connection.execute(select(measurements).where(measurements.c.id == measurement)).one()
    held = holds.open_hold(connection, measurement)
    if _is_disowned(connection, row):
        withhold(connection, measurement, now_ms)
    elif held is not None and held.code == holds.WITHDRAWAL_DUE:
        return
    elif row.status not in SETTLED:
        settle(connection, measurement, DELIVERED, now_ms)


def assign(connection: Connection, measurement: int, citizen: str, by: str) -> None:
    """A person said whose it is; nothing goes to anyone else. by: the statement's id or the person's role."""
    deliveries.withdraw(connection, measurement, but_of=citizen)
    _set(connection, measurement, citizen=citizen, assigned=by)


def place(connection: Connection, measurement: int, when: Interval, arrived_ms: int) -> None:
    """The citizen said when it was."""
    late = placing.is_late(when, arrived_ms)
    values = {"placed_low_ms": when.low_ms, "placed_high_ms": when.high_ms, "late": late}
    _set(connection, measurement, placed_by=placing.CITIZEN, **values)


def _whose(connection: Connection, row: Row[Any]) -> tuple[str | None, str | None, str | None]:
    """(citizen, None, None) when it may go; else the first reason why not, and its detail."""
    code, detail = _waits(connection, row)
    if code is not None:
        return None, code, detail
    placed = Interval(row.placed_low_ms, row.placed_high_ms)
    if not placing.Placed(placed, row.placed_by).known:
        return None, holds.TIME_UNKNOWN, None
    citizen = row.citizen if row.assigned else None
    if citizen is None:
        device = devices.known(connection, row.household, row.device)
        mode = people.ALONE if device is None else device.mode
        bound = bindings.of_device(connection, row.household, row.device)
        found = people.whose(mode, row.user_slot, placed, bound)
        if found.citizen is None:
            return None, found.code, None
        citizen = found.citizen
    if deliveries.went_out(connection, row.id, but_to=citizen):
        return None, holds.WITHDRAWAL_DUE, None
    hubs = select(arrivals.c.hub).where(arrivals.c.measurement == row.id).distinct()
    names = [str(name) for name in connection.execute(hubs).scalars()]
    pause = bindings.paused(connection, row.household, names, citizen)
    ways = len(deliveries.receivers_of(connection, citizen))
    return citizen, people.may_go(paused=pause is not None, receivers=ways), pause.hex() if pause else None


def _waits(connection: Connection, row: Row[Any]) -> tuple[str | None, str | None]:
    """What must be over before anyone asks whose it is."""
    held = holds.open_hold(connection, row.id)
    if held is not None and held.code in (*holds.REPEAT_QUESTIONS, holds.WITHDRAWAL_DUE):
        return held.code, held.detail
    first = connection.execute(
        select(arrivals.c.kid, arrivals.c.sequence).where(
            arrivals.c.measurement == row.id, arrivals.c.disclosure == row.first_disclosure
        )
    ).one()
    kid = bytes(first.kid)
    forked_from = chain.forked_from(connection, kid)
    if forked_from is not None and forked_from <= first.sequence:
        return holds.KEY_FORKED, None
    if statements_missing(connection, kid, first.sequence):
        return holds.STATEMENTS_MISSING, holds.place_in_line(kid, first.sequence)
    lost = statements_lost(connection, kid, first.sequence)
    if lost and not holds.was_answered(connection, row.id, holds.STATEMENTS_LOST):
        return holds.STATEMENTS_LOST, None
    return None, None


def _go(connection: Connection, row: Row[Any], citizen: str, now_ms: int) -> str:
    """It has a citizen and may go: queue it for each of the citizen's receivers."""
    holds.release(connection, row.id, now_ms, "bridge")
    deliveries.withdraw(connection, row.id, but_of=citizen)
    if row.status != DUE or row.citizen != citizen:
        _set(connection, row.id, status=DUE, citizen=citizen)
        journey_log.note(connection, row.household, row.id, journey_log.WHOSE, now_ms)
    deliveries.queue(connection, row.id, citizen, now_ms)
    return DUE


def _is_disowned(connection: Connection, row: Row[Any]) -> bool:
    chosen = select(disowned.c.key).where(
        disowned.c.household == row.household, disowned.c.key.in_((row.key, row.record_key))
    )
    return connection.execute(chosen.limit(1)).first() is not None


def _set(connection: Connection, measurement: int, **values: object) -> Row[Any]:
    changed = update(measurements).where(measurements.c.id == measurement).values(**values)
    return connection.execute(changed.returning(measurements.c.household)).one()

"""Which device measures whom, from when to when; and which pauses people asked for."""

from typing import Any

from sqlalchemy import Connection, Row, and_, insert, or_, select, update

from cloud_bridge.ledger import devices
from cloud_bridge.people import MODES, SHARED, SLOTS, Binding
from cloud_bridge.schema import bindings, citizens, pauses
from gateway.wire.errors import MeethubError


class BindingError(MeethubError):
    """A binding that cannot be.

    Codes: citizen-unknown, mode-unknown, slot-unfit, period-unfit, binding-unknown.
    """


def bind(  # noqa: PLR0913 (what a binding says)
    connection: Connection,
    household: str,
    device: str,
    citizen: str,
    from_ms: int,
    now_ms: int,
    *,
    slot: int | None = None,
    mode: str,
    to_ms: int | None = None,
) -> int:
    """Say that this device (and user slot, in mode `slots`) measures this citizen from then on.

    It ends, at from_ms, what was bound there before: a device (or slot) measures one person at a time. The
    held readings of the device are to be decided again by the caller (deciding.again). BindingError.
    """
    _check(connection, household, citizen, (slot, mode), (from_ms, to_ms))
    devices.confirm(connection, household, device, mode, now_ms)
    place = and_(
        bindings.c.household == household,
        bindings.c.device == device,
        bindings.c.slot.is_(None) if slot is None else bindings.c.slot == slot,
    )
    running = and_(place, or_(bindings.c.to_ms.is_(None), bindings.c.to_ms > from_ms))
    same = and_(running, bindings.c.citizen == citizen, bindings.c.from_ms <= from_ms)
    row = connection.execute(select(bindings.c.id).where(same, bindings.c.to_ms.is_(None))).first()
    if row is not None and to_ms is None:
        return int(row.id)
    connection.execute(update(bindings).where(running, bindings.c.from_ms < from_ms).values(to_ms=from_ms))
    values = {"household": household, "device": device, "slot": slot, "citizen": citizen}
    added = insert(bindings).values(**values, from_ms=from_ms, to_ms=to_ms)
    return int(connection.execute(added.returning(bindings.c.id)).scalar_one())


def unbind(connection: Connection, household: str, device: str, citizen: str, to_ms: int) -> None:
    """This device measures this citizen no longer from then on; BindingError when it did not then.

    What is not settled of the device is to be decided again by the caller (deciding.again).
    """
    mine = and_(bindings.c.household == household, bindings.c.device == device, bindings.c.citizen == citizen)
    running = or_(bindings.c.to_ms.is_(None), bindings.c.to_ms > to_ms)
    if connection.execute(update(bindings).where(mine, running).values(to_ms=to_ms)).rowcount == 0:
        raise BindingError("binding-unknown")


def of_device(connection: Connection, household: str, device: str) -> list[Binding]:
    """All that was ever bound to this device in this household."""
    chosen = select(bindings).where(bindings.c.household == household, bindings.c.device == device)
    return [
        Binding(row.citizen, row.slot, row.from_ms, row.to_ms)
        for row in connection.execute(chosen.order_by(bindings.c.from_ms, bindings.c.id))
    ]


def lives_there(connection: Connection, household: str, citizen: str) -> bool:
    """Whether this citizen is of this household."""
    chosen = select(citizens.c.id).where(citizens.c.id == citizen, citizens.c.household == household)
    return connection.execute(chosen).first() is not None


def paused(connection: Connection, household: str, hubs: list[str], citizen: str) -> bytes | None:
    """The id of a pause that stops this citizen's readings from these hubs, the oldest; None when none."""
    mine = or_(
        and_(pauses.c.citizen.is_(None), pauses.c.hub.in_(hubs)),
        pauses.c.citizen == citizen,
    )
    chosen = select(pauses.c.id).where(pauses.c.household == household, pauses.c.ended_ms.is_(None), mine)
    found = connection.execute(chosen.order_by(pauses.c.since_ms).limit(1)).scalar()
    return None if found is None else bytes(found)


def pause(
    connection: Connection, household: str, hub: str, citizen: str | None, said: bytes, at_ms: int
) -> None:
    """Stop a hub's readings, or a citizen's; not when its resume has come before it."""
    if citizen is not None and not lives_there(connection, household, citizen):
        raise BindingError("citizen-unknown")
    if _pause(connection, said) is None:
        row = {"id": said, "household": household, "hub": hub, "citizen": citizen, "since_ms": at_ms}
        connection.execute(insert(pauses).values(**row))


def resume(connection: Connection, household: str, hub: str, said: list[bytes], at_ms: int) -> None:
    """End just these pauses of this household; one that has not come yet is ended beforehand."""
    for one in said:
        row = _pause(connection, one)
        if row is None:
            values = {"id": one, "household": household, "hub": hub, "since_ms": at_ms, "ended_ms": at_ms}
            connection.execute(insert(pauses).values(**values))
        elif row.household == household and row.ended_ms is None:
            connection.execute(update(pauses).where(pauses.c.id == one).values(ended_ms=at_ms))


def _pause(connection: Connection, said: bytes) -> Row[Any] | None:
    return connection.execute(select(pauses).where(pauses.c.id == said)).first()


def _check(
    connection: Connection,
    household: str,
    citizen: str,
    use: tuple[int | None, str],
    period: tuple[int, int | None],
) -> None:
    slot, mode = use
    from_ms, to_ms = period
    if mode not in MODES:
        raise BindingError("mode-unknown", mode)
    if (slot is not None) != (mode == SLOTS) and mode != SHARED:
        raise BindingError("slot-unfit", mode)
    if to_ms is not None and to_ms <= from_ms:
        raise BindingError("period-unfit")
    if not lives_there(connection, household, citizen):
        raise BindingError("citizen-unknown")

"""The devices of a household, as their readings and the hub's status tell."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, insert, select, update

from cloud_bridge.people import ALONE
from cloud_bridge.schema import devices
from gateway.wire.items import DeviceStatus
from gateway.wire.measurement import Device

_TOLD = ("manufacturer", "model", "firmware", "serial", "system_id", "address")


@dataclass(frozen=True)
class KnownDevice:
    """A device's row. mode: alone, slots or shared; confirmed_ms: since when it surely stands here."""

    id: int
    mode: str
    confirmed_ms: int


def seen(connection: Connection, household: str, device: Device, at_ms: int) -> KnownDevice:
    """The device's row, made or brought up to date; what it says of itself now replaces what it said."""
    told = {name: getattr(device, name) for name in _TOLD if getattr(device, name) is not None}
    row = _row(connection, household, device.identity)
    if row is None:
        return _add(connection, household, device.identity, at_ms, told)
    connection.execute(
        update(devices)
        .where(devices.c.id == row.id)
        .values(last_seen_ms=max(at_ms, row.last_seen_ms or 0), **told)
    )
    return KnownDevice(row.id, row.mode, row.confirmed_ms)


def known(connection: Connection, household: str, identity: str) -> KnownDevice | None:
    """The device's row, or None when nothing of it has come yet."""
    row = _row(connection, household, identity)
    return None if row is None else KnownDevice(row.id, row.mode, row.confirmed_ms)


def confirm(connection: Connection, household: str, identity: str, mode: str, now_ms: int) -> None:
    """A person says that this device stands here and how it is used; it may not have sent anything yet."""
    row = _row(connection, household, identity)
    if row is None:
        _add(connection, household, identity, now_ms, {"mode": mode})
        return
    connection.execute(update(devices).where(devices.c.id == row.id).values(mode=mode, confirmed_ms=now_ms))


def status(connection: Connection, household: str, told: DeviceStatus, at_ms: int) -> None:
    """Battery and bond as the hub reports them."""
    values: dict[str, object] = {"battery": told.battery, "bonded": told.bonded}
    row = _row(connection, household, told.identity)
    if row is None:
        _add(connection, household, told.identity, at_ms, values)
    else:
        connection.execute(update(devices).where(devices.c.id == row.id).values(**values))


def _row(connection: Connection, household: str, identity: str) -> Row[Any] | None:
    mine = (devices.c.household == household, devices.c.identity == identity)
    return connection.execute(select(devices).where(*mine)).first()


def _add(
    connection: Connection, household: str, identity: str, at_ms: int, told: dict[str, object]
) -> KnownDevice:
    values: dict[str, object] = {"mode": ALONE, "confirmed_ms": at_ms, "last_seen_ms": at_ms, **told}
    row = insert(devices).values(household=household, identity=identity, **values)
    number = connection.execute(row.returning(devices.c.id)).scalar_one()
    return KnownDevice(int(number), str(values["mode"]), at_ms)

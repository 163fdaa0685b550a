"""Whose envelope this is: the registered key that sealed it, its hub and the household it counts for."""

from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy import Connection, func, select

from cloud_bridge.registry import REVOKED, SUSPENDED
from cloud_bridge.schema import hub_keys, hubs
from cloud_bridge.verify import KnownKey
from gateway.wire.cbor import CborError, decode_at
from gateway.wire.envelope import open_signed
from gateway.wire.errors import WireError


@dataclass(frozen=True)
class Origin:
    """A registered key, and what the registry says of it and of its hub now."""

    kid: bytes
    hub: str
    household: str
    public_key: bytes
    key_status: str
    hub_status: str

    @property
    def revoked(self) -> bool:
        return REVOKED in (self.key_status, self.hub_status)

    @property
    def suspended(self) -> bool:
        return self.hub_status == SUSPENDED


def of(connection: Connection, kid: bytes) -> Origin | None:
    """The origin that this key id stands for; None when it is not registered."""
    household = func.coalesce(hub_keys.c.household, hubs.c.household)
    row = connection.execute(
        select(hub_keys.c.hub, household, hub_keys.c.public_key, hub_keys.c.status, hubs.c.status)
        .join_from(hub_keys, hubs)
        .where(hub_keys.c.kid == kid)
    ).first()
    return None if row is None else Origin(kid, row[0], row[1], bytes(row[2]), row[3], row[4])


def finder(connection: Connection, found: list[Origin]) -> Callable[[bytes], KnownKey | None]:
    """What `verify_envelope` asks for keys; the origin it found is added to `found`."""

    def key_of(kid: bytes) -> KnownKey | None:
        known = of(connection, kid)
        if known is None:
            return None
        found.append(known)
        return KnownKey(known.public_key, known.hub)

    return key_of


def place_of(raw: bytes) -> tuple[bytes, int, bytes] | None:
    """(key id, sequence, hash) that an upward message claims, unverified; None when it cannot be read."""
    try:
        _, end = decode_at(raw, 1)
        sealed = open_signed(raw[1:end])
    except (CborError, WireError):
        return None
    return sealed.kid, sealed.sequence, sealed.hash

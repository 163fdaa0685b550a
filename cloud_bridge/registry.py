"""Which hubs there are, whose they are, which keys sign for them and which certificates speak for them.

Every function works inside the caller's transaction, so that a decision about a hub and what it is based on
are committed together. Times are milliseconds since 1970, UTC.
"""

from dataclasses import dataclass

from sqlalchemy import Connection, Row, and_, func, insert, select, update

from cloud_bridge.schema import certificates, households, hub_keys, hubs
from gateway.wire.errors import MeethubError
from gateway.wire.topics import is_hub_id

ACTIVE, SUSPENDED, REVOKED = "active", "suspended", "revoked"
LIVE, RETIRED, FORKED = "live", "retired", "forked"
HUB, BRIDGE = "hub", "bridge"


class RegistryError(MeethubError):
    """The registry does not allow this.

    Codes: hub-unknown, hub-known, hub-id-invalid, hub-revoked, key-known.
    """


@dataclass(frozen=True)
class Hub:
    """A hub and the household it stands in. status: active, suspended or revoked."""

    id: str
    household: str
    status: str
    enrolled_ms: int


@dataclass(frozen=True)
class HubKey:
    """A key that signs for a hub. status: live (one at most), retired, forked, revoked."""

    kid: bytes
    hub: str
    public_key: bytes
    status: str
    since_ms: int


@dataclass(frozen=True)
class Admission:
    """Who holds a certificate that counts now. role: hub or bridge; subject: hub id or bridge name."""

    subject: str
    role: str
    not_after_ms: int


class Registry:
    """The registry as one transaction sees it: `with engine.begin() as c: Registry(c).revoke(hub, now)`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def enrol(self, hub: str, household: str, now_ms: int) -> None:
        """A new hub, active, in this household, which is made when it is new; RegistryError otherwise."""
        if not is_hub_id(hub):
            raise RegistryError("hub-id-invalid")
        if self.hub(hub) is not None:
            raise RegistryError("hub-known", hub)
        known = select(households.c.id).where(households.c.id == household)
        if self._connection.execute(known).first() is None:
            self._connection.execute(insert(households).values(id=household, created_ms=now_ms))
        self._connection.execute(
            insert(hubs).values(id=hub, household=household, status=ACTIVE, enrolled_ms=now_ms)
        )

    def hub(self, hub: str) -> Hub | None:
        row = self._connection.execute(select(hubs).where(hubs.c.id == hub)).first()
        return None if row is None else Hub(row.id, row.household, row.status, row.enrolled_ms)

    def key(self, kid: bytes) -> HubKey | None:
        row = self._connection.execute(select(hub_keys).where(hub_keys.c.kid == kid)).first()
        return None if row is None else _hub_key(row)

    def keys(self, hub: str) -> list[HubKey]:
        """All keys that ever signed for this hub, oldest first."""
        chosen = select(hub_keys).where(hub_keys.c.hub == hub).order_by(hub_keys.c.since_ms, hub_keys.c.kid)
        return [_hub_key(row) for row in self._connection.execute(chosen)]

    def add_key(self, kid: bytes, hub: str, public_key: bytes, now_ms: int) -> None:
        """From now on this key signs for the hub; the key that did so before is retired.

        The same key again changes nothing; a forked one stays forked, for its hub still speaks and needs
        its certificate. RegistryError when the hub is not active, or when the kid is another hub's or
        another key's, or was put out of use before.
        """
        if self._knows(kid, hub, public_key, (LIVE, FORKED)):
            return
        live = and_(hub_keys.c.hub == hub, hub_keys.c.status == LIVE)
        self._connection.execute(update(hub_keys).where(live).values(status=RETIRED, since_ms=now_ms))
        self._insert(kid, hub, public_key, LIVE, now_ms)

    def add_former(self, kid: bytes, hub: str, public_key: bytes, now_ms: int) -> None:
        """A key that signed for the hub before the live one did: retired at once, the live one stays.

        The same key again changes nothing. RegistryError as for `add_key`.
        """
        if not self._knows(kid, hub, public_key, (LIVE, RETIRED)):
            self._insert(kid, hub, public_key, RETIRED, now_ms)

    def live_key(self, hub: str) -> HubKey | None:
        """The key that signs for this hub now; None where it was forked or revoked, or never was."""
        return next((key for key in self.keys(hub) if key.status == LIVE), None)

    def _knows(self, kid: bytes, hub: str, public_key: bytes, good: tuple[str, ...]) -> bool:
        self._active(hub)
        known = self.key(kid)
        if known is None:
            return False
        if (known.hub, known.public_key) != (hub, public_key) or known.status not in good:
            raise RegistryError("key-known", hub)
        return True

    def _insert(self, kid: bytes, hub: str, public_key: bytes, status: str, now_ms: int) -> None:
        row = {"kid": kid, "hub": hub, "public_key": public_key, "status": status}
        self._connection.execute(insert(hub_keys).values(**row, since_ms=now_ms, registered_ms=now_ms))

    def mark_key(self, kid: bytes, status: str, now_ms: int) -> None:
        """Put a key out of use (retired, forked, revoked), or a confirmed one back (live)."""
        self._connection.execute(
            update(hub_keys).where(hub_keys.c.kid == kid).values(status=status, since_ms=now_ms)
        )

    def add_certificate(self, fingerprint: bytes, subject: str, role: str, not_after_ms: int) -> None:
        """This certificate speaks for this hub or bridge from now on; the same one again changes nothing."""
        if role == HUB:
            self._active(subject)
        known = select(certificates.c.fingerprint).where(certificates.c.fingerprint == fingerprint)
        if self._connection.execute(known).first() is None:
            self._connection.execute(
                insert(certificates).values(
                    fingerprint=fingerprint, subject=subject, role=role, not_after_ms=not_after_ms
                )
            )

    def admission(self, fingerprint: bytes, now_ms: int) -> Admission | None:
        """Whom this certificate admits to the broker now; None when unknown, expired or revoked."""
        row = self._connection.execute(
            select(certificates).where(certificates.c.fingerprint == fingerprint)
        ).first()
        if row is None or row.revoked_ms is not None or row.not_after_ms <= now_ms:
            return None
        if row.role == HUB:
            hub = self.hub(row.subject)
            if hub is None or hub.status == REVOKED:
                return None
        return Admission(row.subject, row.role, row.not_after_ms)

    def revoke(self, hub: str, now_ms: int) -> None:
        """Nothing this hub says counts from now on: the hub, its live key and all its certificates.

        A suspended hub (fork, clone) may still speak; a revoked one may not. RegistryError when unknown.
        """
        if self.hub(hub) is None:
            raise RegistryError("hub-unknown", hub)
        self._connection.execute(update(hubs).where(hubs.c.id == hub).values(status=REVOKED))
        live = and_(hub_keys.c.hub == hub, hub_keys.c.status == LIVE)
        self._connection.execute(update(hub_keys).where(live).values(status=REVOKED, since_ms=now_ms))
        open_ones = and_(
            certificates.c.subject == hub, certificates.c.role == HUB, certificates.c.revoked_ms.is_(None)
        )
        self._connection.execute(update(certificates).where(open_ones).values(revoked_ms=now_ms))

    def revoke_certificate(self, fingerprint: bytes, now_ms: int) -> None:
        """This certificate alone does not count from now on, such as one whose key leaked."""
        this = and_(certificates.c.fingerprint == fingerprint, certificates.c.revoked_ms.is_(None))
        self._connection.execute(update(certificates).where(this).values(revoked_ms=now_ms))

    def suspend(self, hub: str) -> None:
        """What this hub sends is kept and not delivered, until a person confirms it (`confirm`)."""
        self._active(hub)
        self._connection.execute(update(hubs).where(hubs.c.id == hub).values(status=SUSPENDED))

    def confirm(self, hub: str) -> None:
        """A person confirmed a suspended hub: it is active again; a revoked one never becomes so."""
        suspended = and_(hubs.c.id == hub, hubs.c.status == SUSPENDED)
        self._connection.execute(update(hubs).where(suspended).values(status=ACTIVE))

    def revocations(self) -> tuple[int, int]:
        """(how many certificates are revoked, when the last one was): changes with every revocation."""
        count, last = self._connection.execute(
            select(func.count(certificates.c.revoked_ms), func.max(certificates.c.revoked_ms))
        ).one()
        return int(count), int(last or 0)

    def _active(self, hub: str) -> None:
        found = self.hub(hub)
        if found is None:
            raise RegistryError("hub-unknown", hub)
        if found.status == REVOKED:
            raise RegistryError("hub-revoked", hub)


def _hub_key(row: Row[tuple[object, ...]]) -> HubKey:
    return HubKey(bytes(row.kid), row.hub, bytes(row.public_key), row.status, row.since_ms)

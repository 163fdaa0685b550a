"""New signing keys of a hub: named in an envelope by the key before, or asked for over its TLS identity."""

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from sqlalchemy import Connection, update

from cloud_bridge.ledger import succession
from cloud_bridge.ledger.origin import Origin, of
from cloud_bridge.registry import LIVE, Registry, RegistryError
from cloud_bridge.schema import hub_keys
from gateway.wire.errors import MeethubError
from gateway.wire.items import NextKey, next_key_proof
from gateway.wire.measurement import key_id
from gateway.wire.state import open_key_request


class NewKeyError(MeethubError):
    """A new key is not registered; codes next-key-proof, next-key-not-live, key-known, hub-…"""


def named(connection: Connection, place: tuple[Origin, int], item: NextKey, now_ms: int) -> None:
    """A *next key* item: the live key names its successor, which is live from now on.

    place: whose the envelope is, and its sequence. A key that is registered already is old news. A retired,
    forked or revoked key names nobody; also one that was forked only by this very envelope.
    """
    source, sequence = place
    _check_proof(source.hub, item.public_key, item.proof)
    known = of(connection, key_id(item.public_key))
    if known is not None and (known.hub, known.public_key) == (source.hub, item.public_key):
        return
    by = of(connection, source.kid)
    if by is None or by.key_status != LIVE or by.suspended or by.revoked:
        raise NewKeyError("next-key-not-live")
    kid = _register(connection, source.hub, source.household, item.public_key, now_ms)
    origin = {"named_by": source.kid, "named_at": sequence}
    connection.execute(update(hub_keys).where(hub_keys.c.kid == kid).values(**origin))


def requested(connection: Connection, hub: str, raw: bytes, now_ms: int) -> bytes:
    """A key request that came over this hub's TLS identity: the id of its key, registered now.

    A key that is not known is the hub's live key from now on; the one before is retired, what it sealed is
    still taken in. But while the live key's line begins with a key that is not known here (the bridge was
    put back to an older copy), it is taken as that one: retired, beside the live key. NewKeyError or
    WireError otherwise.
    """
    request = open_key_request(raw)
    _check_proof(hub, request.public_key, request.proof)
    found = Registry(connection).hub(hub)
    if found is None:
        raise NewKeyError("hub-unknown", hub)
    live = Registry(connection).live_key(hub)
    kid = key_id(request.public_key)
    fresh = Registry(connection).key(kid) is None
    former = fresh and live is not None and succession.begins_with_unknown(connection, live.kid)
    return _register(connection, hub, found.household, request.public_key, now_ms, former=former)


def _check_proof(hub: str, public_key: bytes, proof: bytes) -> None:
    try:
        Ed25519PublicKey.from_public_bytes(public_key).verify(proof, next_key_proof(hub, public_key))
    except (InvalidSignature, ValueError):
        raise NewKeyError("next-key-proof", hub) from None


def _register(
    connection: Connection,
    hub: str,
    household: str,
    public_key: bytes,
    now_ms: int,
    *,
    former: bool = False,
) -> bytes:
    kid, registry = key_id(public_key), Registry(connection)
    add = registry.add_former if former else registry.add_key
    try:
        add(kid, hub, public_key, now_ms)
    except RegistryError as error:
        raise NewKeyError(error.code, hub) from None
    connection.execute(update(hub_keys).where(hub_keys.c.kid == kid).values(household=household))
    return kid

"""Looks at one envelope for a person: whether it holds and why not, and what stands in it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from sqlalchemy import Connection

from cloud_bridge.registry import Registry
from cloud_bridge.verify import KnownKey, VerifyError, verify_envelope
from gateway.drivers import decode_record
from gateway.wire.catalogue import explain
from gateway.wire.envelope import Sealed, open_disclosure, open_message
from gateway.wire.errors import DecodeError, MeethubError, WireError
from gateway.wire.items import ReadingItem
from gateway.wire.measurement import Moment, key_id, measurement_key, short

KEY_SIZE = 32
# Of a file; more than any message, twice over in hex.
MOST = 1 << 20
KeyOf = Callable[[bytes], KnownKey | None]


class InspectionError(MeethubError):
    """A file that was named cannot be read; codes file-unreadable, key-unreadable."""


def read_message(path: Path) -> bytes:
    """An upward message from a file: raw bytes, or their hex text."""
    return _maybe_hex(_read(path))


def read_key(path: Path) -> bytes:
    """A hub's 32-byte public key from a file: raw, hex or PEM."""
    data = _read(path)
    if data.lstrip().startswith(b"-----BEGIN"):
        try:
            key = load_pem_public_key(data)
        except (ValueError, UnsupportedAlgorithm):
            key = None
        if not isinstance(key, Ed25519PublicKey):
            raise InspectionError("key-unreadable", str(path))
        return key.public_bytes_raw()
    data = _maybe_hex(data) if len(data) != KEY_SIZE else data
    if len(data) != KEY_SIZE:
        raise InspectionError("key-unreadable", f"{path}: {len(data)} bytes")
    return data


def only_key(public_key: bytes, hub: str) -> KeyOf:
    """Knows this one key."""
    return lambda kid: KnownKey(public_key, hub) if kid == key_id(public_key) else None


def inspect_registered(raw: bytes, connection: Connection, hub: str | None) -> dict[str, Any]:
    """As `inspect`, with the keys of the registry; hub None: the one that owns the key."""
    registry = Registry(connection)

    def key_of(kid: bytes) -> KnownKey | None:
        found = registry.key(kid)
        return None if found is None else KnownKey(found.public_key, found.hub)

    return inspect(raw, hub or _owner(raw, key_of), key_of)


def _owner(raw: bytes, key_of: KeyOf) -> str:
    try:
        sealed, _ = open_message(raw)
    except WireError:
        return ""
    known = key_of(sealed.kid)
    return "" if known is None else known.hub


def inspect(raw: bytes, hub: str, key_of: KeyOf) -> dict[str, Any]:
    """What can be said of an upward message: verdict with code and reason, and its decoded contents."""
    verdict: dict[str, Any] = {"valid": True, "code": None, "why": "signed by this hub, complete, unaltered"}
    try:
        verify_envelope(raw, hub, key_of)
    except VerifyError as error:
        who, dutch, english = explain(error.code)
        verdict = {"valid": False, "code": error.code, "why": english, "nl": dutch, "who": who}
        verdict |= {"checked": error.checked, "detail": error.detail, "retry": error.retry}
    return verdict | {"envelope": _contents(raw)}


def _contents(raw: bytes) -> dict[str, Any] | None:
    try:
        sealed, disclosures = open_message(raw)
    except WireError:
        return None
    items = [None if data is None else _item(data) for data in disclosures]
    return {**_header(sealed), "items": items}


def _header(sealed: Sealed) -> dict[str, Any]:
    row: dict[str, Any] = {
        "kid": sealed.kid.hex(),
        "sequence": sealed.sequence,
        "hash": sealed.hash.hex(),
        "version": sealed.version,
    }
    if sealed.contents is not None:
        contents = sealed.contents
        row["previous"] = None if contents.previous is None else contents.previous.hex()
        row["reason"] = contents.reason
        row["sealed_at"] = _moment(contents.sealed_at)
        row["statements"] = contents.statements
    return row


def _moment(moment: Moment) -> dict[str, Any]:
    return {
        "boot": moment.boot.hex(),
        "mono_ms": moment.mono_ms,
        "wall_ms": moment.wall_ms,
        "quality": moment.quality,
    }


def _item(data: bytes) -> dict[str, Any]:
    try:
        item = open_disclosure(data)
    except WireError as error:
        return {"error": error.code}
    if not isinstance(item, ReadingItem):
        return {"item": type(item).__name__.lower(), "fields": _plain(item.wire()[1:])}
    return {
        "item": "reading",
        "captured_at": _moment(item.capture.moment),
        "device": item.device.json() | {"identity": item.device.identity},
        "driver": [item.driver, item.version],
        "frames": [[frame.source, frame.offset_ms, frame.data.hex()] for frame in item.frames],
        "reading": None if item.reading is None else item.reading.json(),
        "error": item.error,
        **_decoded_again(item),
    }


def _decoded_again(item: ReadingItem) -> dict[str, Any]:
    """Does the value follow from the bytes? Decoded here, with this release's drivers.

    Not known from this envelope alone where the bytes went ahead in parts.
    """
    if item.evidence is not None:
        return {"follows_from_bytes": None, "measurement_key": None, "evidence": item.evidence[0].hex()}
    try:
        records = decode_record(item.driver, item.frames)
    except DecodeError as error:
        return {"follows_from_bytes": None, "measurement_key": None, "driver_error": error.code}
    if len(records) != 1 or records[0].key is None:
        return {"follows_from_bytes": item.reading is None, "measurement_key": None}
    reading, key = records[0].reading, records[0].key
    same = (None if reading is None else reading.wire()) == (
        None if item.reading is None else item.reading.wire()
    )
    named = measurement_key(item.device.identity, key, item.capture)
    return {"follows_from_bytes": same, "measurement_key": named.hex(), "short": short(named)}


def _plain(part: Any) -> Any:  # noqa: ANN401 (any wire item)
    if isinstance(part, bytes):
        return part.hex()
    return [_plain(inner) for inner in part] if isinstance(part, list) else part


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(MOST)
    except OSError as error:
        raise InspectionError("file-unreadable", f"{path}: {error.strerror}") from None


def _maybe_hex(data: bytes) -> bytes:
    try:
        return bytes.fromhex(data.decode("ascii"))
    except ValueError:
        return data

"""The envelope: signed hashes, and beside them the disclosures they stand for.

An upward message is [signed, [disclosure or null, …]]; `signed` is a COSE_Sign1 over sequence, link to
the previous envelope, time of sealing and one SHA-256 per disclosure, so that every item can be shown,
proven and erased alone. Signs and verifies nothing itself: keys never enter this room.
"""

import hashlib

from gateway.wire import cose, shape
from gateway.wire.cbor import CborError, decode, decode_at, encode, head
from gateway.wire.errors import WireError
from gateway.wire.items import Item, item_from_wire
from gateway.wire.measurement import Moment, moment_from_wire

FAMILY = "application/meethub-envelope"
VERSION = 1
CONTENT_TYPE = FAMILY + ";v=1"
SALT_SIZE = 16
MAX_MESSAGE = 48 * 1024
MAX_ITEMS = 64
# What a hub puts into one envelope while it is offline.
MAX_SEALED_ITEMS = 10
MAX_SEALED_BYTES = 8 * 1024


def external_aad(hub: str) -> bytes:
    """Binds a signature to this kind of message and to this hub."""
    return b"meethub/up|" + hub.encode()


def disclosure(salt: bytes, item: Item) -> bytes:
    """The bytes whose hash is signed: 16 random bytes and one item.

    WireError when the item breaks a limit: better here than after signing, at a bridge that refuses it.
    """
    row = item.wire()
    item_from_wire(row)
    return encode([shape.octets(salt, SALT_SIZE), row])


def open_disclosure(data: bytes) -> Item:
    """The item in a disclosure; WireError otherwise."""
    try:
        row = decode(data)
    except CborError as error:
        raise WireError("disclosure-cbor", str(error)) from None
    salt, item = shape.array(row, 2)
    shape.octets(salt, SALT_SIZE)
    return item_from_wire(item)


def digest(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


class Contents:
    """What is signed. previous: hash of the previous `signed`, or None with a reason."""

    def __init__(
        self,
        sequence: int,
        previous: bytes | None,
        reason: str | None,
        sealed_at: Moment,
        statements: int,
        hashes: list[bytes],
    ) -> None:
        self.sequence = sequence
        self.previous = previous
        self.reason = reason
        self.sealed_at = sealed_at
        self.statements = statements
        self.hashes = hashes

    def encode(self) -> bytes:
        return encode(
            [
                self.sequence,
                self.previous,
                self.reason,
                self.sealed_at.wire(),
                self.statements,
                self.hashes,
            ]
        )


class Sealed:
    """A signed envelope as bytes, its hash, what its header says; `contents` is None for a newer version."""

    def __init__(
        self,
        signed: bytes,
        part: cose.Sign1,
        version: int,
        kid: bytes,
        sequence: int,
        contents: Contents | None,
    ) -> None:
        self.signed = signed
        self.hash = digest(signed)
        self.part = part
        self.version = version
        self.kid = kid
        self.sequence = sequence
        self.contents = contents


def message(signed: bytes, disclosures: list[bytes | None]) -> bytes:
    """The upward message, byte for byte what the hub streams."""
    return head(4, 2) + signed + encode(disclosures)


def open_message(raw: bytes) -> tuple[Sealed, list[bytes | None]]:
    """The signed envelope and its disclosures, not verified yet; WireError otherwise."""
    if len(raw) > MAX_MESSAGE:
        raise WireError("envelope-size")
    if raw[:1] != b"\x82":
        raise WireError("envelope-cbor", "two parts expected")
    try:
        item, middle = decode_at(raw, 1, 1)
        rest, end = decode_at(raw, middle, 1)
    except CborError as error:
        raise WireError("envelope-cbor", str(error)) from None
    if end != len(raw):
        raise WireError("envelope-cbor", "%d bytes after the end" % (len(raw) - end))
    disclosures = [shape.maybe_octets(part) for part in shape.array(rest)]
    if len(disclosures) > MAX_ITEMS:
        raise WireError("envelope-size", "too many items")
    return _sealed(bytes(raw[1:middle]), cose.sign1(item)), disclosures


def open_signed(signed: bytes) -> Sealed:
    """A signed envelope alone, without its disclosures; WireError otherwise."""
    if len(signed) > MAX_MESSAGE:
        raise WireError("envelope-size")
    return _sealed(signed, cose.unpack(signed))


def check_complete(sealed: Sealed, disclosures: list[bytes | None]) -> None:
    """One disclosure for each hash, in order, each matching; null where one cannot be supplied any more.

    WireError("envelope-incomplete") when the numbers differ, WireError("disclosure-mismatch") when the
    bytes do. Whether a null is allowed is the ledger's to decide: a *lost* item must name it.
    """
    if sealed.contents is None:
        return
    hashes = sealed.contents.hashes
    if len(disclosures) != len(hashes):
        raise WireError("envelope-incomplete", "%d of %d disclosures" % (len(disclosures), len(hashes)))
    for index, data in enumerate(disclosures):
        if data is not None and digest(data) != hashes[index]:
            raise WireError("disclosure-mismatch", "disclosure %d" % index)


def _sealed(signed: bytes, part: cose.Sign1) -> Sealed:
    version, kid = cose.check_profile(part, FAMILY)
    try:
        if version == VERSION:
            contents = _contents(shape.array(decode(part.payload)))
            return Sealed(signed, part, version, kid, contents.sequence, contents)
        return Sealed(signed, part, version, kid, _newer_sequence(part.payload), None)
    except CborError as error:
        raise WireError("envelope-cbor", str(error)) from None


def _newer_sequence(payload: bytes) -> int:
    """All that is fixed for every version: the payload is an array of fewer than 24, sequence first."""
    if not payload or not 0x81 <= payload[0] <= 0x97:
        raise WireError("wire-shape", "sequence expected")
    sequence, _ = decode_at(payload, 1, 1)
    return shape.integer(sequence, 1)


def _contents(row: list[object]) -> Contents:
    sequence, previous, reason, sealed_at, statements, hashes = shape.array(row, 6)
    if (previous is None) == (reason is None):
        raise WireError("wire-shape", "a previous hash or a reason, never both or neither")
    return Contents(
        shape.integer(sequence, 1),
        shape.maybe_octets(previous, 32),
        shape.maybe_word(reason),
        moment_from_wire(sealed_at),
        shape.integer(statements),
        [shape.octets(part, 32) for part in shape.some(hashes, MAX_ITEMS, 1)],
    )

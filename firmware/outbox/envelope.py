"""One envelope as it is stored: what is asked of it without reading its message, and the message, squeezed.

Body of its frame: number of the key, sequence, statements, number of its first measurement, size of the
message, size of what is signed, amounts of disclosures and of released ranges, key id, hash; the ranges of
captured rows that it took over; of each disclosure its size, its stage and, where it has one, the key of its
measurement. Behind the frame stands the message, and then a frame with a copy of the head.
"""

import struct
from hashlib import sha256

from firmware.outbox.captures import pack_ranges, unpack_ranges
from firmware.outbox.known import EVIDENCE
from firmware.outbox.squeeze import expand, squeeze
from gateway.wire.cbor import head
from gateway.wire.envelope import digest, message, open_signed
from gateway.wire.errors import WireError

_FORM = "<HIIIIIBB8s32s"
_FIXED = 64
HEAD_FORM = "<HII8s32s"
HEAD_SIZE = 50
# Added to a stage: the citizen had this disclosure erased.
ERASED = 8
_NULL = 0xF6
_STAGE, _SIZE_FORM, _SIZED, _KEY_SIZE = 7, "<HB", 3, 32

# What a buffer that ends early raises: MicroPython a ValueError, CPython one of its own.
_TOO_SHORT = (ValueError, getattr(struct, "error", ValueError))

TYPE_CHECKING = False
if TYPE_CHECKING:
    from firmware.outbox.keys import Key
    from firmware.outbox.known import Entry
    from gateway.hub.given import Ranges

    Spots = list[tuple[int, int] | None]
    Opened = tuple[bytearray, Spots, list[int]]
    # Size, stage (with ERASED), key of the measurement or nothing.
    Part = tuple[int, int, bytes]


class Envelope:
    """parts: one a disclosure. known: the number of the first part that is known by its measurement."""

    def __init__(
        self, number: int, kid: bytes, sequence: int, proof: bytes, statements: int, known: int
    ) -> None:
        self.number = number
        self.kid = kid
        self.sequence = sequence
        self.hash = proof
        self.statements = statements
        self.known = known
        self.size = self.signed = 0
        self.rows: Ranges = ()
        self.parts: list[Part] = []

    def body(self) -> bytes:
        numbers = (self.number, self.sequence, self.statements, self.known, self.size, self.signed)
        fixed = struct.pack(_FORM, *numbers, len(self.parts), len(self.rows), self.kid, self.hash)
        parts = [struct.pack(_SIZE_FORM, size, stage) + key for size, stage, key in self.parts]
        return fixed + pack_ranges(self.rows) + b"".join(parts)

    def head(self) -> bytes:
        """As in the frame behind it."""
        return struct.pack(HEAD_FORM, self.number, self.sequence, self.statements, self.kid, self.hash)

    def entries(self) -> "list[Entry]":
        """Its measurements, as they are known by it."""
        found: list[Entry] = []
        for _, stage, key in self.parts:
            if key and stage & _STAGE != EVIDENCE:
                found.append((self.known + len(found), stage & _STAGE, key))
        return found

    def erase(self, keys: list[bytes]) -> list[int]:
        """Mark the disclosures of these measurements as erased; the indexes of those that were not."""
        found = []
        for index, (size, stage, key) in enumerate(self.parts):
            if key in keys and not stage & ERASED:
                self.parts[index] = (size, stage | ERASED, key)
                found.append(index)
        return found

    # The message.

    def squeezed(self, raw: bytes | bytearray, signed: int) -> bytes:
        """A message as it is stored, of which so many bytes are signed; both sizes are noted."""
        self.size, self.signed = len(raw), signed
        return squeeze(raw, 1 + signed)

    def opened(self, data: bytes) -> "Opened | None":
        """The message, where each disclosure is in it, and which are not what was signed; None for none.

        A disclosure is nowhere when it was erased or is not what was signed.
        """
        raw = expand(data, self.size)
        hashes = self._hashes(bytes(raw[1 : 1 + self.signed]))
        if hashes is None or len(hashes) != len(self.parts):
            return None
        view, at = memoryview(raw), 1 + self.signed
        raw[:1] = b"\x82"  # no hash proves what stands between, but what it must be is known
        at = _put(raw, at, head(4, len(hashes)))
        spots: list[tuple[int, int] | None] = []
        bad: list[int] = []
        for index, (size, stage, _) in enumerate(self.parts):
            if stage & ERASED and raw[at] == _NULL:
                spots.append(None)
                at += 1
                continue
            at = _put(raw, at, head(2, size)) + size
            whole = sha256(view[at - size : at]).digest() == hashes[index]
            spots.append((at - size, at) if whole and not stage & ERASED else None)
            if not whole:
                bad.append(index)
        return raw, spots, bad

    def message(self, raw: bytearray, spots: "Spots") -> bytes | bytearray:
        """The upward message, null for disclosures that are nowhere."""
        if None not in spots:
            return raw
        parts = [None if spot is None else bytes(raw[spot[0] : spot[1]]) for spot in spots]
        return message(bytes(raw[1 : 1 + self.signed]), parts)

    def _hashes(self, signed: bytes) -> list[bytes] | None:
        if digest(signed) != self.hash:
            return None
        try:
            sealed = open_signed(signed)
        except WireError:
            return None
        if (sealed.kid, sealed.sequence) != (self.kid, self.sequence) or sealed.contents is None:
            return None
        return sealed.contents.hashes


def _put(raw: bytearray, at: int, part: bytes) -> int:
    """Where it ends."""
    raw[at : at + len(part)] = part
    return at + len(part)


def envelope_from_body(body: bytes) -> Envelope | None:
    """The envelope that `Envelope.body` wrote; None when the bytes are no such row."""
    try:
        numbers = struct.unpack_from(_FORM, body)
        number, sequence, statements, known, size, signed, count, ranges, kid, proof = numbers
        envelope = Envelope(number, kid, sequence, proof, statements, known)
        envelope.size, envelope.signed = size, signed
        at = _FIXED + 8 * ranges
        envelope.rows = unpack_ranges(body[_FIXED:at])
        for _ in range(count):
            length, stage = struct.unpack_from(_SIZE_FORM, body, at)
            at += _SIZED
            key = body[at : at + _KEY_SIZE] if stage & _STAGE else b""
            at += len(key)
            envelope.parts.append((length, stage, key))
    except _TOO_SHORT:
        return None
    return envelope


def pack_head(key: "Key") -> bytes:
    return struct.pack(HEAD_FORM, key.number, key.sequence, key.statements, key.kid, key.hash)

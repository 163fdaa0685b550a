"""Takes out of a recorded visit what names the device: its serial number and its address.

The bytes stay such that the visit replays: what stands in for a serial number has the same length and kind of
letters, and is chosen so that checksums hold, without knowing which one a device uses. A sum and an exclusive
or hold when those of the two texts are equal; a CRC-16/CCITT, being linear, when that of their difference is
zero. Which one it was, the replay tells. Where none helps, the name goes out all the same.
"""

import binascii
import os
import random
from collections.abc import Callable, Iterator

from gateway.capture.recording import FROM, TO, Row, Tape, play

_SHORTEST_TEXT, _SHORTEST_BYTES, _HALF = 5, 6, 4
_TRIES = 400_000
_CONSENT = ("2a9f", b"\x02")  # User Control Point: consent, slot, the person's code
_KEY_SIZE = 16
_WRITTEN = frozenset(b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz-:. ")
_random = random.Random(os.urandom(16))  # noqa: S311 (quick; what it makes guards nothing)


def redacted(tape: Tape, names: list[str | None], *, keeps_secret: bool = False) -> tuple[Tape, bool]:
    """The tape without these names, and whether it still replays as before.

    keeps_secret: the driver sends a key of this hub to the device; that goes out too.
    """
    rows = [_without_codes(row, keeps_secret=keeps_secret) for row in tape.rows]
    plain = Tape(tape.driver, rows)
    found = [secret for secret in _secrets(names) if any(secret in data for data in _streams(rows))]
    if not found:
        return plain, True
    wanted = play(tape)
    for holds in (_same_sums, _same_crc, _anything):
        stand_ins = {secret: _stand_in(secret, holds) for secret in found}
        changed = Tape(tape.driver, _replaced(rows, stand_ins))
        if play(changed) == wanted:
            return changed, True
    return changed, False


def _without_codes(row: Row, *, keeps_secret: bool) -> Row:
    """What the hub sends that only it and the device may know: a consent code, a key."""
    data = row.data
    if row.what == TO and row.channel == _CONSENT[0] and data[:1] == _CONSENT[1]:
        data = data[:2] + bytes(len(data) - 2)
    if row.what == TO and keeps_secret and len(data) > _KEY_SIZE:
        data = data[:-_KEY_SIZE] + bytes(_KEY_SIZE)
    return Row(row.at_ms, row.what, row.channel, data)


def _secrets(names: list[str | None]) -> list[bytes]:
    """How a name may stand in bytes, longest first: as text, or as what its hexadecimal digits are."""
    found: set[bytes] = set()
    for name in names:
        text = name or ""
        if len(text) >= _SHORTEST_TEXT and text.isascii():
            found |= {text.encode(), text.upper().encode(), text.lower().encode()}
        try:
            octets = bytes.fromhex(text.replace(":", ""))
        except ValueError:
            continue
        if len(octets) >= _SHORTEST_BYTES and len(set(octets)) > 1:
            found |= {octets, octets[::-1]}
        if len(octets) >= 2 * _HALF and len(set(octets)) > 1:
            for at in range(0, len(octets) - _HALF + 1, _HALF):
                found |= {octets[at : at + _HALF], octets[::-1][at : at + _HALF]}
    return sorted((secret for secret in found if any(secret)), key=len, reverse=True)


def _streams(rows: list[Row]) -> Iterator[bytes]:
    """All that went one way over one channel, pieces joined."""
    for way in _ways(rows):
        yield b"".join(row.data for row in rows if (row.what, row.channel) == way)


def _ways(rows: list[Row]) -> list[tuple[str, str]]:
    return sorted({(row.what, row.channel) for row in rows if row.what in (FROM, TO)})


def _replaced(rows: list[Row], stand_ins: dict[bytes, bytes]) -> list[Row]:
    """The rows with the same pieces at the same times."""
    changed = list(rows)
    for way, data in zip(_ways(rows), _streams(rows), strict=True):
        stream, at = data, 0
        for secret, stand_in in stand_ins.items():
            stream = stream.replace(secret, stand_in)
        for place, row in enumerate(rows):
            if (row.what, row.channel) == way:
                piece = stream[at : at + len(row.data)]
                changed[place] = Row(row.at_ms, row.what, row.channel, piece)
                at += len(row.data)
    return changed


def _stand_in(secret: bytes, holds: Callable[[bytes, bytes], bool]) -> bytes:
    """Other bytes of the same kind for which this holds; any other ones when none are found."""
    if not all(byte in _WRITTEN for byte in secret):
        return _other_octets(secret)
    for _ in range(_TRIES):
        other = bytes([_like(byte) for byte in secret])
        if other != secret and holds(secret, other):
            return other
    return bytes([_like(byte) for byte in secret])


def _other_octets(secret: bytes) -> bytes:
    """Bytes that are no text: the last one makes the sum of all what it was."""
    other = bytes(_random.randrange(256) for _ in secret[1:])
    return other + bytes(((sum(secret) - sum(other)) & 0xFF,))


def _like(byte: int) -> int:
    for first, last in (b"09", b"AZ", b"az"):
        if first <= byte <= last:
            return first + int(_random.random() * (last - first + 1))
    return byte


def _same_sums(one: bytes, other: bytes) -> bool:
    return sum(one) == sum(other) and _xor(one) == _xor(other)


def _xor(data: bytes) -> int:
    result = 0
    for byte in data:
        result ^= byte
    return result


def _same_crc(one: bytes, other: bytes) -> bool:
    difference = bytes(a ^ b for a, b in zip(one, other, strict=True))
    return binascii.crc_hqx(difference, 0) == 0


def _anything(one: bytes, other: bytes) -> bool:
    return one != other

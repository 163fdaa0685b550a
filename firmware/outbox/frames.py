# ruff: noqa: ARG001 (who looks at frames is told all of them)
"""Records in the outbox's files: a frame that proves itself, and how frames are found again behind damage.

Frame: magic, kind, sum of the head (2), sizes of body and of what follows it (4 each), CRC-32 of the body
(4), body, then bytes that the frame does not vouch for: those of an envelope prove themselves by hashes.
"""

import struct
from binascii import crc32

HEAD = 16
DAMAGED = 0
_MAGIC = 0xB6
_CHUNK = 256
_PIECE = 2048

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import BinaryIO

    # Kind (DAMAGED: not readable), body, where the frame starts, where its body ends, where the next starts.
    Found = tuple[int, bytes, int, int, int]
    Visit = Callable[[int, bytes, int, int, int], object]


def frame(kind: int, body: bytes, more: int = 0) -> bytes:
    """A frame, to be followed by `more` bytes."""
    sizes = struct.pack("<III", len(body), more, crc32(body))
    return struct.pack("<BBH", _MAGIC, kind, crc32(sizes, kind) & 0xFFFF) + sizes + body


def scan(path: str, visit: "Visit", most: int = 1 << 30, at: int = 0) -> None:
    """Show the frames of a file in order, of bodies at most the first `most` bytes, until `visit` says True.

    Where nothing proves itself there is one DAMAGED up to the next frame or the end. OSError never. The file
    is closed when this returns: an iterator left halfway would hold it, and its blocks, until garbage is
    collected.
    """
    try:
        with open(path, "rb") as file:
            size = file.seek(0, 2)
            while at < size:
                found = _frame_at(file, at, size, most)
                if visit(*found):
                    return
                at = found[4]
    except OSError:
        visit(DAMAGED, b"", at, at, at)


def frame_at(path: str, at: int) -> tuple[int, bytes]:
    """Kind and body of the one frame that starts there."""
    found: list[tuple[int, bytes]] = []

    def first(kind: int, body: bytes, start: int, middle: int, end: int) -> bool:
        found.append((kind, body))
        return True

    scan(path, first, at=at)
    return found[0] if found else (DAMAGED, b"")


def _frame_at(file: "BinaryIO", at: int, size: int, most: int) -> "Found":
    sizes = _head(file, at, size)
    if sizes is None:
        return DAMAGED, b"", at, at, _next(file, at + 1, size)
    kind, length, more, proof = sizes
    body, seen = _body(file, length, most)
    start = at + HEAD + length
    return (kind if seen == proof else DAMAGED), body, at, start, start + more


def _head(file: "BinaryIO", at: int, size: int) -> tuple[int, int, int, int] | None:
    file.seek(at)
    head = file.read(HEAD)
    if len(head) < HEAD or head[0] != _MAGIC:
        return None
    _, kind, total, length, more, proof = struct.unpack("<BBHIII", head)
    if crc32(head[4:], kind) & 0xFFFF != total or at + HEAD + length + more > size:
        return None
    return kind, length, more, proof


def _body(file: "BinaryIO", length: int, most: int) -> tuple[bytes, int]:
    """The first `most` bytes, and the CRC of all."""
    body = file.read(min(length, most))
    proof, left = crc32(body), length - len(body)
    while left > 0:
        part = file.read(min(left, _CHUNK))
        if not part:
            break
        proof = crc32(part, proof)
        left -= len(part)
    return body, proof


def _next(file: "BinaryIO", at: int, size: int) -> int:
    """Where the next frame starts that proves itself; the end where none does."""
    while at < size:
        file.seek(at)
        part = file.read(_CHUNK)
        step = part.find(bytes((_MAGIC,)))
        if step < 0:
            at += max(len(part), 1)
            continue
        at += step
        sizes = _head(file, at, size)
        if sizes is not None and _body(file, sizes[1], 0)[1] == sizes[3]:
            return at
        at += 1
    return size


def read(path: str, start: int, size: int) -> bytes:
    """These bytes of a file, fewer where they cannot be read."""
    try:
        with open(path, "rb") as file:
            file.seek(start)
            return file.read(size)
    except OSError:
        return b""


def copied(path: str, start: int, end: int) -> "Iterator[bytes]":
    """These bytes of a file, in pieces; OSError where they cannot be read."""
    while start < end:
        with open(path, "rb") as file:
            file.seek(start)
            part = file.read(min(end - start, _PIECE))
        if not part:
            return
        start += len(part)
        yield part

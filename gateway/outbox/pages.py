"""Reads the rows of a damaged SQLite file from its raw pages, newest first, without SQLite's help.

SQLite stops at the first broken page of a tree; here every page that still holds a table's rows is read
by itself, from the write-ahead log as well. Nothing is believed for standing here: the caller keeps only
rows that prove themselves. Layout: sqlite.org/fileformat2.html, sections 1.5, 1.6, 2.1 and 4.
"""

import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

PAGE = 4096
LEAF = 0x0D
WAL_HEADER, FRAME_HEADER = 32, 24
FRAME = FRAME_HEADER + PAGE
MAX_PAYLOAD = 4 << 20
LONGEST_VARINT = 9
# Kinds of column from here on are blobs (even) and text (odd) of (kind - 12) // 2 bytes.
FIRST_BLOB = 12
_MAX_LOCAL = PAGE - 35
_MIN_LOCAL = (PAGE - 12) * 32 // 255 - 23
_INTEGER_SIZES = {1: 1, 2: 2, 3: 3, 4: 4, 5: 6, 6: 8}
_CONSTANTS: dict[int, int | None] = {0: None, 8: 0, 9: 1}

Cell = None | int | str | bytes


class PageError(ValueError):
    """These bytes are no row."""


@dataclass
class Log:
    """What stands in a write-ahead log: (page number, offset of the page) in order, and what is wrong.

    bad: frames of the present log whose checksum does not match. torn: all of them belong to the last
    transaction, as after a power cut. headless: the log's own header is damaged.
    """

    frames: list[tuple[int, int]] = field(default_factory=list)
    bad: int = 0
    torn: bool = True
    headless: bool = False

    @property
    def suspect(self) -> bool:
        """SQLite would silently drop transactions from here on that were perhaps acknowledged."""
        return bool(self.bad) or self.headless


def read_log(path: Path) -> Log:
    """The write-ahead log beside this database; empty when there is none."""
    try:
        with path.with_name(path.name + "-wal").open("rb", buffering=0) as file:
            return _scan(file.fileno(), os.fstat(file.fileno()).st_size)
    except FileNotFoundError:
        return Log()


def _scan(file: int, size: int) -> Log:
    log = Log()
    header = _bytes_at(file, WAL_HEADER, 0)
    if size <= WAL_HEADER:
        return log
    little = header[:4] == b"\x37\x7f\x06\x82"
    log.headless = len(header) < WAL_HEADER or header[24:] != _checksum(header[:24], bytes(8), little=little)
    salts, seeds, commits_beyond = header[16:24], [header[24:32]], 0
    end = size if log.headless else _end(file, size, salts)
    for offset in range(WAL_HEADER, size, FRAME):
        frame = _bytes_at(file, FRAME, offset)
        page, commit = struct.unpack(">II", frame[:8].ljust(8, b"\0"))
        # From the frame before as it says of itself, or as it should: its own checksum may be what was hit.
        proofs = (
            [_frame_checksum(frame, seed, little=little) for seed in seeds] if len(frame) == FRAME else []
        )
        fits = frame[16:24] in proofs
        if offset >= end and not fits:
            break
        ours = log.headless or frame[8:16] == salts  # the checksum does not cover the salts
        good = ours and fits
        commits_beyond += bool(commit) and ours and (log.bad > 0 or not good)
        log.torn = commits_beyond <= 1
        log.bad += not good
        seeds = [frame[16:24]] if fits else [frame[16:24], *proofs[:1]]
        log.frames.append((page, offset + FRAME_HEADER))
    return log


def _end(file: int, size: int, salts: bytes) -> int:
    """Where the present log ends: after its last frame with these salts.

    What follows is left over from an earlier round, in the database long since.
    """
    end = WAL_HEADER
    for offset in range(WAL_HEADER, size, FRAME):
        if _bytes_at(file, FRAME_HEADER, offset)[8:16] == salts:
            end = min(offset + FRAME, size)
    return end


def _frame_checksum(frame: bytes, previous: bytes, *, little: bool) -> bytes:
    return _checksum(frame[:8] + frame[FRAME_HEADER:], previous, little=little)


def _checksum(data: bytes, seed: bytes, *, little: bool) -> bytes:
    """The log's running checksum: words in the byte order that its magic number names, kept big-endian."""
    one, two = struct.unpack(">II", seed.ljust(8, b"\0"))
    words = struct.unpack(f"{'<' if little else '>'}{len(data) // 4}I", data)
    for first, second in zip(words[::2], words[1::2], strict=True):
        one = (one + first + two) & 0xFFFFFFFF
        two = (two + second + one) & 0xFFFFFFFF
    return struct.pack(">II", one, two)


def _bytes_at(file: int, size: int, offset: int) -> bytes:
    try:
        return os.pread(file, size, offset)
    except OSError:  # a bad sector: what stands there is gone
        return b""


class Images:
    """Every page of a database and its log as it stands on the disk, newest first."""

    def __init__(self, path: Path) -> None:
        self.log = read_log(path)
        self._database = os.open(path, os.O_RDONLY)
        wal = path.with_name(path.name + "-wal")
        self._wal = os.open(wal, os.O_RDONLY) if wal.exists() else -1
        self._pages = os.fstat(self._database).st_size // PAGE
        self._newest = {page: offset for page, offset in self.log.frames if not self.log.headless}

    def close(self) -> None:
        os.close(self._database)
        if self._wal >= 0:
            os.close(self._wal)

    def rows(self) -> Iterator[tuple[int, list[Cell]]]:
        """(row number, columns) of everything that can be read as a table's row."""
        for page in self._images():
            yield from self._page_rows(page)

    def _images(self) -> Iterator[bytes]:
        """The log before the database, its last frame first; a log without a header counts as the older."""
        if not self.log.headless:
            yield from self._log_images()
        for number in range(self._pages):
            yield _bytes_at(self._database, PAGE, number * PAGE)
        if self.log.headless:
            yield from self._log_images()

    def _log_images(self) -> Iterator[bytes]:
        for _, offset in reversed(self.log.frames):
            yield _bytes_at(self._wal, PAGE, offset)

    def _page_rows(self, page: bytes) -> Iterator[tuple[int, list[Cell]]]:
        start = 100 if page[:15] == b"SQLite format 3" else 0
        if len(page) != PAGE or page[start] != LEAF:
            return
        count = min(int.from_bytes(page[start + 3 : start + 5], "big"), PAGE // 4)
        for pointer in range(start + 8, min(start + 8 + 2 * count, PAGE - 1), 2):
            at = int.from_bytes(page[pointer : pointer + 2], "big")
            try:
                yield self._cell(page, at)
            except (PageError, IndexError, UnicodeDecodeError):
                continue

    def _cell(self, page: bytes, at: int) -> tuple[int, list[Cell]]:
        size, at = _varint(page, at)
        number, at = _varint(page, at)
        if size > MAX_PAYLOAD:
            raise PageError
        return number, _record(self._payload(page, at, size))

    def _payload(self, page: bytes, at: int, size: int) -> bytes:
        """The row's bytes, with the overflow pages that they go on in."""
        if size <= _MAX_LOCAL:
            return page[at : at + size]
        local = _MIN_LOCAL + (size - _MIN_LOCAL) % (PAGE - 4)
        if local > _MAX_LOCAL:
            local = _MIN_LOCAL
        parts = [page[at : at + local]]
        following, left = int.from_bytes(page[at + local : at + local + 4], "big"), size - local
        while left > 0:
            more = self._newest_image(following)
            parts.append(more[4 : 4 + left])
            following, left = int.from_bytes(more[:4], "big"), left - (PAGE - 4)
        return b"".join(parts)

    def _newest_image(self, number: int) -> bytes:
        if number in self._newest:
            image = _bytes_at(self._wal, PAGE, self._newest[number])
        else:
            image = _bytes_at(self._database, PAGE, (number - 1) * PAGE) if number > 0 else b""
        if len(image) != PAGE:
            raise PageError
        return image


def _varint(data: bytes, at: int) -> tuple[int, int]:
    number = 0
    for end in range(at + 1, at + LONGEST_VARINT):
        byte = data[end - 1]
        number = number << 7 | byte & 0x7F
        if not byte & 0x80:
            return number, end
    return number << 8 | data[at + LONGEST_VARINT - 1], at + LONGEST_VARINT


def _record(payload: bytes) -> list[Cell]:
    end, at = _varint(payload, 0)
    cells: list[Cell] = []
    data_at = end
    while at < end:
        kind, at = _varint(payload, at)
        cell, data_at = _column(payload, data_at, kind)
        cells.append(cell)
    return cells


def _column(payload: bytes, at: int, kind: int) -> tuple[Cell, int]:
    if kind in _CONSTANTS:
        return _CONSTANTS[kind], at
    size = _INTEGER_SIZES.get(kind) or (kind - FIRST_BLOB) // 2
    data = payload[at : at + size]
    if len(data) != size or size < 0:
        raise PageError
    if kind in _INTEGER_SIZES:
        return int.from_bytes(data, "big", signed=True), at + size
    if kind < FIRST_BLOB:
        raise PageError  # a float, or a kind that SQLite keeps for itself
    return (data if kind % 2 == 0 else data.decode()), at + size

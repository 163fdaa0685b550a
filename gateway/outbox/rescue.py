"""Saves what can be read of a damaged outbox into a fresh one; the damaged files are kept aside.

Rows are taken from raw pages, newest first (pages), and only those count that prove themselves: by
the row's own sum, or by the hashes that the envelope signs. Rather too much than too little is taken: a
captured row that was sealed already is known by its measurement key, a freed envelope by its key's row.
"""

import itertools
import os
import sqlite3
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import structlog

from gateway.hub.stored import holds, join, subtract
from gateway.outbox.captures import last
from gateway.outbox.pages import Cell, Images
from gateway.outbox.rows import Key, Ranges, key_from_body, row_sum, signed_hashes
from gateway.outbox.schema import (
    CAPTURES,
    KEY_TABLES,
    PLACES,
    UNREADABLE,
    connect,
    create,
    sync,
    write_key,
    write_setting,
)
from gateway.wire.envelope import digest, open_signed
from gateway.wire.state import RETRIES

KEPT_ASIDE = 2
# How many columns tell which table a row is of; setting, captured and keys are told apart by their sums.
COLUMNS_PROVEN, COLUMNS_KNOWN, COLUMNS_DISCLOSURE, COLUMNS_ENVELOPE = 3, 4, 5, 10
# After a rescue the numbers of captures jump, so that none is used twice within a boot.
JUMP = 1_000_000

log = structlog.get_logger()

Row = tuple[int, list[Cell]]


def rescue(path: Path, remembered: Sequence[Key]) -> None:
    """Replace the database at `path` by what is readable of it.

    remembered: keys as a running hub has them in memory; they win. A cut in here does no harm: the next
    start either finishes it (`finish`) or begins again. OSError, sqlite3.Error when the disk does not let us.
    """
    _keep_aside(path)
    fresh = _beside(path, "rescuing")
    fresh.unlink(missing_ok=True)
    os.close(os.open(fresh, os.O_CREAT | os.O_WRONLY, 0o600))
    with closing(Images(path)) as images, closing(connect(fresh)) as connection:
        _fill(connection, images, remembered)
    sync(fresh)
    fresh.rename(_beside(path, "rescued"))
    sync(path.parent)
    finish(path)


def finish(path: Path) -> None:
    """Put a complete rescue in its place; an incomplete one is thrown away."""
    _beside(path, "rescuing").unlink(missing_ok=True)
    whole = _beside(path, "rescued")
    if whole.exists():
        _beside(path, "wal", "-").unlink(missing_ok=True)
        _beside(path, "shm", "-").unlink(missing_ok=True)
        whole.rename(path)
        sync(path.parent)


def asides(path: Path) -> list[Path]:
    """Damaged files that were kept, oldest first."""
    found = path.parent.glob(path.name + ".damaged-*")
    return sorted(found, key=lambda kept: kept.stat().st_ctime_ns)


def _keep_aside(path: Path) -> None:
    stamp = time.strftime("damaged-%Y%m%dT%H%M%SZ", time.gmtime())
    number = len(asides(path))
    for source, name in ((path, stamp), (_beside(path, "wal", "-"), stamp + "-wal")):
        if source.exists():
            os.link(source, _beside(path, f"{name}.{number}" if number else name))
    for old in asides(path)[: -2 * KEPT_ASIDE]:
        old.unlink()


def _beside(path: Path, name: str, mark: str = ".") -> Path:
    return path.with_name(path.name + mark + name)


def _fill(connection: sqlite3.Connection, images: Images, remembered: Sequence[Key]) -> None:
    connection.execute("PRAGMA journal_mode = OFF")
    connection.execute("PRAGMA synchronous = OFF")
    connection.execute("PRAGMA secure_delete = ON")
    create(connection)
    connection.execute("BEGIN")
    keys = _take_rows(connection, images.rows())
    _take_disclosures(connection, images.rows())
    certain = images.log.bad <= 1 or images.log.torn
    for key in _settle_keys(connection, keys, {key.kid: key for key in remembered}, certain=certain):
        write_key(connection, key)
        _drop_freed(connection, key)
    _jump(connection)
    connection.execute("COMMIT")


def _take_rows(connection: sqlite3.Connection, rows: Iterable[Row]) -> dict[bytes, Key]:
    """Everything but disclosures goes in; the keys' rows come back, of each key the furthest."""
    keys: dict[bytes, Key] = {}
    for number, cells in rows:
        if len(cells) == COLUMNS_PROVEN:
            key = _take_proven(connection, number, cells)
            if key is not None and (key.kid not in keys or key.sequence > keys[key.kid].sequence):
                keys[key.kid] = key
        elif len(cells) == COLUMNS_KNOWN and isinstance(cells[1], bytes):
            connection.execute("INSERT OR IGNORE INTO known VALUES (?, ?, ?, ?)", (number, *cells[1:]))
        elif (
            len(cells) == COLUMNS_ENVELOPE
            and signed_hashes(cells[1], cells[2], cells[3], cells[9]) is not None
        ):
            query = "INSERT OR IGNORE INTO envelope VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
            connection.execute(query, (number, *cells[1:4], *_marks(cells), cells[9]))
    return keys


def _take_proven(connection: sqlite3.Connection, number: int, cells: list[Cell]) -> Key | None:
    """A row of three columns is what its sum says: a setting, captured frames, or a key (returned)."""
    first, body, proof = cells
    if isinstance(first, str) and isinstance(body, bytes) and row_sum("setting", first, body) == proof:
        # The identity that `create` gave is there already and stays.
        connection.execute("INSERT OR IGNORE INTO setting VALUES (?, ?, ?)", (first, body, proof))
    elif isinstance(body, bytes) and row_sum("captured", number, body) == proof:
        connection.execute("INSERT OR IGNORE INTO captured VALUES (?, ?, ?)", (number, body, proof))
    elif isinstance(body, bytes) and any(row_sum(table, number, body) == proof for table in KEY_TABLES):
        return key_from_body(number, body)
    return None


def _marks(cells: list[Cell]) -> tuple[int, int, str | None, str | None, int | None]:
    """How far an envelope came. Nothing proves it, the next state replaces it: nonsense becomes nothing."""
    accepted, sent, code, retry, after_ms = cells[4:9]
    if not isinstance(code, str) or retry not in RETRIES:
        return int(accepted == 1), int(sent == 1), None, None, None
    return (
        int(accepted == 1),
        int(sent == 1),
        code,
        str(retry),
        after_ms if isinstance(after_ms, int) else None,
    )


def _take_disclosures(connection: sqlite3.Connection, rows: Iterable[Row]) -> None:
    """Disclosures that match what their envelope signs; the others are marked as gone."""
    query = "SELECT kid, sequence, hash, signed FROM envelope WHERE n = ?"
    for number, cells in rows:
        if len(cells) != COLUMNS_DISCLOSURE or cells[0] is not None:
            continue
        envelope = connection.execute(query, (number // PLACES,)).fetchone()
        hashes = signed_hashes(*envelope) if envelope is not None else None
        if hashes is not None and _matches(hashes, number % PLACES, cells[2], cells[3]):
            row = (number, *cells[1:])
            connection.execute("INSERT OR IGNORE INTO disclosure VALUES (?, ?, ?, ?, ?)", row)
    for number, *rest in connection.execute("SELECT n, kid, sequence, hash, signed FROM envelope"):
        for place in range(len(signed_hashes(*rest) or [])):
            row = (number * PLACES + place, UNREADABLE)
            if connection.execute(
                "INSERT OR IGNORE INTO disclosure VALUES (?, NULL, NULL, ?, 0)", row
            ).rowcount:
                connection.execute("DELETE FROM known WHERE kid = ? AND sequence = ?", rest[:2])


def _matches(hashes: list[bytes], place: int, data: Cell, gone: Cell) -> bool:
    if place >= len(hashes):
        return False
    return gone is not None if data is None else isinstance(data, bytes) and digest(data) == hashes[place]


def _settle_keys(
    connection: sqlite3.Connection, found: dict[bytes, Key], remembered: dict[bytes, Key], *, certain: bool
) -> Iterator[Key]:
    """Each key with what is missing of it now. Where the head is not certain the key is burnt."""
    kids = {kid for (kid,) in connection.execute("SELECT DISTINCT kid FROM envelope")}
    numbers = itertools.count(
        1 + max((key.number for key in (*found.values(), *remembered.values())), default=0)
    )
    for kid in sorted(kids | found.keys() | remembered.keys()):
        present = tuple(_present(connection, kid))
        top = present[-1][1] if present else 0
        key = _furthest(found.get(kid), remembered.get(kid))
        if key is None:
            # Of all that is not here we suppose that it was freed; the next state tells.
            gone = subtract(((1, top),), present)
            yield Key(next(numbers), kid, top, absent=gone, freed=gone, burnt=True)
            continue
        known = kid in remembered or certain
        if top > key.sequence:
            key = _advanced(connection, key, top)
        absent = subtract(((1, max(key.sequence, top)),) if key.sequence or top else (), present)
        lost = subtract(subtract(absent, key.freed), key.reported)
        log.error("outbox-rescued", kid=kid.hex(), missing=sum(high - low + 1 for low, high in lost))
        for low, high in lost:
            query = "DELETE FROM known WHERE kid = ? AND sequence BETWEEN ? AND ?"
            connection.execute(query, (kid, low, high))
        if not known:  # whether the bridge holds these very envelopes is not certain either: each goes again
            connection.execute("UPDATE envelope SET sent = 0 WHERE kid = ? AND accepted = 0", (kid,))
        yield replace(key, absent=join(absent, key.freed), burnt=key.burnt or not known)


def _advanced(connection: sqlite3.Connection, key: Key, top: int) -> Key:
    """The head as an envelope beyond it says: of a commit that was torn, the envelope was there already."""
    query = "SELECT hash, signed FROM envelope WHERE kid = ? AND sequence = ?"
    proof, signed = connection.execute(query, (key.kid, top)).fetchone()
    contents = open_signed(signed).contents
    statements = key.statements if contents is None else contents.statements
    return replace(key, sequence=top, hash=proof, statements=statements)


def _furthest(found: Key | None, remembered: Key | None) -> Key | None:
    if found is None or remembered is None:
        return found or remembered
    return remembered if remembered.sequence >= found.sequence else found


def _present(connection: sqlite3.Connection, kid: bytes) -> Iterator[tuple[int, int]]:
    """The sequences of this key that are here, as ranges."""
    low = high = 0
    query = "SELECT sequence FROM envelope WHERE kid = ? ORDER BY sequence"
    for (sequence,) in connection.execute(query, (kid,)):
        if low and sequence == high + 1:
            high = sequence
            continue
        if low:
            yield low, high
        low = high = sequence
    if low:
        yield low, high


def _drop_freed(connection: sqlite3.Connection, key: Key) -> None:
    """Envelopes that an old page brought back although they were freed."""
    back: Ranges = subtract(key.freed, subtract(key.freed, tuple(_present(connection, key.kid))))
    for low, high in back:
        query = "SELECT n, sequence FROM envelope WHERE kid = ? AND sequence BETWEEN ? AND ?"
        for number, sequence in connection.execute(query, (key.kid, low, high)).fetchall():
            assert holds(key.freed, sequence)
            span = (number * PLACES, number * PLACES + PLACES - 1)
            connection.execute("DELETE FROM disclosure WHERE n BETWEEN ? AND ?", span)
            connection.execute("DELETE FROM envelope WHERE n = ?", (number,))


def _jump(connection: sqlite3.Connection) -> None:
    write_setting(connection, CAPTURES, str(last(connection) + JUMP).encode())

"""Captured frames in the outbox's tables."""

import os
import sqlite3
from contextlib import suppress
from pathlib import Path

from gateway.hub.stored import Captured, captured_body, captured_from_body
from gateway.outbox.rows import row_sum
from gateway.outbox.schema import CAPTURES, read_setting, sync, write_setting
from gateway.wire.errors import WireError

# Setting: how many damaged rows the bridge was not told of yet. File beside the outbox: what is left of them.
DAMAGED, ASIDE = "captures-damaged", ".damaged-captures"
# A row's number and what stands where its body should.
Damaged = tuple[int, object]


def insert(connection: sqlite3.Connection, captured: Captured) -> None:
    """The row, and its number as the last that was given out."""
    body = captured_body(captured)
    row = (captured.row, body, row_sum("captured", captured.row, body))
    connection.execute("INSERT INTO captured VALUES (?, ?, ?)", row)
    write_setting(connection, CAPTURES, str(captured.row).encode())


def last(connection: sqlite3.Connection) -> int:
    """The last number given out."""
    (highest,) = connection.execute("SELECT COALESCE(MAX(n), 0) FROM captured").fetchone()
    with suppress(ValueError):
        return max(int(highest), int(read_setting(connection, CAPTURES) or b"0"))
    return int(highest)


def read(connection: sqlite3.Connection) -> tuple[list[Captured], list[Damaged]]:
    """Captured rows, oldest first, and those that do not prove themselves."""
    good: list[Captured] = []
    bad: list[Damaged] = []
    for row, body, proof in connection.execute("SELECT n, body, sum FROM captured ORDER BY n"):
        captured = _proven(row, body, proof)
        if captured is None:
            bad.append((row, body))
        else:
            good.append(captured)
    return good, bad


def keep_aside(path: Path, bad: list[Damaged]) -> None:
    """What is left of damaged rows, a line of hex each, beside the outbox: somebody may read it by hand yet.

    It goes when a citizen has content erased, as every damaged file does.
    """
    handle = os.open(path.with_name(path.name + ASIDE), os.O_CREAT | os.O_APPEND | os.O_WRONLY, 0o600)
    try:
        for row, body in bad:
            data = body if isinstance(body, bytes) else str(body).encode()
            os.write(handle, f"{row} {data.hex()}\n".encode())
        os.fsync(handle)
    finally:
        os.close(handle)
    sync(path.parent)


def drop_damaged(connection: sqlite3.Connection, bad: list[Damaged]) -> None:
    """Damaged rows out, and counted until the bridge is told."""
    connection.executemany("DELETE FROM captured WHERE n = ?", [(row,) for row, _ in bad])
    write_setting(connection, DAMAGED, str(damaged(connection) + len(bad)).encode())


def damaged(connection: sqlite3.Connection) -> int:
    """Captured rows that turned out to be damaged and that the bridge was not told of."""
    with suppress(ValueError):
        return int(read_setting(connection, DAMAGED) or b"0")
    return 0


def _proven(row: int, body: object, proof: object) -> Captured | None:
    if not isinstance(body, bytes) or row_sum("captured", row, body) != proof:
        return None
    try:
        return captured_from_body(row, body)
    except WireError:
        return None

"""Captured frames in the outbox's tables."""

import sqlite3
from contextlib import suppress

from gateway.outbox.rows import Captured, captured_body, captured_from_body, row_sum
from gateway.outbox.schema import CAPTURES, read_setting, write_setting
from gateway.wire.errors import WireError


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


def read(connection: sqlite3.Connection) -> tuple[list[Captured], list[int]]:
    """Captured rows, oldest first, and the numbers of those that do not prove themselves."""
    good: list[Captured] = []
    bad: list[int] = []
    for row, body, proof in connection.execute("SELECT n, body, sum FROM captured ORDER BY n"):
        captured = _proven(row, body, proof)
        if captured is None:
            bad.append(row)
        else:
            good.append(captured)
    return good, bad


def _proven(row: int, body: object, proof: object) -> Captured | None:
    if not isinstance(body, bytes) or row_sum("captured", row, body) != proof:
        return None
    try:
        return captured_from_body(row, body)
    except WireError:
        return None

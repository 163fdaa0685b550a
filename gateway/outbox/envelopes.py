"""Envelopes in the outbox's tables: put in, chosen for sending, read back and checked, freed."""

import sqlite3
from collections.abc import Iterable, Iterator

from gateway.hub.stored import Message
from gateway.outbox.rows import Key, signed_hashes
from gateway.outbox.schema import KNOWN, PLACES, STAGES, UNREADABLE
from gateway.wire.envelope import digest, message
from gateway.wire.state import AFTER_ACTION, AFTER_TIME, NEVER

FREED_PER_COMMIT = 32

Place = tuple[bytes, int]
# (row number, key id, sequence)
Choice = tuple[int, bytes, int]


def insert(
    connection: sqlite3.Connection,
    key: Key,
    signed: bytes,
    disclosures: list[bytes],
    owners: list[bytes | None],
) -> None:
    """An envelope and its disclosures; owners: the measurement with which each is erased."""
    (last,) = connection.execute("SELECT COALESCE(MAX(n), 0) FROM envelope").fetchone()
    row = (last + 1, key.kid, key.sequence, key.hash, signed)
    connection.execute("INSERT INTO envelope VALUES (?, ?, ?, ?, 0, 0, NULL, NULL, NULL, ?)", row)
    first = (last + 1) * PLACES
    parts = zip(owners, disclosures, strict=True)
    connection.executemany(
        "INSERT INTO disclosure VALUES (?, ?, ?, NULL, 0)",
        [(first + place, owner, data) for place, (owner, data) in enumerate(parts)],
    )


def remember(connection: sqlite3.Connection, measurements: Iterable[tuple[bytes, bytes, int]]) -> None:
    """(measurement key and stage, key id, sequence) of what was just sealed; only the newest are kept."""
    query = "INSERT OR REPLACE INTO known(key, kid, sequence) VALUES (?, ?, ?)"
    connection.executemany(query, measurements)
    connection.execute("DELETE FROM known WHERE n <= (SELECT MAX(n) FROM known) - ?", (KNOWN,))


def stages(connection: sqlite3.Connection, key: bytes) -> set[bytes]:
    """What of this measurement was sealed here and is remembered: WHOLE, PARTIAL, ADDED."""
    query = "SELECT 1 FROM known WHERE key = ?"
    return {stage for stage in STAGES if connection.execute(query, (key + stage,)).fetchone()}


def choose(
    connection: sqlite3.Connection, keys: list[Key], limit: int, exclude: set[Place], bridge_ms: int | None
) -> list[Choice]:
    """What may be sent: the newest first, unless it is on its way; then oldest first."""
    chosen: list[Choice] = []
    newest = next(_sendable(connection, reversed(keys), "DESC", bridge_ms), None)
    if newest is not None and newest[1:] not in exclude:
        chosen.append(newest)
    for choice in _sendable(connection, keys, "ASC", bridge_ms):
        if len(chosen) >= limit:
            break
        if choice != newest and choice[1:] not in exclude:
            chosen.append(choice)
    return chosen[:limit]


def _sendable(
    connection: sqlite3.Connection, keys: Iterable[Key], order: str, bridge_ms: int | None
) -> Iterator[Choice]:
    query = (
        "SELECT n, kid, sequence, retry, after_ms FROM envelope INDEXED BY unaccepted"  # noqa: S608 (ASC or DESC)
        f" WHERE accepted = 0 AND kid = ? ORDER BY sequence {order}"
    )
    for key in keys:
        for number, kid, sequence, retry, after_ms in connection.execute(query, (key.kid,)):
            if not _waits(retry, after_ms, bridge_ms):
                yield number, kid, sequence


def _waits(retry: str | None, after_ms: int | None, bridge_ms: int | None) -> bool:
    """Refused, and neither a newer state nor the time has lifted it."""
    if retry == AFTER_TIME:
        return bridge_ms is None or (after_ms is not None and bridge_ms < after_ms)
    return retry in (NEVER, AFTER_ACTION)


def waiting_keys(connection: sqlite3.Connection, keys: list[Key]) -> list[bytes]:
    """Those of these keys of which an envelope is not accepted."""
    query = "SELECT 1 FROM envelope INDEXED BY unaccepted WHERE accepted = 0 AND kid = ? LIMIT 1"
    return [key.kid for key in keys if connection.execute(query, (key.kid,)).fetchone()]


def any_of(connection: sqlite3.Connection, kid: bytes) -> bool:
    return connection.execute("SELECT 1 FROM envelope WHERE kid = ? LIMIT 1", (kid,)).fetchone() is not None


def read(connection: sqlite3.Connection, number: int) -> tuple[Message | None, list[int]]:
    """The upward message, null where a disclosure is gone, and the disclosures that turned out unreadable.

    None when the envelope's own bytes are not what was sealed.
    """
    query = "SELECT kid, sequence, hash, signed FROM envelope WHERE n = ?"
    row = connection.execute(query, (number,)).fetchone()
    hashes = None if row is None else signed_hashes(*row)
    if hashes is None:
        return None, []
    kid, sequence, proof, signed = row
    first = number * PLACES
    query = "SELECT n, data FROM disclosure WHERE n BETWEEN ? AND ?"
    found = dict(connection.execute(query, (first, first + PLACES - 1)))
    disclosures: list[bytes | None] = []
    bad: list[int] = []
    for place, expected in enumerate(hashes):
        data = found.get(first + place, b"")
        if data is not None and not (isinstance(data, bytes) and digest(data) == expected):
            bad.append(first + place)
            data = None
        disclosures.append(data)
    return Message(kid, sequence, proof, message(signed, disclosures)), bad


def drop(connection: sqlite3.Connection, number: int, place: Place) -> None:
    """An envelope that cannot be read any more: its measurements may be sealed again if they turn up."""
    _delete(connection, number)
    connection.execute("DELETE FROM known WHERE kid = ? AND sequence = ?", place)


def mark_unreadable(connection: sqlite3.Connection, numbers: list[int], place: Place) -> None:
    """Disclosures that do not match what the envelope signs: null goes in their place from now on."""
    query = "INSERT OR REPLACE INTO disclosure VALUES (?, NULL, NULL, ?, 0)"
    connection.executemany(query, [(number, UNREADABLE) for number in numbers])
    connection.execute("DELETE FROM known WHERE kid = ? AND sequence = ?", place)


def free_some(connection: sqlite3.Connection, keys: list[Key]) -> tuple[bytes, list[int]]:
    """Delete a few accepted envelopes, oldest settled first, then oldest accepted; which, by key."""
    for settled_only in (True, False):
        for key in keys:
            last = key.settled if settled_only else key.sequence
            query = (
                "SELECT n, sequence FROM envelope INDEXED BY accepted"
                " WHERE accepted = 1 AND kid = ? AND sequence <= ? ORDER BY sequence LIMIT ?"
            )
            found = connection.execute(query, (key.kid, last, FREED_PER_COMMIT)).fetchall()
            for number, _ in found:
                _delete(connection, number)
            if found:
                return key.kid, [sequence for _, sequence in found]
    return b"", []


def missing_parts(connection: sqlite3.Connection, limit: int) -> list[tuple[bytes, int, int, str]]:
    """(key id, sequence, index, why) of disclosures that are gone, unreported and waited for."""
    query = (
        "SELECT e.kid, e.sequence, d.n % ?, d.gone FROM disclosure AS d INDEXED BY gone"
        " JOIN envelope AS e ON e.n = d.n / ?"
        " WHERE d.gone IS NOT NULL AND d.reported = 0 AND e.accepted = 0 ORDER BY d.n LIMIT ?"
    )
    return connection.execute(query, (PLACES, PLACES, limit)).fetchall()


def part_reported(connection: sqlite3.Connection, place: Place, index: int) -> None:
    query = (
        "UPDATE disclosure SET reported = 1"
        " WHERE n = (SELECT n FROM envelope WHERE kid = ? AND sequence = ?) * ? + ?"
    )
    connection.execute(query, (*place, PLACES, index))


def _delete(connection: sqlite3.Connection, number: int) -> None:
    span = (number * PLACES, number * PLACES + PLACES - 1)
    connection.execute("DELETE FROM disclosure WHERE n BETWEEN ? AND ?", span)
    connection.execute("DELETE FROM envelope WHERE n = ?", (number,))

"""The outbox's tables, and the few statements that both the outbox and its rescue use.

Every table but its indexes is a plain rowid table, so that its rows can be read from raw pages. Numbers of
columns differ from table to table: that is how the rescue tells rows apart.
"""

import fcntl
import os
import secrets
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from gateway.hub.errors import OutboxError
from gateway.hub.stored import ADDED, PARTIAL, WHOLE
from gateway.outbox.rows import Key, key_from_body, row_sum
from gateway.wire.errors import WireError

VERSION = 1
# Disclosure n of an envelope has the number envelope * PLACES + n.
PLACES = 64
# Measurements that a hub does not seal again (protocol, section 1).
KNOWN = 2000
# How a measurement was sealed; stands behind its key in `known`.
STAGES = (WHOLE, PARTIAL, ADDED)
CAPTURES = "captures"
# Random, made with the database; a rescue gives another.
IDENTITY, IDENTITY_SIZE = "identity", 8
ERASED, UNREADABLE = "erased", "unreadable"
KEY_TABLES = ("key_a", "key_b")

SCHEMA = (
    "CREATE TABLE setting(name TEXT PRIMARY KEY, value BLOB, sum BLOB)",
    "CREATE TABLE captured(n INTEGER PRIMARY KEY, body BLOB, sum BLOB)",
    # One row a signing key, in two tables so that they never share a page.
    "CREATE TABLE key_a(n INTEGER PRIMARY KEY, body BLOB, sum BLOB)",
    "CREATE TABLE key_b(n INTEGER PRIMARY KEY, body BLOB, sum BLOB)",
    """CREATE TABLE envelope(n INTEGER PRIMARY KEY, kid BLOB, sequence INTEGER, hash BLOB, accepted INTEGER,
    sent INTEGER, code TEXT, retry TEXT, after_ms INTEGER, signed BLOB, UNIQUE(kid, sequence))""",
    # Every envelope stands in one of these two, so that a state costs what it changes.
    "CREATE INDEX unaccepted ON envelope(kid, sequence) WHERE accepted = 0",
    "CREATE INDEX accepted ON envelope(kid, sequence) WHERE accepted = 1",
    "CREATE INDEX refused ON envelope(n) WHERE code IS NOT NULL",
    "CREATE TABLE disclosure(n INTEGER PRIMARY KEY, key BLOB, data BLOB, gone TEXT, reported INTEGER)",
    "CREATE INDEX disclosed ON disclosure(key) WHERE key IS NOT NULL",
    "CREATE INDEX gone ON disclosure(n) WHERE gone IS NOT NULL",
    "CREATE TABLE known(n INTEGER PRIMARY KEY, key BLOB UNIQUE, kid BLOB, sequence INTEGER)",
)


def connect(path: Path) -> sqlite3.Connection:
    """A connection whose transactions are begun and ended by hand."""
    return sqlite3.connect(path, isolation_level=None, cached_statements=64)


def create(connection: sqlite3.Connection) -> None:
    """All tables and the identity, in one transaction."""
    connection.execute("BEGIN IMMEDIATE")
    for statement in SCHEMA:
        connection.execute(statement)
    write_setting(connection, IDENTITY, secrets.token_bytes(IDENTITY_SIZE))
    connection.execute(f"PRAGMA user_version = {VERSION}")
    connection.execute("COMMIT")


def write_key(connection: sqlite3.Connection, key: Key) -> None:
    """Both copies of what is known of a key."""
    body = key.body()
    for table in KEY_TABLES:
        row = (key.number, body, row_sum(table, key.number, body))
        connection.execute(f"INSERT OR REPLACE INTO {table} VALUES (?, ?, ?)", row)  # noqa: S608 (ours)


def write_setting(connection: sqlite3.Connection, name: str, value: bytes) -> None:
    row = (name, value, row_sum("setting", name, value))
    connection.execute("INSERT OR REPLACE INTO setting VALUES (?, ?, ?)", row)


def drop_settings(connection: sqlite3.Connection, start: str) -> None:
    """All whose names begin so."""
    connection.execute("DELETE FROM setting WHERE substr(name, 1, ?) = ?", (len(start), start))


def read_setting(connection: sqlite3.Connection, name: str) -> bytes | None:
    """The value, or None when it was never set or does not prove itself."""
    row = connection.execute("SELECT value, sum FROM setting WHERE name = ?", (name,)).fetchone()
    if row is None or not isinstance(row[0], bytes) or row_sum("setting", name, row[0]) != row[1]:
        return None
    return row[0]


def stored_keys(connection: sqlite3.Connection) -> dict[bytes, Key]:
    """What is known of each key: the copy that proves itself, the further one where both do."""
    keys: dict[bytes, Key] = {}
    for table in KEY_TABLES:
        for number, body, proof in connection.execute("SELECT n, body, sum FROM " + table):  # noqa: S608 (our own names)
            key = _proven(table, number, body, proof)
            if key is not None and (key.kid not in keys or key.sequence > keys[key.kid].sequence):
                keys[key.kid] = key
    return keys


def _proven(table: str, number: int, body: object, proof: object) -> Key | None:
    if not isinstance(body, bytes) or row_sum(table, number, body) != proof:
        return None
    try:
        return key_from_body(number, body)
    except WireError:
        return None


_DAMAGED = {
    sqlite3.SQLITE_CORRUPT,
    sqlite3.SQLITE_NOTADB,
    sqlite3.SQLITE_IOERR_READ,
    sqlite3.SQLITE_IOERR_SHORT_READ,
    sqlite3.SQLITE_IOERR_CORRUPTFS,
    sqlite3.SQLITE_CONSTRAINT,  # two rows that cannot both be: a tree lost its order
}


class DamagedError(Exception):
    """What SQLite or we found in the file is not what was written."""


def fault(error: Exception) -> str:
    """The code for what SQLite says went wrong; "" when it is no matter of file or disk."""
    if isinstance(error, DamagedError):
        return "outbox-damaged"
    code = getattr(error, "sqlite_errorcode", 0)
    if code in _DAMAGED or code & 0xFF in _DAMAGED:
        return "outbox-damaged"
    words = {
        sqlite3.SQLITE_FULL: "disk-full",
        sqlite3.SQLITE_BUSY: "outbox-in-use",
        sqlite3.SQLITE_IOERR: "disk-error",
        sqlite3.SQLITE_CANTOPEN: "disk-error",
        sqlite3.SQLITE_READONLY: "disk-error",
    }
    return words.get(code & 0xFF, "")


def look(path: Path) -> sqlite3.Connection:
    """A connection that only reads, beside a running hub; OutboxError when that cannot be."""
    if not path.exists():
        raise OutboxError("outbox-missing", str(path))
    try:
        connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, isolation_level=None)
        try:
            connection.execute("SELECT count(*) FROM setting").fetchone()
        except BaseException:
            connection.close()
            raise
    except sqlite3.Error as error:
        raise OutboxError(fault(error) or "outbox-damaged", str(error)) from error
    return connection


def check(connection: sqlite3.Connection, *, whole: bool) -> None:
    """DamagedError unless this is our layout, sound, and with a head for every key that sealed."""
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if version != VERSION:
        raise DamagedError(f"layout {version}")
    with closing(
        connection.execute("PRAGMA integrity_check(1)" if whole else "PRAGMA quick_check(1)")
    ) as answer:
        (first,) = answer.fetchone()
    if first != "ok":
        raise DamagedError(str(first))
    keys = stored_keys(connection)
    for kid, top in _tops(connection):
        if kid not in keys or (keys[kid].sequence < top and not keys[kid].burnt):
            raise DamagedError("a head is gone or went back")


def _tops(connection: sqlite3.Connection) -> Iterator[tuple[bytes, int]]:
    """Each key with the highest sequence that is here; a few steps in the index."""
    query = (
        "SELECT kid, MAX(sequence) FROM envelope WHERE kid = (SELECT MIN(kid) FROM envelope WHERE kid > ?)"
    )
    found = connection.execute(query, (b"",)).fetchone()
    while found[0] is not None:
        yield found
        found = connection.execute(query, (found[0],)).fetchone()


def lock(path: Path) -> int:
    """Held while this outbox is open: two writers would seal one sequence twice."""
    handle = os.open(path.with_name(path.name + ".lock"), os.O_CREAT | os.O_RDWR, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(handle)
        raise OutboxError("outbox-in-use", str(path)) from error
    return handle


def sync(path: Path) -> None:
    """Make a file, or the names in a folder, durable."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)

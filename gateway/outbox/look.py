"""What stands in the outbox, for people: how many at each stage, and the newest rows."""

import sqlite3
from collections.abc import Iterator
from pathlib import Path

from gateway.outbox.schema import PLACES, look, read_setting, stored_keys
from gateway.wire.state import NEVER


class Look:
    """An outbox that is only looked at, also while the hub is running. OutboxError when it cannot be."""

    def __init__(self, path: Path) -> None:
        self._connection = look(path)

    def counts(self) -> dict[str, int]:
        """As `Outbox.counts`."""
        return counts(self._connection)

    def rows(self, limit: int) -> list[dict[str, object]]:
        """As `Outbox.rows`."""
        return rows(self._connection, limit)

    def setting(self, name: str) -> bytes | None:
        """As `Outbox.setting`."""
        return read_setting(self._connection, name)

    def close(self) -> None:
        self._connection.close()


def counts(connection: sqlite3.Connection) -> dict[str, int]:
    """Rows at each stage: captured, sealed, sent, refused, quarantined, accepted, delivered, missing."""

    def count(query: str, *values: object) -> int:
        return int(connection.execute("SELECT count(*) FROM " + query, values).fetchone()[0])  # noqa: S608 (below)

    keys = stored_keys(connection).values()
    unaccepted = count("envelope INDEXED BY unaccepted WHERE accepted = 0")
    quarantined = count("envelope INDEXED BY refused WHERE code IS NOT NULL AND retry = ?", NEVER)
    refused = count("envelope INDEXED BY refused WHERE code IS NOT NULL") - quarantined
    sent = count("envelope INDEXED BY unaccepted WHERE accepted = 0 AND sent = 1 AND code IS NULL")
    held = "envelope INDEXED BY accepted WHERE accepted = 1 AND kid = ? AND sequence <= ?"
    delivered = sum(count(held, key.kid, key.settled) for key in keys)
    return {
        "captured": count("captured"),
        "sealed": unaccepted - quarantined - refused - sent,
        "sent": sent,
        "refused": refused,
        "quarantined": quarantined,
        "accepted": count("envelope INDEXED BY accepted WHERE accepted = 1") - delivered,
        "delivered": delivered,
        "missing": sum(high - low + 1 for key in keys for low, high in key.missing()),
    }


def waiting(connection: sqlite3.Connection) -> int:
    """Envelopes that are neither accepted nor refused for good."""
    query = "SELECT count(*) FROM envelope INDEXED BY refused WHERE code IS NOT NULL AND retry = ?"
    (quarantined,) = connection.execute(query, (NEVER,)).fetchone()
    query = "SELECT count(*) FROM envelope INDEXED BY unaccepted WHERE accepted = 0"
    return int(connection.execute(query).fetchone()[0] - quarantined)


def rows(connection: sqlite3.Connection, limit: int) -> list[dict[str, object]]:
    """The newest envelopes: key id, sequence, hash, stage, items, bytes, and the code of a refusal."""
    settled = {key.kid: key.settled for key in stored_keys(connection).values()}
    query = (
        "SELECT n, kid, sequence, hash, accepted, sent, code, retry, length(signed) FROM envelope"
        " ORDER BY n DESC LIMIT ?"
    )
    return list(_rows(connection, connection.execute(query, (limit,)), settled))


def _rows(
    connection: sqlite3.Connection, found: sqlite3.Cursor, settled: dict[bytes, int]
) -> Iterator[dict[str, object]]:
    query = "SELECT count(*), COALESCE(SUM(length(data)), 0) FROM disclosure WHERE n BETWEEN ? AND ?"
    for number, kid, sequence, proof, accepted, sent, code, retry, size in found:
        items, more = connection.execute(query, (number * PLACES, number * PLACES + PLACES - 1)).fetchone()
        yield {
            "kid": kid.hex(),
            "sequence": sequence,
            "hash": proof.hex()[:12],
            "stage": _stage(accepted and sequence <= settled.get(kid, 0), accepted, sent, retry),
            "items": items,
            "bytes": size + more,
            "code": code,
        }


def _stage(delivered: object, accepted: object, sent: object, retry: object) -> str:
    if accepted:
        return "delivered" if delivered else "accepted"
    if retry is not None:
        return "quarantined" if retry == NEVER else "refused"
    return "sent" if sent else "sealed"

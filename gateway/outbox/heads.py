"""The signing keys as the outbox knows them, in memory: how far each sealed, what of it is missing.

Kept twice in the database, and every key that ever sealed is named in a file beside it, with the identity
of the database that it sealed into. A key that is named there with another identity has lost its head with
that database, and no sequence of it is used again.
"""

import os
import sqlite3
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from gateway.hub.errors import OutboxError
from gateway.hub.stored import Head, join
from gateway.outbox.rows import Key, Ranges
from gateway.outbox.schema import IDENTITY, read_setting, stored_keys, sync, write_key

NAMED_AT_ONCE = 1000


class Heads:
    """All keys of one outbox. Changes are written within the caller's transaction, then taken over here."""

    def __init__(self, path: Path) -> None:
        self._list = path.with_name(path.name + ".kids")
        self._listed = _listed(self._list)
        self._identity = b""
        self._keys: dict[bytes, Key] = {}

    def load(self, connection: sqlite3.Connection) -> None:
        self._keys = stored_keys(connection)
        self._identity = read_setting(connection, IDENTITY) or b""

    def in_order(self) -> list[Key]:
        """Keys in the order in which they began to seal; the last is the live one."""
        return sorted(self._keys.values(), key=lambda key: key.number)

    def head(self, kid: bytes) -> Head | None:
        """The last envelope of this key; None for a key that never sealed; OutboxError("head-unreadable")."""
        key = self._keys.get(kid)
        if key is None and self._listed.get(kid, self._identity) == self._identity:
            return None
        if key is None or key.burnt:
            raise OutboxError("head-unreadable", kid.hex())
        return Head(kid, key.sequence, key.hash, key.statements)

    def last(self) -> Head | None:
        """The head of the key that sealed last; None when none did; OutboxError("head-unreadable")."""
        keys = self.in_order()
        if not keys and any(identity != self._identity for identity in self._listed.values()):
            raise OutboxError("head-unreadable")
        return self.head(keys[-1].kid) if keys else None

    def list_kid(self, kid: bytes) -> None:
        """Before its first envelope: name this key and this database beside it. OutboxError("disk-error")."""
        if kid in self._listed:
            return
        try:
            _append_line(self._list, f"{kid.hex()} {self._identity.hex()}")
        except OSError as error:
            raise OutboxError("disk-error", str(error)) from error
        self._listed[kid] = self._identity

    def advanced(self, kid: bytes, sequence: int, proof: bytes, statements: int) -> Key:
        """This key with one more envelope."""
        old = self._keys.get(kid) or Key(1 + max((key.number for key in self.in_order()), default=0), kid)
        return replace(old, sequence=sequence, hash=proof, statements=statements)

    def lost(self, kid: bytes, sequence: int) -> Key:
        """This key with one envelope that can be read no more."""
        old = self._keys[kid]
        return replace(old, absent=join(old.absent, ((sequence, sequence),)))

    def freed(self, kid: bytes, sequences: list[int]) -> Key:
        """This key with these accepted envelopes gone."""
        old = self._keys[kid]
        gone: Ranges = tuple((sequence, sequence) for sequence in sequences)
        return replace(old, absent=join(old.absent, gone), freed=join(old.freed, gone))

    def reported(self, kid: bytes, sequence: int) -> Key:
        """This key with one missing envelope told to the bridge."""
        old = self._keys[kid]
        return replace(old, reported=join(old.reported, ((sequence, sequence),)))

    def take(self, key: Key) -> None:
        """The change is durable."""
        self._keys[key.kid] = key

    def missing(self) -> list[tuple[bytes, int]]:
        """(key id, sequence) that nobody holds and nobody was told of; at most 1,000 at once."""
        found: list[tuple[bytes, int]] = []
        for key in self.in_order():
            for low, high in key.missing():
                last = min(high, low + NAMED_AT_ONCE - len(found) - 1)
                found += [(key.kid, sequence) for sequence in range(low, last + 1)]
        return found


def write(connection: sqlite3.Connection, key: Key) -> Key:
    """Both copies; the key back, to be taken over once that is durable."""
    write_key(connection, key)
    return key


def _listed(path: Path) -> dict[bytes, bytes]:
    """Key id: identity of the database into which it began to seal. A damaged line is passed over."""
    found = {}
    with suppress(FileNotFoundError):
        for line in path.read_bytes().splitlines():
            with suppress(ValueError):
                kid, identity = line.decode("ascii", "replace").split(" ")
                found[bytes.fromhex(kid)] = bytes.fromhex(identity)
    return found


def _append_line(path: Path, line: str) -> None:
    """One more line, durable with its directory entry."""
    handle = os.open(path, os.O_CREAT | os.O_APPEND | os.O_WRONLY, 0o600)
    try:
        os.write(handle, line.encode() + b"\n")
        os.fsync(handle)
    finally:
        os.close(handle)
    sync(path.parent)

"""What a state of the bridge does to the outbox: it replaces what was accepted, settled and refused."""

import sqlite3
from collections.abc import Callable
from dataclasses import dataclass, replace

from gateway.hub.stored import PARTIAL, WHOLE, Effect, common, join, subtract
from gateway.outbox.rows import Key, Ranges
from gateway.outbox.schema import ERASED, write_key
from gateway.wire.state import MAX_KEYS, NEVER, KeyState, Refusal, State

KEY_FORKED = "key-forked"


@dataclass(frozen=True)
class Applied:
    """The effect, the keys as they are now, and whether content was erased."""

    effect: Effect
    keys: list[Key]
    erased: bool


class BridgeTime:
    """The bridge's clock, as its last state told it."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._told: tuple[int, float] | None = None

    def told(self, bridge_ms: int) -> None:
        self._told = (bridge_ms, self._monotonic())

    def now_ms(self) -> int | None:
        """None before the first state."""
        return None if self._told is None else self._told[0] + int((self._monotonic() - self._told[1]) * 1000)


def apply_state(
    connection: sqlite3.Connection, keys: list[Key], state: State, sent: set[tuple[bytes, int]]
) -> Applied:
    """Carry a state out within the caller's transaction. Writes nothing where it says nothing new."""
    ahead = is_ahead(connection, keys, state)
    burnt = [*keys[:-1], replace(keys[-1], burnt=True)] if ahead and keys else keys
    for key in keys:
        if key.burnt:
            _keep_unproven(connection, key, state.key(key.kid))
    _mark_sent(connection, sent)
    if (
        ahead and keys and not keys[-1].burnt
    ):  # what the bridge holds may be another branch: ours goes once more
        connection.execute("UPDATE envelope SET sent = 0 WHERE kid = ? AND accepted = 0", (keys[-1].kid,))
    told = {key.kid for key in burnt if _is_told(key, state)}
    accepted = sum(_accept(connection, key, state) for key in burnt if key.kid in told)
    after = [_counted(key, state.key(key.kid)) if key.kid in told else key for key in burnt]
    for old, new in zip(keys, after, strict=True):
        if old != new:
            write_key(connection, new)
    lost = any(subtract(old.freed, new.freed) for old, new in zip(keys, after, strict=True))
    if lost:
        connection.execute("DELETE FROM known")
    quarantined = _refuse(connection, state.refused)
    erased = sum(_erase(connection, key) for key in state.forget)
    effect = Effect(accepted, lost, ahead, quarantined)
    return Applied(effect, after, bool(erased))


def _is_told(key: Key, state: State) -> bool:
    """Whether this state speaks of this key: one that names as many as it can is silent of the others."""
    return len(state.keys) < MAX_KEYS or state.key(key.kid) is not None


def is_ahead(connection: sqlite3.Connection, keys: list[Key], state: State) -> bool:
    """The bridge knows more of the live key than this hub does, or something else: its head went back.

    Without any key here, the hub's own store is gone: then whatever the bridge holds is more.
    """
    if not keys:
        return any(key.contiguous or key.ranges for key in state.keys)
    live = keys[-1]
    held = state.key(live.kid)
    if held is None:
        return False
    if any(high > live.sequence for _, high in _covered(held)):
        return True
    query = "SELECT hash FROM envelope WHERE kid = ? AND sequence = ?"
    row = connection.execute(query, (live.kid, held.contiguous)).fetchone()
    known = live.hash if held.contiguous == live.sequence else row and row[0]
    return held.last is not None and known is not None and known != held.last


def _mark_sent(connection: sqlite3.Connection, sent: set[tuple[bytes, int]]) -> None:
    query = "UPDATE envelope SET sent = 1 WHERE kid = ? AND sequence = ? AND sent = 0"
    connection.executemany(query, sorted(sent))


def _covered(held: KeyState | None) -> Ranges:
    """The sequences of a key that the bridge holds."""
    if held is None:
        return ()
    return join(((1, held.contiguous),) if held.contiguous else (), tuple(held.ranges))


def _accept(connection: sqlite3.Connection, key: Key, state: State) -> int:
    """What is listed is accepted, what is not listed (any more) is to be sent again; how many are new.

    Of a burnt key the bridge may hold other envelopes under the same numbers: only what the hash in the state
    proves is newly accepted.
    """
    covered = _covered(state.key(key.kid))
    query = (
        "UPDATE envelope INDEXED BY accepted SET accepted = 0"
        " WHERE accepted = 1 AND kid = ? AND sequence BETWEEN ? AND ?"
    )
    for low, high in subtract(((1, key.sequence),), covered):
        connection.execute(query, (key.kid, low, high))
    query = (
        "UPDATE envelope INDEXED BY unaccepted SET accepted = 1, code = NULL, retry = NULL, after_ms = NULL"
        " WHERE accepted = 0 AND kid = ? AND sequence BETWEEN ? AND ?"
    )
    if key.burnt:
        covered = _proven(connection, key, state.key(key.kid))
    return sum(connection.execute(query, (key.kid, low, high)).rowcount for low, high in covered)


def _proven(connection: sqlite3.Connection, key: Key, held: KeyState | None) -> Ranges:
    """What the bridge surely holds of this chain: its last hash is ours, and each names the one before."""
    if held is None or held.last is None:
        return ()
    query = "SELECT 1 FROM envelope WHERE kid = ? AND sequence = ? AND hash = ?"
    ours = connection.execute(query, (key.kid, held.contiguous, held.last)).fetchone()
    at_head = (held.contiguous, held.last) == (key.sequence, key.hash)
    return ((1, held.contiguous),) if ours or at_head else ()


def _keep_unproven(connection: sqlite3.Connection, key: Key, held: KeyState | None) -> None:
    """A burnt key's envelope that was sent since and is listed, perhaps for another: kept, out of the way.

    Sending it for ever would prove no more; freeing it could lose the only copy.
    """
    proven = _proven(connection, key, held)
    query = (
        "UPDATE envelope INDEXED BY unaccepted SET code = ?, retry = ? WHERE accepted = 0 AND sent = 1"
        " AND code IS NULL AND kid = ? AND sequence BETWEEN ? AND ?"
    )
    for low, high in subtract(_covered(held), proven):
        connection.execute(query, (KEY_FORKED, NEVER, key.kid, low, high))


def _counted(key: Key, held: KeyState | None) -> Key:
    """Of what is not here any more: freed is what the bridge holds, the rest is missing."""
    freed = common(key.absent, _covered(held))
    reported = common(key.reported, subtract(key.absent, freed))
    return replace(key, freed=freed, reported=reported, settled=0 if held is None else held.settled)


def _refuse(connection: sqlite3.Connection, refused: list[Refusal]) -> int:
    """Mark what is refused, let go of what is refused no longer; how many went into quarantine.

    A refusal counts only for the very bytes held here. Refused for good stays so until it is accepted or
    refused otherwise: a state names few refusals.
    """
    listed = {(refusal.kid, refusal.sequence, refusal.envelope) for refusal in refused}
    query = (
        "SELECT n, kid, sequence, hash FROM envelope INDEXED BY refused WHERE code IS NOT NULL AND retry <> ?"
    )
    for number, *place in connection.execute(query, (NEVER,)).fetchall():
        if tuple(place) not in listed:
            change = "UPDATE envelope SET code = NULL, retry = NULL, after_ms = NULL WHERE n = ?"
            connection.execute(change, (number,))
    return sum(_refuse_one(connection, refusal) for refusal in refused)


def _refuse_one(connection: sqlite3.Connection, refusal: Refusal) -> bool:
    query = (
        "SELECT n, code, retry, after_ms FROM envelope"
        " WHERE kid = ? AND sequence = ? AND hash = ? AND accepted = 0"
    )
    row = connection.execute(query, (refusal.kid, refusal.sequence, refusal.envelope)).fetchone()
    if row is None or row[1:] == (refusal.code, refusal.retry, refusal.after_ms):
        return False
    change = "UPDATE envelope SET code = ?, retry = ?, after_ms = ? WHERE n = ?"
    connection.execute(change, (refusal.code, refusal.retry, refusal.after_ms, row[0]))
    return refusal.retry == NEVER and row[2] != NEVER


def _erase(connection: sqlite3.Connection, key: bytes) -> int:
    """Salt, item and parts of one measurement; null stays in the message. Nothing is added to it any more."""
    connection.execute("UPDATE OR REPLACE known SET key = ? WHERE key = ?", (key + WHOLE, key + PARTIAL))
    query = "UPDATE disclosure SET data = NULL, gone = ? WHERE key = ? AND data IS NOT NULL"
    return connection.execute(query, (ERASED, key)).rowcount

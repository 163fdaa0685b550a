"""The hub's durable store: captured → sealed → sent → accepted → delivered. What it says it has, it has.

Every change is one commit and one sync (store); a damaged file is rescued row by row (rescue);
what the bridge holds is told by its newest state alone (state). One outbox is one file, opened by one
process and used from one thread; others look at it with `Outbox.look`. The head of each key is kept twice
and in memory, and a key that ever sealed is listed in a file beside, so that no sequence is used twice.
"""

import sqlite3
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from itertools import zip_longest
from pathlib import Path

import structlog

from gateway.hub.errors import OutboxError
from gateway.hub.stored import ADDED, WHOLE, Captured, Effect, Head, Message
from gateway.outbox import captures, envelopes
from gateway.outbox.heads import NAMED_AT_ONCE, Heads, write
from gateway.outbox.look import Look, counts, rows, waiting
from gateway.outbox.rows import Key
from gateway.outbox.schema import drop_settings, read_setting, write_setting
from gateway.outbox.state import Applied, BridgeTime, apply_state
from gateway.outbox.store import Store
from gateway.wire.envelope import MAX_ITEMS, digest
from gateway.wire.items import DeviceClock, Frame
from gateway.wire.measurement import Capture, Device, Moment
from gateway.wire.state import State

# Accepted envelopes are kept until this share of the space is used.
FREE_ABOVE = 0.85
# A capture checkpoints only when nothing else did for long: a device waits for it.
PATIENT = 4

log = structlog.get_logger()


class Outbox:
    """See the module. Every method that writes is one commit; OutboxError means that nothing of it happened.

    Codes: disk-full, disk-error, outbox-in-use, outbox-damaged, outbox-missing, head-unreadable,
    sequence-taken.
    """

    def __init__(
        self, path: Path, limit_bytes: int, *, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._captures = 0
        self._bridge = BridgeTime(monotonic)
        self._heads = Heads(path)
        self._store = Store(path, limit_bytes, self._heads.in_order, self._load, self._free_batch)
        try:
            self._load()
        except BaseException:
            self._store.close()
            raise

    @staticmethod
    def look(path: Path) -> Look:
        """For the command line: reads only, also beside a running hub."""
        return Look(path)

    def close(self) -> None:
        self._store.close()

    def _load(self) -> None:
        """What is kept in memory: keys with their heads, and the number of the last capture."""
        self._store.read(self._heads.load)
        self._captures = max(self._captures, self._store.read(captures.last))

    # Captured.

    def capture(
        self,
        visit: bytes,
        moment: Moment,
        kid: bytes,
        device: Device,
        driver: str,
        frames: list[Frame],
        clock: DeviceClock | None,
    ) -> Captured:
        """Frames as they came, durable when this returns. The row number is also the capture's counter."""

        def work(connection: sqlite3.Connection) -> Captured:
            row = self._captures + 1
            captured = Captured(row, visit, Capture(kid, row, moment), device, driver, frames, clock)
            captures.insert(connection, captured)
            return captured

        captured = self._store.run(work)
        self._captures = captured.row
        self._store.tidy(PATIENT)
        return captured

    def captured(self) -> list[Captured]:
        """What is durable and not sealed yet, oldest first. Damaged rows are kept aside and counted."""
        good, bad = self._store.read(captures.read)
        if bad:
            log.error("captures-unreadable", rows=[row for row, _ in bad])
            with suppress(OutboxError, OSError):  # else they stay, and the next start tries again
                captures.keep_aside(self._store.path, bad)
                self._store.run(lambda connection: captures.drop_damaged(connection, bad))
        return good

    def damaged_captures(self) -> int:
        """Captured rows that were damaged and that the bridge was not told of."""
        return self._store.read(captures.damaged)

    def damaged_captures_reported(self) -> None:
        """The *lost* item for them is sealed."""
        self.set_setting(captures.DAMAGED, b"0")

    def release(self, rows: list[int]) -> None:
        """Captured rows that give no reading: intermediate frames, a measurement that was sealed before."""
        if rows:
            query = "DELETE FROM captured WHERE n = ?"
            self._store.run(lambda connection: connection.executemany(query, [(row,) for row in rows]))

    # Sealed.

    def head(self, kid: bytes) -> Head | None:
        """The last envelope of this key; None for a key that never sealed.

        OutboxError("head-unreadable") when it sealed and we cannot be certain how far: enrol with a new key.
        """
        return self._heads.head(kid)

    def last_head(self) -> Head | None:
        """The head of the key that sealed last, for the first envelope of its successor.

        None when no key sealed yet. OutboxError("head-unreadable") as for `head`.
        """
        return self._heads.last()

    def seal(  # noqa: PLR0913 (what one commit takes)
        self,
        kid: bytes,
        sequence: int,
        signed: bytes,
        disclosures: list[bytes],
        keys: list[bytes],
        statements: int,
        rows: list[int],
        *,
        stages: Sequence[bytes] = (),
        evidence_of: bytes = b"",
    ) -> None:
        """An envelope, its key's head and its measurement keys in, its captured rows out: one commit.

        keys: one measurement key a disclosure, b"" where there is none; missing ones at the end count as
        b"". statements: how many this key has sealed, this envelope included. stages: how each of the keys is
        sealed (WHOLE, PARTIAL, ADDED); missing ones at the end count as WHOLE. evidence_of: the measurement
        whose long evidence these disclosures are; they are erased with it, and it is not yet known by it.
        OutboxError("sequence-taken") unless sequence is the head's plus one.
        """
        if len(keys) > len(disclosures) or not 0 < len(disclosures) <= MAX_ITEMS:
            raise ValueError("one key a disclosure, 1 to 64 disclosures")
        head = self.head(kid)
        if sequence != (0 if head is None else head.sequence) + 1:
            raise OutboxError("sequence-taken", f"{kid.hex()} {sequence}")
        self._heads.list_kid(kid)
        padded = [key or None for key in keys] + [None] * (len(disclosures) - len(keys))
        known = [
            (key + stage, kid, sequence) for key, stage in zip_longest(keys, stages, fillvalue=WHOLE) if key
        ]

        def work(connection: sqlite3.Connection) -> Key:
            key = write(connection, self._heads.advanced(kid, sequence, digest(signed), statements))
            owners = [owner or evidence_of or None for owner in padded]
            envelopes.insert(connection, key, signed, disclosures, owners)
            envelopes.remember(connection, known)
            connection.executemany("DELETE FROM captured WHERE n = ?", [(row,) for row in rows])
            return key

        self._heads.take(self._store.run(work))
        self._store.tidy()

    def knows(self, key: bytes) -> bool:
        """Whether this measurement is among the last 2,000 that were sealed here."""
        return bool(self.sealed(key) - {ADDED})

    def sealed(self, key: bytes) -> set[bytes]:
        """What of this measurement is among the last 2,000 that were sealed here: WHOLE, PARTIAL, ADDED."""
        return self._store.read(lambda connection: envelopes.stages(connection, key))

    def forget_known(self) -> None:
        """No measurement counts as sealed any more."""
        self._store.run(lambda connection: connection.execute("DELETE FROM known"))

    # Sent, accepted, delivered.

    def to_send(
        self, limit: int, exclude: set[tuple[bytes, int]], known: set[bytes] | None = None
    ) -> list[Message]:
        """What the bridge does not have: the newest first unless it is excluded, then oldest first.

        known: the keys that the bridge knows; None for all. Not what was refused, as long as that stands.
        What cannot be read any more goes out of the way, to `unreported_damage` and `unreported_parts`; the
        others go on.
        """
        now_ms = self._bridge.now_ms()

        def choose(connection: sqlite3.Connection) -> list[envelopes.Choice]:
            keys = [key for key in self._heads.in_order() if known is None or key.kid in known]
            return envelopes.choose(connection, keys, limit, exclude, now_ms)

        found = self._store.read(choose)
        messages = (self._message(number, (kid, sequence)) for number, kid, sequence in found)
        return [message for message in messages if message is not None]

    def _message(self, number: int, place: tuple[bytes, int]) -> Message | None:
        message, bad = self._store.read(lambda connection: envelopes.read(connection, number))
        if message is None:
            self._lose(number, place)
        elif bad:
            log.error("disclosures-unreadable", kid=place[0].hex(), sequence=place[1], count=len(bad))
            self._store.run(lambda connection: envelopes.mark_unreadable(connection, bad, place))
        return message

    def _lose(self, number: int, place: tuple[bytes, int]) -> None:
        log.error("envelope-unreadable", kid=place[0].hex(), sequence=place[1])

        def work(connection: sqlite3.Connection) -> Key:
            envelopes.drop(connection, number, place)
            return write(connection, self._heads.lost(*place))

        self._heads.take(self._store.run(work))

    def apply(self, state: State, sent: set[tuple[bytes, int]]) -> Effect:
        """A state of the bridge replaces what was accepted, settled and refused; what it says to forget goes.

        sent: (key id, sequence) that left this hub. The caller has checked that the state is the bridge's
        and newer. One commit; none when the state says nothing new.
        """

        def work(connection: sqlite3.Connection) -> Applied:
            return apply_state(connection, self._heads.in_order(), state, sent)

        applied = self._store.run(work)
        for key in applied.keys:
            self._heads.take(key)
        self._bridge.told(state.bridge_ms)
        if applied.erased:
            self._store.scrub()
        self._store.tidy()
        return applied.effect

    def unaccepted(self) -> int:
        """Envelopes that the bridge does not have and has not refused for good."""
        return self._store.read(waiting)

    def waiting_keys(self) -> list[bytes]:
        """Ids of the keys of which envelopes are not accepted, in the order in which they began to seal."""
        return self._store.read(lambda connection: envelopes.waiting_keys(connection, self._heads.in_order()))

    def holds_of(self, kid: bytes) -> bool:
        """Whether any envelope of this key is still here."""
        return self._store.read(lambda connection: envelopes.any_of(connection, kid))

    # What is missing.

    def unreported_damage(self) -> list[tuple[bytes, int]]:
        """(key id, sequence) of envelopes that can be read no more, at most 1,000 at once.

        Neither accepted by the bridge nor reported to it as lost; `damage_reported` ends it for one.
        """
        return self._heads.missing()

    def damage_reported(self, kid: bytes, sequence: int) -> None:
        """The *lost* item for this envelope is sealed."""
        key = self._store.run(lambda connection: write(connection, self._heads.reported(kid, sequence)))
        self._heads.take(key)

    def unreported_parts(self) -> list[tuple[bytes, int, int, str]]:
        """(key id, sequence, index, why) of disclosures that are gone and not reported, at most 1,000.

        Only of envelopes that the bridge does not hold: it takes the others once a *lost* item names them.
        """
        return self._store.read(lambda connection: envelopes.missing_parts(connection, NAMED_AT_ONCE))

    def part_reported(self, kid: bytes, sequence: int, index: int) -> None:
        """The *lost* item for this disclosure is sealed."""
        self._store.run(lambda connection: envelopes.part_reported(connection, (kid, sequence), index))

    # Space: at 0.9 the hub stops connecting to devices that keep their records, at 1.0 to all.

    def fullness(self) -> float:
        """Used share of the space; 1.0 leaves a reserve for status and 50 readings."""
        return self._store.used_bytes() / self._store.room_bytes()

    def free_bytes(self) -> int:
        """What may still be stored before the reserve."""
        return max(0, self._store.room_bytes() - self._store.used_bytes())

    def make_room(self) -> int:
        """Free a few accepted envelopes when space is short, oldest settled first; how many.

        One commit: call it every now and then, and nobody waits for it.
        """
        return 0 if self.fullness() < FREE_ABOVE else self._free_batch()

    def _free_batch(self) -> int:
        def work(connection: sqlite3.Connection) -> tuple[Key | None, int]:
            kid, sequences = envelopes.free_some(connection, self._heads.in_order())
            key = write(connection, self._heads.freed(kid, sequences)) if sequences else None
            return key, len(sequences)

        key, count = self._store.run(work)
        if key is not None:
            self._heads.take(key)
        self._store.tidy()
        return count

    # For people, and small facts.

    def counts(self) -> dict[str, int]:
        """Rows at each stage: captured, sealed, sent, refused, quarantined, accepted, delivered, missing."""
        return self._store.read(counts)

    def rows(self, limit: int) -> list[dict[str, object]]:
        """The newest envelopes: kid, sequence, hash, stage, items, bytes, code of a refusal."""
        return self._store.read(lambda connection: rows(connection, limit))

    def setting(self, name: str) -> bytes | None:
        """A small durable fact; None when it was never set or cannot be read any more."""
        return self._store.read(lambda connection: read_setting(connection, name))

    def set_setting(self, name: str, value: bytes) -> None:
        self._store.run(lambda connection: write_setting(connection, name, value))

    def forget_settings(self, start: str) -> None:
        """All settings whose names begin so are gone."""
        self._store.run(lambda connection: drop_settings(connection, start))

    def rest(self) -> None:
        """A quiet moment: work the log into the database, so that little stands to be replayed."""
        self._store.tidy(0)

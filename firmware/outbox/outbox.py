"""The hub's durable store: captured → sealed → sent → accepted → delivered. What it says it has, it has.

Every change is one commit and one sync. Captured frames, envelopes, remembered measurements and facts
(keys, settings) stand in files of framed records; in memory is only what is small whatever they hold. What
the bridge holds is told by its newest state alone. One outbox is one folder, used by one program.
"""

import gc
import time

from firmware.outbox.captures import Captures
from firmware.outbox.envelope import Envelope
from firmware.outbox.envelopes import Envelopes
from firmware.outbox.facts import Facts
from firmware.outbox.files import Files
from firmware.outbox.keys import Key, amount, head_of
from firmware.outbox.kids import Kids
from firmware.outbox.known import EVIDENCE, STAGES, Known
from firmware.outbox.opening import load
from firmware.outbox.space import erase, expect_again, free_batch, sweep
from firmware.outbox.state import apply_state
from firmware.outbox.streamed import Stored
from gateway.hub.errors import OutboxError
from gateway.hub.events import log
from gateway.hub.stored import PARTIAL, WHOLE, Captured, Effect, Head, Message, common, holds, join, subtract
from gateway.wire.envelope import MAX_ITEMS, MAX_MESSAGE, digest, message
from gateway.wire.measurement import Capture
from gateway.wire.state import AFTER_TIME, NEVER

# Accepted envelopes are kept until this share of the space is used.
FREE_ABOVE = 0.85
NAMED_AT_ONCE = 1000
_DAMAGED = ".captures-damaged"
_MOST_GONE = 32

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from firmware.outbox.envelope import Opened
    from gateway.hub.given import Ranges
    from gateway.wire.items import DeviceClock, Frame
    from gateway.wire.measurement import Device, Moment
    from gateway.wire.state import State


class Outbox:
    """See the module. Every method that writes is one commit; OutboxError means that nothing of it happened.

    Codes: disk-full, disk-error, head-unreadable, sequence-taken.
    """

    def __init__(
        self, folder: str, limit_bytes: int, *, monotonic_ms: "Callable[[], int] | None" = None
    ) -> None:
        """limit_bytes: what all files of the folder may take. monotonic_ms: as `ticks_ms`, may wrap."""
        self._ticks = monotonic_ms or _ticks
        self._told: int | None = None
        self._told_at = 0
        self.files = Files(folder, limit_bytes)
        self.facts = Facts(self.files)
        self.kids = Kids(self.files)
        self.envelopes = Envelopes(self.files)
        self.known = Known(self.files, self.facts.number(".known-after"))
        self.identity, released = load(self)
        self.captures = Captures(self.files, released)
        self.files.names = []
        self._count_damaged(self.captures.lost)
        sweep(self)

    def close(self) -> None:
        """Nothing is open between two commits."""

    # Captured.

    def capture(
        self,
        visit: bytes,
        moment: "Moment",
        kid: bytes,
        device: "Device",
        driver: str,
        frames: "list[Frame]",
        clock: "DeviceClock | None",
    ) -> Captured:
        """Frames as they came, durable when this returns. The row number is also the capture's counter."""
        row = self.captures.last + 1
        captured = Captured(row, visit, Capture(kid, row, moment), device, driver, frames, clock)
        self._with_room(lambda: self.captures.add(captured))
        return captured

    def captured(self, limit: int | None = None) -> list[Captured]:
        """What is durable and not sealed yet, oldest first. Damaged rows are counted."""
        good, bad = self.captures.read(limit)
        self._count_damaged(bad)
        return good

    def _count_damaged(self, rows: "Ranges") -> None:
        if not rows:
            return
        log.error("captures-unreadable", count=amount(rows))
        try:
            self.facts.set(_DAMAGED, str(self.damaged_captures() + amount(rows)).encode())
            self.captures.release(rows)
        except OutboxError:
            pass  # they stay, and the next start tries again

    def damaged_captures(self) -> int:
        """Captured rows that were damaged and that the bridge was not told of."""
        return self.facts.number(_DAMAGED)

    def damaged_captures_reported(self) -> None:
        """The *lost* item for them is sealed."""
        self.facts.set(_DAMAGED, b"0")

    def release(self, rows: list[int]) -> None:
        """Captured rows that give no reading: intermediate frames, a measurement that was sealed before."""
        waiting = common(_ranges(rows), self.captures.waiting)
        if waiting:
            self.captures.release(waiting)

    # Sealed.

    def head(self, kid: bytes) -> Head | None:
        """The last envelope of this key; None for a key that never sealed.

        OutboxError("head-unreadable") when it sealed and we cannot be certain how far: enrol with a new key.
        """
        key = self._key(kid)
        if key is None and self.kids.listed.get(kid, self.identity) == self.identity:
            return None
        if key is None or key.burnt:
            raise OutboxError("head-unreadable", kid.hex())
        return head_of(key) if key.sequence else None

    def last_head(self) -> Head | None:
        """The head of the key that sealed last, for the first envelope of its successor.

        None when no key sealed yet. OutboxError("head-unreadable") as for `head`.
        """
        keys = self.facts.in_order()
        if keys:
            return self.head(keys[-1].kid)
        if any([identity != self.identity for identity in self.kids.listed.values()]):
            raise OutboxError("head-unreadable")
        return None

    def _key(self, kid: bytes) -> Key | None:
        for key in self.facts.keys.values():
            if key.kid == kid:
                return key
        return None

    def seal(
        self,
        kid: bytes,
        sequence: int,
        signed: bytes,
        disclosures: list[bytes],
        keys: list[bytes],
        statements: int,
        rows: list[int],
        *,
        stages: "Sequence[bytes]" = (),
        evidence_of: bytes = b"",
    ) -> None:
        """An envelope, its key's head and its measurement keys in, its captured rows out: one commit.

        As gateway.outbox: keys: one a disclosure, b"" or missing where there is none; stages: how each is
        sealed, WHOLE where missing; evidence_of: the measurement whose long evidence these disclosures are.
        OutboxError("sequence-taken") unless sequence is the head's plus one.
        """
        if len(keys) > len(disclosures) or not 0 < len(disclosures) <= MAX_ITEMS:
            raise ValueError("one key a disclosure, 1 to 64 disclosures")
        if max([len(data) for data in disclosures]) > MAX_MESSAGE:
            raise ValueError("a disclosure that no message takes")
        head = self.head(kid)
        if sequence != (0 if head is None else head.sequence) + 1:
            raise OutboxError("sequence-taken", kid.hex())
        self.kids.add(kid, self.identity)
        before = self.facts.in_order()
        key = self._key(kid) or Key(1 + (before[-1].number if before else 0), kid)
        envelope = Envelope(key.number, kid, sequence, digest(signed), statements, self.known.next)
        for place, data in enumerate(disclosures):
            owner = keys[place] if place < len(keys) else b""
            stage = _stage(stages[place] if place < len(stages) else WHOLE) if owner else EVIDENCE
            owner = owner or evidence_of
            envelope.parts.append((len(data), stage if owner else 0, owner))
        envelope.rows = common(_ranges(rows), self.captures.waiting)
        self._put(envelope, envelope.squeezed(message(signed, list(disclosures)), len(signed)), before)
        key.moved_to(sequence, envelope.hash, statements)
        self.facts.keys[key.number] = key

    def _put(self, envelope: Envelope, data: bytes, before: list[Key]) -> None:
        """The commit, and what follows from it."""
        expect_again(self, [part[2] for part in envelope.parts])
        gc.collect()  # so that memory does not run out between the two
        self._with_room(lambda: self.envelopes.add(envelope, data, before))
        self.captures.sealed(envelope.rows)
        for number, _, key in envelope.entries():
            self.known.note(number, key)
        self.note_top()

    def note_top(self) -> None:
        """Beside the envelopes stands which file of them is the last: so that its loss is noticed."""
        try:
            self.facts.set(".top", str(self.envelopes.last()).encode())
        except OutboxError:
            pass  # the next one tries again; the envelope itself is durable

    def sealed(self, key: bytes) -> set[bytes]:
        """What of this measurement is among the last 2,000 that were sealed here: WHOLE, PARTIAL, ADDED."""
        found = set()
        for number in self.known.candidates(key):
            stage = self.envelopes.stage_of(number, key) or self.known.stage_at(number, key)
            if stage:
                found.add(STAGES[stage])
        return found - {PARTIAL} if WHOLE in found else found

    def forget_known(self) -> None:
        """No measurement counts as sealed any more."""
        self.facts.set(".known-after", str(self.known.next - 1).encode())
        self.known.forget()

    # Sent, accepted, delivered.

    def to_send(
        self, limit: int, exclude: set[tuple[bytes, int]], known: set[bytes] | None = None
    ) -> "Iterator[Message]":
        """What the bridge does not have: the newest first unless it is excluded, then oldest first.

        Messages are checked one by one when they are asked for, and read when written out (`Stored`).
        known: the keys that the bridge knows; None for all. Not what was refused, as long as that stands.
        What cannot be read any more goes out of the way, to `unreported_damage` and `unreported_parts`.
        """
        for key, sequence in self._choose(limit, exclude, known):
            found = self._message(self.facts.keys[key.number], sequence)  # it may have changed meanwhile
            if found is not None:
                yield found

    def _choose(
        self, limit: int, exclude: set[tuple[bytes, int]], known: set[bytes] | None
    ) -> list[tuple[Key, int]]:
        keys = [key for key in self.facts.in_order() if known is None or key.kid in known]
        ready = [(key, self._sendable(key)) for key in keys]
        newest = [(key, ranges[-1][1]) for key, ranges in ready if ranges][-1:]
        chosen = [(key, sequence) for key, sequence in newest if (key.kid, sequence) not in exclude]
        for key, ranges in ready:
            for low, high in ranges:
                for sequence in range(low, high + 1):
                    if len(chosen) >= limit:
                        return chosen[:limit]
                    if (key, sequence) not in newest and (key.kid, sequence) not in exclude:
                        chosen.append((key, sequence))
        return chosen[:limit]

    def _sendable(self, key: Key) -> "Ranges":
        now_ms = self._bridge_ms()
        waits = [run[:2] for run in key.refused if run[3] != AFTER_TIME or not _is_time(run[4], now_ms)]
        return subtract(key.unaccepted(), tuple(waits))

    def _message(self, key: Key, sequence: int) -> Message | None:
        """What to send, null where a disclosure is gone; None when it cannot be read any more."""
        place = self.envelopes.find(key.number, sequence)
        opened = place[4].opened(self.envelopes.data(place)) if place is not None else None
        if place is None or opened is None:
            self._lose(key.number, sequence)
            return None
        new = [index for index in _nowhere(opened) if index not in _gone(key, sequence)]
        if new:
            log.error("disclosures-unreadable", kid=key.kid.hex(), sequence=sequence, count=len(new))
            why = [(index, "unreadable" if index in opened[2] else "erased") for index in new]
            self.mark_gone(key, sequence, why)
            self._unknow(place[4])
        number, size = key.number, len(self._whole(place[4], opened))
        stored = Stored(size, lambda: self._read(number, sequence))
        return Message(key.kid, sequence, place[4].hash, stored)  # type: ignore[arg-type]

    def _read(self, number: int, sequence: int) -> bytes | bytearray:
        """The upward message; nothing when it is here no longer."""
        place = self.envelopes.find(number, sequence)
        opened = place[4].opened(self.envelopes.data(place)) if place is not None else None
        return b"" if place is None or opened is None else self._whole(place[4], opened)

    def _whole(self, envelope: Envelope, opened: "Opened") -> bytes | bytearray:
        """The message without what is gone, also where that is still stored."""
        raw, spots, _ = opened
        for index in _gone(self.facts.keys[envelope.number], envelope.sequence):
            spots[index] = None
        return envelope.message(raw, spots)

    def mark_gone(self, key: Key, sequence: int, parts: list[tuple[int, str]]) -> None:
        changed = key.copy()
        changed.gone = sorted(key.gone + [(sequence, index, why, False) for index, why in parts])
        if (
            len(changed.gone) > _MOST_GONE
        ):  # what the bridge holds is noticed again when it is to be sent again
            waiting = key.unaccepted()
            changed.gone = [part for part in changed.gone if holds(waiting, part[0])]
        self.facts.keep([changed])

    def _lose(self, number: int, sequence: int) -> None:
        """An envelope that cannot be read any more: its measurements may be sealed again if they turn up."""
        key = self.facts.keys[number].copy()
        log.error("envelope-unreadable", kid=key.kid.hex(), sequence=sequence)
        place = self.envelopes.find(number, sequence)
        key.lose(((sequence, sequence),))
        self.facts.keep([key])
        if place is not None:
            self._unknow(place[4])

    def _unknow(self, envelope: Envelope) -> None:
        for number, _, _ in envelope.entries():
            self.known.unknow(number)

    def apply(self, state: "State", sent: set[tuple[bytes, int]]) -> Effect:
        """A state of the bridge replaces what was accepted, settled and refused; what it says to forget goes.

        sent: (key id, sequence) that left this hub. The caller has checked that the state is the bridge's
        and newer. One commit; none when the state says nothing new.
        """
        effect, after = apply_state(self.facts.in_order(), state, sent, self._hash_of)
        if effect.lost_accepted:
            self.forget_known()
        self.facts.keep(after)
        self._told, self._told_at = state.bridge_ms, self._ticks()
        try:
            erase(self, state.forget)
        except OutboxError as error:
            log.error("not-erased", code=error.code)  # the next state says it again
        return effect

    def _hash_of(self, key: Key, sequence: int) -> bytes | None:
        if not common(key.here(), ((sequence, sequence),)):
            return None
        place = self.envelopes.find(key.number, sequence)
        return None if place is None else place[4].hash

    def _bridge_ms(self) -> int | None:
        """The bridge's clock, as its last state told it; None before the first."""
        if self._told is not None:
            now = self._ticks()
            self._told += _since(now, self._told_at)
            self._told_at = now
        return self._told

    def unaccepted(self) -> int:
        """Envelopes that the bridge does not have and has not refused for good."""
        return sum([amount(subtract(key.unaccepted(), _never(key))) for key in self.facts.keys.values()])

    def waiting_keys(self) -> list[bytes]:
        """Ids of the keys of which envelopes are not accepted, in the order in which they began to seal."""
        return [key.kid for key in self.facts.in_order() if key.unaccepted()]

    def holds_of(self, kid: bytes) -> bool:
        """Whether any envelope of this key is still here."""
        key = self._key(kid)
        return key is not None and bool(key.here())

    # What is missing.

    def unreported_damage(self) -> list[tuple[bytes, int]]:
        """(key id, sequence) of envelopes that can be read no more, at most 1,000 at once.

        Neither accepted by the bridge nor reported to it as lost; `damage_reported` ends it for one.
        """
        found: list[tuple[bytes, int]] = []
        for key in self.facts.in_order():
            for low, high in key.missing():
                last = min(high, low + NAMED_AT_ONCE - len(found) - 1)
                found += [(key.kid, sequence) for sequence in range(low, last + 1)]
        return found

    def damage_reported(self, kid: bytes, sequence: int) -> None:
        """The *lost* item for this envelope is sealed."""
        key = self._key(kid)
        if key is not None:
            key = key.copy()
            key.reported = join(key.reported, ((sequence, sequence),))
            self.facts.keep([key])

    def unreported_parts(self) -> list[tuple[bytes, int, int, str]]:
        """(key id, sequence, index, why) of disclosures that are gone and not reported, at most 1,000.

        Only of envelopes that the bridge does not hold: it takes the others once a *lost* item names them.
        """
        found = []
        for key in self.facts.in_order():
            waiting = key.unaccepted() if key.gone else ()
            for sequence, index, why, told in key.gone:
                if not told and common(waiting, ((sequence, sequence),)):
                    found.append((key.kid, sequence, index, why))
        return found[:NAMED_AT_ONCE]

    def part_reported(self, kid: bytes, sequence: int, index: int) -> None:
        """The *lost* item for this disclosure is sealed."""
        key = self._key(kid)
        if key is not None:
            key = key.copy()
            place = (sequence, index)
            key.gone = [part[:3] + (True,) if part[:2] == place else part for part in key.gone]
            self.facts.keep([key])

    # Space: at 0.9 the hub stops connecting to devices that keep their records, at 1.0 to all.

    def fullness(self) -> float:
        """Used share of the space; 1.0 leaves a reserve for status and 50 readings."""
        return self.files.used / self.files.room()

    def free_bytes(self) -> int:
        """What may still be stored before the reserve."""
        return max(0, self.files.room() - self.files.used)

    def make_room(self) -> int:
        """Free a few accepted envelopes when space is short, oldest settled first; how many."""
        return 0 if self.fullness() < FREE_ABOVE else free_batch(self)

    def _with_room(self, work: "Callable[[], object]") -> None:
        """Do it, and where the store is full once more for each file that could be freed."""
        while True:
            try:
                work()
                return
            except OutboxError as error:
                if error.code != "disk-full" or not free_batch(self):
                    raise

    # For people, and small facts.

    def counts(self) -> dict[str, int]:
        """Rows at each stage: captured, sealed, sent, refused, quarantined, accepted, delivered, missing."""
        names = ("captured", "sealed", "sent", "refused", "quarantined", "accepted", "delivered", "missing")
        counts = dict([(name, 0) for name in names])  # noqa: C404 (no dict.fromkeys with a value on the hub)
        counts["captured"] = amount(self.captures.waiting)
        for key in self.facts.keys.values():
            for name, ranges in _by_stage(key):
                counts[name] += amount(ranges)
        return counts

    def setting(self, name: str) -> bytes | None:
        """A small durable fact; None when it was never set or cannot be read any more."""
        return self.facts.get(name)

    def set_setting(self, name: str, value: bytes) -> None:
        self.facts.set(name, value)

    def forget_settings(self, start: str) -> None:
        """All settings whose names begin so are gone."""
        self.facts.drop(start)

    def rest(self) -> None:
        """A quiet moment: nothing is put off here."""


def _by_stage(key: Key) -> "list[tuple[str, Ranges]]":
    unaccepted, never = key.unaccepted(), _never(key)
    refused = tuple([run[:2] for run in key.refused if run[3] != NEVER])
    rest = subtract(subtract(unaccepted, never), refused)
    delivered = common(key.accepted, ((1, key.settled),)) if key.settled else ()
    return [
        ("sealed", subtract(rest, key.sent)),
        ("sent", common(rest, key.sent)),
        ("refused", refused),
        ("quarantined", never),
        ("accepted", subtract(key.accepted, delivered)),
        ("delivered", delivered),
        ("missing", key.missing()),
    ]


def _never(key: Key) -> "Ranges":
    return tuple([run[:2] for run in key.refused if run[3] == NEVER])


def _is_time(after_ms: int | None, now_ms: int | None) -> bool:
    return now_ms is not None and (after_ms is None or now_ms >= after_ms)


def _gone(key: Key, sequence: int) -> list[int]:
    return [part[1] for part in key.gone if part[0] == sequence]


def _nowhere(opened: "Opened") -> list[int]:
    return [index for index, spot in enumerate(opened[1]) if spot is None]


def _stage(stage: bytes) -> int:
    return STAGES.index(stage, 1)


def _ranges(rows: list[int]) -> "Ranges":
    return join((), tuple([(row, row) for row in sorted(rows)]))


def _ticks() -> int:
    return int(time.ticks_ms()) if hasattr(time, "ticks_ms") else int(time.monotonic() * 1000)


def _since(now: int, then: int) -> int:
    return int(time.ticks_diff(now, then)) if hasattr(time, "ticks_diff") else now - then

"""Makes envelopes of records: items, disclosures, hashes, one signature, one commit.

Online everything is sealed at once; offline up to MAX_SEALED_ITEMS items or MAX_SEALED_BYTES share an
envelope. What waits here is durable as captured rows: after a cut the hub replays them through the driver.
"""

import os

from gateway.drivers.base import Record
from gateway.hub.errors import OutboxError
from gateway.hub.events import log
from gateway.hub.pending import Pending, disclosure_of, pending_of
from gateway.hub.stored import ADDED, PARTIAL, WHOLE, Captured
from gateway.wire import cose
from gateway.wire.envelope import (
    CONTENT_TYPE,
    MAX_SEALED_BYTES,
    MAX_SEALED_ITEMS,
    SALT_SIZE,
    Contents,
    digest,
    external_aad,
)
from gateway.wire.items import MAX_PART, Item, Lost, Part, Statement
from gateway.wire.measurement import Capture, Device, Moment, measurement_key, short

TYPE_CHECKING = False
if TYPE_CHECKING:
    from gateway.hub.given import Callable, Iterator, Outbox, Signer, T

# What an envelope costs beside its disclosures: header, payload, signature.
PER_ENVELOPE = 256
FIRST, HEAD_UNREADABLE = "first", "head-unreadable"
# Of a damaged row not even the device can be trusted.
UNKNOWN_DEVICE = "unknown"


class Sealer:
    """Seals what one hub has to say, with one key. Raises OutboxError and nothing else.

    `signer` may be replaced by a renewed one: its first envelope names the old key's last as previous.
    """

    def __init__(
        self,
        outbox: "Outbox",
        signer: "Signer",
        hub_id: str,
        now: "Callable[[], Moment]",
        salt: "Callable[[int], bytes]" = os.urandom,
    ) -> None:
        self.signer = signer
        self._outbox = outbox
        self._hub = hub_id
        self._now = now
        self._salt = salt
        self._pending: list[Pending] = []
        self._spare: set[int] = set()

    def add(self, rows: list[Captured], record: Record) -> bytes | None:
        """A record and the captured rows that its frames came from, the row of its first frame first.

        Its measurement key; None for an undecoded record. A measurement that was sealed before is not sealed
        again: its rows go with the next envelope or with `seal`. One that was not whole then and is now gets
        an addition, once.
        """
        key = self._key(rows[0], record)
        stage = self._stage(key, record)
        if stage is None or (record.reading is None and record.error is None):
            self._spare.update(captured.row for captured in rows)
            return key
        self._pending.append(pending_of(rows, record, key or b"", stage, self._disclose))
        undecoded, added = record.reading is None, stage == ADDED
        log.info("record", key=short(key) if key else None, undecoded=undecoded, added=added)
        return key

    def has(self, device: Device, record: Record) -> bool:
        """Whether a record of a device's memory says nothing that was not sealed, or waits, already."""
        if record.key is None or record.key.live:
            return False
        nowhere = Capture(
            self.signer.kid, 0, self._now()
        )  # of no account where the record has a key of its own
        return self._stage(measurement_key(device.identity, record.key, nowhere), record) is None

    def seal(self, online: bool) -> int:  # noqa: FBT001 (the contract's word)
        """Seal what is ready; how many envelopes that gave. What an error leaves waits for the next call."""
        before = self._sequence()
        while batch := self._batch(online=online):
            for pending in batch:
                self._send_ahead(pending)
            del self._pending[: len(batch)]
            try:
                self._seal_batch(batch)
            except OutboxError:
                self._pending[:0] = batch
                raise
        left = self._spare - self._in_use()
        if left:
            self._outbox.release(sorted(left))
            self._spare -= left
        return self._sequence() - before

    def state(self, item: Item) -> int:
        """Seal a statement, status, lost or next key item at once, alone; the sequence of its envelope.

        Records that wait are sealed before a statement: it speaks of what comes after it. OutboxError
        ("item-limit") for an item that breaks a limit of the wire format.
        """
        if isinstance(item, Statement):
            self._flush()
        return self._seal_items([item])

    def report_damage(self) -> int:
        """Tell the bridge of envelopes, disclosures and captures that the outbox lost; how many."""
        envelopes = self._outbox.unreported_damage()
        for group in _groups(envelopes):
            self._seal_items([Lost((kid, sequence, None), None, 1, "unreadable") for kid, sequence in group])
            for kid, sequence in group:
                self._outbox.damage_reported(kid, sequence)
        parts = self._outbox.unreported_parts()
        for some in _groups(parts):
            self._seal_items(
                [Lost((kid, sequence, index), None, 1, why) for kid, sequence, index, why in some]
            )
            for kid, sequence, index, _ in some:
                self._outbox.part_reported(kid, sequence, index)
        captures = self._outbox.damaged_captures()
        if captures:
            self._seal_items([Lost(None, UNKNOWN_DEVICE, captures, "unreadable")])
            self._outbox.damaged_captures_reported()
        return len(envelopes) + len(parts) + captures

    def forget_known(self) -> None:
        """From here on no record counts as sealed before, whatever its key."""
        self._flush()
        self._outbox.forget_known()

    # From a record to its disclosure.

    def _key(self, first: Captured, record: Record) -> bytes | None:
        if record.key is None:
            return None
        return measurement_key(first.device.identity, record.key, first.capture)

    def _stage(self, key: bytes | None, record: Record) -> bytes | None:
        """How this record is sealed; None when it says nothing that was not sealed, or waits, already."""
        if key is None:
            return WHOLE
        final = record.reading is None or record.reading.final
        there = self._outbox.sealed(key) | {other.stage for other in self._pending if other.key == key}
        if not there - {ADDED}:
            return WHOLE if final else PARTIAL
        return ADDED if final and there == {PARTIAL} else None

    def _disclose(self, item: Item) -> bytes:
        return disclosure_of(self._salt(SALT_SIZE), item)

    # From disclosures to an envelope.

    def _batch(self, *, online: bool) -> list[Pending]:
        """The next records that share an envelope; none while, offline, more may still join them."""
        batch: list[Pending] = []
        size, full = PER_ENVELOPE, online
        for pending in self._pending:
            if batch and (len(batch) == MAX_SEALED_ITEMS or size + pending.size > MAX_SEALED_BYTES):
                return batch
            batch.append(pending)
            size += pending.size
            full = full or bool(pending.whole)
        return batch if full or len(batch) == MAX_SEALED_ITEMS or size > MAX_SEALED_BYTES else []

    def _send_ahead(self, pending: Pending) -> None:
        """Long evidence in parts, an envelope each; after an error it goes on where it stopped."""
        count = -(-len(pending.whole) // MAX_PART)
        for index in range(pending.ahead, count):
            data = pending.whole[index * MAX_PART : (index + 1) * MAX_PART]
            part = self._disclose(Part(digest(pending.whole), index, count, data))
            self._envelope([part], [], 0, [], evidence_of=pending.key)
            pending.ahead = index + 1

    def _seal_batch(self, batch: list[Pending]) -> None:
        done = {row for pending in batch for row in pending.rows} | self._spare
        free = done - self._in_use()
        keys = [pending.key for pending in batch]
        stages = [pending.stage for pending in batch]
        self._envelope([pending.disclosed for pending in batch], keys, 0, sorted(free), stages=stages)
        self._spare = done - free

    def _seal_items(self, items: list[Item]) -> int:
        statements = sum(isinstance(item, Statement) for item in items)
        return self._envelope([self._disclose(item) for item in items], [], statements, [])

    def _envelope(
        self,
        disclosed: list[bytes],
        keys: list[bytes],
        statements: int,
        rows: list[int],
        *,
        stages: list[bytes] | tuple[()] = (),
        evidence_of: bytes = b"",
    ) -> int:
        kid = self.signer.kid
        head = self._outbox.head(kid)
        sequence, total = (
            (1, statements) if head is None else (head.sequence + 1, head.statements + statements)
        )
        previous, reason = (head.hash, None) if head is not None else self._before_first()
        hashes = [digest(part) for part in disclosed]
        contents = Contents(sequence, previous, reason, self._now(), total, hashes).encode()
        protected = cose.protected_header(CONTENT_TYPE, kid)
        signature = self.signer.sign(cose.sig_structure(protected, external_aad(self._hub), contents))
        signed = cose.pack(protected, contents, signature)
        self._outbox.seal(
            kid, sequence, signed, disclosed, keys, total, rows, stages=stages, evidence_of=evidence_of
        )
        return sequence

    def _before_first(self) -> tuple[bytes | None, str | None]:
        """What a key's first envelope names: the last of the key before it, or why there is none."""
        try:
            last = self._outbox.last_head()
        except OutboxError:
            return None, HEAD_UNREADABLE
        return (None, FIRST) if last is None else (last.hash, None)

    def _sequence(self) -> int:
        head = self._outbox.head(self.signer.kid)
        return 0 if head is None else head.sequence

    def _in_use(self) -> set[int]:
        """Captured rows that a waiting record still needs."""
        return {row for pending in self._pending for row in pending.rows}

    def _flush(self) -> None:
        """What follows does not wait for records that cannot be written just now."""
        try:
            self.seal(online=True)
        except OutboxError as error:
            log.error("not-sealed", code=error.code)


def _groups(rows: "list[T]") -> "Iterator[list[T]]":
    """As many at once as one envelope takes."""
    for start in range(0, len(rows), MAX_SEALED_ITEMS):
        yield rows[start : start + MAX_SEALED_ITEMS]

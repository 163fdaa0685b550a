"""Opens an outbox: what its files say is put together, and what cannot be told any more is named."""

import os
import struct

from firmware.outbox.envelope import HEAD_FORM
from firmware.outbox.keys import Key, amount
from firmware.outbox.kids import IDENTITY_SIZE
from gateway.hub.events import log
from gateway.hub.stored import holds, join, subtract

TYPE_CHECKING = False
if TYPE_CHECKING:
    from firmware.outbox.envelope import Envelope
    from firmware.outbox.outbox import Outbox
    from gateway.hub.given import Ranges


def load(outbox: "Outbox") -> "tuple[bytes, Ranges]":
    """Keys and known measurements as the files have them.

    The store's identity, and the captured rows that envelopes took over.
    """
    return _Opening(outbox).run()


class _Opening:
    """Gathers what envelopes say of keys that the facts have, or have not."""

    def __init__(self, outbox: "Outbox") -> None:
        self._outbox = outbox
        self._keys = {number: key.copy() for number, key in outbox.facts.keys.items()}
        self._there: dict[int, list[list[int]]] = {}
        self._released: Ranges = ()

    def run(self) -> "tuple[bytes, Ranges]":
        outbox = self._outbox
        last = outbox.envelopes.load(self._head, self._envelope)
        outbox.known.load()
        identity = outbox.facts.get(".identity")
        lost_facts = identity is None and bool(last or outbox.kids.listed)
        for key in self._keys.values():
            self._settle(key, lost_facts)
        if not outbox.envelopes.whole or outbox.facts.number(".top") > last:
            self._burn_live()
        if identity is None:
            identity = os.urandom(IDENTITY_SIZE)
            outbox.facts.set(".identity", identity)
        outbox.facts.keep([self._keys[number] for number in sorted(self._keys)])
        return identity, self._released

    def _head(self, data: bytes) -> None:
        number, sequence, statements, kid, proof = struct.unpack(HEAD_FORM, data)
        key = self._keys.get(number)
        if key is None:
            key = self._keys[number] = Key(number, kid)
        if key.kid != kid or (sequence == key.sequence and proof != key.hash):
            key.burnt = True
        elif sequence > key.sequence:
            key.moved_to(sequence, proof, statements)

    def _envelope(self, envelope: "Envelope") -> bool:
        """Whether it is still needed."""
        key, sequence = self._keys[envelope.number], envelope.sequence
        there = self._there.setdefault(envelope.number, [])
        if there and there[-1][1] + 1 == sequence:
            there[-1][1] = sequence
        else:
            there.append([sequence, sequence])
        self._released = join(self._released, envelope.rows)
        unreadable = any([part[0] == sequence and part[2] == "unreadable" for part in key.gone])
        dropped = holds(key.absent, sequence)
        for number, _, measurement in envelope.entries():
            self._outbox.known.note(number, measurement)
            if unreadable or dropped:
                self._outbox.known.unknow(number)
        return not dropped

    def _settle(self, key: Key, lost_facts: bool) -> None:  # noqa: FBT001
        """What is not here was freed, as the facts say, or is lost; without facts we suppose the former."""
        there = join((), tuple([(low, high) for low, high in self._there.get(key.number, [])]))
        lost = subtract(key.here(), there)
        if lost:
            log.error("outbox-damaged", kid=key.kid.hex(), missing=amount(lost))
            key.lose(lost)
            if lost_facts:
                key.freed = join(key.freed, lost)
        key.burnt = key.burnt or lost_facts

    def _burn_live(self) -> None:
        """The end of what was sealed is not readable: any key that was in use then may be further."""
        outbox = self._outbox
        log.error("head-unreadable")
        if self._keys:
            self._keys[max(self._keys)].burnt = True
        kids = [key.kid for key in self._keys.values()]
        for kid in outbox.kids.listed:
            if kid not in kids:
                number = 1 + max(self._keys) if self._keys else 1
                self._keys[number] = Key(number, kid)
                self._keys[number].burnt = True

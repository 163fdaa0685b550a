# ruff: noqa: ARG002 (every verb of a story takes three numbers)
"""One story for every outbox: a list of [verb, number, …] played on it, and what it answers. Runs on both interpreters.

Numbers mean what is there at that moment (modulo), so that every list is a story.
"""

import hashlib

from gateway.hub.errors import OutboxError
from gateway.hub.stored import ADDED, PARTIAL, WHOLE
from gateway.wire import cose
from gateway.wire.envelope import CONTENT_TYPE, Contents, digest, disclosure
from gateway.wire.items import Frame, ReadingItem
from gateway.wire.measurement import Capture, Device, Moment
from gateway.wire.state import AFTER_ACTION, AFTER_TIME, NEVER, KeyState, Refusal, State

MOMENT = Moment(b"boot-one", 1000, None, "none")
DEVICE = Device("bluetooth-0011", "Maker", "Cuff")
KIDS = [bytes((65 + n,)) * 8 for n in range(3)]
VERBS = (
    "capture",
    "seal",
    "state",
    "reopen",
    "release",
    "set",
    "forget_settings",
    "reported",
    "forget_known",
)
VERBS += ("time", "evidence", "taken")


def whole(raw):
    """A message to be sent: on a board it is read as it is written."""
    if isinstance(raw, bytes):
        return raw
    data, piece = b"", bytearray(100)
    while len(data) < len(raw):
        count = raw.readinto(piece)
        if not count:
            return b"ended early"
        data += bytes(piece[:count])
    return data


def measurement(number):
    return digest(b"measurement %d" % number)


def envelope(kid, sequence, previous, salts, statements=0, parts=None):
    """(signed, disclosures) with a reading for each salt, or these; nobody here looks at the signature."""
    made = []
    for salt in salts:
        capture = Capture(kid, sequence, MOMENT)
        frames = [Frame("2a35", 0, b"\x1e" + salt[:4])]
        item = ReadingItem(capture, DEVICE, "blood-pressure", 1, frames, None, "undecoded")
        made.append(disclosure(salt[:16], item))
    parts = parts or made
    reason = "first" if previous is None else None
    contents = Contents(
        sequence, previous, reason, MOMENT, statements, [digest(part) for part in parts]
    ).encode()
    return cose.pack(cose.protected_header(CONTENT_TYPE, kid), contents, b"s" * 64), parts


class Story:
    """open_outbox: opens the same store again. clock: [seconds], which the store's clock shows."""

    def __init__(self, open_outbox, clock):
        self.open = open_outbox
        self.clock = clock
        self.outbox = open_outbox()
        self.live = 0
        self.heads = [[] for _ in KIDS]  # hashes of all that were sealed
        self.rows = []
        self.made = 0
        self.told = 0

    def play(self, steps):
        """The answers: after each step what it gave, and what stands in the store then."""
        return [[self.step(list(step)), self.seen()] for step in steps]

    def step(self, step):
        verb, a, b, c = step
        try:
            return getattr(self, verb)(a, b, c)
        except OutboxError as error:
            return ["error", error.code]

    def seen(self):
        outbox, heads = self.outbox, []
        for kid in KIDS:
            try:
                head = outbox.head(kid)
                heads.append(None if head is None else [head.sequence, head.hash.hex(), head.statements])
            except OutboxError as error:
                heads.append(error.code)
        counts = outbox.counts()
        return {
            "heads": heads,
            "counts": [counts[name] for name in sorted(counts)],
            "send": [self.shown(message) for message in outbox.to_send(1000, set())],
            "some": [
                message.sequence for message in outbox.to_send(2, {(KIDS[0], 1), (KIDS[0], 3)}, set(KIDS[:2]))
            ],
            "unaccepted": outbox.unaccepted(),
            "waiting": [kid.hex() for kid in outbox.waiting_keys()],
            "damage": [[kid.hex(), sequence] for kid, sequence in outbox.unreported_damage()],
            "parts": [
                [kid.hex(), sequence, index, why] for kid, sequence, index, why in outbox.unreported_parts()
            ],
            "known": [self.stages(measurement(n)) for n in range(12)],
            "rows": [captured.row for captured in outbox.captured()],
            "settings": [self.text(outbox.setting(name)) for name in ("mark a", "mark b", "other")],
            "damaged": outbox.damaged_captures(),
        }

    def shown(self, message):
        proof = hashlib.sha256(whole(message.raw)).digest()
        return [message.kid.hex(), message.sequence, message.hash.hex(), proof.hex()]

    def stages(self, key):
        """Of a measurement that is sealed whole nobody asks whether it was before it was."""
        found = self.outbox.sealed(key)
        return sorted([stage.decode() for stage in (found - {PARTIAL} if WHOLE in found else found)])

    def text(self, value):
        return None if value is None else value.hex()

    # The verbs.

    def capture(self, a, b, c):
        frames = [Frame("2a35", 0, bytes((a % 256,)) * (1 + b % 300))]
        row = self.outbox.capture(
            b"visit--1", MOMENT, KIDS[self.live], DEVICE, "blood-pressure", frames, None
        ).row
        self.rows.append(row)
        return row

    def release(self, a, b, c):
        self.outbox.release([row for row in self.rows if row % 3 == a % 3])

    def seal(self, a, b, c):
        if b % 11 == 0 and self.live + 1 < len(KIDS):
            self.live += 1
        salts = []
        keys, stages = [], []
        for n in range(1 + a % 4):
            self.made += 1
            salts.append(digest(b"salt %d" % self.made))
            keys.append(measurement((c + n) % 12) if (b + n) % 5 else b"")
            stages.append((WHOLE, PARTIAL, ADDED)[c % 3] if c % 2 else WHOLE)
        rows = [row for row in self.rows if (row + a) % 2]
        self._seal(salts, keys, rows, stages, b"")

    def evidence(self, a, b, c):
        self.made += 1
        self._seal([digest(b"salt %d" % self.made)], [], [], [], measurement(a % 12))

    def taken(self, a, b, c):
        head = len(self.heads[self.live])
        self._seal([b"s" * 32], [], [], [], b"", sequence=max(1, head + (0, 2)[a % 2]))

    def _seal(self, salts, keys, rows, stages, evidence, sequence=None):
        kid, chain = KIDS[self.live], self.heads[self.live]
        number = sequence or len(chain) + 1
        signed, parts = envelope(kid, number, chain[-1] if chain else None, salts)
        self.outbox.seal(
            kid, number, signed, parts, keys, number // 3, rows, stages=stages, evidence_of=evidence
        )
        chain.append(digest(signed))

    def state(self, a, b, c):
        """A state that holds this and that; numbers beyond the head, other hashes and odd ranges happen."""
        keys, refused = [], []
        for place, chain in enumerate(self.heads):
            if not chain or (a + place) % 9 == 0:
                continue
            contiguous = (a * (place + 1)) % (len(chain) + 1 + (b % 17 == 0))
            last = chain[contiguous - 1] if 0 < contiguous <= len(chain) and c % 13 else b"x" * 32
            low = contiguous + 2 + b % 3
            ranges = [(low, low + c % 3)] if low + c % 3 <= len(chain) else []
            keys.append(
                KeyState(
                    KIDS[place], contiguous, last if contiguous else None, ranges, contiguous * (b % 3) // 2
                )
            )
            sequence = 1 + b % len(chain)
            retry = (NEVER, AFTER_ACTION, AFTER_TIME)[c % 3]
            proof = chain[sequence - 1] if a % 5 else b"y" * 32
            if b % 2:
                refused.append(
                    Refusal(
                        KIDS[place], sequence, proof, "code-%d" % (a % 2), retry, 2000 if c % 3 == 2 else None
                    )
                )
        forget = [measurement(c % 12)] if c % 4 == 0 else []
        sent = {(KIDS[place], 1 + (a + b) % 5) for place in range(len(KIDS))}
        state = State(b"12345678", 1, keys, refused, 1000 * (1 + c % 3), forget=forget)
        effect = self.outbox.apply(state, sent)
        return [effect.accepted, effect.lost_accepted, effect.ahead, effect.quarantined]

    def reopen(self, a, b, c):
        self.outbox.close()
        self.outbox = self.open()

    def set(self, a, b, c):
        self.outbox.set_setting(("mark a", "mark b", "other")[a % 3], bytes((b % 256,)) * (c % 4))

    def forget_settings(self, a, b, c):
        self.outbox.forget_settings("mark ")

    def reported(self, a, b, c):
        for kid, sequence in self.outbox.unreported_damage()[:2]:
            self.outbox.damage_reported(kid, sequence)
        for kid, sequence, index, _ in self.outbox.unreported_parts()[:2]:
            self.outbox.part_reported(kid, sequence, index)

    def forget_known(self, a, b, c):
        self.outbox.forget_known()

    def time(self, a, b, c):
        self.clock[0] += a % 3

"""A whole hub in memory, and the bridge as it hears it, for both interpreters.

The outbox keeps rows as bytes, so that what comes back is what was written. A signature here is a hash over key
and data: the hub's logic is given its signer, and real ones are tested where they live.
"""

import hashlib
import sys

from gateway.drivers import driver_named
from gateway.hub.dialogue import Dialogue
from gateway.hub.errors import OutboxError
from gateway.hub.events import log
from gateway.hub.hub import Hub
from gateway.hub.sealer import Sealer
from gateway.hub.stored import (
    WHOLE,
    Captured,
    Effect,
    Head,
    Message,
    captured_body,
    captured_from_body,
)
from gateway.hub.visit import Visit
from gateway.wire import cose, state, topics
from gateway.wire.envelope import digest, message, open_disclosure, open_message
from gateway.wire.measurement import Capture, Device, Moment, key_id
from gateway.wire.state import KeyState, State, open_hello, open_key_request

if sys.implementation.name == "micropython":  # elsewhere pytest keeps what is printed
    log.send_to(lambda *_: None)

HUB = "hub-1"
CUFF = Device("bluetooth-C0FFEE000001")
METER = Device("bluetooth-C0FFEE000002")


def signature(public_key, data):
    half = hashlib.sha256(public_key + data).digest()
    return half + half


def verify(public_key, signed, data):
    return signed == signature(public_key, data)


class Key:
    def __init__(self, number):
        self.public_key = bytes([number] * 32)
        self.kid = key_id(self.public_key)

    def sign(self, data):
        return signature(self.public_key, data)


class Memory:
    """The outbox. full: nothing can be captured. lost_heads: keys whose head cannot be read."""

    def __init__(self):
        self.rows, self.envelopes, self.heads, self.known, self.settings = {}, [], {}, {}, {}
        self.accepted, self.last_row, self.full, self.lost_heads = set(), 0, False, set()

    def capture(self, visit, moment, kid, device, driver, frames, clock):
        if self.full:
            raise OutboxError("disk-full")
        self.last_row += 1
        captured = Captured(
            self.last_row, visit, Capture(kid, self.last_row, moment), device, driver, frames, clock
        )
        self.rows[self.last_row] = captured_body(captured)
        return captured

    def captured(self):
        return [captured_from_body(row, self.rows[row]) for row in sorted(self.rows)]

    def release(self, rows):
        for row in rows:
            self.rows.pop(row, None)

    def head(self, kid):
        if kid in self.lost_heads:
            raise OutboxError("head-unreadable")
        return self.heads.get(kid)

    def last_head(self):
        return self.head(self.envelopes[-1].kid) if self.envelopes else None

    def seal(self, kid, sequence, signed, disclosures, keys, statements, rows, *, stages=(), evidence_of=b""):  # noqa: ARG002 (as it is called)
        before = self.head(kid)
        if sequence != (before.sequence if before else 0) + 1:
            raise OutboxError("sequence-taken")
        self.heads[kid] = Head(kid, sequence, digest(signed), statements)
        self.envelopes.append(Message(kid, sequence, digest(signed), message(signed, disclosures)))
        for key, stage in zip(keys, list(stages) + [WHOLE] * len(keys)):  # noqa: B905, RUF100 (MicroPython)
            if key:
                self.known.setdefault(key, set()).add(stage)
        self.release(rows)

    def sealed(self, key):
        return self.known.get(key, set())

    def forget_known(self):
        self.known = {}

    def to_send(self, limit, exclude, known=None):
        waiting = [one for one in self.envelopes if (one.kid, one.sequence) not in self.accepted | exclude]
        return [one for one in waiting if known is None or one.kid in known][:limit]

    def apply(self, said, sent):  # noqa: ARG002 (as it is called)
        here = {(one.kid, one.sequence) for one in self.envelopes}
        held = {place for place in here if said.key(place[0]) and said.key(place[0]).accepts(place[1])}
        ahead = any(
            key.contiguous > max([n for kid, n in here if kid == key.kid] or [0]) for key in said.keys
        )
        effect = Effect(len(held - self.accepted), bool(self.accepted - held), ahead, 0)
        self.accepted = held
        return effect

    def unaccepted(self):
        return len(self.envelopes) - len(self.accepted)

    def waiting_keys(self):
        kids = []
        for one in self.envelopes:
            if (one.kid, one.sequence) not in self.accepted and one.kid not in kids:
                kids.append(one.kid)
        return kids

    def damaged_captures(self):
        return 0

    def unreported_damage(self):
        return []

    unreported_parts = unreported_damage

    def fullness(self):
        return 1.0 if self.full else 0.1

    def free_bytes(self):
        return 1000

    def make_room(self):
        return 0

    def counts(self):
        return {"captured": len(self.rows), "sealed": len(self.envelopes)}

    def setting(self, name):
        return self.settings.get(name)

    def set_setting(self, name, value):
        self.settings[name] = value

    def forget_settings(self, start):
        self.settings = {name: value for name, value in self.settings.items() if not name.startswith(start)}


class Time:
    def __init__(self):
        self.at_ms, self.anchored = 1000, None

    def mono_ms(self):
        return self.at_ms

    def now(self):
        return Moment(b"boot-one", self.at_ms, self.anchored, "none" if self.anchored is None else "bridge")

    def anchor(self, bridge_ms):
        self.anchored = bridge_ms


class House:
    """The hub, what it published, and a bridge that knows `known` keys and took `held` of what it heard."""

    def __init__(self):
        self.outbox, self.time, self.sent = Memory(), Time(), []
        self.bridge, self.counter = Key(255), 0
        self.keys = [Key(1)]
        self.known, self.held = {self.keys[0].kid}, {}
        self.start()

    def start(self):
        """Power on: only the outbox and the keys are as before."""
        sealer = Sealer(self.outbox, self.keys[-1], HUB, self.time.now)
        self.dialogue = Dialogue(
            HUB, self.outbox, self.keys[-1], self.bridge.public_key, self.time.now, self.publish, verify
        )
        self.hub = Hub(self.outbox, sealer, self.dialogue, self.time, self.renewed, lambda: self.keys[:-1])

    def renewed(self):
        self.keys.append(Key(len(self.keys) + 1))
        return self.keys[-1]

    def publish(self, topic, payload):
        self.sent.append((topic, payload))
        return True

    def of(self, word):
        return [payload for topic, payload in self.sent if topic == topics.up(HUB, word)]

    # Devices.

    def visit(self, driver, device, parts, close=True):
        visit = Visit(device, driver_named(driver))
        self.hub.visits.opened(visit)
        self.hub.visits.begun(visit)
        for source, data in parts:
            self.time.at_ms += 100
            self.hub.visits.received(visit, source, data)
        if close:
            self.hub.visits.closed(visit)
        return visit

    def cuff(self, *records):
        return self.visit("blood-pressure", CUFF, [("2a35", data) for data in records])

    # The bridge.

    def say(self, nonce=None, commands=None, key=None, ahead=0):
        """A state about what it holds, signed; ahead: it claims so many more of the live key."""
        self.counter += 1
        keys = []
        for kid in sorted(self.known):
            held = self.held.get(kid, [])
            count = len(held) + (ahead if kid == self.keys[-1].kid else 0)
            keys.append(KeyState(kid, count, (held or [bytes(32)])[-1] if count else None, [], 0))
        nonce = open_hello(self.of(topics.HELLO)[-1]).nonce if nonce is None else nonce
        said = State(nonce, self.counter, keys, [], 1800000000000, commands).encode()
        key = key or self.bridge
        protected = cose.protected_header(state.CONTENT_TYPE, key.kid)
        covered = cose.sig_structure(protected, state.external_aad(HUB), said)
        self.hub.state_arrived(cose.pack(protected, said, key.sign(covered)))
        self.hub.tick()

    def online(self):
        self.hub.online()
        self.say()

    def take(self):
        """The bridge holds, in order, all that it heard, and has heard of all keys that it was asked to take."""
        for raw in self.of(topics.KEY):
            self.known.add(key_id(open_key_request(raw).public_key))
        for sealed, _ in self.heard():
            held = self.held.setdefault(sealed.kid, [])
            if sealed.kid in self.known and sealed.sequence == len(held) + 1:
                held.append(sealed.hash)

    def settle(self):
        for _ in range(20):
            self.hub.tick()
            self.take()
            self.say()
            if not self.outbox.unaccepted():
                return
        raise AssertionError(self.outbox.counts())

    def heard(self):
        """Each envelope once, in the order in which it came, with its disclosures; its signature is good."""
        found, order = {}, []
        for raw in self.of(topics.ENVELOPE):
            sealed, disclosed = open_message(raw)
            if (sealed.kid, sealed.sequence) not in found:
                order.append((sealed.kid, sealed.sequence))
            found[sealed.kid, sealed.sequence] = (sealed, disclosed)
        return [found[place] for place in order]

    def items(self):
        return [open_disclosure(data) for _, disclosed in self.heard() for data in disclosed]

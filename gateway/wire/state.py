"""Hello and state: instead of receipts the bridge tells a hub, signed, everything it holds of it.

A hub acts only on a state that carries its newest hello's 8 bytes and a counter above the last one, and
replaces what it knew. So lost, doubled, reordered or replayed states do no harm.
"""

from gateway.wire import cose, shape
from gateway.wire.cbor import CborError, decode, encode
from gateway.wire.errors import WireError
from gateway.wire.measurement import KEY_SIZE, KID_SIZE, Moment, moment_from_wire
from gateway.wire.reports import COMMAND_ID_SIZE, MAX_COMMANDS

FAMILY = "application/meethub-state"
CONTENT_TYPE = FAMILY + ";v=1"
NONCE_SIZE = 8
NEVER, AFTER_ACTION, AFTER_TIME = "never", "after-action", "after-time"
RETRIES = (NEVER, AFTER_ACTION, AFTER_TIME)
# A state that would be longer names the lowest ranges and the oldest refusals; what it does not list as
# accepted the hub sends again, which does no harm.
MAX_KEYS = 8
MAX_RANGES = 64
MAX_REFUSED = 64
MAX_FORGET = 64
MAX_STATE = 24 * 1024
MAX_HELLO = 256
MAX_KEY_REQUEST = 256


def external_aad(hub: str) -> bytes:
    return b"meethub/state|" + hub.encode()


class Hello:
    """What a hub says when it connects: head is (key id, sequence, hash) of its last envelope."""

    def __init__(
        self, nonce: bytes, head: tuple[bytes, int, bytes] | None, free_bytes: int, moment: Moment
    ) -> None:
        self.nonce = nonce
        self.head = head
        self.free_bytes = free_bytes
        self.moment = moment

    def encode(self) -> bytes:
        head = None if self.head is None else list(self.head)
        return encode([1, self.nonce, head, self.free_bytes, self.moment.wire()])


class KeyState:
    """What the bridge holds of one key: all up to `contiguous`, and these ranges (from, to) beyond it.

    hash: of the envelope at `contiguous` (None when that is 0). settled: delivered or decided up to here.
    """

    def __init__(
        self,
        kid: bytes,
        contiguous: int,
        last: bytes | None,
        ranges: list[tuple[int, int]],
        settled: int,
    ) -> None:
        self.kid = kid
        self.contiguous = contiguous
        self.last = last
        self.ranges = ranges
        self.settled = settled

    def accepts(self, sequence: int) -> bool:
        if sequence <= self.contiguous:
            return True
        return any([low <= sequence <= high for low, high in self.ranges])  # noqa: C419 (no generator on the hub)

    def wire(self) -> list[object]:
        ranges = [list(pair) for pair in self.ranges]
        return [self.kid, self.contiguous, self.last, ranges, self.settled]


class Refusal:
    """An envelope that the bridge does not take, as it received it (hash), why, and when to try again.

    after_ms: bridge time before which a retry AFTER_TIME is of no use; None for the other two.
    """

    def __init__(
        self, kid: bytes, sequence: int, envelope: bytes, code: str, retry: str, after_ms: int | None = None
    ) -> None:
        self.kid = kid
        self.sequence = sequence
        self.envelope = envelope
        self.code = code
        self.retry = retry
        self.after_ms = after_ms

    def wire(self) -> list[object]:
        return [self.kid, self.sequence, self.envelope, self.code, self.retry, self.after_ms]


class Command:
    """Something the hub is asked to do, once: id, verb, not after (bridge time, ms)."""

    def __init__(self, command_id: bytes, verb: str, expires_ms: int) -> None:
        self.command_id = command_id
        self.verb = verb
        self.expires_ms = expires_ms

    def wire(self) -> list[object]:
        return [self.command_id, self.verb, self.expires_ms]


class State:
    """All that the bridge holds of a hub, at its `counter`; forget: measurement keys the citizen erased."""

    def __init__(
        self,
        nonce: bytes,
        counter: int,
        keys: list[KeyState],
        refused: list[Refusal],
        bridge_ms: int,
        commands: list[Command] | None = None,
        forget: list[bytes] | None = None,
        not_before_ms: int | None = None,
    ) -> None:
        self.nonce = nonce
        self.counter = counter
        self.keys = keys
        self.refused = refused
        self.bridge_ms = bridge_ms
        self.commands = commands or []
        self.forget = forget or []
        self.not_before_ms = not_before_ms

    def key(self, kid: bytes) -> KeyState | None:
        """What the bridge holds of this key; None when it does not know the key."""
        for key in self.keys:
            if key.kid == kid:
                return key
        return None

    def encode(self) -> bytes:
        return encode(
            [
                self.nonce,
                self.counter,
                [key.wire() for key in self.keys],
                [refusal.wire() for refusal in self.refused],
                self.bridge_ms,
                [command.wire() for command in self.commands],
                self.forget,
                self.not_before_ms,
            ]
        )


def open_hello(raw: bytes) -> Hello:
    """WireError when these bytes are no hello."""
    version, nonce, head, free_bytes, moment = shape.array(_decode(raw, MAX_HELLO), 5)
    shape.integer(version, 1, 1)
    return Hello(
        shape.octets(nonce, NONCE_SIZE),
        None if head is None else _head(head),
        shape.integer(free_bytes),
        moment_from_wire(moment),
    )


def open_state(raw: bytes) -> tuple[cose.Sign1, bytes, State]:
    """(COSE_Sign1 to verify, key id, state), not verified yet; WireError otherwise."""
    if len(raw) > MAX_STATE:
        raise WireError("wire-size")
    part = cose.unpack(raw)
    version, kid = cose.check_profile(part, FAMILY)
    if version != 1:
        raise WireError("state-version")
    nonce, counter, keys, refused, bridge_ms, commands, forget, not_before = shape.array(
        _decode(part.payload, MAX_STATE), 8
    )
    state = State(
        shape.octets(nonce, NONCE_SIZE),
        shape.integer(counter, 1),
        _keys(keys),
        [_refusal(refusal) for refusal in shape.some(refused, MAX_REFUSED)],
        _time(bridge_ms),
        [_command(command) for command in shape.some(commands, MAX_COMMANDS)],
        [shape.octets(key, KEY_SIZE) for key in shape.some(forget, MAX_FORGET)],
        None if not_before is None else _time(not_before),
    )
    return part, kid, state


class KeyRequest:
    """A hub's new signing key, sent over its TLS identity: public key and proof that the hub holds it."""

    def __init__(self, public_key: bytes, proof: bytes) -> None:
        self.public_key = public_key
        self.proof = proof

    def encode(self) -> bytes:
        return encode([1, self.public_key, self.proof])


def open_key_request(raw: bytes) -> KeyRequest:
    """WireError when these bytes are no key request."""
    version, public_key, proof = shape.array(_decode(raw, MAX_KEY_REQUEST), 3)
    shape.integer(version, 1, 1)
    return KeyRequest(shape.octets(public_key, 32), shape.octets(proof, 64))


def _decode(raw: bytes, most: int) -> object:
    if len(raw) > most:
        raise WireError("wire-size")
    try:
        return decode(raw)
    except CborError as error:
        raise WireError("wire-cbor", str(error)) from None


def _head(item: object) -> tuple[bytes, int, bytes]:
    kid, sequence, last = shape.array(item, 3)
    return shape.octets(kid, KID_SIZE), shape.integer(sequence, 1), shape.octets(last, 32)


def _time(item: object) -> int:
    return shape.integer(item, 0, shape.MAX_WALL_MS)


def _keys(item: object) -> list[KeyState]:
    keys = [_key(key) for key in shape.some(item, MAX_KEYS)]
    if len({key.kid for key in keys}) != len(keys):
        raise WireError("wire-shape", "a key twice")
    return keys


def _key(item: object) -> KeyState:
    kid, contiguous, last, ranges, settled = shape.array(item, 5)
    up_to = shape.integer(contiguous)
    if (up_to == 0) != (last is None):
        raise WireError("wire-shape", "the hash of the envelope at contiguous, and none at 0")
    return KeyState(
        shape.octets(kid, KID_SIZE),
        up_to,
        shape.maybe_octets(last, 32),
        _ranges(ranges, up_to),
        shape.integer(settled, 0, up_to),
    )


def _ranges(item: object, contiguous: int) -> list[tuple[int, int]]:
    """Ascending, and at least one missing sequence before each: so every state has one form only."""
    ranges = []
    for pair in shape.some(item, MAX_RANGES):
        first, last = shape.array(pair, 2)
        low = shape.integer(first, contiguous + 2)
        contiguous = shape.integer(last, low)
        ranges.append((low, contiguous))
    return ranges


def _refusal(item: object) -> Refusal:
    kid, sequence, envelope, code, retry, after_ms = shape.array(item, 6)
    if after_ms is not None and retry != AFTER_TIME:
        raise WireError("wire-shape", "a time only with after-time")
    return Refusal(
        shape.octets(kid, KID_SIZE),
        shape.integer(sequence, 1),
        shape.octets(envelope, 32),
        shape.word(code),
        shape.one_of(retry, RETRIES),
        None if after_ms is None else _time(after_ms),
    )


def _command(item: object) -> Command:
    command_id, verb, expires_ms = shape.array(item, 3)
    return Command(shape.octets(command_id, COMMAND_ID_SIZE), shape.word(verb), _time(expires_ms))

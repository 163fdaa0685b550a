"""What the hub says to the bridge and when: hello, envelopes in a window, and acting on states.

Owns no connection: `send` hands a message to the uplink. A PUBACK proves nothing and is not looked at;
a timer never sends an envelope again, it only says hello (protocol, section 5).
"""

import os

from gateway.hub.errors import OutboxError
from gateway.hub.events import log
from gateway.hub.stored import Effect
from gateway.wire import topics
from gateway.wire.errors import WireError
from gateway.wire.items import next_key_proof
from gateway.wire.measurement import Moment, key_id
from gateway.wire.state import NONCE_SIZE, Hello, KeyRequest, State, external_aad, open_state

TYPE_CHECKING = False
if TYPE_CHECKING:
    from gateway.hub.given import Callable, Outbox, Send, Signer, Verify

WINDOW = 8
PATIENCE_MS = 60_000
# A bridge asks for patience, never for silence without end.
LONGEST_WAIT_MS = 3600_000
# A state that came so long after the hello says what time it was, not what time it is.
PROMPT_MS = 30_000
# A crystal drifts some seconds a day: so often a hello asks for the time, if for nothing else.
HELLO_EVERY_MS = 24 * 3600 * 1000


class Dialogue:
    """One hub's side of the conversation."""

    def __init__(
        self,
        hub: str,
        outbox: "Outbox",
        signer: "Signer",
        state_key: bytes,
        now: "Callable[[], Moment]",
        send: "Send",
        verify: "Verify",
    ) -> None:
        self._hub = hub
        self._outbox = outbox
        self.signer = signer
        self._state_key = state_key
        self._now = now
        self._send = send
        self._verify = verify
        self._nonce = b""
        self._hellos = 0
        self._hello_ms = 0
        self._counter = 0
        self._heard_ms = 0
        self._not_before_ms = 0
        self._hello_due = False
        # What is on its way, by (key id, sequence): the last hello before it, when it left (ms since boot).
        self._in_flight: dict[tuple[bytes, int], tuple[int, int]] = {}
        self.connected = False
        self.known_keys: set[bytes] = set()

    def connect(self) -> None:
        """The uplink is there: what was on its way may be lost, so the bridge is asked."""
        self.connected = True
        self.say_hello()

    def disconnect(self) -> None:
        self.connected = False

    def say_hello(self) -> None:
        """Fresh bytes, and where our chain stands. From here on only answers to these bytes count.

        Where the bridge asked for patience, the first tick after that says it.
        """
        now = self._now()
        self._hello_due = now.mono_ms < self._not_before_ms
        if self._hello_due:
            return
        self._nonce = os.urandom(NONCE_SIZE)
        self._hellos += 1
        self._hello_ms = now.mono_ms
        self._counter = 0
        hello = Hello(self._nonce, self._head(), self._outbox.free_bytes(), now)
        if not self._send(topics.up(self._hub, topics.HELLO), hello.encode()):
            self._hello_ms -= PATIENCE_MS  # the next tick tries again

    def _head(self) -> tuple[bytes, int, bytes] | None:
        """Where our chain stands; None also while that cannot be read: a hub that is silent gets no help."""
        try:
            head = self._outbox.head(self.signer.kid)
        except OutboxError as error:
            log.error("hello-without-head", code=error.code)
            return None
        return None if head is None else (head.kid, head.sequence, head.hash)

    def ask_for_keys(self, former: "list[Signer]") -> None:
        """Ask the bridge, over our TLS identity, to take keys; each proof shows that we hold it.

        former: keys before the live one of which it knows none, oldest first. The live one is asked for last:
        of what is asked for, the newest is live at the bridge and retires the one before.
        """
        for signer in former + [self.signer]:
            proof = signer.sign(next_key_proof(self._hub, signer.public_key))
            request = KeyRequest(signer.public_key, proof).encode()
            if not self._send(topics.up(self._hub, topics.KEY), request):
                return  # the order counts; the next state asks again

    def arrived(self, raw: bytes) -> tuple[State, Effect] | None:
        """Act on a state if it is the bridge's, answers our newest hello and is newer than the last one."""
        try:
            part, kid, state = open_state(raw)
        except WireError as error:
            log.warning("state-refused", code=error.code)
            return None
        signed = part.to_be_signed(external_aad(self._hub))
        if kid != key_id(self._state_key) or not self._verify(self._state_key, part.signature, signed):
            log.warning("state-refused", code="state-signature")
            return None
        if state.nonce != self._nonce or state.counter <= self._counter:
            return None
        return state, self._act(state)

    def _act(self, state: State) -> Effect:
        self._counter = state.counter
        self._heard_ms = self._now().mono_ms
        self._not_before_ms = self._wait_until(state)
        self.known_keys = {key.kid for key in state.keys}
        effect = self._outbox.apply(state, set(self._in_flight))
        self._forget_answered(state)
        return effect

    def was_prompt(self) -> bool:
        """Whether the newest state came so soon after our hello that its bridge time is the time now."""
        return self._heard_ms - self._hello_ms <= PROMPT_MS

    def _wait_until(self, state: State) -> int:
        """`not before T` on our own clock: bridge time now is in the same message."""
        if state.not_before_ms is None:
            return 0
        return self._heard_ms + min(max(0, state.not_before_ms - state.bridge_ms), LONGEST_WAIT_MS)

    def _forget_answered(self, state: State) -> None:
        """Listed or refused: no longer on its way. Sent before this hello, not listed: to be sent again."""
        refused = {(refusal.kid, refusal.sequence) for refusal in state.refused}
        for place, (hello, _) in list(self._in_flight.items()):
            key = state.key(place[0])
            listed = key is not None and key.accepts(place[1])
            if listed or place in refused or hello < self._hellos:
                del self._in_flight[place]

    def tick(self) -> None:
        """Fill the window, and say hello when an answer is overdue. Cheap enough to call at every change."""
        if not self.connected:
            return
        now_ms = self._now().mono_ms
        if now_ms < self._not_before_ms:
            return
        if self._hello_due or self._overdue(now_ms):
            self.say_hello()
        room = WINDOW - len(self._in_flight)
        # A key speaks only once the bridge lists it; envelopes of others must not fill the window.
        waiting = self._outbox.to_send(room, set(self._in_flight), self.known_keys) if room > 0 else []
        for message in waiting:
            if not self._send(topics.up(self._hub, topics.ENVELOPE), message.raw):
                break
            self._in_flight[message.kid, message.sequence] = (self._hellos, now_ms)

    def _overdue(self, now_ms: int) -> bool:
        if now_ms - self._hello_ms < PATIENCE_MS:
            return False
        if now_ms - self._hello_ms >= HELLO_EVERY_MS:
            return True
        waiting = any(now_ms - at_ms >= PATIENCE_MS for _, at_ms in self._in_flight.values())
        silent = now_ms - self._heard_ms >= PATIENCE_MS
        return waiting or (silent and self._outbox.unaccepted() > 0)

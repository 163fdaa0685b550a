"""The key a hub seals with: when it is given up, and how its successor comes to be listed by the bridge."""

from gateway.hub.dialogue import Dialogue
from gateway.hub.errors import OutboxError
from gateway.hub.events import log
from gateway.hub.sealer import Sealer
from gateway.wire.state import State

TYPE_CHECKING = False
if TYPE_CHECKING:
    from gateway.hub.given import Callable, Iterable, Outbox, Signer

# Setting of the outbox: the key that was given up and whose successor is not listed yet.
KEY_PENDING = "key-pending"


class LiveKey:
    """The signer of sealer and dialogue. renew: makes and keeps a new one; former: those before it.

    Everything here raises OutboxError or SignerError when it cannot be done now; `mind` makes up for it.
    """

    def __init__(
        self,
        outbox: "Outbox",
        sealer: Sealer,
        dialogue: Dialogue,
        renew: "Callable[[], Signer]",
        former: "Callable[[], Iterable[Signer]]",
    ) -> None:
        self.renew = renew
        self._outbox = outbox
        self._sealer = sealer
        self._dialogue = dialogue
        self._former = former

    @property
    def pending(self) -> bool:
        """Nothing is sealed: a key was given up, and its successor is not listed yet."""
        return bool(self._outbox.setting(KEY_PENDING))

    def heed(self, state: State, *, ahead: bool) -> None:
        """A key of which the bridge knows more than we do seals nothing more: a new one takes its place.

        A key is used only once a state lists it; until then the bridge is asked to take it.
        """
        held = state.key(self._sealer.signer.kid)
        if ahead and held is not None and (held.contiguous or held.ranges):  # of this key, not of one before
            self.give_up("bridge-ahead")
        if state.key(self._sealer.signer.kid) is None:
            self._dialogue.ask_for_keys(self._unknown_former(state))
        elif self._outbox.setting(KEY_PENDING) not in (None, b"", self._sealer.signer.kid):
            self._outbox.set_setting(KEY_PENDING, b"")

    def give_up(self, code: str) -> None:
        """Nothing more is sealed with this key; its successor seals once a state lists it."""
        log.error("key-renewed", code=code)
        self._outbox.set_setting(KEY_PENDING, self._sealer.signer.kid)
        self._make_next()

    def mind(self) -> None:
        """No hub stays with a key that it cannot use: a renewal that was cut or failed is made again."""
        kid, given_up = self._sealer.signer.kid, self._outbox.setting(KEY_PENDING)
        if given_up == kid:
            self._make_next()
        elif not given_up and not self._head_readable(kid):
            self.give_up("head-unreadable")

    def _make_next(self) -> None:
        self._sealer.signer = self._dialogue.signer = self.renew()
        if self._dialogue.connected:
            self._dialogue.say_hello()

    def _head_readable(self, kid: bytes) -> bool:
        try:
            self._outbox.head(kid)
        except OutboxError as error:
            return error.code != "head-unreadable"
        return True

    def _unknown_former(self, state: State) -> "list[Signer]":
        """Keys that a restored bridge forgot and whose envelopes it does not have, oldest first.

        Only beside the live key: one asked for alone would take the place of the live one at the bridge.
        """
        former = {signer.kid: signer for signer in self._former()}
        waiting = [kid for kid in self._outbox.waiting_keys() if state.key(kid) is None]
        return [former[kid] for kid in waiting if kid in former]

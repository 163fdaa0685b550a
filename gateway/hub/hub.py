"""The hub: joins devices, drivers, outbox, sealer and dialogue. Follow one reading from top to bottom.

device bytes → visits: captured (durable) → driver → record → sealer: sealed (durable) → dialogue: sent
→ `state_arrived`: accepted, delivered.
"""

import asyncio

from gateway.drivers.base import Driver
from gateway.hub.dialogue import Dialogue
from gateway.hub.errors import OutboxError
from gateway.hub.events import log
from gateway.hub.health import SOFTWARE, Health
from gateway.hub.live_key import LiveKey
from gateway.hub.losses import Losses
from gateway.hub.sealer import Sealer
from gateway.hub.stored import Effect
from gateway.hub.visits import Visits, kept_going
from gateway.wire.state import State

TYPE_CHECKING = False
if TYPE_CHECKING:
    from gateway.hub.given import Callable, Clock, Iterable, Outbox, Signer

NEARLY_FULL, FULL = 0.9, 1.0


class Hub:
    """One hub. Everything runs on the event loop's thread; nothing here waits for a network or a device."""

    def __init__(
        self,
        outbox: "Outbox",
        sealer: Sealer,
        dialogue: Dialogue,
        clock: "Clock",
        renew_key: "Callable[[], Signer]",
        former_keys: "Callable[[], Iterable[Signer]]" = list,
        *,
        identities: "Iterable[str]" = (),
        facts: "Callable[[], dict[str, int]]" = dict,
        software: str = SOFTWARE,
        acted: "Callable[[State], object]" = bool,
    ) -> None:
        """identities, facts, software: as `Health` tells them. acted: is told of each state."""
        self.outbox = outbox
        self.sealer = sealer
        self.dialogue = dialogue
        self.clock = clock
        self.wake = asyncio.Event()
        self._acted = acted
        self.key = LiveKey(outbox, sealer, dialogue, renew_key, former_keys)
        self._losses = Losses(outbox)
        self._health = Health(outbox, sealer, clock, identities, facts, software)
        self.visits = Visits(outbox, sealer, clock, self._losses, self._health, self._seal_now)

    def _seal_now(self) -> None:
        """Seal what is ready. What cannot be written now stays captured and is tried again."""
        try:
            if not self.key.pending:
                self.sealer.seal(online=self.dialogue.connected)
        except OutboxError as error:
            log.error("not-sealed", code=error.code)
            if error.code == "head-unreadable":
                kept_going("renew-key", self.key.give_up, error.code)
        self.wake.set()

    # What the bridge says.

    def online(self) -> None:
        kept_going("renew-key", self.key.mind)
        kept_going("online", self.dialogue.connect)
        self._seal_now()

    def offline(self) -> None:
        self.dialogue.disconnect()

    def state_arrived(self, raw: bytes) -> None:
        kept_going("state", self._hear, raw)
        self._seal_now()

    def _hear(self, raw: bytes) -> None:
        answer = self.dialogue.arrived(raw)
        if answer is not None:
            self._act(*answer)

    def _act(self, state: State, effect: Effect) -> None:
        if self.dialogue.was_prompt():
            self.clock.anchor(state.bridge_ms)
        log.info("state", counter=state.counter, accepted=effect.accepted)
        if effect.lost_accepted:
            log.warning("bridge-lost-envelopes")
            kept_going("forget-marks", self.visits.bookkeeping.forget_marks)
        kept_going("renew-key", lambda: self.key.heed(state, ahead=effect.ahead))
        for command in state.commands:
            self._health.obey(command, state.bridge_ms)
        self._acted(state)

    # What passes with time.

    def tick(self) -> None:
        """Once a second and whenever something changed: send, make room, report."""
        for step in (
            self.key.mind,
            self.visits.close_joins,
            self.dialogue.tick,
            self.outbox.make_room,
            self._losses.keep,
            self._report_lost,
            self._report_status,
        ):
            kept_going(step.__name__, step)

    def _report_status(self) -> None:
        if not self.key.pending:
            self._health.report()

    def _report_lost(self) -> None:
        """Device records that could not be stored, and envelopes that the outbox cannot read any more."""
        if self.key.pending:
            return
        self._losses.report(self.sealer)
        self.sealer.report_damage()

    def may_visit(self, driver: type[Driver]) -> bool:
        """Space rules: nearly full, devices that keep their records wait; full, all wait.

        So do all while the store takes nothing, not even the count of what it did not take.
        """
        limit = NEARLY_FULL if driver.keeps_records else FULL
        return self._losses.kept and self.outbox.fullness() < limit

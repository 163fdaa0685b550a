"""The hub: joins devices, drivers, outbox, sealer and dialogue. Follow one reading from top to bottom.

device bytes → visits: captured (durable) → driver → record → sealer: sealed (durable) → dialogue: sent
→ `state_arrived`: accepted, delivered.
"""

import asyncio
from collections.abc import Callable, Iterable

import structlog

from gateway.clock import Clock
from gateway.dialogue import Dialogue
from gateway.drivers.base import Driver
from gateway.health import Health
from gateway.live_key import LiveKey
from gateway.losses import Losses
from gateway.outbox import Effect, Outbox, OutboxError
from gateway.sealer import Sealer
from gateway.signer import Signer
from gateway.visits import Visits, kept_going
from gateway.wire.state import State

NEARLY_FULL, FULL = 0.9, 1.0

log = structlog.get_logger()


class Hub:
    """One hub. Everything runs on the event loop's thread; nothing here waits for a network or a device."""

    def __init__(  # noqa: PLR0913 (what the daemon gives, half of it with a default)
        self,
        outbox: Outbox,
        sealer: Sealer,
        dialogue: Dialogue,
        clock: Clock,
        renew_key: Callable[[], Signer],
        former_keys: Callable[[], list[Signer]] = list,
        *,
        identities: Iterable[str] = (),
        facts: Callable[[], dict[str, int]] = dict,
    ) -> None:
        """identities, facts: of devices, and of radio and cables, as `Health` tells them."""
        self.outbox = outbox
        self.sealer = sealer
        self.dialogue = dialogue
        self.clock = clock
        self.wake = asyncio.Event()
        self.key = LiveKey(outbox, sealer, dialogue, renew_key, former_keys)
        self._losses = Losses(outbox)
        self._health = Health(outbox, sealer, clock, identities, facts)
        self.visits = Visits(outbox, sealer, clock, self._losses, self._health, self._seal_now)

    def _seal_now(self) -> None:
        """Seal what is ready. What cannot be written now stays captured and is tried again."""
        try:
            if not self.key.pending:
                self.sealer.seal(online=self.dialogue.connected)
        except OutboxError as error:
            log.error("not-sealed", code=error.code)
            if error.code == "head-unreadable":
                self._give_key_up(error.code)
        self.wake.set()

    # What the bridge says.

    def online(self) -> None:
        with kept_going("renew-key"):
            self.key.mind()
        with kept_going("online"):
            self.dialogue.connect()
        self._seal_now()

    def offline(self) -> None:
        self.dialogue.disconnect()

    def state_arrived(self, raw: bytes) -> None:
        with kept_going("state"):
            answer = self.dialogue.arrived(raw)
            if answer is not None:
                self._act(*answer)
        self._seal_now()

    def _act(self, state: State, effect: Effect) -> None:
        if self.dialogue.was_prompt():
            self.clock.anchor(state.bridge_ms)
        log.info("state", counter=state.counter, accepted=effect.accepted)
        if effect.lost_accepted:
            log.warning("bridge-lost-envelopes")
            with kept_going("forget-marks"):
                self.visits.bookkeeping.forget_marks()
        with kept_going("renew-key"):
            self.key.heed(state, ahead=effect.ahead)
        for command in state.commands:
            self._health.obey(command, state.bridge_ms)

    def _give_key_up(self, code: str) -> None:
        with kept_going("renew-key"):
            self.key.give_up(code)

    # What passes with time.

    def tick(self) -> None:
        """Once a second and whenever something changed: send, make room, report."""
        steps = (
            self.key.mind,
            self.visits.close_joins,
            self.dialogue.tick,
            self.outbox.make_room,
            self._losses.keep,
            self._report_lost,
            self._report_status,
        )
        for step in steps:
            with kept_going(step.__name__):
                step()

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

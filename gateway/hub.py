"""The hub: joins devices, drivers, outbox, sealer and dialogue. Follow one reading from top to bottom.

device bytes → `received`: captured (durable) → driver → record → sealer: sealed (durable) → dialogue: sent
→ `state_arrived`: accepted, delivered.
"""

import asyncio
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

import structlog

from gateway.bookkeeping import Bookkeeping
from gateway.clock import Clock, ran_back, shown
from gateway.dialogue import Dialogue
from gateway.drivers.base import Driver, Record
from gateway.health import Health
from gateway.live_key import LiveKey
from gateway.losses import Losses
from gateway.open_visit import OpenVisit
from gateway.outbox import Captured, Effect, Outbox, OutboxError
from gateway.replay import replayed
from gateway.sealer import Sealer
from gateway.signer import Signer, SignerError
from gateway.visit import Visit
from gateway.wire.items import Frame
from gateway.wire.measurement import Moment
from gateway.wire.state import State

NEARLY_FULL, FULL = 0.9, 1.0
# A join that heard nothing for so long is closed (protocol, section 1).
JOIN_MS = 30_000

log = structlog.get_logger()


@contextmanager
def _kept_going(step: str) -> Iterator[None]:
    """A store that cannot be written now must not end the hub: said, and tried again at the next tick."""
    try:
        yield
    except (OutboxError, SignerError) as error:
        log.error("outbox-trouble", step=step, code=error.code)


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
        self._visits: dict[bytes, OpenVisit] = {}
        self._losses = Losses(outbox)
        self._bookkeeping = Bookkeeping(outbox)
        self._health = Health(outbox, sealer, clock, identities, facts)

    # What devices do: the Listener of radio and serial port.

    def opened(self, visit: Visit) -> None:
        now = self.clock.now()
        self._visits[visit.number] = current = OpenVisit(visit.driver(), visit.device.identity, now.mono_ms)
        if visit.driver.serial is None:  # on a cable nobody may be there
            self._met(visit, current)
        if visit.clock is not None:
            self._watch_clock(visit, now)

    def _met(self, visit: Visit, current: OpenVisit) -> None:
        current.heard = True
        self._health.seen(visit)
        log.info("visit-opened", driver=visit.driver.name)

    def _watch_clock(self, visit: Visit, now: Moment) -> None:
        """A clock that ran back can stamp a record as one before: the bridge must see it, known or not."""
        if visit.clock is None:
            return
        name, shows = "clock " + visit.device.identity, shown(visit.clock, now)
        with _kept_going("clock"):
            before = self.outbox.setting(name)
            if before is not None and ran_back(before, shows):
                self.sealer.forget_known()
            self.outbox.set_setting(name, shows)

    def begun(self, visit: Visit) -> list[Frame]:
        """What the driver asks first. OutboxError when a key for the device could not be kept."""
        current = self._visits[visit.number]
        current.driver.start(self._bookkeeping.known(visit, current.place))
        return self._turn(visit, current)

    def received(self, visit: Visit, source: str, data: bytes) -> list[Frame]:
        """Bytes of the device, durable when this returns; what to send it, if anything.

        An answer is only given for what is stored: a device that deletes on our answer loses nothing.
        OutboxError when they could not be stored: they are counted as lost, and the caller hangs up at once,
        because the device takes whatever its radio confirms for delivered.
        """
        current = self._visits[visit.number]
        moment = self.clock.now()
        current.heard_ms = moment.mono_ms
        if not current.heard:
            self._met(visit, current)
        frame = Frame(source, moment.mono_ms - current.began_ms, data)
        if source in current.driver.reads:
            current.read.append(frame)
            current.driver.received(frame)
        elif current.driver.cuts:
            self._drive(visit, current, current.driver.received(frame), moment)
        else:
            captured = self._capture(visit, [*current.read, frame], moment)
            current.waiting[id(frame)] = captured
            self._drive(visit, current, current.driver.received(frame), moment)
        return self._turn(visit, current)

    def silent(self, visit: Visit) -> list[Frame]:
        """The device owes an answer for longer than it may; what to send instead."""
        current = self._visits[visit.number]
        self._drive(visit, current, current.driver.silent(), self.clock.now())
        return self._turn(visit, current)

    def _drive(self, visit: Visit, current: OpenVisit, records: list[Record], moment: Moment) -> None:
        """Records of a visit that goes on: introduced by what the device said of itself, stored, sealed."""
        clock_known = visit.clock is not None
        with _kept_going("introduce"):
            self._bookkeeping.introduce(visit, current.place, current.driver, moment.mono_ms)
        if not clock_known:
            self._watch_clock(visit, moment)
        visit.understood = visit.understood or any(record.reading is not None for record in records)
        if current.driver.cuts:
            self._store_cut(visit, records, moment)
        else:
            self._seal(current, records)

    def _turn(self, visit: Visit, current: OpenVisit) -> list[Frame]:
        """Everything before this is durable: the mark may move, and the device may hear from us."""
        driver = current.driver
        visit.patience_s = driver.patience_s
        visit.understood = visit.understood or bool(driver.about) or driver.device_clock is not None
        with _kept_going("mark"):
            self._bookkeeping.keep_mark(current.place, driver.mark)
        return driver.take_sends()

    def closed(self, visit: Visit) -> None:
        current = self._visits.pop(visit.number)
        if not current.heard:
            return
        self._health.seen(visit)
        records = current.driver.finish()
        if current.driver.cuts:
            with _kept_going("close"):  # counted; there is nobody left to hang up on
                self._store_cut(visit, records, self.clock.now())
        else:
            self._seal(current, records)
            self._release(current)
        if visit.clock is not None and visit.clock.written:  # it may have been set back
            with _kept_going("clock"):
                self.sealer.forget_known()
        log.info("visit-closed", driver=visit.driver.name)

    # From captured to sealed.

    def _capture(self, visit: Visit, frames: list[Frame], moment: Moment) -> Captured:
        """One commit. OutboxError when it could not be stored: then the bridge is told what is missing."""
        name, kid = visit.driver.name, self.sealer.signer.kid
        try:
            return self.outbox.capture(visit.number, moment, kid, visit.device, name, frames, visit.clock)
        except OutboxError as error:
            self._losses.count(visit.device.identity, error.code)
            raise

    def _store_cut(self, visit: Visit, records: list[Record], moment: Moment) -> None:
        """Records that the driver cut: stored, then sealed.

        Each is tried; OutboxError afterwards when one could not be stored.
        """
        failed = None
        for record in records:
            try:
                self._add([self._capture(visit, record.frames, moment)], record)
            except OutboxError as error:
                failed = error
        self._seal_now()
        if failed is not None:
            raise failed

    def _seal(self, current: OpenVisit, records: list[Record]) -> None:
        """Records whose frames are stored already; frames that make no record are released."""
        for record in records:
            own = [frame for frame in record.frames if frame.source not in current.driver.reads]
            self._add([current.waiting[id(frame)] for frame in own], record)
        for record in records:  # afterwards: one frame may have made several records
            for frame in record.frames:
                current.waiting.pop(id(frame), None)
        if not current.driver.joins:
            self._release(current)
        self._seal_now()

    def _add(self, rows: list[Captured], record: Record) -> None:
        """Hand a record to the sealer. What it cannot take now stays captured, and is replayed at a start."""
        with _kept_going("add"):
            self.sealer.add(rows, record)

    def _release(self, current: OpenVisit) -> None:
        with _kept_going("release"):
            self.outbox.release([captured.row for captured in current.waiting.values()])
            current.waiting.clear()

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

    def replay(self) -> int:
        """At start: what was captured but not sealed goes through its driver again. How many captures."""
        rows = self.outbox.captured()
        spare = {captured.row for captured in rows}
        for mine, record in replayed(rows):
            self._add(mine, record)
            spare -= {captured.row for captured in mine}
        with _kept_going("release"):
            self.outbox.release(sorted(spare))
        self._seal_now()
        return len(rows)

    # What the bridge says.

    def online(self) -> None:
        with _kept_going("renew-key"):
            self.key.mind()
        with _kept_going("online"):
            self.dialogue.connect()
        self._seal_now()

    def offline(self) -> None:
        self.dialogue.disconnect()

    def state_arrived(self, raw: bytes) -> None:
        with _kept_going("state"):
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
            with _kept_going("forget-marks"):
                self._bookkeeping.forget_marks()
        with _kept_going("renew-key"):
            self.key.heed(state, ahead=effect.ahead)
        for command in state.commands:
            self._health.obey(command, state.bridge_ms)

    def _give_key_up(self, code: str) -> None:
        with _kept_going("renew-key"):
            self.key.give_up(code)

    # What passes with time.

    def tick(self) -> None:
        """Once a second and whenever something changed: send, make room, report."""
        steps = (
            self.key.mind,
            self._close_joins,
            self.dialogue.tick,
            self.outbox.make_room,
            self._losses.keep,
            self._report_lost,
            self._report_status,
        )
        for step in steps:
            with _kept_going(step.__name__):
                step()

    def _close_joins(self) -> None:
        """What waited too long for its other part is sealed without it; the visit goes on."""
        now_ms = self.clock.mono_ms()
        for current in self._visits.values():
            if current.driver.joins and current.waiting and now_ms - current.heard_ms >= JOIN_MS:
                self._seal(current, current.driver.finish())
                self._release(current)

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

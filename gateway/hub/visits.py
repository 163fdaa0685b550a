"""The visits that go on: from device bytes to records that are durable and handed to the sealer.

`received`: captured (durable) → driver → record → sealer. What the driver wants sent goes out only after.
"""

from gateway.drivers.base import Record
from gateway.hub.bookkeeping import Bookkeeping
from gateway.hub.device_clock import ran_back, shown
from gateway.hub.errors import OutboxError, SignerError
from gateway.hub.events import log
from gateway.hub.health import Health
from gateway.hub.losses import Losses
from gateway.hub.open_visit import OpenVisit
from gateway.hub.replay import replayed
from gateway.hub.sealer import Sealer
from gateway.hub.stored import Captured
from gateway.hub.visit import Visit
from gateway.wire.items import Frame
from gateway.wire.measurement import Moment

TYPE_CHECKING = False
if TYPE_CHECKING:
    from gateway.hub.given import Callable, Clock, Outbox

# A join that heard nothing for so long is closed (protocol, section 1).
JOIN_MS = 30_000


def kept_going(step: str, work: "Callable[..., object]", *given: object) -> None:
    """A store that cannot be written now must not end the hub: said, and tried again at the next tick."""
    try:
        work(*given)
    except (OutboxError, SignerError) as error:
        log.error("outbox-trouble", step=step, code=error.code)


class Visits:
    """The Listener of radio and serial port. seal_now: seal what is ready, as far as the hub may."""

    def __init__(
        self,
        outbox: "Outbox",
        sealer: Sealer,
        clock: "Clock",
        losses: Losses,
        health: Health,
        seal_now: "Callable[[], None]",
    ) -> None:
        self.bookkeeping = Bookkeeping(outbox)
        self._outbox = outbox
        self._sealer = sealer
        self._clock = clock
        self._losses = losses
        self._health = health
        self._seal_now = seal_now
        self._open: dict[bytes, OpenVisit] = {}

    @property
    def busy(self) -> bool:
        """A device is here."""
        return bool(self._open)

    def opened(self, visit: Visit) -> None:
        now = self._clock.now()
        self._open[visit.number] = current = OpenVisit(visit.driver(), visit.device.identity, now.mono_ms)
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
        if visit.clock is not None:
            name, shows = "clock " + visit.device.identity, shown(visit.clock, now)
            kept_going("clock", self._compare_clock, name, shows)

    def _compare_clock(self, name: str, shows: bytes) -> None:
        before = self._outbox.setting(name)
        if before is not None and ran_back(before, shows):
            self._sealer.forget_known()
        self._outbox.set_setting(name, shows)

    def begun(self, visit: Visit) -> list[Frame]:
        """What the driver asks first. OutboxError when a key for the device could not be kept."""
        current = self._open[visit.number]
        current.driver.start(self.bookkeeping.known(visit, current.place))
        return self._turn(visit, current)

    def received(self, visit: Visit, source: str, data: bytes) -> list[Frame]:
        """Bytes of the device, durable when this returns; what to send it, if anything.

        An answer is only given for what is stored: a device that deletes on our answer loses nothing.
        OutboxError when they could not be stored: they are counted as lost, and the caller hangs up at once,
        because the device takes whatever its radio confirms for delivered.
        """
        current = self._open[visit.number]
        moment = self._clock.now()
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
            captured = self._capture(visit, current.read + [frame], moment)
            current.waiting[id(frame)] = captured
            self._drive(visit, current, current.driver.received(frame), moment)
        return self._turn(visit, current)

    def silent(self, visit: Visit) -> list[Frame]:
        """The device owes an answer for longer than it may; what to send instead."""
        current = self._open[visit.number]
        self._drive(visit, current, current.driver.silent(), self._clock.now())
        return self._turn(visit, current)

    def _drive(self, visit: Visit, current: OpenVisit, records: list[Record], moment: Moment) -> None:
        """Records of a visit that goes on: introduced by what the device said of itself, stored, sealed."""
        clock_known = visit.clock is not None
        kept_going(
            "introduce", self.bookkeeping.introduce, visit, current.place, current.driver, moment.mono_ms
        )
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
        understood = driver.understood or bool(driver.about) or driver.device_clock is not None
        visit.understood = visit.understood or understood
        kept_going("mark", self.bookkeeping.keep_mark, current.place, driver.mark)
        return driver.take_sends()

    def closed(self, visit: Visit) -> None:
        current = self._open.pop(visit.number)
        if not current.heard:
            return
        self._health.seen(visit)
        records = current.driver.finish()
        if current.driver.cuts:
            # Counted; there is nobody left to hang up on.
            kept_going("close", self._store_cut, visit, records, self._clock.now())
        else:
            self._seal(current, records)
            self._release(current)
        if visit.clock is not None and visit.clock.written:  # it may have been set back
            kept_going("clock", self._sealer.forget_known)
        log.info("visit-closed", driver=visit.driver.name)

    # From captured to sealed.

    def _capture(self, visit: Visit, frames: list[Frame], moment: Moment) -> Captured:
        """One commit. OutboxError when it could not be stored: then the bridge is told what is missing."""
        name, kid = visit.driver.name, self._sealer.signer.kid
        try:
            return self._outbox.capture(visit.number, moment, kid, visit.device, name, frames, visit.clock)
        except OutboxError as error:
            self._losses.count(visit.device.identity, error.code)
            raise

    def _store_cut(self, visit: Visit, records: list[Record], moment: Moment) -> None:
        """Records that the driver cut: stored, then sealed, but for those that were sealed before.

        Each is tried; OutboxError afterwards when one could not be stored.
        """
        failed = None
        for record in records:
            if self._sealer.has(visit.device, record):
                continue  # a meter that is read whole at each visit costs no writing
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
        kept_going("add", self._sealer.add, rows, record)

    def _release(self, current: OpenVisit) -> None:
        kept_going("release", self._release_all, current.waiting)

    def _release_all(self, waiting: dict[int, Captured]) -> None:
        self._outbox.release([captured.row for captured in waiting.values()])
        waiting.clear()

    def replay(self) -> int:
        """At start: what was captured but not sealed goes through its driver again. How many captures."""
        rows = self._outbox.captured()
        spare = {captured.row for captured in rows}
        for mine, record in replayed(rows):
            self._add(mine, record)
            spare -= {captured.row for captured in mine}
        kept_going("release", self._outbox.release, sorted(spare))
        self._seal_now()
        return len(rows)

    def close_joins(self) -> None:
        """What waited too long for its other part is sealed without it; the visit goes on."""
        now_ms = self._clock.mono_ms()
        for current in self._open.values():
            if current.driver.joins and current.waiting and now_ms - current.heard_ms >= JOIN_MS:
                self._seal(current, current.driver.finish())
                self._release(current)

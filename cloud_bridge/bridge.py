"""The bridge: joins intake, ledger and deliveries. Follow one envelope from top to bottom.

intake → `_work`: taken into the ledger (one commit for all that waits) → acknowledged to the broker
→ state to the hub; deliveries run beside it → receiver confirms → state again.
"""

import queue
import threading
import time
from collections.abc import Callable
from pathlib import Path

import structlog

from cloud_bridge.deliver import Deliverer
from cloud_bridge.intake import Incoming, Intake, IntakeSettings
from cloud_bridge.ledger import measurements
from cloud_bridge.ledger.database import Database
from cloud_bridge.ledger.envelopes import Ledger
from cloud_bridge.ledger.state_key import StateKey
from cloud_bridge.ledger.states import States
from gateway.wire import topics
from gateway.wire.errors import MeethubError

BATCH = 64
WAIT_S = 0.5

log = structlog.get_logger()


def now_ms() -> int:
    return time.time_ns() // 1_000_000


class Bridge:
    """One bridge on one ledger; `start` and `stop`. Everything durable is in the database."""

    def __init__(
        self, directory: Path, database: Database, mqtt: IntakeSettings, clock: Callable[[], int] = now_ms
    ) -> None:
        self._clock = clock
        self._database = database
        self._ledger = Ledger(database, measurements.take_item, measurements.hold_forked)
        self._states = States(database, StateKey.open(directory))
        self._inbox: queue.Queue[Incoming] = queue.Queue(BATCH)
        self._intake = Intake(mqtt, self._inbox.put)
        self._deliverer = Deliverer(database, self._settled)
        self._changed: set[str] = set()
        self._stop = threading.Event()
        self._threads = [
            threading.Thread(target=self._work, name="take-in"),
            threading.Thread(target=self._deliverer.run, args=(self._stop,), name="deliver"),
        ]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()
        self._intake.start()

    @property
    def connected(self) -> bool:
        return self._intake.connected

    def stop(self) -> None:
        """What was begun is finished; what was not acknowledged comes again at the next start."""
        self._intake.stop()
        self._stop.set()
        self._deliverer.wake()
        for thread in self._threads:
            thread.join()
        self._database.close()

    def _settled(self, hub: str) -> None:
        """A delivery was decided: this hub's next state says so."""
        self._changed.add(hub)

    def _work(self) -> None:
        while not self._stop.is_set():
            batch = self._waiting()
            try:
                self._take(batch)
                self._tell()
            except Exception as error:  # noqa: BLE001 (a fault of ours must not end the bridge in silence)
                # Not acknowledged, so the broker hands it out again; the hub keeps it in any case.
                log.error("not-taken", error=type(error).__name__, messages=len(batch))

    def _waiting(self) -> list[Incoming]:
        """What waits now, at most a batch; waits for the first."""
        batch: list[Incoming] = []
        try:
            batch.append(self._inbox.get(timeout=WAIT_S))
            while len(batch) < BATCH:
                batch.append(self._inbox.get_nowait())
        except queue.Empty:
            pass
        return batch

    def _take(self, batch: list[Incoming]) -> None:
        """Envelopes in one commit, then hellos and key requests; acknowledged when all is durable."""
        envelopes: list[tuple[str, bytes, int]] = []
        others: list[tuple[str, str, bytes]] = []
        for incoming in batch:
            try:
                hub, message = topics.hub_and_message(incoming.topic)
            except MeethubError as error:
                log.warning("topic-refused", code=error.code)
                continue
            self._changed.add(hub)
            if message == topics.ENVELOPE:
                envelopes.append((hub, incoming.payload, self._clock()))
            else:
                others.append((hub, message, incoming.payload))
        if envelopes:
            self._ledger.take_many(envelopes)
            self._deliverer.wake()
        for hub, message, payload in others:
            self._hear(hub, message, payload)
        for incoming in batch:
            self._intake.acknowledge(incoming)

    def _hear(self, hub: str, message: str, payload: bytes) -> None:
        try:
            if message == topics.HELLO:
                self._states.hello(hub, payload)
            else:
                self._ledger.take_key(hub, payload, self._clock())
        except MeethubError as error:
            log.warning("message-refused", hub=hub, message=message, code=error.code)

    def _tell(self) -> None:
        """A fresh state for every hub about which something changed."""
        while self._changed:
            hub = self._changed.pop()
            try:
                state = self._states.state_for(hub, self._clock())
            except BaseException:
                self._changed.add(hub)  # it still has to be told
                raise
            if state is not None:
                self._intake.publish_state(hub, state)

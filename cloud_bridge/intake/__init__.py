"""The bridge's line to the broker: every hub's messages in, states out. The only place with paho.

A message is acknowledged only when the bridge says so, after its commit: until then the broker keeps it and
hands it out again after a break. The broker hands out a bounded number before the first is acknowledged;
that, and a bounded queue in front of the bridge, is the back-pressure. Messages of one hub come in order,
except those that come again after a break.

Each connection gets a paho client of its own, so an acknowledgement can never reach another connection,
where the same number would mean another message.
"""

import queue
import threading
import time
from collections.abc import Callable
from contextlib import suppress

import structlog

from cloud_bridge.intake.line import NO_MID, Incoming, IntakeError, IntakeSettings, Line
from gateway.wire import topics

__all__ = ["Incoming", "Intake", "IntakeError", "IntakeSettings"]

LOOKED_EVERY_S = 0.5

log = structlog.get_logger()


class Intake:
    """Keeps the bridge connected from `start` to `stop` and calls `deliver` with one message at a time.

    `deliver` runs on a thread of the intake's own and may take its time (commit, block on a full queue of
    the bridge); what it raises is logged, and the message stays unacknowledged.
    """

    def __init__(self, settings: IntakeSettings, deliver: Callable[[Incoming], None]) -> None:
        self._settings = settings
        self._deliver = deliver
        self._waiting: queue.Queue[Incoming] = queue.Queue(settings.queue)
        self._line: Line | None = None
        self._stopping = threading.Event()
        self._connecting: threading.Thread | None = None
        self._delivering: threading.Thread | None = None

    @property
    def connected(self) -> bool:
        line = self._line
        return line is not None and line.up and line.subscribed

    def start(self) -> None:
        """Begin to connect and to deliver."""
        if self._connecting is None:
            self._stopping.clear()
            self._delivering = threading.Thread(
                target=self._keep_delivering, name="intake-deliver", daemon=True
            )
            self._delivering.start()
            self._connecting = threading.Thread(target=self._keep_connected, name="intake", daemon=True)
            self._connecting.start()

    def stop(self) -> None:
        """Leave the broker, which keeps what is not acknowledged; returns when `deliver` ran to its end."""
        self._stopping.set()
        if self._delivering is not None:
            self._delivering.join()
        line = self._line
        if line is not None:
            line.end()
        if self._connecting is not None:
            self._connecting.join()
        self._delivering = self._connecting = None

    def acknowledge(self, incoming: Incoming) -> None:
        """The bridge holds this message durably: the broker may forget it.

        Without effect when the connection it came on is gone; the broker then hands it out again.
        """
        if incoming.line is not None:
            incoming.line.acknowledge(incoming.mid)

    def publish_state(self, hub: str, payload: bytes) -> bool:
        """Tell a hub its state (QoS 0, not retained); False when there is no connection now."""
        line = self._line
        return line is not None and line.publish(topics.down(hub), payload)

    def _keep_connected(self) -> None:
        delay = self._settings.first_delay_s
        while not self._stopping.is_set():
            began = time.monotonic()
            self._connect_once()
            if time.monotonic() - began > self._settings.longest_delay_s:
                delay = self._settings.first_delay_s
            self._stopping.wait(delay)
            delay = min(delay * 2, self._settings.longest_delay_s)

    def _connect_once(self) -> None:
        line = self._line = Line(self._settings, self._enqueue)
        code = "intake-lost"
        try:
            line.open()
            log.info("intake-connected")
            if not self._stopping.is_set():
                line.over.wait()
        except IntakeError as error:
            code = error.code
        finally:
            line.end()
            line.close()
        log.info("intake-disconnected", code=code)

    def _enqueue(self, line: Line, incoming: Incoming) -> None:
        """Called on paho's thread: while this waits, nothing more is read from the broker."""
        if incoming.mid != NO_MID and incoming.mid in line.waiting:
            return  # a broker that is tired of waiting hands out again what still stands in our queue
        until = time.monotonic() + self._settings.full_for_s
        while line.up and time.monotonic() < until:
            with suppress(queue.Full):
                line.waiting.add(incoming.mid)
                self._waiting.put(incoming, timeout=LOOKED_EVERY_S)
                return
        if line.up:
            log.warning("intake-full", waiting=self._waiting.qsize())
            line.end()

    def _keep_delivering(self) -> None:
        while not self._stopping.is_set():
            with suppress(queue.Empty):
                incoming = self._waiting.get(timeout=LOOKED_EVERY_S)
                if incoming.line is not None:
                    self._hand_over(incoming.line, incoming)

    def _hand_over(self, line: Line, incoming: Incoming) -> None:
        line.waiting.discard(incoming.mid)
        if not line.up:
            return  # it comes again on the next connection, and could not be acknowledged on this one
        try:
            self._deliver(incoming)
        except Exception as error:  # noqa: BLE001 (a boundary: one message must not end the intake)
            log.error("intake-delivery-failed", error=type(error).__name__)

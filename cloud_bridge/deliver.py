"""Delivering: claim what is due, render it, hand it to its receiver, note what came of it. One at a time.

Nothing is delivered on anyone's word: a delivery is done when the receiver has shown the resource again
(receivers.py). What it refuses is parked with its reason; what it cannot take now is tried again later; the
other deliveries go on in both cases. A worker that dies leaves a lease that runs out.
"""

import random
import threading
import time
from collections.abc import Callable
from typing import Any, Protocol

import structlog
from sqlalchemy import Connection, select

from cloud_bridge.fhir import RENDERINGS, Part
from cloud_bridge.fhir.answers import Delivered, Outcome, Refused, TryLater
from cloud_bridge.ledger import deciding, deliveries, holds, measurements
from cloud_bridge.ledger.claims import Claim, Endpoint
from cloud_bridge.ledger.database import Database, lock
from cloud_bridge.ledger.deliveries import UNRENDERED
from cloud_bridge.receivers import FhirReceiver
from cloud_bridge.schema import arrivals
from gateway.wire.errors import MeethubError
from gateway.wire.measurement import short

FIRST_DELAY_MS, LONGEST_DELAY_MS = 2_000, 15 * 60_000
# Beyond what a try can take: rendering, the commit, and a machine that is busy.
LEASE_MARGIN_MS = 30_000
# How long the loop sleeps at most: what other processes put into the database is seen by then.
LONGEST_SLEEP_S = 5.0
# Codes that say something of one resource; every other one is about the receiver as a whole.
_OF_ONE = ("receiver-not-read-back", "receiver-conflict", "receiver-unclear", "receiver-failed")

log = structlog.get_logger()


class Receiver(Protocol):
    """Who takes resources; FhirReceiver is one."""

    @property
    def longest_s(self) -> float:
        """The longest that one `deliver` can take."""

    def deliver(self, resource: dict[str, Any]) -> Outcome:
        """Write it exactly once and read it back; safe to repeat."""

    def close(self) -> None:
        """Let go of its connections."""


def now_ms() -> int:
    return time.time_ns() // 1_000_000


def fhir_receiver(endpoint: Endpoint) -> Receiver:
    """The connector to this endpoint."""
    return FhirReceiver(endpoint.base_url, conditional_create=endpoint.conditional_create)


def no_one(_hub: str) -> None:
    """Nobody wants to know which hub's readings were settled."""


class Deliverer:
    """Takes what is due to its receivers. Several may run at once, in threads or processes.

    settled: told the hub of each measurement that was delivered whole. connect: makes the connector to a
    receiver, once each. clock: now, in ms UTC.
    """

    def __init__(
        self,
        database: Database,
        settled: Callable[[str], None] = no_one,
        connect: Callable[[Endpoint], Receiver] = fhir_receiver,
        clock: Callable[[], int] = now_ms,
    ) -> None:
        self._database = database
        self._settled = settled
        self._connect = connect
        self._clock = clock
        self._receivers: dict[Endpoint, Receiver] = {}
        self._rests: dict[str, tuple[int, int]] = {}  # receiver: (failures in a row, left alone until)
        self._woken = threading.Event()

    def wake(self) -> None:
        """Something may be due: do not wait for the time that was known."""
        self._woken.set()

    def close(self) -> None:
        """Let go of all connections; the next delivery makes new ones."""
        for receiver in self._receivers.values():
            receiver.close()
        self._receivers.clear()

    def run(self, stop: threading.Event) -> None:
        """Deliver until `stop` is set; `wake` ends a wait at once. Lets go of all connections at the end."""
        while not stop.is_set():
            self._woken.clear()
            try:
                self.deliver_once(self._clock(), stop)
                wait_s = self._wait_s()
            except Exception as error:  # noqa: BLE001 (a fault of ours must not end all deliveries in silence)
                log.error("deliveries-stalled", error=type(error).__name__)
                wait_s = LONGEST_SLEEP_S
            if not stop.is_set():
                self._woken.wait(wait_s)
        self.close()

    def deliver_once(self, at_ms: int, stop: threading.Event | None = None) -> int:
        """Try everything that is due from this moment on, once; how many tries that were."""
        self._review(at_ms)
        tries = 0
        while stop is None or not stop.is_set():
            claim = self._claim(at_ms)
            if claim is None:
                break
            tries += 1
            self._try(claim, at_ms)
        return tries

    def _now(self, at_ms: int) -> int:
        """The moment of this very step: a round that began at at_ms may last for hours."""
        return max(at_ms, self._clock())

    def _review(self, at_ms: int) -> None:
        """Readings that wait for statements go on when an envelope that was missing brought none."""
        with self._database.reading() as connection:
            lines = holds.lines(connection)
        for kid, household in lines.items():
            with self._database.transaction() as connection:
                lock(connection, {household}, set())
                measurements.go_on(connection, kid, at_ms)

    def _claim(self, at_ms: int) -> Claim | None:
        now = self._now(at_ms)
        resting = [receiver for receiver, (_, until) in self._rests.items() if until > now]
        with self._database.reading() as connection:
            if not deliveries.is_due(connection, now, resting):
                return None
        with self._database.transaction() as connection:
            # Asked anew: a transaction may have waited for another, and a lease is counted from its end.
            return deliveries.claim(connection, self._now(at_ms), self._lease_ms, resting)

    def _lease_ms(self, endpoint: Endpoint) -> int:
        return int(self._receiver(endpoint).longest_s * 1000) + LEASE_MARGIN_MS

    def _receiver(self, endpoint: Endpoint) -> Receiver:
        if endpoint not in self._receivers:
            self._receivers[endpoint] = self._connect(endpoint)
        return self._receivers[endpoint]

    def _try(self, claim: Claim, at_ms: int) -> None:
        try:
            parts = _rendered(claim)
        except MeethubError as error:
            self._refused(claim, Refused(error.code, error.detail), self._now(at_ms))
            return
        if claim.part == UNRENDERED:
            with self._database.transaction() as connection:
                lock(connection, {claim.household}, set())  # not while an addition takes it back
                deliveries.expand(connection, claim, [part.name for part in parts], self._now(at_ms))
            return
        resource = next((part.resource for part in parts if part.name == claim.part), None)
        outcome = Refused("rendering-changed") if resource is None else self._hand_over(claim, resource)
        self._note(claim, outcome, self._now(at_ms))

    def _hand_over(self, claim: Claim, resource: dict[str, Any]) -> Outcome:
        try:
            return self._receiver(claim.endpoint).deliver(resource)
        except Exception as error:  # noqa: BLE001 (a fault of a connector must not stop the others)
            log.error("connector-failed", receiver=claim.endpoint.id, error=type(error).__name__)
            return TryLater("connector-failed", may_stand=True)

    def _note(self, claim: Claim, outcome: Outcome, at_ms: int) -> None:
        key = short(claim.measured.key)
        if isinstance(outcome, Delivered):
            self._rests.pop(claim.endpoint.id, None)
            self._delivered(claim, outcome, at_ms)
            log.info("delivered", reading=key, part=claim.part, receiver=claim.endpoint.id)
        elif isinstance(outcome, TryLater):
            self._later(claim, outcome, at_ms)
            log.info("not-delivered-yet", reading=key, receiver=claim.endpoint.id, code=outcome.code)
        else:
            self._refused(claim, outcome, at_ms)

    def _delivered(self, claim: Claim, outcome: Delivered, at_ms: int) -> None:
        hubs: list[str] = []
        with self._database.transaction() as connection:
            lock(connection, {claim.household}, set())
            whole = deliveries.delivered(connection, claim, outcome.resource_id, outcome.version, at_ms)
            if whole:
                deciding.delivered(connection, claim.measurement, at_ms)
                hubs = _hubs(connection, claim.measurement)
        for hub in hubs:
            self._settled(hub)

    def _later(self, claim: Claim, outcome: TryLater, at_ms: int) -> None:
        asked_ms = int(outcome.after_s * 1000)
        if outcome.code not in _OF_ONE:
            failures = self._rests.get(claim.endpoint.id, (0, 0))[0]
            until = at_ms + max(asked_ms, delay_ms(failures))
            self._rests[claim.endpoint.id] = (failures + 1, until)
        next_ms = at_ms + max(asked_ms, delay_ms(claim.attempts))
        with self._database.transaction() as connection:
            if outcome.may_stand:
                deliveries.note_may_stand(connection, claim)
            deliveries.later(connection, claim, outcome.code, next_ms, at_ms)

    def _refused(self, claim: Claim, outcome: Refused, at_ms: int) -> None:
        with self._database.transaction() as connection:
            if outcome.may_stand:
                deliveries.note_may_stand(connection, claim)
            deliveries.refused(connection, claim, outcome.code, outcome.detail, at_ms)
        reading = short(claim.measured.key)
        log.warning("delivery-refused", reading=reading, receiver=claim.endpoint.id, code=outcome.code)

    def _wait_s(self) -> float:
        with self._database.reading() as connection:
            due = deliveries.next_due_ms(connection)
        if due is None:
            return LONGEST_SLEEP_S
        rested = min((until for _, until in self._rests.values()), default=0)
        return min(LONGEST_SLEEP_S, max(0.05, (max(due, rested) - self._clock()) / 1000))


def delay_ms(failures: int) -> int:
    """How long to wait after this many failures: doubling, at most 15 minutes, never twice the same."""
    longest = min(LONGEST_DELAY_MS, FIRST_DELAY_MS << min(failures, 20))
    return random.randint(longest // 2, longest)  # noqa: S311 (spreads load, guards nothing)


def _rendered(claim: Claim) -> list[Part]:
    rendering = RENDERINGS.get(claim.endpoint.rendering)
    if rendering is None:
        raise MeethubError("rendering-unknown", claim.endpoint.rendering)
    try:
        parts = rendering(claim.measured)
    except MeethubError:
        raise
    except Exception as error:
        # A fault of ours in one reading must not stop the others.
        raise MeethubError("rendering-failed", type(error).__name__) from error
    if not parts:
        raise MeethubError("nothing-to-deliver")
    return parts


def _hubs(connection: Connection, measurement: int) -> list[str]:
    chosen = select(arrivals.c.hub).where(arrivals.c.measurement == measurement).distinct()
    return [str(name) for name in connection.execute(chosen).scalars()]

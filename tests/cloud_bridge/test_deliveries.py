"""Deliveries: claimed by a lease, tried again, parked, stopped, and done only on proof."""

import signal
import subprocess
import sys
import textwrap
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest

from cloud_bridge import deliver, journey
from cloud_bridge.deliver import LEASE_MARGIN_MS, LONGEST_DELAY_MS, Deliverer, delay_ms
from cloud_bridge.fhir.answers import Delivered, Refused, TryLater
from cloud_bridge.ledger import deliveries as ledger
from cloud_bridge.schema import deliveries, measurements, receivers
from gateway.simulator.fhir_server import FhirServer
from tests.cloud_bridge.people_fixtures import (
    ANNA,
    BERT,
    DAY,
    HOUR,
    MINUTE,
    START,
    Meter,
    Street,
    cuff_frame,
    key_of,
    said,
)

PATIENCE_S = 20
LATER = START + DAY


class Scripted:
    """A receiver that gives these outcomes one after the other, then takes everything."""

    longest_s = 30.0

    def __init__(self, *outcomes):
        self.outcomes = list(outcomes)
        self.got = []

    def deliver(self, resource):
        self.got.append(resource)
        outcome = self.outcomes.pop(0) if self.outcomes else None
        if isinstance(outcome, Exception):
            raise outcome
        return outcome or Delivered(f"o{len(self.got)}", "1")

    def close(self):
        pass


@pytest.fixture
def street(database):
    made = Street(database)
    made.hub()
    made.citizen(ANNA)
    made.bind(ANNA)
    return made


def reading(street, number=0, device="cuff-1"):
    """One reading of Anna's cuff, measured so many minutes after the start, taken in at once."""
    hub, at_ms = street.hubs[0], START + number * MINUTE
    own = Meter().clock(at_ms)
    item = hub.item(at_ms, cuff_frame(120 + number, own), (own, at_ms), device=device)
    street.take(hub, at_ms + 1000, item)
    return item


def deliverer(street, **by_name):
    told = []
    made = Deliverer(street.database, told.append, lambda endpoint: by_name[endpoint.id.replace("-", "_")])
    return made, told


def rows(street):
    return [(row.receiver, row.part, row.status) for row in street.rows(deliveries)]


# --- against an independent FHIR server ---


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    made = FhirServer(tmp_path_factory.mktemp("fhir"))
    made.start()
    made.patient(ANNA)
    yield made
    made.stop()


@pytest.fixture
def real(database, server):
    """Anna's readings go to the FHIR server."""
    made = Street(database)
    made.hub()
    made.citizen(ANNA)
    with database.transaction() as connection:
        connection.execute(receivers.update().values(base_url=server.base_url))
    made.bind(ANNA)
    return made


def run_once(street, at_ms, *told):
    """A bridge that starts, delivers what is due, and ends."""
    with closing(Deliverer(street.database, *told)) as made:
        return made.deliver_once(at_ms)


def observations(server):
    """How many resources of ours the server holds."""
    _, body = server.request("GET", "Observation?_count=1000")
    return body.count(b'"urn:meethub:measurement"')


def test_a_reading_arrives_is_read_back_and_counts_as_delivered(real, server):
    before = observations(server)
    item = reading(real)
    told = []
    assert run_once(real, LATER, told.append) == 2
    assert rows(real) == [("pgo-1", "blood-pressure", "delivered")]
    (row,) = real.rows(measurements)
    assert (row.status, row.settled_ms) == ("delivered", LATER)
    assert told == ["hub-1"]
    assert observations(server) == before + 1
    assert run_once(real, LATER + DAY) == 0
    with real.database.reading() as connection:
        told = journey.trace(connection, key_of(item).hex())
    assert [step.step for step in told.steps] == [
        "captured", "sealed", "accepted", "whose", "waiting", "delivered", "settled",
    ]  # fmt: skip
    assert told.well


KILLED = """
    import os, signal, sys
    from pathlib import Path
    from cloud_bridge.deliver import Deliverer, fhir_receiver
    from cloud_bridge.ledger.database import Database

    class Dies:
        def __init__(self, endpoint):
            self._inner = fhir_receiver(endpoint)
            self.longest_s = self._inner.longest_s

        def deliver(self, resource):
            self._inner.deliver(resource)
            os.kill(os.getpid(), signal.SIGKILL)

    Deliverer(Database(sys.argv[1]), connect=Dies).deliver_once(int(sys.argv[2]))
"""


def test_a_bridge_killed_between_answer_and_commit_doubles_nothing(real, server):
    before = observations(server)
    reading(real, 1)
    url = str(real.database._engine.url)
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(KILLED), url, str(LATER)],
        cwd=Path(__file__).parents[2],
        check=False,
        timeout=PATIENCE_S * 3,
    )
    assert done.returncode == -signal.SIGKILL
    assert observations(server) == before + 1  # the FHIR server has it, the ledger does not know
    assert rows(real)[0][2] == "claimed"
    assert run_once(real, LATER + 1000) == 0  # its lease still runs
    assert run_once(real, LATER + HOUR) == 1
    assert rows(real)[0][2] == "delivered"
    assert observations(server) == before + 1


# --- order, leases, waiting ---


def test_one_delivery_for_each_receiver_and_part_and_settled_when_all_are_done(street):
    street.receiver("pgo-2", ANNA)
    reading(street)
    one, two = Scripted(), Scripted(TryLater("receiver-failed"))
    made, told = deliverer(street, pgo_1=one, pgo_2=two)
    made.deliver_once(LATER)
    assert rows(street) == [
        ("pgo-1", "blood-pressure", "delivered"),
        ("pgo-2", "blood-pressure", "waiting"),
    ]
    assert (street.statuses(), told) == (["due"], [])
    made.deliver_once(LATER + HOUR)
    assert (street.statuses(), told) == (["delivered"], ["hub-1"])
    identifiers = {resource["identifier"][0]["value"] for resource in one.got + two.got}
    assert len(identifiers) == 2  # unlinkable between receivers


def test_refused_is_parked_and_the_others_go_on(street):
    for number in range(3):
        reading(street, number)
    receiver = Scripted(Refused("receiver-refused", "422 invariant"))
    made, _ = deliverer(street, pgo_1=receiver)
    made.deliver_once(LATER)
    assert [status for _, _, status in rows(street)] == ["refused", "delivered", "delivered"]
    with street.database.reading() as connection:
        (held,) = journey.held(connection)
    assert (held["code"], held["detail"], held["receiver"]) == ("receiver-refused", "422 invariant", "pgo-1")
    (number,) = [row.id for row in street.rows(measurements) if row.status == "due"]
    with street.within() as connection:
        assert ledger.retry(connection, number, LATER) == 1
    made.deliver_once(LATER + 1)
    assert street.statuses() == ["delivered"] * 3


@pytest.mark.parametrize("failures", [*range(12), 100, 10_000])
def test_the_delay_doubles_with_jitter_up_to_a_quarter_of_an_hour(failures):
    longest = min(LONGEST_DELAY_MS, 2000 * 2 ** min(failures, 20))
    assert all(longest // 2 <= delay_ms(failures) <= longest for _ in range(50))


@pytest.mark.parametrize("asked_s", [0.0, 7200.0])
def test_a_receiver_that_asks_for_patience_gets_it(street, asked_s):
    reading(street)
    receiver = Scripted(TryLater("receiver-busy", asked_s))
    made, _ = deliverer(street, pgo_1=receiver)
    made.deliver_once(LATER)
    (row,) = street.rows(deliveries)
    assert row.next_ms >= LATER + max(1000, int(asked_s * 1000))
    assert row.code == "receiver-busy"
    made.deliver_once(row.next_ms - 1)
    assert len(receiver.got) == 1
    made.deliver_once(row.next_ms + LONGEST_DELAY_MS)
    assert street.statuses() == ["delivered"]


def test_a_receiver_that_is_away_is_not_asked_for_every_reading_and_holds_nobody_up(street):
    street.citizen(BERT, "pgo-2")
    street.bind(BERT, "cuff-2")
    for number in range(5):
        reading(street, number)
        reading(street, number, "cuff-2")
    away, there = Scripted(*[TryLater("receiver-unreachable")] * 50), Scripted()
    made, _ = deliverer(street, pgo_1=away, pgo_2=there)
    made.deliver_once(LATER)
    assert (len(away.got), len(there.got)) == (1, 5)
    made.deliver_once(LATER + HOUR)
    assert len(away.got) == 2


def test_a_fault_of_the_connector_is_tried_again(street):
    reading(street)
    made, _ = deliverer(street, pgo_1=Scripted(RuntimeError("broken")))
    made.deliver_once(LATER)
    assert street.rows(deliveries)[0].code == "connector-failed"
    made.deliver_once(LATER + HOUR)
    assert street.statuses() == ["delivered"]


def claim(street, at_ms, lease_ms=60_000):
    with street.within() as connection:
        return ledger.claim(connection, at_ms, lambda _: lease_ms, [])


def test_a_lease_keeps_other_workers_away_until_it_runs_out(street):
    reading(street)
    first = claim(street, LATER)
    assert first is not None
    assert claim(street, LATER + 59_999) is None
    second = claim(street, LATER + 60_000)
    assert second is not None
    assert second.id == first.id
    with street.within() as connection:
        ledger.later(connection, first, "receiver-busy", LATER, LATER)  # came too late to have a say
        ledger.refused(connection, first, "receiver-refused", "", LATER)
        ledger.expand(connection, first, ["a", "b"], LATER)
    assert rows(street) == [("pgo-1", "", "claimed")]


def test_a_lease_is_longer_than_a_try_can_last(street):
    reading(street)
    receiver = Scripted()
    made, _ = deliverer(street, pgo_1=receiver)
    taken = made._claim(LATER)
    assert taken.lease_ms == LATER + receiver.longest_s * 1000 + LEASE_MARGIN_MS


def test_workers_share_the_work_and_no_delivery(street):
    for number in range(30):
        reading(street, number)
    receiver = Scripted()
    workers = [deliverer(street, pgo_1=receiver)[0] for _ in range(4)]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda one: one.deliver_once(LATER), workers))
    assert street.statuses() == ["delivered"] * 30
    assert len(receiver.got) == 30


@pytest.mark.parametrize(("conditional", "claims"), [(True, 3), (False, 1)])
def test_a_receiver_without_conditional_create_gets_one_at_a_time(street, conditional, claims):
    with street.within() as connection:
        connection.execute(receivers.update().values(conditional_create=conditional))
    for number in range(3):
        reading(street, number)
    assert sum(claim(street, LATER) is not None for _ in range(4)) == claims
    assert claim(street, LATER + HOUR) is not None


# --- what stops a delivery ---


def test_a_pause_stops_what_was_queued_and_what_is_half_done(street):
    street.receiver("pgo-2", ANNA)
    reading(street)
    made, _ = deliverer(street, pgo_1=Scripted(), pgo_2=Scripted(TryLater("receiver-failed")))
    made.deliver_once(LATER)
    hub = street.hubs[0]
    street.take(hub, LATER, said(hub, "pause", 1, LATER))
    made.deliver_once(LATER + HOUR)
    assert [status for _, _, status in rows(street)] == ["delivered", "waiting"]
    street.take(hub, LATER, said(hub, "resume", 2, LATER, refs=[(1).to_bytes(16, "big")]))
    made.deliver_once(LATER + 2 * HOUR)
    assert street.statuses() == ["delivered"]


def test_not_mine_after_delivery_asks_for_a_withdrawal(street):
    item = reading(street)
    made, _ = deliverer(street, pgo_1=Scripted())
    made.deliver_once(LATER)
    hub = street.hubs[0]
    street.take(hub, LATER, said(hub, "not-mine", 1, LATER, refs=[key_of(item)]))
    assert (street.statuses(), street.open_codes()) == (["held"], ["withdrawal-due"])


def test_not_mine_while_it_is_on_its_way_is_not_forgotten(street):
    item = reading(street)
    hub = street.hubs[0]

    class Slow(Scripted):
        def deliver(self, resource):
            street.take(hub, LATER, said(hub, "not-mine", 1, LATER, refs=[key_of(item)]))
            return super().deliver(resource)

    made, _ = deliverer(street, pgo_1=Slow())
    made.deliver_once(LATER)
    assert (street.statuses(), street.open_codes()) == (["held"], ["withdrawal-due"])


def test_what_cannot_be_rendered_is_parked(street):
    with street.within() as connection:
        connection.execute(receivers.update().values(rendering="r9"))
    reading(street)
    made, _ = deliverer(street, pgo_1=Scripted())
    made.deliver_once(LATER)
    assert [(row.status, row.code) for row in street.rows(deliveries)] == [("refused", "rendering-unknown")]


def test_a_part_that_the_rendering_no_longer_gives_is_parked(street, monkeypatch):
    reading(street)
    made, _ = deliverer(street, pgo_1=Scripted(TryLater("receiver-failed")))
    made.deliver_once(LATER)
    renderings = {"r4": lambda _: [deliver.Part("other", {})]}
    monkeypatch.setattr(deliver, "RENDERINGS", renderings)
    made.deliver_once(LATER + HOUR)
    assert street.rows(deliveries)[0].code == "rendering-changed"


# --- the loop ---


def test_the_loop_wakes_when_told_and_stops_when_told(street):
    reached = threading.Event()

    class Tells(Scripted):
        def deliver(self, resource):
            reached.set()
            return super().deliver(resource)

    made = Deliverer(street.database, connect=lambda _: Tells(), clock=lambda: LATER)
    stop = threading.Event()
    thread = threading.Thread(target=made.run, args=(stop,))
    thread.start()
    reading(street)
    made.wake()
    assert reached.wait(PATIENCE_S)
    stop.set()
    made.wake()
    thread.join(PATIENCE_S)
    assert not thread.is_alive()
    assert street.statuses() == ["delivered"]


def test_the_loop_goes_on_when_the_database_fails(street):
    failed = threading.Event()
    reached = threading.Event()
    real = street.database.reading

    class Tells(Scripted):
        def deliver(self, resource):
            reached.set()
            return super().deliver(resource)

    def broken():
        if not failed.is_set():
            failed.set()
            raise OSError("disk")
        return real()

    made = Deliverer(street.database, connect=lambda _: Tells(), clock=lambda: LATER)
    street.database.reading = broken
    stop = threading.Event()
    thread = threading.Thread(target=made.run, args=(stop,))
    thread.start()
    assert failed.wait(PATIENCE_S)
    street.database.reading = real
    reading(street)
    made.wake()
    assert reached.wait(PATIENCE_S)
    stop.set()
    made.wake()
    thread.join(PATIENCE_S)
    assert not thread.is_alive()

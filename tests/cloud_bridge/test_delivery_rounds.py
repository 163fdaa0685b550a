"""One round of deliveries: as long as it lasts, every lease and outcome is of its own moment."""

from dataclasses import dataclass, field

import pytest

from cloud_bridge.deliver import LEASE_MARGIN_MS, Deliverer
from cloud_bridge.fhir.answers import Delivered, TryLater
from cloud_bridge.ledger import deliveries as ledger
from cloud_bridge.schema import deliveries, receivers
from tests.cloud_bridge.people_fixtures import ANNA, BERT, DAY, MINUTE, START, Meter, Street, cuff_frame

LATER = START + DAY
TRY_MS = 25_000


@dataclass
class Slow:
    """A receiver that takes its time, and looks at the lease it is tried under."""

    street: Street
    outcome: TryLater | None = None
    now_ms: int = LATER
    left_ms: list[int] = field(default_factory=list)
    longest_s: float = 30.0

    def clock(self):
        return self.now_ms

    def deliver(self, _):
        (claimed,) = self.street.rows(deliveries, deliveries.c.status == "claimed")
        self.left_ms.append(claimed.lease_ms - self.now_ms)
        self.now_ms += TRY_MS
        return self.outcome or Delivered("o1", "1")

    def close(self):
        pass


@pytest.fixture
def street(database):
    made = Street(database)
    made.hub()
    made.citizen(ANNA)
    made.bind(ANNA)
    return made


def read(street, count, device="cuff-1"):
    hub = street.hubs[0]
    for number in range(count):
        at_ms = START + number * MINUTE
        own = Meter().clock(at_ms)
        item = hub.item(at_ms, cuff_frame(120 + number, own), (own, at_ms), device=device)
        street.take(hub, at_ms + 1000, item)


def test_every_lease_is_counted_from_its_own_claim(street):
    read(street, 6)
    slow = Slow(street)
    made = Deliverer(street.database, connect=lambda _: slow, clock=slow.clock)
    assert made.deliver_once(LATER) == 12
    assert slow.left_ms == [slow.longest_s * 1000 + LEASE_MARGIN_MS] * 6
    ended = [row.since_ms for row in street.rows(deliveries)]
    assert ended == [LATER + TRY_MS * number for number in range(1, 7)]


def test_the_wait_begins_when_a_try_ended(street):
    """A receiver that is slow to fail is not asked again at once."""
    read(street, 1)
    slow = Slow(street, TryLater("receiver-failed", 10.0))
    Deliverer(street.database, connect=lambda _: slow, clock=slow.clock).deliver_once(LATER)
    (row,) = street.rows(deliveries)
    assert row.next_ms == LATER + TRY_MS + 10_000


def claim(street):
    with street.within() as connection:
        return ledger.claim(connection, LATER, lambda _: MINUTE, [])


def test_a_busy_receiver_hides_no_other_however_much_waits_for_it(street):
    with street.within() as connection:
        connection.execute(receivers.update().values(conditional_create=False))
    street.citizen(BERT, "pgo-2")
    street.bind(BERT, "cuff-2")
    read(street, 60)
    read(street, 1, "cuff-2")
    assert [claim(street).endpoint.id for _ in range(2)] == ["pgo-1", "pgo-2"]
    assert claim(street) is None
    with street.database.reading() as connection:
        assert not ledger.is_due(connection, LATER, [])

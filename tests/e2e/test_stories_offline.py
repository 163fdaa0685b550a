"""A hub is offline for thirty days: everything is sealed in full envelopes and drains afterwards, once."""

import os

import pytest

from gateway.simulator.compare import read_observations
from gateway.wire.envelope import MAX_SEALED_ITEMS
from tests.e2e.cuff import Cuff
from tests.e2e.receivers import effective_ms, issued_ms
from tests.e2e.wire import is_envelope, place

DAYS = 30
DAY_S = 86_400
DOSE = int(os.environ.get("MEETHUB_DOSE", "1"))
A_DAY = min(200, 10 * DOSE)


@pytest.mark.timeout(120 + 60 * DOSE)
def test_thirty_days_offline(village, pgo):
    anna, cuff = village.person(pgo), Cuff(village.time, keeps_memory=False)
    village.bind(anna, cuff)
    hub = village.gateway()
    village.settle()
    hub.offline()
    before = hub.outbox.head(hub.kid).sequence
    for day in range(DAYS):
        for _ in range(A_DAY // 5):
            cuff.measure_some(5, every_s=DAY_S // A_DAY)
            cuff.visit(hub)
            hub.hub.tick()
        if day == DAYS // 2:
            hub.restart()
    sealed = hub.outbox.rows(100_000)
    full = [row for row in sealed if row["items"] == MAX_SEALED_ITEMS]
    assert len(full) == DAYS * A_DAY // MAX_SEALED_ITEMS
    daily = len(sealed) - len(full) - before
    assert DAYS - 2 <= daily <= DAYS + 2  # and a status a day, so that its time is anchored
    newest = hub.outbox.head(hub.kid).sequence

    heard = len(village.wire.seen_up)
    hub.connect()
    village.settle()
    arrived = [place(one)[1] for one in village.wire.seen_up[heard:] if is_envelope(one)]
    assert arrived[0] == newest
    assert sorted(arrived) == list(range(before + 1, newest + 1))  # each travelled once
    assert before + 1 in arrived[:8]  # the oldest does not wait for all the others
    village.assert_delivered(anna, cuff.truth)
    assert village.held() == []
    assert_marked_late(anna)
    assert hub.outbox.counts()["delivered"] == newest


def assert_marked_late(person):
    """What was more than a day old on arrival says so, and nothing else does."""
    found = read_observations(person.server, person.patient)
    late = [resource for resource in found if "Nagekomen" in str(resource.get("note"))]
    assert 0 < len(late) < len(found)
    for resource in found:
        age_ms = issued_ms(resource) - effective_ms(resource)
        assert (resource in late) == (age_ms > DAY_S * 1000), resource

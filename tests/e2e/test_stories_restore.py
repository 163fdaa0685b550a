"""The bridge's ledger is restored from a copy 100 readings older, while readings come in."""

import os

import pytest

from cloud_bridge.schema import envelopes, gaps, hub_keys, losses, measurements
from tests.e2e.cuff import Cuff

DOSE = int(os.environ.get("MEETHUB_DOSE", "1"))
BEHIND = 100
FEWER = min(BEHIND, 30 * DOSE)


@pytest.fixture
def anna(village, pgo):
    return village.person(pgo)


def traffic(village, cuff, hubs, readings, together=1):
    """One reading after the other, fetched so many together by one of the hubs; the others take their turn."""
    for number in range(readings // together):
        cuff.measure_some(together, every_s=40)
        cuff.visit(hubs[number % len(hubs)])
        village.run(1)


def assert_whole(village, person, cuff):
    village.assert_delivered(person, cuff.truth)
    village.assert_nothing_freed_too_early()
    assert [row for row in village.rows(gaps) if row.closed_ms is None] == []
    assert village.held() == []


@pytest.mark.parametrize(
    ("behind", "synchronised", "offers_clock"),
    [(BEHIND, True, True), (FEWER, False, False)],
    ids=["ntp-clock", "bridge-time-no-clock"],
)
def test_everything_arrives_exactly_once(village, anna, behind, synchronised, offers_clock):
    cuff = Cuff(village.time, offers_clock=offers_clock, keeps_memory=False)
    village.bind(anna, cuff)
    hub = village.gateway(synchronised=synchronised)
    village.run(2)
    traffic(village, cuff, [hub], 10)
    copy = village.copy_ledger()
    traffic(village, cuff, [hub], behind)
    village.settle()
    known = len(village.rows(envelopes))
    village.restore_ledger(copy)
    assert known - len(village.rows(envelopes)) >= behind
    traffic(village, cuff, [hub], 10)
    village.settle()
    assert_whole(village, anna, cuff)
    assert len(village.rows(envelopes)) >= known + 10


def small(village):
    """So little space that what is accepted must go soon."""
    hub = village.gateway(connected=False)
    hub.stop()
    hub.space = 128 << 10
    hub.start()
    hub.connect()
    return hub


@pytest.mark.parametrize("keeps_memory", [True, False], ids=["keeps", "forgets"])
def test_what_the_hub_has_freed(village, anna, keeps_memory):
    """It comes again from the device's memory; where that is gone too, the range has a name, and stays delivered."""
    cuff = Cuff(village.time, keeps_memory=keeps_memory)
    village.bind(anna, cuff)
    hub = small(village)
    traffic(village, cuff, [hub], 10, together=5)
    copy = village.copy_ledger()
    traffic(village, cuff, [hub], FEWER, together=5)
    village.settle()
    assert len(hub.held_sequences()) < FEWER
    village.restore_ledger(copy)
    traffic(village, cuff, [hub], 5)
    village.settle()
    cuff.visit(hub)
    village.settle()
    assert_whole(village, anna, cuff)
    assert {row.reason for row in village.rows(losses)} == {"unreadable"}
    known = len(village.rows(measurements))
    assert known == len(cuff.truth) if keeps_memory else known < len(cuff.truth)


LATE = (
    "a restored ledger gets it late and marks it so; what was delivered in time says nothing of that, and counts as"
    " another content at the receiver: parked, with nothing lost"
)


@pytest.mark.xfail(strict=True, reason=LATE)
def test_two_days_later(village, anna):
    """Late by now, and delivered in time long ago: what stands in the PGO is the same reading."""
    cuff = Cuff(village.time, keeps_memory=False)
    village.bind(anna, cuff)
    hub = village.gateway()
    copy = village.copy_ledger()
    traffic(village, cuff, [hub], 5)
    village.settle()
    village.time.pass_s(2 * 86_400)
    village.restore_ledger(copy)
    traffic(village, cuff, [hub], 2)
    village.settle()
    village.assert_delivered(anna, cuff.truth)
    assert village.held() == []


def test_a_reading_of_a_hub_that_did_not_know_the_time(village, anna):
    """When it arrived tells less the second time; the reading stays in its place."""
    cuff = Cuff(village.time, keeps_memory=False)
    village.bind(anna, cuff)
    hub = village.gateway(connected=False, synchronised=False)
    copy = village.copy_ledger()
    cuff.measure()
    cuff.visit(hub)
    hub.seal_now()
    village.time.pass_s(600)
    hub.connect()
    village.settle()
    village.time.pass_s(3600)
    village.restore_ledger(copy)
    traffic(village, cuff, [hub], 2)
    village.settle()
    assert_whole(village, anna, cuff)


def test_two_hubs_and_one_cuff(village, anna):
    """The order in which the hubs tell it all again is another one than the first time."""
    cuff = Cuff(village.time)
    village.bind(anna, cuff)
    hubs = [village.gateway("hub-1"), village.gateway("hub-2")]
    traffic(village, cuff, hubs, 4)
    copy = village.copy_ledger()
    traffic(village, cuff, hubs, FEWER // 4)
    village.settle()
    village.restore_ledger(copy)
    hubs[0].offline()
    traffic(village, cuff, hubs, 4)
    hubs[0].connect()
    village.settle()
    for hub in hubs:
        cuff.visit(hub)
    village.settle()
    assert_whole(village, anna, cuff)


def test_a_key_that_the_restored_ledger_does_not_know(village, anna):
    """Enrolled after the copy was made: the hub asks for its key again, and what it sealed is taken."""
    cuff = Cuff(village.time, keeps_memory=False)
    village.bind(anna, cuff)
    hub = village.gateway()
    traffic(village, cuff, [hub], 3)
    copy = village.copy_ledger()
    hub.hub.key.give_up("bridge-ahead")
    traffic(village, cuff, [hub], 5)
    village.settle()
    assert len(village.rows(hub_keys)) == 2
    village.restore_ledger(copy)
    traffic(village, cuff, [hub], 5)
    village.settle()
    assert len(village.rows(hub_keys)) == 2
    assert_whole(village, anna, cuff)


def test_states_replayed_from_before_the_restore(village, anna):
    """Someone plays back what the bridge said before: the hub frees nothing on the strength of that."""
    cuff = Cuff(village.time, keeps_memory=False)
    village.bind(anna, cuff)
    hub = small(village)
    traffic(village, cuff, [hub], 5)
    copy = village.copy_ledger()
    traffic(village, cuff, [hub], 20)
    village.settle()
    village.restore_ledger(copy)
    cuff.measure()
    cuff.visit(hub)
    for _ in range(90):
        village.turn()
        for topic, raw in list(village.wire.seen_down):
            if topic:
                hub.hub.state_arrived(raw)
                hub.hub.tick()
    kept = {place for place in hub.held_sequences() if place not in village.accepted(hub.kid)}
    rows = {(hub.kid, row["sequence"]): row["stage"] for row in hub.outbox.rows(1000)}
    assert {rows[place] for place in kept} <= {"sealed", "sent"}
    village.settle()
    village.assert_delivered(anna, cuff.truth)
    assert village.held() == []

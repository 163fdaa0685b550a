"""A hub gets a new key and reads the whole memory of its devices again: nothing is lost, nothing doubled."""

import shutil
from collections import Counter

import pytest

from cloud_bridge import people_desk
from cloud_bridge.schema import arrivals, forks, gaps, hub_keys
from tests.e2e.cuff import Cuff
from tests.e2e.gateways import OUTBOX


def relations(village):
    return Counter(row.relation for row in village.rows(arrivals))


def key_status(village):
    return {bytes(row.kid): row.status for row in village.rows(hub_keys)}


@pytest.fixture
def anna(village, pgo):
    return village.person(pgo)


@pytest.mark.parametrize("offers_clock", [True, False], ids=["clock", "no-clock"])
@pytest.mark.parametrize("synchronised", [True, False], ids=["ntp", "bridge-time"])
def test_a_hub_that_is_enrolled_anew(village, anna, offers_clock, synchronised):
    """A new box, or one that was reset: the same name, nothing remembered."""
    cuff = Cuff(village.time, offers_clock=offers_clock)
    village.bind(anna, cuff)
    old = village.gateway(synchronised=synchronised)
    village.run(2)
    cuff.measure_some(6, every_s=600)
    cuff.visit(old)
    village.settle()
    old.stop()
    village.time.pass_s(3600)
    new = village.gateway(synchronised=synchronised)
    village.run(2)
    cuff.measure_some(3, every_s=600)
    cuff.visit(new)
    village.settle()
    village.assert_delivered(anna, cuff.truth)
    assert relations(village) == {"first": 9, "again": 6}
    assert key_status(village) == {old.kid: "retired", new.kid: "live"}
    assert village.held() == []


def test_a_hub_whose_disk_went_back_to_an_old_copy(village, anna):
    """The bridge knows more than the hub: its key is given up, what it forgot is read from the cuff again."""
    cuff = Cuff(village.time)
    village.bind(anna, cuff)
    hub = village.gateway()
    cuff.measure_some(4)
    cuff.visit(hub)
    village.settle()
    hub.stop()
    copy = village.directory / "copy"
    shutil.copytree(hub.directory, copy)
    hub.start()
    hub.connect()
    cuff.measure_some(4)
    cuff.visit(hub)
    village.settle()
    first = hub.kid
    hub.stop()
    shutil.rmtree(hub.directory)
    shutil.copytree(copy, hub.directory)
    hub.start()
    hub.connect()
    cuff.measure_some(4)
    cuff.visit(hub)  # captured before any state has told that the head is an old one
    village.settle()
    cuff.measure_some(2)
    cuff.visit(hub)
    village.settle()
    assert hub.kid != first
    # What the old copy sealed with the old key makes a fork: a clone of the hub would look the same.
    assert key_status(village) == {first: "forked", hub.kid: "live"}
    # What was said between the old head and the new key may be lost: the patient is asked, too.
    assert {who for _, who in village.held()} == {"installer", "patient"}
    assert [row.ended_ms for row in village.rows(forks)] == [None]
    with village.bridge.database.transaction() as connection:
        people_desk.confirm_hub(connection, hub.name, "installer", village.time.now_ms)
    for question in village.questions():
        village.answer(question, "go-on")
    village.settle()
    village.assert_delivered(anna, cuff.truth)
    assert village.held() == []


def test_a_key_is_given_up_once(village, anna):
    """Nothing new to seal: the bridge goes on knowing more of the old key, and that is no reason for a third."""
    cuff = Cuff(village.time)
    village.bind(anna, cuff)
    hub = village.gateway(connected=False)
    hub.stop()
    copy = village.directory / "copy"
    shutil.copytree(hub.directory, copy)
    hub.start()
    hub.connect()
    cuff.measure_some(3)
    cuff.visit(hub)
    village.settle()
    hub.stop()
    shutil.rmtree(hub.directory)
    shutil.copytree(copy, hub.directory)
    hub.start()
    hub.connect()
    for _ in range(3):
        village.run(5)
        hub.offline()
        hub.connect()
    assert len(village.rows(hub_keys)) == 2
    cuff.visit(hub)
    village.settle()
    village.assert_delivered(anna, cuff.truth)


def test_a_hub_that_cannot_read_its_head(village, anna):
    """The outbox is gone and with it what was not sent: a new key, and the cuff is asked again.

    A pause may be among what is gone, so the patient is asked before anything goes on.
    """
    cuff = Cuff(village.time)
    village.bind(anna, cuff)
    hub = village.gateway()
    cuff.measure_some(3)
    cuff.visit(hub)
    village.settle()
    first = hub.kid
    hub.offline()
    cuff.measure_some(3)
    cuff.visit(hub)
    hub.stop()
    for file in hub.directory.glob(OUTBOX + "*"):
        if file.suffix != ".kids":
            file.unlink()
    hub.start()
    hub.connect()
    cuff.measure_some(1)
    cuff.visit(hub)
    village.settle()
    village.assert_delivered(anna, cuff.truth[:3])
    assert set(village.held()) == {("statements-lost", "patient")}
    for question in village.questions():
        village.answer(question, "go-on")
    cuff.measure_some(1)
    cuff.visit(hub)  # asked once, not again for every reading of this key
    village.settle()
    village.assert_delivered(anna, cuff.truth)
    assert key_status(village) == {first: "retired", hub.kid: "live"}
    assert {row.closed_by for row in village.rows(gaps)} <= {"filled"}
    assert village.held() == []


def test_what_the_old_key_sealed_is_sent_all_the_same(village, anna):
    """Queued envelopes are never signed again: the retired key still speaks for them, the gap closes."""
    cuff = Cuff(village.time, keeps_memory=False)
    village.bind(anna, cuff)
    hub = village.gateway()
    village.settle()
    hub.offline()
    cuff.measure_some(5)
    cuff.visit(hub)
    first = hub.kid
    hub.hub.sealer.seal(online=True)
    hub.hub.key.give_up("bridge-ahead")
    cuff.measure_some(5)
    cuff.visit(hub)
    hub.restart()
    hub.connect()
    village.settle()
    cuff.measure_some(1)
    cuff.visit(hub)
    village.settle()
    village.assert_delivered(anna, cuff.truth)
    assert key_status(village) == {first: "retired", hub.kid: "live"}
    assert {row.closed_by for row in village.rows(gaps)} <= {"filled"}
    assert village.rows(forks) == []
    assert village.held() == []

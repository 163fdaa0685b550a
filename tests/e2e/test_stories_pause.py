"""A pause that was sealed offline and arrives after the reading it should stop: nothing of that time goes out."""

from collections import Counter

import pytest

from cloud_bridge.schema import bindings, losses
from tests.e2e.cuff import Cuff
from tests.e2e.test_stories_damage import SIGNED, blob, spoil
from tests.e2e.wire import Delay, sequence_is


@pytest.fixture
def anna(village, pgo):
    return village.person(pgo)


@pytest.fixture
def cuff(village, anna):
    made = Cuff(village.time, keeps_memory=False)
    village.bind(anna, made)
    return made


@pytest.fixture
def hub(village):
    """A hub that has been online and is not now."""
    made = village.gateway()
    village.settle()
    made.offline()
    return made


def paused_offline(village, cuff, hub, **whom):
    """Two readings, a pause, two readings, each in an envelope of its own; the pause, and its sequence."""
    for _ in range(2):
        cuff.measure_some(1)
        cuff.visit(hub)
    hub.seal_now()
    pause = hub.say("pause", **whom)
    sequence = hub.outbox.head(hub.kid).sequence
    for _ in range(2):
        cuff.measure_some(1)
        cuff.visit(hub)
        hub.seal_now()
    return pause, sequence


def held_codes(village):
    return Counter(code for code, _ in village.held())


@pytest.mark.parametrize("whose", ["hub", "citizen"])
def test_the_pause_arrives_last(village, anna, cuff, hub, whose):
    whom = {"citizen": anna.citizen} if whose == "citizen" else {}
    pause, sequence = paused_offline(village, cuff, hub, **whom)
    late = Delay(sequence_is(sequence))
    village.wire.up.append(late)
    hub.connect()
    village.run(30)
    # What was sealed before the pause may go; what was sealed after it waits for what is missing.
    village.assert_delivered(anna, cuff.truth[:2])
    assert village.held() == [("statements-missing", "hub")] * 2
    assert hub.outbox.unaccepted() == 1  # the readings are accepted all the same
    late.let_go()
    village.settle()
    village.run(30)
    assert village.held() == [("paused", "patient")] * 2
    cuff.measure_some(1)
    cuff.visit(hub)
    village.settle()
    assert village.held() == [("paused", "patient")] * 3
    village.assert_delivered(anna, cuff.truth[:2])
    hub.say("resume", refs=[pause])
    village.settle()
    village.assert_delivered(anna, cuff.truth)
    assert village.held() == []


def test_a_resume_ends_only_the_pause_it_names(village, anna, cuff, hub):
    pause, _ = paused_offline(village, cuff, hub)
    other = hub.say("pause")
    hub.connect()
    village.settle()
    hub.say("resume", refs=[pause])
    village.settle()
    assert held_codes(village) == {"paused": 4}  # the first two as well: the pause was there before they went
    hub.say("resume", refs=[other])
    village.settle()
    village.assert_delivered(anna, cuff.truth)


def test_a_resume_that_overtakes_its_pause(village, anna, cuff, hub):
    """Both were said offline; the end arrives before the beginning, and nothing is stopped for ever."""
    pause, sequence = paused_offline(village, cuff, hub)
    hub.say("resume", refs=[pause])
    cuff.measure_some(1)
    cuff.visit(hub)
    late = Delay(sequence_is(sequence))
    village.wire.up.append(late)
    hub.connect()
    village.run(30)
    village.assert_delivered(anna, cuff.truth[:2])
    assert held_codes(village) == {"statements-missing": 3}
    late.let_go()
    village.settle()
    village.assert_delivered(anna, cuff.truth)
    assert village.held() == []


def test_one_citizen_pauses_and_the_other_does_not(village, pgo, hub):
    anna, bert = village.person(pgo), village.person(pgo)
    cuff = Cuff(village.time, keeps_memory=False)
    village.bind(anna, cuff, slot=1)
    village.bind(bert, cuff, slot=2)
    hub.say("pause", citizen=anna.citizen)
    mine, yours = cuff.measure(user=1), cuff.measure((140, 90, 105), user=2)
    village.time.pass_s(60)
    cuff.visit(hub)
    hub.connect()
    village.settle()
    village.assert_delivered(anna, [])
    village.assert_delivered(bert, [yours])
    assert village.held() == [("paused", "patient")]
    assert mine is not yours
    assert len(village.rows(bindings)) == 2


def test_a_pause_of_one_hub_is_none_of_the_other(village, anna, cuff, hub):
    """Said at a hub, for that hub; what another one of the household reads goes on."""
    elsewhere = Cuff(village.time, identity="F0:5A:01:00:00:02", keeps_memory=False)
    village.bind(anna, elsewhere)
    other = village.gateway("hub-2")
    paused_offline(village, cuff, hub)
    hub.connect()
    elsewhere.measure((150, 95, 110))
    elsewhere.visit(other)
    village.settle()
    assert held_codes(village) == {"paused": 4}
    village.assert_delivered(anna, elsewhere.truth)


def test_the_pause_itself_is_lost(village, anna, cuff, hub):
    """The outbox cannot read it any more: it may have been a pause, so the citizen is asked."""
    _, sequence = paused_offline(village, cuff, hub)
    hub.stop()
    spoil(hub, blob(hub, SIGNED, sequence))
    hub.start()
    hub.connect()
    village.settle()
    village.run(70)
    assert [row.sequence for row in village.rows(losses)] == [sequence]
    village.assert_delivered(anna, cuff.truth[:2])
    assert village.held() == [("statements-lost", "patient")] * 2
    for question in village.questions():
        village.answer(question, "go-on")
    village.settle()
    village.assert_delivered(anna, cuff.truth)
    assert village.held() == []

"""A device's battery is changed and its clock restarts at 2000-01-01: nothing is lost, nothing passes as known."""

from datetime import UTC, datetime, timedelta

import pytest

from tests.e2e.cuff import Cuff

MEASURED = (131, 84, 99)


@pytest.fixture
def anna(village, pgo):
    return village.person(pgo)


def first_after_a_battery(village, cuff, hub):
    """A new battery, and half a minute later the same numbers as the last time: the same bytes once more."""
    cuff.change_battery()
    village.time.pass_s(30)
    made = cuff.measure(MEASURED)
    village.time.pass_s(90)
    cuff.visit(hub)
    return made


@pytest.mark.parametrize("keeps_memory", [True, False], ids=["keeps", "forgets"])
@pytest.mark.parametrize("synchronised", [True, False], ids=["ntp", "bridge-time"])
def test_records_of_both_clocks_arrive_in_their_true_time(village, anna, keeps_memory, synchronised):
    """Also those which the old clock stamped and nobody had fetched when the battery went."""
    cuff = Cuff(village.time, keeps_memory=keeps_memory)
    village.bind(anna, cuff)
    hub = village.gateway(synchronised=synchronised)
    village.run(2)
    cuff.measure_some(3)
    cuff.visit(hub)
    village.settle()
    village.time.pass_s(3600)
    cuff.measure_some(2)
    cuff.change_battery()
    village.time.pass_s(30)
    cuff.measure_some(4)
    cuff.visit(hub)
    village.settle()
    cuff.measure_some(2)
    cuff.visit(hub)
    village.settle()
    assert village.held() == []
    village.assert_delivered(anna, cuff.truth)


@pytest.mark.parametrize("keeps_memory", [True, False], ids=["keeps", "forgets"])
@pytest.mark.parametrize("synchronised", [True, False], ids=["ntp", "no-time"])
def test_the_same_bytes_after_a_second_battery_are_a_question(village, anna, keeps_memory, synchronised):
    """A year and two batteries: the device made the very same record twice, and only a person can know it."""
    cuff = Cuff(village.time, keeps_memory=keeps_memory)
    village.bind(anna, cuff)
    hub = village.gateway(synchronised=synchronised)
    village.run(2)
    one = first_after_a_battery(village, cuff, hub)
    village.settle()
    village.assert_delivered(anna, [one])
    for _ in range(3):
        village.time.pass_s(86_400)
        cuff.measure()
        cuff.visit(hub)
    village.settle()
    other = first_after_a_battery(village, cuff, hub)
    assert other.data == one.data
    village.settle()
    assert village.held() == [("possible-repeat", "patient")]
    village.assert_delivered(anna, cuff.truth[:-1])
    village.answer(village.questions()[0], "new")
    village.settle()
    village.assert_delivered(anna, cuff.truth)
    assert village.held() == []


def test_a_repeat_that_was_none_after_all(village, anna):
    """The person says it is the same one: nothing more is written, and the question is gone."""
    cuff = Cuff(village.time, keeps_memory=False)
    village.bind(anna, cuff)
    hub = village.gateway()
    first_after_a_battery(village, cuff, hub)
    village.time.pass_s(3600)
    first_after_a_battery(village, cuff, hub)
    village.settle()
    village.answer(village.questions()[0], "same")
    village.settle()
    village.assert_delivered(anna, cuff.truth[:1])
    assert village.held() == []


def test_a_clock_that_nobody_can_read_is_placed_by_the_citizen(village, anna):
    """No current time to compare with: year 2000 says nothing, so the reading waits for a person."""
    cuff = Cuff(village.time, offers_clock=False)
    village.bind(anna, cuff, since_s=7 * 86_400)
    hub = village.gateway()
    cuff.measure_some(2)
    cuff.visit(hub)
    village.settle()
    cuff.change_battery()
    late = cuff.measure_some(1)[0]
    village.time.pass_s(3600)
    cuff.visit(hub)
    village.settle()
    assert village.held() == [("time-unknown", "patient")]
    village.assert_delivered(anna, cuff.truth[:2])
    when = datetime.fromtimestamp(late.true_ms / 1000, UTC)
    village.answer(village.questions()[0], f"{when.isoformat()}/{(when + timedelta(seconds=30)).isoformat()}")
    village.settle()
    village.assert_delivered(anna, cuff.truth)

"""Seen again is certain; what may have been made anew is asked. On a real ledger, with meters that lie."""

import os
from dataclasses import dataclass, field

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cloud_bridge import repeats
from cloud_bridge.measured import Interval
from cloud_bridge.placing import device_seconds
from cloud_bridge.repeats import AGAIN, FIRST, NO_END, POSSIBLE, Anchor, Passage, passed, same_live
from cloud_bridge.schema import arrivals, measurements
from tests.cloud_bridge.people_fixtures import (
    DAY,
    HOUR,
    MINUTE,
    RESTART,
    START,
    Hub,
    Meter,
    Street,
    cuff_frame,
    iso,
    key_of,
)

DOSE = int(os.environ.get("MEETHUB_DOSE", "1"))
UNSET = device_seconds(RESTART)


@pytest.fixture
def street(database):
    return Street(database)


# --- the rules alone ---


def anchor(at_s, shown, *, boot=b"boot-one", doubt_s=0, **more):
    """The clock showed this at a true second, with the hub's own clock as exact as its boot allows."""
    when = Interval(at_s * 1000 - doubt_s * 1000, at_s * 1000 + doubt_s * 1000)
    return Anchor(at_s * 1000, when, b"key-one", boot, at_s * 1000, at_s * 1000, shown, shown, **more)


def spans(before, after):
    return [(one.low, one.high, one.step) for one in passed(before, after)]


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        # it ran on, a little fast or slow
        (anchor(0, 500), anchor(1000, 1500), [(500, 1500, False)]),
        (anchor(0, 500), anchor(1000, 1518), [(500, 1518, False)]),
        (anchor(0, 500), anchor(1000, 1482), [(500, 1482, False)]),
        # it ran back, and from there up to what it shows now
        (anchor(0, 5000), anchor(1000, 100), [(5000, 6020, True), (-921, 100, True)]),
        # it jumped forward: what lies between was never passed
        (anchor(0, 500), anchor(1000, 90_000), [(500, 1520, True), (88_979, 90_000, True)]),
        # it stood still without a battery
        (anchor(0, 500), anchor(1000, 600), [(500, 1520, True), (-421, 600, True)]),
        # other boots of the hub: wall clocks may be a minute off each
        (anchor(0, 500), anchor(1000, 1600, boot=b"boot-two"), [(500, 1600, False)]),
        (anchor(0, 500), anchor(1000, 1000, boot=b"boot-two"), [(500, 1620, True), (-121, 1000, True)]),
        # a hub without a wall clock: nothing is known of the time between, so only running back shows
        (anchor(0, 500), anchor(5000, 900, boot=b"boot-two", doubt_s=5000), [(500, 900, False)]),
        # the hub set the clock in the first visit, and it took
        (anchor(0, 500, written=True, written_to=80_000), anchor(1000, 81_000), [(79_980, 81_000, False)]),
        # it did not take: all that can have been is kept
        (anchor(0, 500, written=True, written_to=80_000), anchor(1000, 1500),
         [(500, 1520, True), (80_000, 81_020, True), (479, 1500, True)]),
        (anchor(0, 500, written=True), anchor(1000, 1500), [(500, 1520, True), (479, 1500, True)]),
    ],
)  # fmt: skip
def test_what_a_clock_passed_between_two_visits(before, after, expected):
    assert spans(before, after) == expected


@pytest.mark.parametrize(
    ("own", "first", "again", "passages", "new"),
    [
        (50, 10, 20, [], False),
        (50, 10, 20, [Passage(10, 20, 40, 60, step=False)], True),
        (50, 10, 20, [Passage(10, 20, 50, 60, step=False)], False),  # it was made when the clock left 50
        (50, 10, 20, [Passage(10, 20, 40, 50, step=True)], True),
        (50, 10, 20, [Passage(5, 9, 40, 60, step=True)], False),  # before it was first captured
        (50, 10, 20, [Passage(5, 15, 40, 60, step=True)], True),  # stepped around that
        (50, 10, 20, [Passage(5, 15, 40, 60, step=False)], False),  # made in it, and never passed again
        (50, 10, 20, [Passage(20, 30, 40, 60, step=True)], False),  # after it was read again
        (None, 10, 20, [Passage(10, 20, 0, 1, step=True)], True),  # own time unknown: any step will do
        (None, 10, 20, [Passage(10, 20, 0, 1, step=False)], False),
    ],
)
def test_when_a_known_record_may_be_a_new_one(own, first, again, passages, new):
    assert repeats.may_be_new(own, first, again, passages) is new


def test_a_record_counter_that_ran_back_may_have_begun_anywhere():
    assert repeats.counted_by_record(8, 7, (1, 2)) == [Passage(1, 2, 7, 8, step=False)]
    assert repeats.counted_by_record(3, 7, (1, 2)) == [
        Passage(1, 2, 7, NO_END, step=True),
        Passage(1, 2, -1, 3, step=True),
    ]


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        (Interval(0, 0), Interval(5000, 5000), True),
        (Interval(0, 0), Interval(20_000, 20_000), False),
        (Interval(0, 0), Interval(60_000, 60_000), False),
        (Interval(0, 1000), Interval(19_500, 19_500), True),
        (Interval(0, 1000), Interval(20_500, 20_500), None),
        (Interval(0, 100_000), Interval(5000, 5000), None),
    ],
)
def test_live_readings_without_time_or_number(one, other, same):
    assert same_live(20_000, one, other) is same
    assert same_live(20_000, other, one) is same


# --- stories ---


def read(street, hub, meter, at_ms, *, clock=True, records=None, written=False):
    """The hub reads these records (all) of the meter's memory, and the bridge takes them in at once."""
    chosen = meter.memory if records is None else records
    shown = (meter.clock(at_ms), at_ms) if clock else None
    items = [
        hub.item(at_ms + 500 * n, cuff_frame(value, own), shown, written=written)
        for n, (_, own, value) in enumerate(chosen)
    ]
    for n in range(0, len(items), 10):
        street.take(hub, at_ms + 1000 * MINUTE // 1000 + 500 * len(items), *items[n : n + 10])
    return items


def lived(meter, street, hub, days=5):
    """Some days of ordinary life: a measurement each morning, read at once."""
    for day in range(days):
        at_ms = START + day * DAY
        meter.measure(at_ms, 120 + day)
        read(street, hub, meter, at_ms + 10_000, records=meter.memory[-1:])
    return START + days * DAY


@pytest.mark.parametrize("clock", [True, False])
def test_reading_the_whole_memory_again_is_certain(street, clock):
    meter, hub = Meter(), street.hub()
    for day in range(5):
        meter.measure(START + day * DAY, 120)
    read(street, hub, meter, START + 5 * DAY, clock=clock)
    read(street, hub, meter, START + 6 * DAY, clock=clock)
    read(street, street.hub(), meter, START + 7 * DAY, clock=clock)  # a new key
    read(street, street.hub("hub-2"), meter, START + 7 * DAY + MINUTE, clock=clock)  # another gateway
    assert street.relations() == [FIRST] * 5 + [AGAIN] * 15


@pytest.mark.parametrize("quality", ["ntp", "none"])
def test_a_hub_with_a_new_key_reads_the_whole_memory(street, quality):
    meter, hub = Meter(), street.hub()
    hub.quality = quality
    end = lived(meter, street, hub)
    new = street.hub(since_ms=end)
    new.quality = quality
    read(street, new, meter, end)
    assert street.relations() == [FIRST] * 5 + [AGAIN] * 5


def test_the_cuff_repeats_an_indication(street):
    meter, hub = Meter(), street.hub()
    meter.measure(START, 120)
    read(street, hub, meter, START + 5000)
    read(street, hub, meter, START + 6000)
    assert street.relations() == [FIRST, AGAIN]


def test_two_gateways_hear_one_cuff(street):
    meter, one, two = Meter(), street.hub(), street.hub("hub-2")
    for at_ms in (START, START + HOUR):
        meter.measure(at_ms, 120)
        read(street, one, meter, at_ms + 5000, records=meter.memory[-1:])
        read(street, two, meter, at_ms + 65_000, records=meter.memory[-1:])
    assert street.relations() == [FIRST, AGAIN] * 2


@pytest.mark.parametrize("clock", [True, False])
def test_two_equal_readings_a_minute_apart_stay_two(street, clock):
    meter, hub = Meter(), street.hub()
    meter.measure(START, 120)
    meter.measure(START + MINUTE, 120)
    read(street, hub, meter, START + 2 * MINUTE, clock=clock)
    assert street.relations() == [FIRST, FIRST]


@pytest.mark.parametrize("clock", [True, False])
def test_a_battery_change_loses_nothing_and_says_nothing_is_known(street, clock):
    """The same value at the same second after each restart: the second one is asked about."""
    meter, hub = Meter(), street.hub()
    end = lived(meter, street, hub, 2)
    for life in range(2):
        meter.set(end, UNSET)
        meter.measure(end + MINUTE, 130)
        read(street, hub, meter, end + 2 * MINUTE, clock=clock, records=meter.memory[-1:])
        meter.measure(end + HOUR, 140 + life)
        read(street, hub, meter, end + HOUR + 5000, clock=clock, records=meter.memory[-1:])
        end += DAY
    assert street.relations() == [FIRST, FIRST, FIRST, FIRST, POSSIBLE, FIRST]


@pytest.mark.parametrize("clock", [True, False])
def test_after_a_battery_change_the_old_memory_is_still_certain(street, clock):
    meter, hub = Meter(), street.hub()
    end = lived(meter, street, hub)
    meter.set(end, UNSET)
    meter.measure(end + MINUTE, 130)
    read(street, hub, meter, end + 2 * MINUTE, clock=clock)
    meter.set(end + HOUR, Meter().clock(end + HOUR))  # set right by hand
    meter.measure(end + 2 * HOUR, 131)
    read(street, hub, meter, end + 2 * HOUR + 5000, clock=clock)
    read(street, street.hub(), meter, end + DAY, clock=clock)
    assert POSSIBLE not in street.relations()
    assert street.relations().count(FIRST) == 7


def test_one_question_for_one_doubt_however_often_it_is_read(street):
    meter, hub = Meter(UNSET - START // 1000), street.hub()
    meter.measure(START + MINUTE, 130)
    read(street, hub, meter, START + 2 * MINUTE)
    meter.set(START + HOUR, UNSET)
    meter.measure(START + HOUR + MINUTE, 130)
    for minutes in (2, 3, 4):
        read(street, hub, meter, START + HOUR + minutes * MINUTE, records=meter.memory[-1:])
    read(street, street.hub(), meter, START + DAY)
    relations = street.relations()
    assert relations == [FIRST, POSSIBLE, *[AGAIN] * (len(relations) - 2)]
    assert street.open_codes().count("possible-repeat") == 1


def test_a_doubt_that_shows_later_still_holds_what_was_taken_as_seen_again(street):
    """Without a clock on offer, only the next new record tells that the clock had run back before."""
    meter, hub = Meter(UNSET - START // 1000), street.hub()
    meter.measure(START + MINUTE, 130)
    meter.measure(START + HOUR, 131)
    read(street, hub, meter, START + HOUR + MINUTE, clock=False)
    meter.set(START + 2 * HOUR, UNSET)
    meter.measure(START + 2 * HOUR + MINUTE, 130)
    read(street, hub, meter, START + 2 * HOUR + 2 * MINUTE, clock=False, records=meter.memory[-1:])
    assert street.relations() == [FIRST, FIRST, AGAIN]
    meter.measure(START + 2 * HOUR + 5 * MINUTE, 135)
    read(street, hub, meter, START + 2 * HOUR + 6 * MINUTE, clock=False, records=meter.memory[-1:])
    assert street.relations() == [FIRST, FIRST, POSSIBLE, FIRST]


def test_envelopes_that_come_in_any_order_are_judged_by_their_captures(street):
    meter, hub = Meter(), street.hub()
    sealed = []
    for day in range(6):
        if day == 3:
            meter.set(START + day * DAY, UNSET)
        meter.measure(START + day * DAY + MINUTE, 130)
        at_ms = START + day * DAY + 2 * MINUTE
        _, own, value = meter.memory[-1]
        sealed.append(hub.chain.seal(hub.item(at_ms, cuff_frame(value, own), (meter.clock(at_ms), at_ms))))
    for number in (5, 0, 3, 1, 4, 2):
        street.arrive(hub, sealed[number], START + 10 * DAY)
    assert street.relations() == [FIRST] * 6


def test_one_memory_with_the_same_record_twice_is_asked_about(street):
    """The battery was changed before any hub was there; both lives began with the same measurement."""
    meter, hub = Meter(UNSET - START // 1000), street.hub()
    meter.measure(START + MINUTE, 130)
    meter.measure(START + 2 * MINUTE, 131)
    meter.set(START + HOUR, UNSET)
    meter.measure(START + HOUR + MINUTE, 130)
    read(street, hub, meter, START + HOUR + 2 * MINUTE)
    read(street, hub, meter, START + HOUR + 3 * MINUTE)
    assert street.relations() == [FIRST, FIRST, POSSIBLE, AGAIN, AGAIN, AGAIN]


def test_the_same_record_under_another_slot_is_asked_about(street):
    hub = street.hub()
    own = Meter().clock(START)
    for user, at_ms in ((1, START + MINUTE), (2, START + 2 * MINUTE), (2, START + 3 * MINUTE)):
        street.take(hub, at_ms, hub.item(at_ms, cuff_frame(120, own, user), (own, START)))
    assert street.relations() == [FIRST, POSSIBLE, AGAIN]
    assert "other-slot" in street.open_codes()


def test_a_cuff_without_a_clock_repeats_within_seconds_and_measures_again_after(street):
    hub, other = street.hub(), street.hub("hub-2")
    for at_ms in (START, START + 5000, START + 65_000):
        street.take(hub, at_ms + 100, hub.item(at_ms, cuff_frame(120)))
    assert street.relations() == [FIRST, AGAIN, FIRST]
    other.quality = "none"
    street.take(other, START + HOUR, other.item(START + 70_000, cuff_frame(120)))
    assert street.relations()[3:] == [POSSIBLE]


# --- any life of any meter ---


@dataclass
class World:
    """A meter with two hubs in reach, and what is true about it."""

    street: Street
    clock: bool
    meter: Meter = field(default_factory=Meter)
    now_ms: int = START
    steps: int = 0
    unseen_step: bool = False
    sent: int = 0
    arrived: list[tuple[int, int, int]] = field(default_factory=list)  # true number, own time, value
    first_read: dict[int, int] = field(default_factory=dict)  # true number: steps before its first read
    certain: list[int] = field(default_factory=list)  # arrivals that nothing can put in doubt
    twins: list[tuple[int, int]] = field(default_factory=list)  # equal records that came as one repeated
    hubs: list[Hub] = field(default_factory=list)

    def measure(self, value):
        self.now_ms += MINUTE
        self.meter.measure(self.now_ms, value)

    def step(self, own):
        """At most one between two visits: more leave no trace in any clock."""
        if not self.unseen_step:
            self.now_ms += MINUTE
            self.meter.set(self.now_ms, own)
            self.steps += 1
            self.unseen_step = True

    def read(self, which, chosen):
        if not chosen:
            return
        self.now_ms += 10_000
        for number, own, value in chosen:
            if number in self.first_read and self.first_read[number] == self.steps:
                self.certain.append(len(self.arrived))
            self.first_read.setdefault(number, self.steps)
            if self.arrived and self.arrived[-1][1:] == (own, value) and self.arrived[-1][0] != number:
                self.twins.append((own, value))
            self.arrived.append((number, own, value))
        read(self.street, self.hubs[which], self.meter, self.now_ms, clock=self.clock, records=chosen)
        self.now_ms += 500 * len(chosen) + 60_000
        self.unseen_step = False

    def do(self, action, detail):
        unread = self.meter.memory[self.sent :]
        if action == "measure":
            self.measure(detail)
        elif action == "life":
            self.step(UNSET)
            for _ in range(detail):
                self.measure(120)
        elif action == "wait":
            # A small step back drowns in a month's drift (docs/decisions/0006-whose-and-again.md).
            self.now_ms += min(detail, DAY) if self.unseen_step else detail
        elif action == "set":
            self.step(Meter().clock(self.now_ms + MINUTE) + detail)
        elif action == "wiped":
            self.step(UNSET)
            if self.unseen_step:
                self.meter.memory.clear()
                self.sent = 0
        else:
            self.at_the_hub(action, detail, unread)

    def at_the_hub(self, action, which, unread):
        if action == "newest" and self.clock:
            self.read(which, self.meter.memory[-1:])
        elif action == "new-key":
            self.hubs[which] = self.street.hub(f"hub-{which + 1}")
        elif action == "reboot":
            self.hubs[which].reboot(self.now_ms)
        else:
            self.read(which, list(self.meter.memory) if action == "all" else unread)
            self.sent = len(self.meter.memory)

    def check(self):
        rows = sorted(self.street.rows(arrivals), key=lambda row: row.disclosure)
        assert len(rows) == len(self.arrived)
        if self.clock or not self.steps:
            assert [rows[place].relation for place in self.certain] == [AGAIN] * len(self.certain)
        if self.clock:
            self.check_nothing_dropped(rows)

    def check_nothing_dropped(self, rows):
        """Of equal records that are different measurements, each has a row of its own, delivered or asked."""
        true, told = {}, {}
        for (number, own, value), row in zip(self.arrived, rows, strict=True):
            true.setdefault((own, value), set()).add(number)
            told.setdefault((own, value), set()).add(row.measurement)
        for record, numbers in true.items():
            assert len(told[record]) + self.twins.count(record) >= len(numbers), iso(record[0])


ACTIONS = st.one_of(
    st.tuples(st.just("measure"), st.sampled_from([120, 121])),
    st.tuples(st.just("life"), st.integers(1, 3)),
    st.tuples(st.just("wait"), st.sampled_from([MINUTE, HOUR, DAY, 20 * DAY])),
    st.tuples(st.just("wiped"), st.none()),
    st.tuples(st.just("set"), st.sampled_from([0, -3600, 3600, -86_400, 600])),
    st.tuples(st.just("newest"), st.integers(0, 1)),
    st.tuples(st.just("all"), st.integers(0, 1)),
    st.tuples(st.just("unsent"), st.integers(0, 1)),
    st.tuples(st.just("new-key"), st.integers(0, 1)),
    st.tuples(st.just("reboot"), st.integers(0, 1)),
)


@settings(
    max_examples=60 * DOSE,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(st.booleans(), st.lists(ACTIONS, min_size=4, max_size=25))
def test_no_measurement_is_dropped_silently_and_no_certain_one_is_asked_about(
    sqlite_databases, clock, actions
):
    with sqlite_databases.fresh() as database:
        street = Street(database)
        world = World(street, clock)
        world.hubs = [street.hub(), street.hub("hub-2")]
        for action, detail in actions:
            world.do(action, detail)
        world.check()


def test_a_key_of_a_repeat_is_its_own_and_leads_to_the_first(street):
    meter, hub = Meter(UNSET - START // 1000), street.hub()
    meter.measure(START + MINUTE, 130)
    (item,) = read(street, hub, meter, START + 2 * MINUTE)
    meter.set(START + HOUR, UNSET)
    meter.measure(START + HOUR + MINUTE, 130)
    read(street, hub, meter, START + HOUR + 2 * MINUTE, records=meter.memory[-1:])
    first, repeat = street.rows(measurements)
    assert bytes(first.key) == bytes(first.record_key) == bytes(repeat.record_key) == key_of(item)
    assert bytes(repeat.key) != bytes(first.key)

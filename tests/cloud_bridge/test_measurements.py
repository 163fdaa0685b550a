"""What accepted items become: readings decoded again, held, asked about, stopped and let go. Real envelopes."""

import pytest
from sqlalchemy import update

from cloud_bridge import journey, people_desk
from cloud_bridge.ledger import measurements as taking
from cloud_bridge.ledger import states, wishes
from cloud_bridge.ledger.answers import AnswerError
from cloud_bridge.ledger.bindings import BindingError
from cloud_bridge.placing import device_seconds
from cloud_bridge.schema import arrivals, deliveries, disclosures, holds, measurements, quarantine
from gateway.drivers import DRIVERS
from gateway.drivers.blood_pressure import BloodPressure
from gateway.wire.cbor import decode
from gateway.wire.envelope import digest
from gateway.wire.items import (
    VERBS,
    Addition,
    DeviceStatus,
    Frame,
    Part,
    Status,
)
from gateway.wire.reading import Reading, Value, reading_from_wire
from gateway.wire.records import MAX_PART, whole_of
from tests.cloud_bridge.people_fixtures import (
    ANNA,
    BERT,
    CUFF,
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


@pytest.fixture
def street(database):
    return Street(database)


@pytest.fixture
def hub(street):
    made = street.hub()
    street.citizen(ANNA)
    return made


def measured(hub, at_ms=START, value=120, **more):
    """A reading item of a cuff with a right clock, measured at_ms and captured 5 s later."""
    own = Meter().clock(at_ms)
    return hub.item(at_ms + 5000, cuff_frame(value, own), (Meter().clock(at_ms + 5000), at_ms + 5000), **more)


def only(street):
    (row,) = street.rows(measurements)
    return row


# --- decoded again, from the frames ---


def test_a_bound_reading_is_queued_for_its_citizen(street, hub):
    street.bind()
    item = measured(hub)
    street.take(hub, START + 6000, item)
    row = only(street)
    assert (row.status, row.citizen, row.late, row.settled_ms) == ("due", ANNA, False, None)
    assert (row.placed_low_ms, row.placed_high_ms, row.placed_by) == (START, START, "device-clock")
    assert bytes(row.key) == key_of(item)
    assert reading_from_wire(decode(bytes(row.reading))).wire() == item.reading.wire()
    assert [(one.receiver, one.part, one.status) for one in street.rows(deliveries)] == [
        ("pgo-1", "", "waiting")
    ]


def test_what_the_hub_read_differently_is_held_with_both_versions(street, hub):
    street.bind()
    item = measured(hub)
    item.version = 7
    item.reading = Reading("blood-pressure", "spot", [Value("systolic", 121, 0, "mm[Hg]")])
    street.take(hub, START + 6000, item)
    assert street.rows(measurements) == []
    (held,) = street.rows(holds)
    assert (held.code, held.detail) == ("decoded-differently", "blood-pressure 7 / 1")


class Tomorrow(BloodPressure):
    name = "blood-pressure-of-tomorrow"


def test_undecoded_frames_are_kept_and_read_again_after_a_driver_update(street, hub, monkeypatch):
    street.bind()
    item = measured(hub)
    item.driver = "blood-pressure-of-tomorrow"
    street.take(hub, START + 6000, item)
    assert street.open_codes() == ["undecoded"]
    with street.within() as connection:
        assert taking.decode_again(connection, START + HOUR) == 0
    line = f"{Tomorrow.name} {__name__} Tomorrow\n"
    monkeypatch.setattr("gateway.drivers._loaded", {})
    monkeypatch.setattr("gateway.drivers.DRIVERS", DRIVERS + line)
    with street.within() as connection:
        assert taking.decode_again(connection, START + DAY) == 1
    assert (street.statuses(), street.open_codes()) == (["due"], [])


def test_a_hub_without_the_driver_is_helped_by_the_bridge(street, hub):
    street.bind()
    item = measured(hub)
    item.reading, item.error = None, "frame-short"
    street.take(hub, START + 6000, item)
    assert street.statuses() == ["due"]


def test_frames_that_are_no_reading_are_held_with_the_drivers_word(street, hub):
    item = measured(hub)
    item.frames = [Frame("2a35", 0, b"\x00\x01")]
    item.reading, item.error = None, "frame-short"
    street.take(hub, START + 6000, item)
    (held,) = street.rows(holds)
    assert held.code == "undecoded"
    assert held.detail


def test_frames_of_two_records_are_no_reading(street, hub):
    item = measured(hub)
    item.frames = item.frames * 2
    street.take(hub, START + 6000, item)
    assert street.open_codes() == ["decoded-differently"]


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 0, 1), (1, 2, 0)])
def test_long_evidence_is_joined_from_its_parts_in_any_order(street, hub, order):
    street.bind()
    item = measured(hub)
    item.frames = [Frame("2a36", n, cuff_frame(90)) for n in range(300)] + item.frames
    whole = whole_of(item.frames)
    pieces = [whole[:MAX_PART], whole[MAX_PART:]]
    parts = [Part(digest(whole), at, 2, piece) for at, piece in enumerate(pieces)]
    item.evidence, item.frames = (digest(whole), len(whole)), []
    for at in order:
        street.take(hub, START + 6000, [*parts, item][at])
    assert (street.statuses(), street.open_codes()) == (["due"], [])


def test_evidence_that_is_not_what_was_announced_stays_held(street, hub):
    item = measured(hub)
    whole = whole_of(item.frames)
    item.evidence, item.frames = (digest(whole), len(whole)), []
    street.take(hub, START + 6000, item, Part(digest(whole), 0, 1, b"other" + whole))
    assert street.open_codes() == ["evidence-missing"]


# --- whose ---


def test_no_binding_no_delivery_and_binding_lets_it_go(street, hub):
    street.take(hub, START + 6000, measured(hub))
    assert (street.open_codes(), street.rows(deliveries)) == (["no-binding"], [])
    street.bind(from_ms=START - HOUR)
    assert (street.statuses(), street.open_codes()) == (["due"], [])


def test_records_older_than_the_binding_wait(street, hub):
    street.bind(from_ms=START)
    street.take(hub, START + 6000, measured(hub, START - HOUR), measured(hub, START))
    assert street.statuses() == ["held", "due"]
    assert street.open_codes() == ["before-binding"]


def test_the_next_person_ends_the_first_ones_binding(street, hub):
    street.citizen(BERT, "pgo-2")
    street.bind(ANNA)
    street.bind(BERT, from_ms=START)
    street.take(hub, START + HOUR, measured(hub, START - HOUR), measured(hub, START + MINUTE))
    assert [row.citizen for row in street.rows(measurements)] == [ANNA, BERT]
    assert [row.receiver for row in street.rows(deliveries)] == ["pgo-1", "pgo-2"]


def test_slots_and_shared_devices(street, hub):
    street.citizen(BERT, "pgo-2")
    street.bind(ANNA, slot=1, mode="slots")
    street.bind(BERT, slot=2, mode="slots")
    own = Meter().clock(START)
    for user in (1, 2, 3, None):
        at_ms = START + 1000 * (user or 9)
        street.take(hub, at_ms, hub.item(at_ms, cuff_frame(110 + (user or 9), own, user), (own, START)))
    assert [row.citizen for row in street.rows(measurements)] == [ANNA, BERT, None, None]
    street.bind(ANNA, mode="shared")
    assert street.statuses() == ["held"] * 4
    assert street.open_codes() == ["shared-device"] * 4


def test_a_binding_of_another_household_binds_nothing_here(street, hub):
    other = street.hub("hub-2", "home-2")
    street.citizen(BERT, household="home-2")
    street.bind(BERT)
    street.take(hub, START + 6000, measured(hub))
    street.take(other, START + 7000, measured(other))
    assert [(row.household, row.citizen) for row in street.rows(measurements)] == [
        ("home-1", None),
        ("home-2", BERT),
    ]


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"citizen": "citizen-x"}, "citizen-unknown"),
        ({"mode": "family"}, "mode-unknown"),
        ({"mode": "slots"}, "slot-unfit"),
        ({"slot": 1}, "slot-unfit"),
        ({"to_ms": START - DAY}, "period-unfit"),
    ],
)
def test_bindings_that_cannot_be(street, hub, change, code):
    with pytest.raises(BindingError) as raised:
        street.bind(**change)
    assert raised.value.code == code


def test_no_receiver_is_said(street):
    hub = street.hub()
    street.citizen(ANNA)
    with street.within() as connection:
        connection.exec_driver_sql("DELETE FROM citizen_receivers")
    street.bind()
    street.take(hub, START + 6000, measured(hub))
    assert street.open_codes() == ["no-receiver"]


def test_an_unknown_time_is_asked_and_the_answer_places_it(street, hub):
    street.bind()
    own = device_seconds("2020-01-01T00:05:00")
    street.take(hub, START + 6000, hub.item(START, cuff_frame(120, own)))
    assert street.open_codes() == ["time-unknown"]
    for word in (
        "yesterday",
        "2027-01-15T08:00:00",
        "2028-01-01T00:00:00+01:00",
        "2026-01-01T00:00:00Z/2026-01-03T00:00:00Z",
    ):
        with street.within() as connection, pytest.raises(AnswerError) as raised:
            people_desk.answer(connection, street.question(), word, START + DAY, by="citizen")
        assert raised.value.code == "answer-unfit"
    with street.within() as connection:
        word = "2027-01-15T06:00:00+01:00/2027-01-15T08:00:00+01:00"
        people_desk.answer(connection, street.question(), word, START + DAY, by="citizen")
    row = only(street)
    assert (row.status, row.placed_by, row.placed_high_ms) == ("due", "citizen", START - HOUR)


def test_late_is_more_than_a_day_old_on_arrival(street, hub):
    street.bind()
    street.take(hub, START + DAY + MINUTE, measured(hub))
    assert only(street).late


# --- the answers to a possible repeat ---


@pytest.mark.parametrize(("word", "status"), [("same", "repeat"), ("new", "due")])
def test_a_possible_repeat_is_decided_by_a_person(street, hub, word, status):
    street.bind()
    meter = Meter(device_seconds("2020-01-01T00:00:00") - START // 1000)
    for minutes in (0, 60):
        at_ms = START + minutes * MINUTE
        meter.set(at_ms, device_seconds("2020-01-01T00:00:00"))
        at_ms += MINUTE
        item = hub.item(at_ms, cuff_frame(130, meter.clock(at_ms)), (meter.clock(at_ms), at_ms))
        street.take(hub, at_ms + 1000, item)
    assert street.statuses() == ["due", "held"]
    with street.within() as connection:
        people_desk.answer(connection, street.question(), word, START + DAY, by="citizen")
    assert street.statuses() == ["due", status]
    assert (street.rows(measurements)[1].settled_ms is None) == (word == "new")
    at_ms = START + 62 * MINUTE
    item = hub.item(at_ms, cuff_frame(130, meter.clock(START + 61 * MINUTE)), (meter.clock(at_ms), at_ms))
    street.take(hub, at_ms, item)
    assert street.relations() == ["first", "possible-repeat", "again"]
    assert street.open_codes() == []


def test_answers_that_fit_no_question(street, hub):
    street.take(hub, START + 6000, measured(hub))
    question = street.question()
    for which, word, citizen, code in (
        (b"0" * 16, "same", None, "question-unknown"),
        (question, "same", None, "citizen-unknown"),
        (question, "", "citizen-x", "citizen-unknown"),
    ):
        with street.within() as connection, pytest.raises((AnswerError, BindingError)) as raised:
            people_desk.answer(connection, which, word, START, citizen=citizen, by="citizen")
        assert raised.value.code == code
    with street.within() as connection:
        people_desk.answer(connection, question, "", START, citizen=ANNA, by="installer")
    assert street.statuses() == ["due"]
    with street.within() as connection, pytest.raises(AnswerError):
        people_desk.answer(connection, question, "", START, citizen=ANNA, by="installer")


# --- statements ---


def test_a_pause_stops_what_waits_and_what_comes_until_it_is_resumed(street, hub):
    street.bind()
    street.take(hub, START + 6000, measured(hub))
    street.take(hub, START + MINUTE, said(hub, "pause", 1, START + MINUTE))
    street.take(hub, START + 2 * MINUTE, measured(hub, START + MINUTE, 125))
    assert street.open_codes() == ["paused", "paused"]
    street.take(hub, START + HOUR, said(hub, "resume", 2, START + HOUR, refs=[(9).to_bytes(16, "big")]))
    assert street.open_codes() == ["paused", "paused"]  # it named another pause
    street.take(hub, START + HOUR, said(hub, "resume", 3, START + HOUR, refs=[(1).to_bytes(16, "big")]))
    assert (street.statuses(), street.open_codes()) == (["due", "due"], [])


def test_a_pause_of_one_citizen_leaves_the_others(street, hub):
    street.citizen(BERT)
    street.bind(ANNA, slot=1, mode="slots")
    street.bind(BERT, slot=2, mode="slots")
    street.take(hub, START, said(hub, "pause", 1, START, citizen=ANNA))
    own = Meter().clock(START)
    for user in (1, 2):
        street.take(hub, START + user, hub.item(START, cuff_frame(120 + user, own, user), (own, START)))
    assert street.statuses() == ["held", "due"]


def test_a_pause_that_was_sealed_first_stops_a_reading_that_arrived_first(street, hub):
    street.bind()
    pause = hub.chain.seal(said(hub, "pause", 1, START))
    street.take(hub, START + 6000, measured(hub))
    assert (street.open_codes(), street.rows(deliveries)) == (["statements-missing"], [])
    street.arrive(hub, pause, START + HOUR)
    assert street.open_codes() == ["paused"]


def test_readings_go_on_when_the_missing_envelope_brings_no_statement(street, hub):
    street.bind()
    plain = hub.chain.seal(Status(hub.moment(START), "1.0", 1, [], [], []))
    said_twice = hub.chain.seal(said(hub, "pause", 1, START))
    street.take(hub, START + 6000, measured(hub))
    street.arrive(hub, said_twice, START + HOUR)
    street.arrive(hub, plain, START + HOUR)
    assert street.open_codes() == ["paused"]


def test_readings_wait_in_line_and_go_on_as_far_as_the_statements_are_there(street, hub):
    """Sealed: 1 pause, 2 reading, 3 resume, 4 reading; they arrive as 4, 2, 1, 3."""
    street.bind()
    pause = hub.chain.seal(said(hub, "pause", 1, START))
    first = hub.chain.seal(measured(hub))
    resume = hub.chain.seal(said(hub, "resume", 2, START, refs=[(1).to_bytes(16, "big")]))
    second = hub.chain.seal(measured(hub, START + MINUTE, 125))
    street.arrive(hub, second, START + HOUR)
    street.arrive(hub, first, START + HOUR)
    assert street.open_codes() == ["statements-missing", "statements-missing"]
    street.arrive(hub, pause, START + HOUR)
    assert sorted(street.open_codes()) == ["paused", "statements-missing"]
    street.arrive(hub, resume, START + HOUR)
    assert street.statuses() == ["due", "due"]


def test_a_resume_that_comes_before_its_pause_ends_it(street, hub):
    street.bind()
    pause = hub.chain.seal(said(hub, "pause", 1, START))
    street.take(hub, START + 1000, said(hub, "resume", 2, START, refs=[(1).to_bytes(16, "big")]))
    street.arrive(hub, pause, START + 2000)
    street.take(hub, START + 6000, measured(hub))
    assert street.statuses() == ["due"]


@pytest.mark.parametrize("first", ["reading", "statement"])
def test_not_mine_stops_a_reading_in_either_order(street, hub, first):
    street.bind()
    item = measured(hub)
    word = said(hub, "not-mine", 1, START, refs=[key_of(item)])
    for one in (item, word) if first == "reading" else (word, item):
        street.take(hub, START + 6000, one)
    assert street.statuses() == ["withheld"]
    assert street.rows(deliveries) == []
    assert only(street).settled_ms is not None


def test_a_hub_that_comes_to_know_the_time_places_what_it_captured_before(street, hub):
    """No network after a boot: the hub counts from its boot, and tells the time three days later."""
    street.bind(from_ms=START - HOUR)
    hub.quality = "none"
    item = hub.item(START + 5000, cuff_frame(120))
    without = hub.chain.seal(item, at=hub.moment(START + HOUR))
    street.arrive(hub, without, START + 3 * DAY)
    assert street.open_codes() == ["time-unknown"]
    hub.quality = "ntp"
    status = Status(hub.moment(START + 3 * DAY), "1.0", 1, [], [], [])
    street.arrive(hub, hub.chain.seal(status, at=hub.moment(START + 3 * DAY)), START + 3 * DAY)
    assert (street.statuses(), street.open_codes()) == (["due"], [])
    (row,) = street.rows(measurements)
    assert (row.placed_low_ms, row.placed_high_ms, row.late) == (START + 5000, START + 5000, True)
    before = hub.chain.seal(hub.item(START + DAY, cuff_frame(130)), at=hub.moment(START + DAY))
    street.arrive(hub, before, START + 3 * DAY)
    assert street.rows(measurements)[1].placed_high_ms == START + DAY


def test_mine_names_the_citizen_of_what_nobody_knew(street, hub):
    item = measured(hub)
    street.take(hub, START + 6000, item)
    street.take(hub, START + MINUTE, said(hub, "mine", 1, START, citizen=ANNA, refs=[key_of(item)]))
    assert (only(street).status, only(street).citizen) == ("due", ANNA)


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_mine_waits_for_the_readings_it_is_about(street, hub, order):
    """The hub sends its newest envelope first: the word before what it is about."""
    items = [measured(hub, START + at * HOUR, 120 + at) for at in range(2)]
    sealed = [hub.chain.seal(item) for item in items]
    refs = [key_of(item) for item in items]
    street.take(hub, START + DAY, said(hub, "mine", 1, START, citizen=ANNA, refs=refs))
    assert street.open_codes() == ["mine-early"]
    for at in order:
        street.arrive(hub, sealed[at], START + DAY + MINUTE)
    assert [(row.status, row.citizen) for row in street.rows(measurements)] == [("due", ANNA)] * 2
    assert street.open_codes() == []


def test_mine_is_not_for_what_came_before_the_device_was_confirmed_here(street, hub):
    item = measured(hub)
    street.take(hub, START + 6000, item)
    street.bind(from_ms=START + HOUR)
    assert street.open_codes() == ["before-binding"]
    street.take(hub, START + DAY, said(hub, "mine", 1, START, citizen=ANNA, refs=[key_of(item)]))
    assert street.open_codes() == ["before-binding"]


@pytest.mark.parametrize("household", ["home-1", "home-2"])
def test_mine_is_only_for_citizens_of_the_household(street, hub, household):
    street.hub("hub-2", "home-2")
    street.citizen(BERT, household=household)
    item = measured(hub)
    street.take(hub, START + 6000, item)
    street.take(hub, START + MINUTE, said(hub, "mine", 1, START, citizen=BERT, refs=[key_of(item)]))
    if household == "home-1":
        assert street.statuses() == ["due"]
    else:
        assert street.statuses() == ["held"]
        assert [row.code for row in street.rows(quarantine)] == ["citizen-unknown"]


def test_an_answer_given_at_the_hub(street, hub):
    street.take(hub, START + 6000, measured(hub))
    word = said(hub, "answer", 1, START, citizen=ANNA, refs=[street.question()], answer="")
    street.take(hub, START + MINUTE, word)
    assert street.statuses() == ["due"]


def test_lost_statements_are_asked_about(street, hub):
    from tests.cloud_bridge.ledger_fixtures import lost

    street.bind()
    pause = hub.chain.seal(said(hub, "pause", 1, START))
    street.take(hub, START + 6000, measured(hub))
    street.take(hub, START + MINUTE, lost(hub.chain.kid, pause.sequence))
    assert street.open_codes() == ["statements-lost"]
    with street.within() as connection:
        people_desk.answer(connection, street.question(), "go-on", START + HOUR, by="citizen")
    assert street.statuses() == ["due"]


# --- forks ---


def test_a_fork_holds_readings_and_only_restricting_words_act_until_a_person_confirms(street, hub):
    street.bind()
    street.take(hub, START, Status(hub.moment(START), "1.0", 1, [], [], []))
    clone = hub.chain.copy()
    street.take(hub, START + 6000, measured(hub))
    assert street.statuses() == ["due"]
    other = clone.seal(measured(hub, START + MINUTE, 140))
    street.arrive(hub, other, START + HOUR)
    assert (street.statuses(), street.open_codes()) == (["held"], ["key-forked", "key-forked"])
    street.take(hub, START + HOUR, said(hub, "pause", 1, START))
    street.take(hub, START + HOUR, said(hub, "resume", 2, START, refs=[(1).to_bytes(16, "big")]))
    with street.within() as connection:
        people_desk.confirm_hub(connection, "hub-1", "installer", START + DAY)
    assert street.statuses() == ["due", "due"]
    assert street.open_codes() == []


# --- what completes a reading ---


def test_an_addition_that_says_nothing_new_or_contradicts(street, hub):
    street.bind()
    item = measured(hub)
    late = Addition(key_of(item), hub.capture(START), "blood-pressure", 1, [Frame("2a36", 0, cuff_frame(90))])
    street.take(hub, START + 5500, late)
    assert street.open_codes() == ["addition-early"]
    street.take(hub, START + 6000, item)
    assert (street.statuses(), street.open_codes()) == (["due"], [])
    frames = measured(hub, value=130).frames
    other = Addition(key_of(item), hub.capture(START), "blood-pressure", 1, frames)
    street.take(hub, START + 7000, other)
    assert street.open_codes() == ["addition-differs"]


def test_the_hubs_word_about_its_devices_is_kept(street, hub):
    from cloud_bridge.schema import devices

    told = DeviceStatus(CUFF, 80, True, 1000)
    street.take(hub, START, Status(hub.moment(START), "1.0", 1, [], [told], []))
    street.take(hub, START + 6000, measured(hub))
    (row,) = street.rows(devices)
    assert (row.identity, row.battery, row.bonded, row.last_seen_ms) == (CUFF, 80, True, START + 6000)


# --- with the rest of the ledger ---


def test_settled_follows_the_measurements(street, hub):
    street.bind()
    street.take(hub, START + 6000, measured(hub))
    with street.database.reading() as connection:
        assert states.settled_up_to(connection, hub.chain.kid, 0, 1) == 0
    with street.within() as connection:
        done = update(measurements).values(status="delivered", settled_ms=START + DAY)
        connection.execute(done)
        assert states.settled_up_to(connection, hub.chain.kid, 0, 1) == 1


def test_an_envelope_of_ten_readings_taken_twice_changes_nothing(street, hub):
    street.bind()
    items = [measured(hub, START + n * MINUTE, 120 + n) for n in range(10)]
    sealed = street.take(hub, START + HOUR, *items)
    street.arrive(hub, sealed, START + 2 * HOUR)
    assert street.relations() == ["first"] * 10
    assert len(street.rows(disclosures)) == len(street.rows(arrivals)) == 10


def test_both_engines_decide_the_same(each_database):
    street = Street(each_database)
    hub = street.hub()
    street.citizen()
    street.bind()
    meter = Meter(device_seconds("2020-01-01T00:00:00") - START // 1000)
    for minutes in (0, 60, 61):
        at_ms = START + minutes * MINUTE
        if minutes != 61:
            meter.set(at_ms, device_seconds("2020-01-01T00:00:00"))
            meter.measure(at_ms + 30_000, 130)
        _, own, value = meter.memory[-1]
        item = hub.item(at_ms + 40_000, cuff_frame(value, own), (meter.clock(at_ms + 40_000), at_ms + 40_000))
        street.take(hub, at_ms + 41_000, item)
    street.take(hub, START + DAY, said(hub, "pause", 1, START))
    assert street.relations() == ["first", "possible-repeat", "again"]
    assert street.open_codes() == ["possible-repeat", "paused"]
    with each_database.reading() as connection:
        assert [row["code"] for row in journey.held(connection)] == ["possible-repeat", "paused"]
        told = journey.trace(connection, bytes(street.rows(measurements)[0].key).hex())
    assert told.troubles[0].code == "paused"


def test_every_verb_of_the_wire_is_carried_out():
    assert set(VERBS) == set(wishes._VERBS)

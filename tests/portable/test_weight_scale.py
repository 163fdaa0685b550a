"""Scales: every field alone and together, cut short, what was not measured, and packets that belong together."""

from device_bytes import date_time, le

from gateway.drivers import decode_record
from gateway.drivers.base import Known
from gateway.drivers.weight_scale import WeightScale
from gateway.wire.items import Frame

TIME = date_time(2026, 3, 4, 7, 15, 0)
LATER = date_time(2026, 3, 4, 7, 16, 0)
PARTS = (
    # name, flag, raw number, metric text and unit, imperial text and unit
    ("basal-metabolism", 0x0008, 6720, "6720", "kJ", "6720", "kJ"),
    ("muscle-percentage", 0x0010, 496, "49.6", "%", "49.6", "%"),
    ("muscle-mass", 0x0020, 7980, "39.900", "kg", "79.80", "[lb_av]"),
    ("fat-free-mass", 0x0040, 10464, "52.320", "kg", "104.64", "[lb_av]"),
    ("soft-lean-mass", 0x0080, 8001, "40.005", "kg", "80.01", "[lb_av]"),
    ("body-water-mass", 0x0100, 8000, "40.000", "kg", "80.00", "[lb_av]"),
    ("impedance", 0x0200, 5000, "500.0", "Ohm", "500.0", "Ohm"),
    ("body-weight", 0x0400, 16726, "83.630", "kg", "167.26", "[lb_av]"),
    ("body-height", 0x0800, 1800, "1.800", "m", "180.0", "[in_i]"),
)


def weight(raw=14000, *, time=None, user=None, bmi=None, height=0, flags=0):
    flags |= (0 if time is None else 2) | (0 if user is None else 4) | (0 if bmi is None else 8)
    data = bytes([flags]) + le(raw, 2) + (time or b"") + (b"" if user is None else bytes([user]))
    return data + (b"" if bmi is None else le(bmi, 2) + le(height, 2))


def fat(raw=240, *names, time=None, user=None, flags=0, **numbers):
    """A composition with these parts; `numbers` replaces a part's raw number (dashes as underscores)."""
    flags |= (0 if time is None else 2) | (0 if user is None else 4)
    tail = b""
    for name, flag, number, *_ in PARTS:
        if name in names:
            flags |= flag
            tail += le(numbers.get(name.replace("-", "_"), number), 2)
    return le(flags, 2) + le(raw, 2) + (time or b"") + (b"" if user is None else bytes([user])) + tail


def records(*frames):
    rows = [frame if isinstance(frame, tuple) else ("2a9c", frame) for frame in frames]
    return decode_record("weight-scale", [Frame(source, 0, data) for source, data in rows])


def reading(data, source="2a9d"):
    (record,) = records((source, data))
    assert record.error is None
    return record.reading


def told(found):
    return [(value.name, value.text(), value.unit) for value in found.values]


def names(found):
    return [value.name for value in found.values]


def test_every_field_of_a_weight_alone_and_together():
    for imperial in (0, 1):
        for time in (None, TIME):
            for user in (None, 3):
                for bmi in (None, 245):
                    found = reading(weight(time=time, user=user, bmi=bmi, height=1750, flags=imperial))
                    mass, unit = ("140.00", "[lb_av]") if imperial else ("70.000", "kg")
                    height, length = ("175.0", "[in_i]") if imperial else ("1.750", "m")
                    wanted = [("body-weight", mass, unit)]
                    wanted += [("bmi", "24.5", "kg/m2"), ("body-height", height, length)] if bmi else []
                    assert told(found) == wanted
                    assert (found.kind, found.user, found.record) == ("weight", user, None)
                    assert found.origin == ("stored" if time else "spot")
                    assert found.device_time == ("2026-03-04T07:15:00" if time else None)
                    assert (found.notes, found.final) == ([], True)


def test_every_field_of_a_composition_alone_and_together():
    for imperial in (0, 1):
        for name, _, _, metric, unit, pounds, other in PARTS:
            found = reading(fat(240, name, flags=imperial), "2a9c")
            assert told(found)[0] == ("body-fat", "24.0", "%")
            assert told(found)[1] == ((name, pounds, other) if imperial else (name, metric, unit))
            assert (found.kind, found.origin, found.final) == ("body-composition", "spot", True)
        every = [row[0] for row in PARTS]
        found = reading(fat(240, *every, time=TIME, user=2, flags=imperial), "2a9c")
        assert names(found)[:1] == ["body-fat"]
        assert names(found)[1:] == every
        assert (found.user, found.device_time, found.origin) == (2, "2026-03-04T07:15:00", "stored")


def test_cut_short_at_every_byte_gives_an_error_and_no_value():
    wholes = (
        ("2a9d", weight(time=TIME, user=1, bmi=245, height=1750)),
        ("2a9d", weight()),
        ("2a9c", fat(240, *[row[0] for row in PARTS], time=TIME, user=1)),
        ("2a9c", fat(240, "impedance", flags=0x1000)),
    )
    for source, whole in wholes:
        for size in range(len(whole)):
            (found,) = records((source, whole[:size]))
            assert (found.reading, found.key, found.error.code) == (None, None, "frame-short")


def test_reserved_bits_and_bytes_after_the_end_are_ignored():
    for bit in (16, 32, 64, 128):
        assert reading(weight(flags=bit)).wire() == reading(weight()).wire()
    for bit in (0x2000, 0x4000, 0x8000):
        assert reading(fat(flags=bit), "2a9c").wire() == reading(fat(), "2a9c").wire()
    assert reading(weight(user=1) + b"\x01\x02").wire() == reading(weight(user=1)).wire()
    assert reading(fat(user=1) + b"\x01\x02", "2a9c").wire() == reading(fat(user=1), "2a9c").wire()


def test_what_was_not_successful_is_absent():
    for found in (reading(weight(0xFFFF)), reading(fat(0xFFFF), "2a9c")):
        assert [(value.digits, value.absent) for value in found.values] == [(None, "error")]
    assert reading(weight(bmi=0xFFFF, height=0xFFFF)).values[2].absent == "error"
    assert reading(weight(0xFFFE)).values[0].text() == "327.670"


def test_zero_is_what_was_not_measured():
    found = reading(weight(bmi=0, height=0))
    assert [value.absent for value in found.values] == [None, "unknown", "unknown"]
    found = reading(fat(240, "impedance", "muscle-percentage", impedance=0), "2a9c")
    assert [value.absent for value in found.values] == [None, None, "unknown"]


def test_with_shoes_only_what_needs_no_current_is_told():
    every = [row[0] for row in PARTS]
    found = reading(fat(0, *every, muscle_percentage=0, muscle_mass=0, impedance=0), "2a9c")
    assert names(found)[1:] == every
    assert [value.name for value in found.values if value.absent is None] == [
        "basal-metabolism",
        "body-weight",
        "body-height",
    ]


def test_user_255_is_nobody():
    for make, source in ((weight, "2a9d"), (fat, "2a9c")):
        assert reading(make(user=255), source).user is None
        assert reading(make(user=0), source).user == 0
        assert reading(make(user=254), source).user == 254


def test_times_that_are_none_or_not_trusted():
    cases = (
        (date_time(0, 4, 17), None, "spot"),
        (date_time(2000, 1, 1), "2000-01-01T00:00:00", "spot"),
        (date_time(2000, 1, 1, 0, 7, 12), "2000-01-01T00:07:12", "stored"),
    )
    for raw, text, origin in cases:
        for source, data in (("2a9d", weight(time=raw)), ("2a9c", fat(time=raw))):
            (found,) = records((source, data))
            assert (found.reading.device_time, found.reading.origin) == (text, origin)
            assert found.reading.notes == ["clock-not-set"]
            assert found.key.live == (origin == "spot")


def test_the_record_key_holds_what_no_profile_changes():
    (plain,) = records(("2a9d", weight(time=TIME)))
    assert plain.key.wire() == ["2a9d", None, TIME, le(14000, 2)]
    (other,) = records(("2a9d", weight(time=TIME, user=2, bmi=245, height=1750)))
    assert other.key.wire() == plain.key.wire()
    (whole,) = records(fat(240, "impedance", "muscle-mass", time=TIME, user=2))
    half = records(fat(240, "impedance", time=TIME, user=2, flags=0x1000))[0]
    assert whole.key.wire() == half.key.wire() == ["2a9c", None, TIME, le(240, 2)]


def test_what_no_scale_can_measure_is_flagged_and_kept():
    for data, source, odd in (
        (weight(199), "2a9d", True),
        (weight(200), "2a9d", False),
        (weight(65534), "2a9d", True),
        (weight(199, flags=1), "2a9d", True),
        (weight(200, flags=1), "2a9d", False),
        (fat(9), "2a9c", True),
        (fat(900), "2a9c", False),
        (fat(901), "2a9c", True),
        (fat(901, "body-weight", body_weight=1), "2a9c", True),
    ):
        found = reading(data, source)
        assert found.notes == (["implausible"] if odd else [])
        assert found.values[0].digits is not None


FIRST = fat(240, "basal-metabolism", "muscle-mass", time=TIME, user=2, flags=0x1000)
SECOND = fat(240, "impedance", "body-weight", flags=0x1000)
JOINED = ["body-fat", "basal-metabolism", "muscle-mass", "impedance", "body-weight"]


def test_two_packets_make_one_record():
    for second in (SECOND, fat(240, "impedance", "body-weight")):
        (record,) = records(FIRST, second)
        assert names(record.reading) == JOINED
        assert [frame.data for frame in record.frames] == [FIRST, second]
        assert (record.reading.user, record.reading.device_time) == (2, "2026-03-04T07:15:00")
        assert record.reading.final
    later = fat(240, "impedance", time=TIME, user=2, flags=0x1000)
    (record,) = records(fat(240, "muscle-mass", flags=0x1000), later)
    assert (record.reading.user, record.reading.device_time) == (2, "2026-03-04T07:15:00")


def test_the_fat_is_taken_from_the_packet_that_has_it():
    (record,) = records(fat(0, "muscle-mass", flags=0x1000), SECOND)
    assert record.reading.values[0].text() == "24.0"
    (record,) = records(FIRST, fat(0, "impedance", flags=0x1000))
    assert [value.absent for value in record.reading.values] == [None] * 4
    (record,) = records(FIRST, fat(0xFFFF, "impedance", flags=0x1000))
    assert record.reading.values[0].text() == "24.0"


def test_a_packet_alone_gives_what_it_says_and_is_not_final():
    (first,) = records(FIRST)
    assert names(first.reading) == JOINED[:3]
    assert not first.reading.final
    (second,) = records(SECOND)
    assert not second.reading.final
    assert second.key.live


def test_packets_that_contradict_are_not_joined():
    for other in (
        fat(241, "impedance", flags=0x1000),
        fat(240, "impedance", user=3, flags=0x1000),
        fat(240, "impedance", time=LATER, flags=0x1000),
        fat(240, "impedance", "muscle-mass", flags=0x1000),
    ):
        both = records(FIRST, other)
        assert [[frame.data for frame in record.frames] for record in both] == [[FIRST], [other]]
        assert [record.reading.final for record in both] == [False, False]
    single = fat(300, "impedance", time=LATER, user=1)
    assert [record.reading.final for record in records(FIRST, single)] == [False, True]


def test_packets_told_again_are_taken_once():
    for frames in (
        (FIRST, FIRST, SECOND),
        (FIRST, SECOND, SECOND),
        (FIRST, FIRST, SECOND, SECOND, SECOND),
    ):
        (record,) = records(*frames)
        assert [frame.data for frame in record.frames] == [FIRST, SECOND]
    again = records(FIRST, SECOND, FIRST, SECOND)
    assert [record.key.wire() for record in again] == [again[0].key.wire()] * 2


def test_what_comes_between_two_packets_does_not_part_them():
    found = records(FIRST, ("2a9d", weight()), ("2a9c", b"\x00"), ("2a19", b"\x64"), SECOND)
    assert [record.reading and record.reading.kind for record in found] == [
        "weight",
        None,
        "body-composition",
    ]
    assert names(found[2].reading) == JOINED


def test_two_measurements_of_two_packets():
    first = fat(230, "basal-metabolism", "muscle-mass", time=LATER, user=3, flags=0x1000)
    second = fat(230, "impedance", "body-weight", flags=0x1000)
    found = records(FIRST, SECOND, first, second)
    assert [record.reading.user for record in found] == [2, 3]
    assert [record.reading.values[0].text() for record in found] == ["24.0", "23.0"]


def test_features_user_list_and_other_characteristics_give_nothing():
    for source, data in (
        ("2a9e", b"\x07\x00\x00\x00"),
        ("2a9b", b"\xff\x0f\x00\x00"),
        ("2a9f", b"\x20\x02\x01"),
        ("2a99", b"\x01\x00\x00\x00"),
        ("2a35", weight()),
    ):
        assert records((source, data)) == []


# --- consent of the people of a scale ---


def conversation(users, mark=None):
    driver = WeightScale()
    driver.start(Known(mark, users=users))
    return driver


def sent(driver):
    return [(frame.source, frame.data.hex()) for frame in driver.take_sends()]


def response(driver, value):
    assert driver.received(Frame("2a9f", 0, bytes([0x20, 2, value]))) == []
    return sent(driver)


def test_each_user_is_asked_for_in_turn_and_nobody_stays_active():
    driver = conversation(((1, 123), (2, 4567)))
    assert sent(driver) == [("2a9f", "02017b00")]
    assert driver.patience_s == 5
    assert response(driver, 1) == []
    (weight,) = driver.received(Frame("2a9d", 0, bytes.fromhex("04d43101")))
    assert weight.reading.user == 1
    assert driver.silent() == []
    assert sent(driver) == [("2a9f", "0202d711")]
    assert response(driver, 1) == []
    driver.silent()
    assert sent(driver) == [("2a9f", "02000000")]
    assert response(driver, 5) == []
    assert (driver.patience_s, driver.mark) == (None, b"")


def test_a_code_that_was_refused_is_not_tried_again():
    driver = conversation(((1, 123), (2, 4567)))
    sent(driver)
    assert response(driver, 5) == [("2a9f", "0202d711")]
    assert driver.mark == bytes.fromhex("017b00")
    assert sent(conversation(((1, 123), (2, 4567)), driver.mark)) == [("2a9f", "0202d711")]
    assert sent(conversation(((1, 123),), driver.mark)) == []
    assert sent(conversation(((1, 124),), driver.mark)) == [("2a9f", "02017c00")], (
        "another code is another try"
    )


def test_a_scale_that_cannot_answer_now_is_asked_at_the_next_visit():
    driver = conversation(((1, 123),))
    sent(driver)
    assert response(driver, 4) == [("2a9f", "02000000")]
    assert driver.mark == b""


def test_a_silent_scale_is_left():
    driver = conversation(((1, 123),))
    driver.silent()
    driver.silent()
    assert [data for _, data in sent(driver)] == ["02017b00", "02000000"]
    assert driver.patience_s is None


def test_other_words_of_the_user_list_mean_nothing():
    driver = conversation(((1, 123),))
    sent(driver)
    for data in ("", "20", "2002", "200101", "210201", "200402"):
        assert driver.received(Frame("2a9f", 0, bytes.fromhex(data))) == []
        assert sent(driver) == []
    assert response(WeightScale(), 1) == []
    assert sent(conversation(())) == []

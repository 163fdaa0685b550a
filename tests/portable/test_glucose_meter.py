"""Glucose meters: every field of a measurement and its context, how they are joined, and whole conversations."""

from device_bytes import MINUS, NAN, NRES, PLUS, date_time, sfloat
from glucose_bytes import MORNING, Meter, context, measurement

from gateway.drivers import decode_record
from gateway.drivers.base import Known
from gateway.drivers.glucose_meter import GlucoseMeter
from gateway.wire.items import Frame

TAIDOC, ISENS = ("2a29", b"TaiDoc Technology"), ("2a29", b"i-SENS, Inc.")


def records(*frames):
    rows = [frame if isinstance(frame, tuple) else ("2a18", frame) for frame in frames]
    return decode_record("glucose-meter", [Frame(source, 0, data) for source, data in rows])


def reading(*frames):
    (record,) = records(*frames)
    assert record.error is None
    return record.reading


def told(found):
    return [(value.name, value.text(), value.unit, value.absent, value.comparator) for value in found.values]


def context_of(found):
    return dict(found.context)


def joined(**fields):
    """The context words that a context with these fields gives."""
    found = reading(measurement(context=1), ("2a34", context(**fields)))
    return {key: word for key, word in found.context if key not in ("sample", "location")}


def test_a_whole_measurement():
    found = reading(measurement(offset=-5, status=0))
    assert told(found) == [("glucose", "104", "mg/dL", None, None)]
    assert (found.kind, found.origin, found.notes, found.final) == ("glucose", "stored", [], True)
    assert (found.record, found.user, found.device_time) == (7, None, "2026-03-04T07:10:00")
    assert context_of(found) == {"sample": "capillary-blood", "location": "finger"}


def test_units_are_shifted_by_powers_of_ten():
    cases = (
        (sfloat(104, -5), 0, "104", "mg/dL"),
        (sfloat(1040, -6), 0, "104.0", "mg/dL"),
        (sfloat(56, -4), 1, "5.6", "mmol/L"),
        (sfloat(1234, -5), 1, "12.34", "mmol/L"),
        (sfloat(6, -3), 1, "6", "mmol/L"),
        (sfloat(1, -3), 0, "100", "mg/dL"),
    )
    for value, mol, text, unit in cases:
        assert told(reading(measurement(value=value, mol=mol))) == [("glucose", text, unit, None, None)]


def test_times():
    cases = (
        (MORNING, None, "2026-03-04T07:15:00", []),
        (MORNING, 90, "2026-03-04T08:45:00", []),
        (MORNING, -32767, "2026-02-09T13:08:00", []),
        (MORNING, 32766, "2026-03-27T01:21:00", []),
        (date_time(2023, 12, 31, 23, 59, 30), 1, "2024-01-01T00:00:30", []),
        (date_time(2024, 3, 1, 0, 10), -11, "2024-02-29T23:59:00", []),
        (date_time(2023, 3, 1, 0, 10), -11, "2023-02-28T23:59:00", []),
        (MORNING, 32767, None, ["clock-not-set"]),
        (MORNING, -32768, None, ["clock-not-set"]),
        (date_time(0, 3, 4), 5, None, ["clock-not-set"]),
        (date_time(2026, 2, 30), None, None, ["clock-not-set"]),
        (date_time(2000, 1, 1, 0, 3), None, "2000-01-01T00:03:00", ["clock-not-set"]),
        (date_time(2000, 1, 1, 0, 3), -60, "1999-12-31T23:03:00", ["clock-not-set"]),
        (date_time(1582, 1, 1), -1, None, ["clock-not-set"]),
    )
    for time, offset, text, notes in cases:
        found = reading(measurement(time=time, offset=offset))
        assert (found.device_time, found.notes) == (text, notes)


def test_the_key_is_the_base_time_and_no_number():
    (one,), (other,) = records(measurement(offset=60)), records(measurement(9, what=0x22, status=1, flags=32))
    for record in (one, other):
        key = record.key
        assert (key.space, key.number, key.time, key.value, key.live) == (
            "2a18",
            None,
            MORNING,
            sfloat(104, -5),
            False,
        )
    (none,) = records(measurement(9, time=date_time(0, 0, 0)))
    assert (none.key.number, none.key.time, none.key.live) == (9, None, False)
    (none,) = records(TAIDOC, measurement(9, time=date_time(0, 0, 0)))
    assert (none.key.number, none.key.time, none.key.live) == (None, None, False)


def test_what_is_no_number():
    cases = (
        (NAN, "not-a-number"),
        (NRES, "error"),
        (PLUS, "positive-infinity"),
        (MINUS, "negative-infinity"),
    )
    for value, reason in cases:
        assert told(reading(measurement(value=value))) == [("glucose", None, "mg/dL", reason, None)]


def test_too_high_and_too_low():
    cases = (
        (sfloat(600, -5), 0x20, "600", None, ">"),
        (sfloat(20, -5), 0x40, "20", None, "<"),
        (NAN, 0x20, None, "positive-infinity", None),
        (NRES, 0x40, None, "negative-infinity", None),
        (b"", 0x20, None, "positive-infinity", None),
        (b"", 0x40, None, "negative-infinity", None),
    )
    for value, status, text, reason, sign in cases:
        found = reading(measurement(value=value, status=status))
        assert told(found) == [("glucose", text, "mg/dL", reason, sign)]
        assert found.notes == []
    assert told(reading(measurement(value=b"", status=0x20, mol=1)))[0][2] == "mmol/L"


def test_status_bits_become_notes():
    bits = (
        (0x001, "low-battery"),
        (0x002, "device-fault"),
        (0x004, "sample-too-small"),
        (0x008, "strip-misplaced"),
        (0x010, "strip-wrong"),
        (0x080, "too-warm"),
        (0x100, "too-cold"),
        (0x200, "strip-removed-early"),
        (0x400, "device-fault"),
        (0x800, "clock-not-set"),
        (0xF000, None),
    )
    for bit, note in bits:
        assert reading(measurement(status=bit)).notes == ([note] if note else [])
    every = reading(measurement(status=0x0F9F)).notes
    assert len(every) == len(set(every)) == 9


def test_what_no_meter_can_measure_is_marked_and_kept():
    cases = (
        (sfloat(5, -5), 0, []),
        (sfloat(49, -6), 0, ["implausible"]),
        (sfloat(1000, -5), 0, []),
        (sfloat(1001, -5), 0, ["implausible"]),
        (sfloat(3, -4), 1, []),
        (sfloat(2, -4), 1, ["implausible"]),
        (sfloat(560, -4), 1, []),
        (sfloat(561, -4), 1, ["implausible"]),
        (sfloat(-5, -5), 0, ["implausible"]),
    )
    for value, mol, notes in cases:
        found = reading(measurement(value=value, mol=mol))
        assert found.notes == notes
        assert found.values[0].digits is not None


def test_no_result_and_control_solution_give_no_reading():
    for data in (
        measurement(value=b""),
        measurement(value=b"", status=0x01F),
        measurement(what=0x1A),
        measurement(what=0x41),
        measurement(what=0x4A, status=0x20),
        measurement(value=PLUS, what=0xFA),
    ):
        assert records(data) == []
        flagged = bytes([data[0] | 16]) + data[1:]
        assert records(flagged, ("2a34", context(meal=1))) == []
        assert records(("2a34", context(meal=1)), flagged) == []
        assert records(flagged) == []


def test_what_was_measured_in_and_where():
    samples = (
        "capillary-blood",
        "capillary-plasma",
        "venous-blood",
        "venous-plasma",
        "arterial-blood",
        "arterial-plasma",
        "blood",
        "plasma",
        "interstitial-fluid",
    )
    for code, word in enumerate(samples, 1):
        assert context_of(reading(measurement(what=0xF0 | code))) == {"sample": word}
    for code, word in ((1, "finger"), (2, "alternate-site"), (3, "earlobe")):
        assert context_of(reading(measurement(what=code << 4))) == {"location": word}
    for code in (0x00, 0x0B, 0x0F, 0x60, 0xF0):
        assert context_of(reading(measurement(what=code))) == {}


def test_every_field_of_a_context():
    meals = ("before-meal", "after-meal", "fasting", "casual", "bedtime")
    for code, word in enumerate(meals, 1):
        assert joined(meal=code) == {"meal": word}
    for code, word in enumerate(("breakfast", "lunch", "dinner", "snack", "drink", "supper", "brunch"), 1):
        grams = {"carbohydrates": word, "carbohydrates-g": "50"}
        assert joined(carbohydrate=(code, sfloat(50, -3))) == grams
    for code, word in enumerate(("self", "professional", "lab"), 1):
        assert joined(tester=code | 0xF0) == {"tester": word}
    for code, word in enumerate(("minor-issues", "major-issues", "menses", "stress", "none"), 1):
        assert joined(tester=code << 4 | 15) == {"health": word}
    kinds = ("rapid-acting", "short-acting", "intermediate-acting", "long-acting", "pre-mixed")
    for code, word in enumerate(kinds, 1):
        assert joined(medication=(code, sfloat(25, -7))) == {"medication": word, "medication-mg": "2.5"}
    assert joined(medication=(1, sfloat(12, -4)), litre=1) == {
        "medication": "rapid-acting",
        "medication-ml": "1.2",
    }
    assert joined(exercise=(900, 80)) == {"exercise-s": "900", "exercise-percent": "80"}
    assert joined(exercise=(0xFFFF, 10)) == {"exercise-s": ">65534", "exercise-percent": "10"}
    assert joined(more=0xFF) == {}
    assert joined() == {}


def test_what_is_reserved_or_not_stated_in_a_context_is_absent():
    for code in (0, 7, 255):
        assert joined(meal=code) == {}
    assert joined(carbohydrate=(0, NAN), tester=0, medication=(6, NRES)) == {}
    assert joined(carbohydrate=(8, sfloat(5, -3))) == {"carbohydrates-g": "5"}
    assert joined(tester=0xFF) == {}


def test_hba1c_stands_beside_the_glucose():
    found = reading(measurement(context=1), ("2a34", context(hba1c=sfloat(65, -1), meal=3)))
    assert told(found)[1:] == [("hba1c", "6.5", "%", None, None)]
    assert (found.kind, found.final, found.record) == ("glucose", True, 7)


def test_every_field_of_a_context_together():
    found = joined(
        more=0,
        carbohydrate=(1, sfloat(50, -3)),
        meal=2,
        tester=0x21,
        exercise=(60, 5),
        medication=(4, sfloat(1, -6)),
        hba1c=sfloat(70, -1),
    )
    assert len(found) == 9


def test_meal_six_is_a_ketone_result():
    found = reading(ISENS, measurement(value=sfloat(12, -5), context=1), ("2a34", context(meal=6)))
    assert (found.kind, found.notes) == ("ketone", [])
    assert told(found) == [("ketone", "1.2", "mmol/L", None, None)]
    assert "meal" not in context_of(found)
    found = reading(measurement(value=sfloat(12, -4), mol=1, context=1), ("2a34", context(meal=6)))
    assert told(found) == [("ketone", "1.2", "mmol/L", None, None)]
    found = reading(measurement(value=NAN, status=0x20, context=1), ("2a34", context(meal=6)))
    assert told(found) == [("ketone", None, "mmol/L", "positive-infinity", None)]


def test_cut_short_at_every_byte_gives_an_error_and_no_value():
    wholes = (
        ("2a18", measurement(offset=1, status=0)),
        (
            "2a34",
            context(
                more=0,
                carbohydrate=(1, NAN),
                meal=1,
                tester=1,
                exercise=(1, 1),
                medication=(1, NAN),
                hba1c=NAN,
            ),
        ),
    )
    for source, whole in wholes:
        for size in range(len(whole)):
            (record,) = records((source, whole[:size]))
            assert (record.reading, record.error.code) == (None, "frame-short")


def test_reserved_bits_and_bytes_after_the_end_are_ignored():
    plain = reading(measurement(status=0)).wire()
    for bit in (0x20, 0x40, 0x80):
        assert reading(measurement(status=0, flags=bit)).wire() == plain
    assert reading(measurement(status=0) + b"\x01\x02").wire() == plain
    whole = context(meal=1)
    assert reading(measurement(context=1), ("2a34", whole + b"\x09")).context[-1] == ("meal", "before-meal")


def test_a_context_is_joined_by_its_number_in_whatever_order():
    frames = [measurement(number, context=1, time=date_time(2026, 3, number)) for number in (1, 2, 3)]
    found = records(
        *frames, ("2a34", context(3, meal=3)), ("2a34", context(1, meal=1)), ("2a34", context(2, meal=2))
    )
    assert [(record.reading.record, record.reading.context[-1][1]) for record in found] == [
        (3, "fasting"),
        (1, "before-meal"),
        (2, "after-meal"),
    ]
    (early,) = records(("2a34", context(5, meal=3)), measurement(5))
    assert early.reading.context[-1] == ("meal", "fasting")
    assert [frame.source for frame in early.frames] == ["2a34", "2a18"]


def test_a_context_that_never_comes():
    found = reading(measurement(context=1))
    assert (found.final, told(found)[0][1]) == (False, "104")
    (record,) = records(ISENS, measurement(context=1))
    assert (record.reading, record.key, record.error.code) == (None, None, "context-missing")
    assert [frame.source for frame in record.frames] == ["2a29", "2a18"]
    assert reading(ISENS, measurement()).final
    assert reading(("2a29", b"Roche"), measurement(context=1)).final is False


def test_a_context_without_a_measurement_is_kept_as_an_error():
    (record,) = records(("2a34", context(5, meal=3)))
    assert (record.error.code, record.error.detail) == ("context-alone", "no measurement with number 5")
    for frames in ((measurement(7), ("2a34", context(5))), (("2a34", context(5)), measurement(7))):
        found = records(*frames)
        assert [record.error and record.error.code for record in found] == [None, "context-alone"]


def test_what_is_told_again_is_taken_once():
    pair = (measurement(context=1), ("2a34", context(meal=3)))
    assert len(records(*pair, ("2a34", context(meal=3)))) == 1
    assert len(records(pair[0], *pair)) == 1


def test_contexts_that_come_after_all_measurements():
    driver = GlucoseMeter()
    for number in range(32):
        assert driver.received(Frame("2a18", 0, measurement(number, context=1))) == []
    for number in range(32):
        (found,) = driver.received(Frame("2a34", 0, context(number, meal=1)))
        assert (found.reading.record, found.reading.final) == (number, True)
        assert ("meal", "before-meal") in found.reading.context
    assert driver.finish() == []


def test_a_context_that_was_not_announced():
    fasting = ("2a34", context(7, meal=3))
    for rows in (
        (("2a18", measurement(7)), fasting),
        (("2a18", measurement(7)), fasting, fasting, ("2a52", b"\x06\0\x01\x01")),
        (("2a18", measurement(7)), ("2a51", b"\x01\0"), fasting),
        (fasting, ("2a18", measurement(7))),
    ):
        (found,) = records(*rows)
        assert ("meal", "fasting") in found.reading.context
        assert found.reading.final
        (again,) = decode_record("glucose-meter", found.frames)
        assert (again.reading.wire(), again.key.wire()) == (found.reading.wire(), found.key.wire())
    for between in (("2a18", measurement(8)), ("2a52", b"\x06\0\x01\x01")):
        found = records(("2a18", measurement(7)), between, fasting)
        assert [record.error and record.error.code for record in found if record.error] == ["context-alone"]
        assert found[0].reading.record == 7


def test_not_more_than_32_wait():
    driver = GlucoseMeter()
    for number in range(32):
        assert driver.received(Frame("2a18", 0, measurement(number, context=1))) == []
    (oldest,) = driver.received(Frame("2a18", 0, measurement(32, context=1)))
    assert (oldest.reading.record, oldest.reading.final) == (0, False)
    assert [record.reading.record for record in driver.finish()] == list(range(1, 33))
    for number in range(32):
        assert driver.received(Frame("2a34", 0, context(number, meal=1))) == []
    (oldest,) = driver.received(Frame("2a34", 0, context(32, meal=1)))
    assert oldest.error.detail == "no measurement with number 0"
    assert len(driver.finish()) == 32
    assert driver.finish() == []


def test_other_frames_are_passed_over():
    assert (
        records(
            ("2a51", b"\x01\x00"), ("2a29", b"Roche"), ("2a52", b"\x06\x00\x01\x01"), (">2a52", b"\x01\x01")
        )
        == []
    )


# Conversations.


def visit(device, mark=None, before=(), driver=None):
    """What the hub does: feeds frames, sends what is asked, and calls silent when nothing comes."""
    driver = driver or GlucoseMeter()
    found = []
    for source, data in before:
        found += driver.received(Frame(source, 0, data))
    driver.start(Known(mark))
    for _ in range(99):
        frames = []
        for command in driver.take_sends():
            frames += device.asked(command.data)
        for source, data in frames:
            found += driver.received(Frame(source, 0, data))
        if not frames and driver.patience_s is None:
            return found, driver
        if not frames:
            found += driver.silent()
    raise AssertionError("it never ends")


def stored(*numbers, meal=None):
    """Records of a meter, one a minute."""
    rows = []
    for number in numbers:
        time = date_time(2026, 3, 4, number // 60, number % 60)
        frames = [("2a18", measurement(number, time, context=meal is not None))]
        rows.append((number, frames + ([] if meal is None else [("2a34", context(number, meal=meal))])))
    return Meter(rows)


def numbers(found):
    return [record.reading.record for record in found if record.reading]


def test_a_visit_reads_everything_and_the_next_one_the_news():
    device = stored(1, 2, 3, meal=1)
    found, driver = visit(device)
    assert numbers(found) == [1, 2, 3]
    assert all(record.reading.final for record in found)
    assert driver.mark == b"\x03\x00" + measurement(3, date_time(2026, 3, 4, 0, 3), context=1)
    device.records += stored(4, meal=1).records
    device.heard = []
    found, driver = visit(device, driver.mark)
    assert device.heard == [b"\x04\x03\x01\x03\x00", b"\x01\x03\x01\x03\x00", b"\x01\x06"]
    assert set(numbers(found)) == {3, 4}


def test_a_meter_that_was_emptied_is_read_whole():
    found, driver = visit(stored(1, 2, 3))
    fresh = Meter(
        [(number, [("2a18", measurement(number, date_time(2026, 5, 6, 7, number)))]) for number in (1, 2)]
    )
    found, driver = visit(fresh, driver.mark)
    assert set(numbers(found)) == {1, 2}
    assert driver.mark[:2] == b"\x02\x00"


def test_a_meter_that_renumbers_is_always_read_whole():
    device = stored(0, 1)
    found, driver = visit(device, b"\x01\x00" + b"x" * 12, before=[TAIDOC])
    assert device.heard == [b"\x04\x01", b"\x01\x01"]
    assert driver.mark is None
    assert [record.reading.record for record in found] == [None, None]
    assert [[frame.source for frame in record.frames] for record in found] == [["2a29", "2a18"]] * 2


def test_contexts_that_come_after_the_transfer_are_waited_for():
    device = stored(1)
    device.records[0][1][0] = ("2a18", measurement(1, context=1))
    driver = GlucoseMeter()
    driver.start(Known())
    found = []
    for command in (b"\x04\x01", b"\x01\x01"):
        assert [frame.data for frame in driver.take_sends()] == [command]
        for source, data in device.asked(command):
            found += driver.received(Frame(source, 0, data))
    assert (found, driver.patience_s, driver.mark) == ([], 5, None)
    (late,) = driver.received(Frame("2a34", 0, context(1, meal=2)))
    assert (late.reading.final, late.reading.context[-1]) == (True, ("meal", "after-meal"))
    assert (driver.patience_s, driver.mark[:2]) == (None, b"\x01\x00")


def test_contexts_that_never_come_end_the_visit():
    device = Meter([(1, [("2a18", measurement(1, context=1))])])
    (record,), driver = visit(device)
    assert (record.reading.final, driver.mark[:2], driver.patience_s) == (False, b"\x01\x00", None)
    (record,), driver = visit(device, before=[ISENS])
    assert (record.error.code, driver.mark) == ("context-missing", None)


def test_a_link_that_drops_marks_nothing():
    driver = GlucoseMeter()
    driver.start(Known())
    driver.received(Frame("2a52", 0, b"\x05\x00\x02\x00"))
    driver.received(Frame("2a18", 0, measurement(1, context=1)))
    (record,) = driver.finish()
    assert (record.reading.final, driver.mark) == (False, None)


def test_a_slow_meter_is_waited_for_and_asked_again():
    device = stored(1, 2)
    device.busy = 2
    found, _ = visit(device)
    assert numbers(found) == [1, 2]
    device = stored(1, 2)
    device.deaf = 2
    found, _ = visit(device)
    assert numbers(found) == [1, 2]
    assert b"\x03\x00" in device.heard

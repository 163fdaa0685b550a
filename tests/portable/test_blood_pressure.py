"""Blood pressure records: every field alone and together, cut short at every byte, odd values and bits."""

from device_bytes import MINUS, NAN, NRES, PLUS, RESERVED, bp, date_time, le, sfloat

from gateway.drivers import decode_record
from gateway.wire.items import Frame

PRESSURES = (sfloat(120), sfloat(80), sfloat(93))
TIME = date_time(2026, 3, 4, 7, 15, 0)
FULL = {"time": TIME, "pulse": sfloat(61), "user": b"\x02", "status": b"\x04\x00"}


def record(data, source="2a35"):
    records = decode_record("blood-pressure", [Frame(source, 0, data)])
    assert len(records) == 1
    return records[0]


def reading(data, source="2a35"):
    found = record(data, source)
    assert found.error is None
    return found.reading


def texts(found):
    return {value.name: value.text() for value in found.values}


def combinations():
    names = sorted(FULL)
    for bits in range(1 << len(names)):
        yield {name: FULL[name] for place, name in enumerate(names) if bits >> place & 1}


def test_every_field_alone_and_together():
    for fields in combinations():
        found = reading(bp(PRESSURES, **fields))
        values = texts(found)
        assert [values[name] for name in ("systolic", "diastolic", "mean-arterial")] == ["120", "80", "93"]
        assert values.get("pulse-rate") == ("61" if "pulse" in fields else None)
        assert found.user == (2 if "user" in fields else None)
        assert found.device_time == ("2026-03-04T07:15:00" if "time" in fields else None)
        assert found.notes == (["irregular-pulse"] if "status" in fields else [])
        assert found.origin == ("stored" if "time" in fields else "spot")
        assert found.final


def test_cut_short_at_every_byte_gives_an_error_and_no_value():
    for fields in combinations():
        whole = bp(PRESSURES, **fields)
        for size in range(len(whole)):
            found = record(whole[:size])
            assert found.reading is None
            assert found.error.code == "frame-short"


def test_bytes_after_the_last_field_are_ignored():
    for fields in combinations():
        plain, longer = bp(PRESSURES, **fields), bp(PRESSURES, **fields) + b"\xff\x00\x17"
        assert reading(plain).wire() == reading(longer).wire()
        assert record(plain).key.wire() == record(longer).key.wire()


def test_reserved_bits_are_ignored():
    for bit in (0x20, 0x40, 0x80):
        assert reading(bp(PRESSURES, **FULL, flags=bit)).wire() == reading(bp(PRESSURES, **FULL)).wire()
    assert reading(bp(PRESSURES, status=b"\xc0\xff")).notes == []
    assert reading(bp(PRESSURES, status=b"\x18\x00")).notes == []  # the reserved pulse range


def test_status_bits_become_notes():
    names = {
        0x01: "body-moved",
        0x02: "cuff-too-loose",
        0x04: "irregular-pulse",
        0x08: "pulse-above-range",
        0x10: "pulse-below-range",
        0x20: "improper-position",
    }
    for bit, note in names.items():
        assert reading(bp(PRESSURES, status=le(bit, 2))).notes == [note]
    assert reading(bp(PRESSURES, status=b"\x2f\x00")).notes == [names[bit] for bit in (1, 2, 4, 8, 32)]


def test_unit_and_resolution_stay_as_sent():
    found = reading(bp((sfloat(160, -1), sfloat(106, -1), NAN), kpa=1))
    assert texts(found) == {"systolic": "16.0", "diastolic": "10.6", "mean-arterial": None}
    assert [value.unit for value in found.values] == ["kPa"] * 3
    assert texts(reading(bp((sfloat(1200, -1), sfloat(80), sfloat(93)))))["systolic"] == "120.0"
    assert texts(reading(bp((sfloat(12, 1), sfloat(80), sfloat(93)))))["systolic"] == "120"


def test_specials_are_absent_with_a_reason_and_never_numbers():
    reasons = (
        (NAN, "not-a-number"),
        (NRES, "error"),
        (RESERVED, "error"),
        (PLUS, "positive-infinity"),
        (MINUS, "negative-infinity"),
    )
    for special, reason in reasons:
        for place in range(3):
            pressures = list(PRESSURES)
            pressures[place] = special
            value = reading(bp(pressures)).values[place]
            assert (value.digits, value.absent) == (None, reason)
        pulse = reading(bp(PRESSURES, pulse=special)).values[3]
        assert (pulse.name, pulse.digits, pulse.absent) == ("pulse-rate", None, reason)


def test_a_record_without_any_measurement_gives_nothing():
    for fields in combinations():
        if "pulse" in fields:
            fields["pulse"] = NAN
        assert decode_record("blood-pressure", [Frame("2a35", 0, bp((NAN, NAN, NAN), **fields))]) == []
    # a pulse, or a pressure out of range, is something that was measured
    assert reading(bp((NAN, NAN, NAN), pulse=sfloat(61))).values[0].absent == "not-a-number"
    assert reading(bp((PLUS, NAN, NAN))).values[0].absent == "positive-infinity"


def test_user_255_is_nobody():
    assert reading(bp(PRESSURES, user=b"\xff")).user is None
    assert reading(bp(PRESSURES, user=b"\x00")).user == 0
    assert reading(bp(PRESSURES, user=b"\xfe")).user == 254


def test_times_that_are_none_or_not_trusted():
    cases = (
        (date_time(0, 4, 17, 20, 41, 59), None, "spot"),
        (date_time(2026, 2, 30), None, "spot"),
        (date_time(2026, 0, 1), None, "spot"),
        (date_time(2000, 1, 1), "2000-01-01T00:00:00", "spot"),
        (date_time(2000, 1, 1, 0, 7, 12), "2000-01-01T00:07:12", "stored"),
        (date_time(1970, 5, 1), "1970-05-01T00:00:00", "stored"),
    )
    for raw, text, origin in cases:
        found = record(bp(PRESSURES, time=raw))
        assert found.reading.device_time == text
        assert found.reading.notes == ["clock-not-set"]
        assert found.reading.origin == origin
        assert found.key.time == (raw if origin == "stored" else None)
        assert found.key.live == (origin == "spot")


def test_the_record_key_holds_time_and_value_bytes_and_nothing_else():
    plain = record(bp(PRESSURES, **FULL)).key.wire()
    assert plain == ["2a35", None, TIME, b"".join(PRESSURES) + sfloat(61)]
    for change in ({"user": b"\x01"}, {"status": b"\x27\x00"}):
        fields = dict(FULL)
        fields.update(change)
        assert record(bp(PRESSURES, **fields)).key.wire() == plain
    assert record(bp(PRESSURES, kpa=1, **FULL)).key.wire() == plain
    other = dict(FULL)
    other["time"] = date_time(2026, 3, 4, 7, 15, 1)
    assert record(bp(PRESSURES, **other)).key.wire() != plain


def test_what_no_cuff_can_measure_is_flagged_and_kept():
    assert "implausible" in reading(bp((sfloat(121), sfloat(81), sfloat(106)), kpa=1)).notes
    assert "implausible" in reading(bp((sfloat(-5), sfloat(80), sfloat(93)))).notes
    assert "implausible" in reading(bp(PRESSURES, pulse=sfloat(1, 7))).notes
    assert texts(reading(bp((sfloat(1, 7), sfloat(80), sfloat(93)))))["systolic"] == "10000000"
    assert reading(bp((sfloat(350), sfloat(10), NAN))).notes == []


def test_cuff_pressures_are_checked_and_give_nothing():
    whole = bp((sfloat(81), NAN, NAN), **FULL)
    assert decode_record("blood-pressure", [Frame("2a36", 0, whole)]) == []
    for size in range(len(whole)):
        assert record(whole[:size], "2a36").error.code == "frame-short"
    single = bp((sfloat(81),), time=le(1, 4), pulse=sfloat(61), local=le(2, 4))
    assert decode_record("blood-pressure", [Frame("2b35", 0, single)]) == []
    for size in range(len(single)):
        assert record(single[:size], "2b35").error.code == "frame-short"


def test_other_characteristics_are_not_ours():
    assert decode_record("blood-pressure", [Frame("2a19", 0, b"\x64"), Frame("2a49", 0, b"")]) == []


def test_enhanced_records_tell_utc_and_local_time():
    utc, local = le(824000000, 4), le(824003600, 4)
    both = record(bp(PRESSURES, time=utc, local=local, flags=0x40, pulse=sfloat(61)), "2b34")
    assert both.reading.device_time == "2026-02-10T01:53:20"
    assert both.reading.context == []
    assert both.key.wire() == ["2b34", None, utc, b"".join(PRESSURES) + sfloat(61)]
    only_utc = record(bp(PRESSURES, time=utc, flags=0x40), "2b34")
    assert only_utc.reading.device_time == "2026-02-10T00:53:20"
    assert only_utc.reading.context == [("device-time", "utc")]
    only_local = record(bp(PRESSURES, local=local, flags=0x40), "2b34")
    assert only_local.reading.device_time == "2026-02-10T01:53:20"
    assert only_local.key.time == local
    since_1900 = record(bp(PRESSURES, time=le(3979673600, 4)), "2b34")
    assert since_1900.reading.device_time == "2026-02-10T00:53:20"


def test_enhanced_records_without_a_clock():
    reset = record(bp(PRESSURES, time=le(0, 4), flags=0x40), "2b34")
    assert reset.reading.notes == ["clock-not-set"]
    assert reset.key.live
    half = record(bp(PRESSURES, time=le(0, 4), local=le(824003600, 4), flags=0x40), "2b34")
    assert half.key.time == le(824003600, 4)
    assert half.reading.notes == []
    none = record(bp(PRESSURES), "2b34")
    assert none.reading.device_time is None
    assert none.reading.notes == []

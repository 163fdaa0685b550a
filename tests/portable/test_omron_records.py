"""Omron records: every form, every field, empty slots, times, users; and which models are known."""

from gateway.drivers import decode_record
from gateway.drivers.families.omron_models import Model, model_named
from gateway.wire.items import Frame

# What is packed, from fields in the order of the sources: written here apart from the driver.


def big(
    *, dia=80, sys=95, year=26, pulse=70, moved=0, irregular=0, month=6, day=17, hour=19, minute=35, second=30
):
    """14 bytes: bit numbers of the sources count from the highest bit."""
    first = dia << 24 | sys << 16 | year << 8 | pulse
    then = moved << 31 | irregular << 30 | month << 26 | day << 21 | hour << 16 | minute << 6 | second
    return first.to_bytes(4, "big") + then.to_bytes(4, "big") + bytes(6)


def little(
    *,
    sys=95,
    dia=80,
    pulse=70,
    year=26,
    moved=0,
    irregular=0,
    month=6,
    day=17,
    hour=19,
    minute=35,
    second=30,
    size=14,
):
    one = moved << 15 | irregular << 14 | month << 10 | day << 5 | hour
    two = minute << 6 | second
    return (
        bytes((sys, dia, pulse, year))
        + one.to_bytes(2, "little")
        + two.to_bytes(2, "little")
        + bytes(size - 8)
    )


def plain(sys=95, dia=80, pulse=70, moment=(26, 6, 17, 19, 35, 30), flags=0, size=16):
    return bytes(moment) + bytes((sys, dia, pulse, 0, 0, flags)) + bytes(size - 12)


def records(model, data, user=1):
    return decode_record("omron-blood-pressure", [Frame(f"eeprom:{model}:{user}", 0, data)])


def reading(model, data, user=1):
    (record,) = records(model, data, user)
    assert record.error is None, record.error
    return record.reading


def code(model, data, user=1):
    (record,) = records(model, data, user)
    assert (record.reading, record.key) == (None, None)
    return record.error.code


SAME = (
    ("HEM-7322T", big()),
    ("HEM-7530T", big()),
    ("HEM-6232T", big()),
    ("HEM-7142T2", little()),
    ("HEM-7155T", little(size=16)),
    ("HEM-7361T", little(size=16)),
    ("HEM-9601T", little(size=24)),
    ("HEM-6401T", plain()),
    ("HEM-6410T", plain(size=32)),
)


def test_every_form_says_the_same():
    for model, data in SAME:
        found = reading(model, data)
        assert [(value.name, value.text(), value.unit) for value in found.values] == [
            ("systolic", "120", "mm[Hg]"),
            ("diastolic", "80", "mm[Hg]"),
            ("pulse-rate", "70", "/min"),
        ], model
        assert (found.kind, found.origin, found.notes) == ("blood-pressure", "stored", [])
        assert (found.device_time, found.context, found.final) == ("2026-06-17T19:35:30", [], True)


def test_flags_where_the_sources_agree():
    forms = (("HEM-7322T", big), ("HEM-7600T", big), ("HEM-7142T2", little))
    for model, packed in forms:
        assert reading(model, packed(moved=1)).notes == ["body-moved"]
        assert reading(model, packed(irregular=1)).notes == ["irregular-pulse"]
        assert reading(model, packed(moved=1, irregular=1)).notes == ["body-moved", "irregular-pulse"]
    assert reading("HEM-6232T", big(moved=1, irregular=1)).notes == []
    for flags, notes in (
        (1, ["irregular-pulse"]),
        (2, ["irregular-pulse"]),
        (4, ["body-moved"]),
        (8, ["body-moved"]),
    ):
        assert reading("HEM-6401T", plain(flags=flags)).notes == notes
    assert reading("HEM-6401T", plain(flags=0xF0)).notes == []


def test_bits_that_nobody_knows_change_nothing():
    """How the cuff sat, the position, a bit that one source called the battery."""
    data = big()
    loud = data[:6] + bytes((data[6] | 0xF0,)) + data[7:]
    assert reading("HEM-7322T", loud).wire() == reading("HEM-7322T", data).wire()
    data = little()
    loud = data[:7] + bytes((data[7] | 0xF0,)) + data[8:]
    assert reading("HEM-7142T2", loud).wire() == reading("HEM-7142T2", data).wire()
    assert reading("HEM-7142T2", little(year=26 | 0xC0)).device_time[:4] == "2026"
    for model in ("HEM-7530T", "HEM-6232T"):
        assert reading(model, big(year=26 | 0xC0)).device_time[:4] == "2026"
    assert reading("HEM-7322T", big(year=90)).device_time[:4] == "2090"


def test_seconds_beyond_59_are_59():
    for second in (59, 60, 63):
        assert reading("HEM-7322T", big(second=second)).device_time == "2026-06-17T19:35:59"
        assert reading("HEM-7142T2", little(second=second)).device_time == "2026-06-17T19:35:59"
    assert (
        reading("HEM-7322T", big(second=63)).device_time != reading("HEM-7322T", big(second=58)).device_time
    )


def test_a_time_that_is_none_is_no_record():
    for wrong in (
        {"month": 0},
        {"month": 13},
        {"day": 0},
        {"month": 2, "day": 30},
        {"hour": 24},
        {"minute": 60},
    ):
        assert code("HEM-7322T", big(**wrong)) == "frame-garbled"
        assert code("HEM-7142T2", little(**wrong)) == "frame-garbled"


def test_empty_slots():
    for model, data in SAME:
        size = len(data)
        assert records(model, bytes(size)) == []
        assert records(model, b"\xff" * size) == []
    for sys in (0xE2, 0xFF):
        assert records("HEM-7142T2", little(sys=sys)) == []
        assert records("HEM-6401T", plain(sys=sys)) == []
    assert reading("HEM-7142T2", little(sys=0xE1)).values[0].text() == "250"
    assert reading("HEM-7322T", big(sys=0xF0)).values[0].text() == "265"
    assert records("HEM-7142T2", b"\x5f" + bytes(13)) == []  # begun and never written


def test_a_measurement_that_failed_is_none():
    good = little(size=24)
    assert records("HEM-9601T", good[:17] + b"\x05" + good[18:]) == []


def test_the_number_that_counts_up_is_told_where_it_is_known():
    numbered = little()[:10] + b"\x4c\x01" + bytes(2)
    assert reading("HEM-7142T2", numbered).record == 0x14C
    assert reading("HEM-9601T", numbered[:12] + bytes(12)).record == 0x14C
    assert reading("HEM-7155T", little(size=16)).record is None
    assert reading("HEM-7322T", big()).record is None


def test_what_nobody_measured_is_implausible():
    assert reading("HEM-7322T", big(pulse=9)).notes == ["implausible"]
    assert reading("HEM-7322T", big(dia=9)).notes == ["implausible"]
    assert reading("HEM-7322T", big(dia=10, sys=255, pulse=255)).notes == []


def test_a_clock_that_was_never_set():
    for moment in (
        {"year": 0, "month": 1, "day": 1},
        {"year": 0, "month": 1, "day": 1, "hour": 0, "minute": 0, "second": 0},
    ):
        assert reading("HEM-7322T", big(**moment)).notes == ["clock-not-set"]
    standing = records("HEM-7322T", big(year=0, month=1, day=1, hour=0, minute=0, second=0))[0]
    assert (standing.key.time, standing.key.live) == (None, False)


def test_users_where_there_are_two():
    assert [reading("HEM-7322T", big(), user).user for user in (1, 2)] == [1, 2]
    assert reading("HEM-7600T", big()).user is None
    for model, user in (("HEM-7600T", 2), ("HEM-7322T", 3), ("HEM-7322T", 0), ("HEM-1", 1)):
        assert code(model, big(), user) == "model-unknown"
    for source in ("eeprom:", "eeprom:HEM-7322T", "eeprom::", "eeprom:HEM-7322T:x"):
        (record,) = decode_record("omron-blood-pressure", [Frame(source, 0, big())])
        assert record.error.code == "model-unknown"


def test_cut_short_at_every_byte():
    for model, data in SAME:
        for size in range(len(data)):
            assert code(model, data[:size]) == "frame-short"


def test_the_key_is_user_time_and_numbers_without_flags():
    wanted = ["eeprom:1", None, bytes((26, 6, 17, 19, 35, 30)), bytes((95, 80, 70))]
    for model, data in SAME:
        key = records(model, data)[0].key
        assert (key.wire(), key.live) == (wanted, False), model
    flagged = records("HEM-7322T", big(moved=1, irregular=1), 1)[0].key
    assert flagged.wire() == wanted
    assert records("HEM-7322T", big(), 2)[0].key.wire() == ["eeprom:2", None, wanted[2], wanted[3]]
    assert (
        records("HEM-7322T", big(second=60))[0].key.time != records("HEM-7322T", big(second=59))[0].key.time
    )


def test_models_by_what_they_call_themselves():
    for text, name in (
        ("HEM-7322T", "HEM-7322T"),
        ("HEM-7322T-D", "HEM-7322T"),
        ("HEM-7155T_ESL", "HEM-7155T"),
        ("HEM-7361T_ESL", "HEM-7361T"),
        ("HEM-7143T1-EBK", "HEM-7143T1"),
        ("EVOLV", "HEM-7600T"),
        ("RS7 Intelli IT", "HEM-6232T"),
        ("M500 Intelli IT", "HEM-7361T"),
        ("M300 Intelli IT", "HEM-7143T1"),
        ("X2 Smart+", "HEM-7146T2"),
    ):
        assert model_named(text).name == name
    for text in (
        "",
        "HEM-",
        "HEM-7322",
        "HEM-7322TX",
        "HEM-7322T-",
        "HEM-7322T_",
        "HEM-7155T_K4-D",
        "hem-7322t",
    ):
        assert model_named(text) is None
    assert model_named("M7 Intelli IT") is None


def test_the_memory_is_read_whole_and_nothing_beside_it():
    for name, first, last, count in (
        ("HEM-7322T", (0x02AC, 56), (0x0824 + 1344, 56), 50),
        ("HEM-7530T", (0x02E8, 16), (0x02E8 + 1248, 12), 79),
        ("HEM-7155T", (0x0098, 16), (0x0458 + 944, 16), 120),
        ("HEM-7142T2", (0x02E8, 44), (0x02E8 + 176, 20), 5),
    ):
        model = Model(name)
        reads = model.reads()
        assert (reads[0], reads[-1], len(reads)) == (first, last, count)
        for address, size in reads:
            assert 0 < size <= 56
            assert model.place(address)[0] == model.place(address + size - 1)[0] > 0
    model = Model("HEM-7322T")
    places = [model.place(at) for at in (0x02AB, 0x02AC, 0x02BB, 0x0823, 0x0824, 0x0D9B, 0x0D9C)]
    assert places == [(0, 0), (1, 0), (1, 1), (1, 13), (2, 0), (2, 13), (0, 0)]

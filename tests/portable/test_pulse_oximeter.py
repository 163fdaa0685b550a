"""Oximeters: every field alone and together, cut short, what the status means, and the rule of the stream."""

from device_bytes import MINUS, NAN, NRES, PLUS, RESERVED, date_time, le, sfloat

from gateway.drivers import decode_record
from gateway.drivers.pulse_oximeter import PulseOximeter
from gateway.wire.items import Frame

TIME = date_time(2026, 3, 4, 7, 15, 9)
APPROVED, ONGOING = 0x0100, 0x0020
OFF, LOOSE = 0x0800, 0x8000


def numbers(spo2, pulse):
    return sfloat(spo2) + sfloat(pulse)


def parts(bits, status, sensor, amplitude):
    """(flags, bytes) of what both kinds of record share; `bits` are the flags of the three parts."""
    flags, data = 0, b""
    for bit, value, size in zip(bits, (status, sensor), (2, 3)):  # noqa: B905 (MicroPython has no strict=)
        flags |= 0 if value is None else bit
        data += b"" if value is None else le(value, size)
    return flags | (0 if amplitude is None else bits[2]), data + (amplitude or b"")


def spot(values=None, *, time=None, status=None, sensor=None, amplitude=None, flags=0):
    more, tail = parts((2, 4, 8), status, sensor, amplitude)
    flags |= more | (0 if time is None else 1)
    return bytes([flags]) + (values or numbers(97, 72)) + (time or b"") + tail


def continuous(values=None, *, fast=None, slow=None, status=None, sensor=None, amplitude=None, flags=0):
    more, tail = parts((4, 8, 16), status, sensor, amplitude)
    flags |= more | (0 if fast is None else 1) | (0 if slow is None else 2)
    return bytes([flags]) + (values or numbers(97, 72)) + (fast or b"") + (slow or b"") + tail


def records(*frames):
    return decode_record("pulse-oximeter", [Frame(source, 0, data) for source, data in frames])


def reading(data, source="2a5e"):
    (record,) = records((source, data))
    assert record.error is None
    return record.reading


def stream(*rows):
    """The SpO2 of each reading of a stream that sends every second; a row is bytes or (second, bytes)."""
    driver, found = PulseOximeter(), []
    for number, row in enumerate(rows):
        second, data = row if isinstance(row, tuple) else (number, row)
        found += driver.received(Frame("2a5f", second * 1000, data))
    return [record.reading.values[0].text() for record in found + driver.finish()]


def combinations(choices):
    found = [{}]
    for name in sorted(choices):
        found = found + [dict(fields, **{name: choices[name]}) for fields in found]
    return found


SPOTS = combinations({"time": TIME, "status": 0x0100, "sensor": 0x20, "amplitude": sfloat(20, -1)})
STREAMS = combinations(
    {
        "fast": numbers(1, 2),
        "slow": numbers(3, 4),
        "status": 0x0100,
        "sensor": 0x20,
        "amplitude": sfloat(20, -1),
    }
)


def check_fields(found, fields):
    wanted = [("spo2", "97", "%"), ("pulse-rate", "72", "/min")]
    wanted += [("perfusion-index", "2.0", "%")] if "amplitude" in fields else []
    assert [(value.name, value.text(), value.unit) for value in found.values] == wanted
    notes = ["quality-checked"] if "status" in fields else []
    assert found.notes == notes + (["low-perfusion"] if "sensor" in fields else [])
    assert (found.kind, found.user, found.record, found.final) == ("oximetry", None, None, True)
    assert found.origin == ("stored" if "time" in fields else "spot")
    assert found.device_time == ("2026-03-04T07:15:09" if "time" in fields else None)


def test_every_field_alone_and_together():
    for fields in SPOTS:
        check_fields(reading(spot(**fields)), fields)
    for fields in STREAMS:
        check_fields(reading(continuous(**fields), "2a5f"), fields)


def test_cut_short_at_every_byte_gives_an_error_and_no_value():
    wholes = [("2a5e", spot(**fields)) for fields in SPOTS] + [("2a5f", continuous(**f)) for f in STREAMS]
    for source, whole in wholes:
        for size in range(len(whole)):
            (found,) = records((source, whole[:size]))
            assert (found.reading, found.key, found.error.code) == (None, None, "frame-short")


def test_reserved_bits_and_bytes_after_the_end_are_ignored():
    for bit in (0x20, 0x40, 0x80):
        assert reading(spot(flags=bit)).wire() == reading(spot()).wire()
        assert reading(continuous(flags=bit), "2a5f").wire() == reading(continuous(), "2a5f").wire()
    assert reading(spot(status=0x0100) + b"\x01\x02").wire() == reading(spot(status=0x0100)).wire()
    assert reading(spot(status=0x001F, sensor=0xFF0000)).notes == []


def test_specials_are_absent_with_a_reason():
    for special, reason in (
        (NAN, "not-a-number"),
        (NRES, "error"),
        (RESERVED, "error"),
        (PLUS, "positive-infinity"),
        (MINUS, "negative-infinity"),
    ):
        for place in (0, 1):
            pair = [sfloat(97), sfloat(72)]
            pair[place] = special
            for found in (reading(spot(b"".join(pair))), reading(continuous(b"".join(pair)), "2a5f")):
                assert (found.values[place].digits, found.values[place].absent) == (None, reason)
        value = reading(spot(amplitude=special)).values[2]
        assert (value.digits, value.absent) == (None, reason)


def test_neither_number_is_no_measurement():
    for fields in SPOTS:
        assert records(("2a5e", spot(NAN + NAN, **fields))) == []
    assert records(("2a5f", continuous(NAN + NAN))) == []
    assert len(records(("2a5e", spot(NAN + PLUS)))) == 1


def test_what_is_no_result_by_its_status_gives_nothing():
    for status in (0x0400, 0x0800, 0x2000, 0x8000, 0x0040):
        assert records(("2a5e", spot(status=status))) == []
        assert records(("2a5f", continuous(status=status))) == []
        approved = records(("2a5e", spot(status=status | APPROVED)))
        assert len(approved) == (1 if status == 0x0040 else 0)


def test_status_bits_become_notes():
    for status, notes in (
        (0x0080, ["quality-checked"]),
        (0x0100, ["quality-checked"]),
        (0x1000, ["questionable"]),
        (0x4000, ["questionable"]),
        (0x4100, ["quality-checked", "questionable"]),
        (0x0020, ["questionable"]),
    ):
        assert reading(spot(status=status)).notes == notes
    questionable = (1, 2, 3, 4, 6, 7, 8, 10, 12, 14)
    others = {5: "low-perfusion", 11: "no-contact", 13: "sensor-displaced", 15: "no-contact"}
    for bit in range(24):
        note = "questionable" if bit in questionable else others.get(bit)
        assert reading(spot(sensor=1 << bit)).notes == ([note] if note else [])
    assert reading(spot(status=0x4000, sensor=0x0012)).notes == ["questionable"]


def test_a_measurement_that_goes_on_is_kept_and_neither_certain_nor_final():
    for found in (reading(spot(status=ONGOING)), reading(continuous(status=ONGOING), "2a5f")):
        assert (found.final, found.notes) == (False, ["questionable"])
    approved = reading(spot(status=ONGOING | APPROVED))
    assert (approved.final, approved.notes) == (False, ["quality-checked", "questionable"])
    assert reading(spot(status=APPROVED)).final


def test_features_that_ask_for_approval():
    asking = (b"\x01\x00", b"\x01", b"\xff\x00", b"\x01\x00\x00\x01", b"\x01\x00\x80\x00\xff\xff\xff")
    for features in asking:
        assert records(("2a60", features), ("2a5e", spot(status=ONGOING))) == []
        assert records(("2a60", features), ("2a5f", continuous(status=ONGOING))) == []
        for found in records(
            ("2a60", features), ("2a5e", spot(status=APPROVED)), ("2a5e", spot()), ("2a5f", continuous())
        ):
            assert found.frames[0].source == "2a60"
            assert found.reading.values[0].text() == "97"
    for features in (b"", b"\x00\x00", b"\xfe\xff", b"\x01\x00\x20\x00"):
        (found,) = records(("2a60", features), ("2a5e", spot(status=ONGOING)))
        assert len(found.frames) == 1


def test_the_memory_and_its_clock():
    assert reading(spot(status=0x0200)).origin == "stored"
    cases = (
        (spot(time=TIME), "stored", [], TIME, False),
        (spot(time=TIME, flags=0x10), "stored", ["clock-not-set"], TIME, False),
        (spot(flags=0x10), "spot", ["clock-not-set"], None, True),
        (spot(time=date_time(2000, 1, 1)), "spot", ["clock-not-set"], None, True),
        (spot(time=date_time(0, 0, 0), status=0x0200), "stored", ["clock-not-set"], None, False),
        (spot(status=0x0200), "stored", [], None, False),
    )
    for data, origin, notes, time, live in cases:
        (found,) = records(("2a5e", data))
        assert (found.reading.origin, found.reading.notes) == (origin, notes)
        assert (found.key.time, found.key.live) == (time, live)


def test_the_record_key_holds_time_and_numbers_and_nothing_else():
    (plain,) = records(("2a5e", spot(time=TIME, amplitude=sfloat(20, -1))))
    assert plain.key.wire() == ["2a5e", None, TIME, numbers(97, 72) + sfloat(20, -1)]
    other = spot(time=TIME, amplitude=sfloat(20, -1), status=0x0300, sensor=0x20, flags=0x10)
    assert records(("2a5e", other))[0].key.wire() == plain.key.wire()
    (live,) = records(("2a5f", continuous(fast=numbers(1, 2), slow=numbers(3, 4), status=0x0100)))
    assert live.key.wire() == ["2a5f", None, None, numbers(97, 72)]
    assert live.key.live


def test_what_no_oximeter_can_measure_is_flagged_and_kept():
    for spo2, pulse, odd in ((100, 350, 0), (1, 10, 0), (101, 72, 1), (0, 72, 1), (97, 9, 1), (97, 351, 1)):
        found = reading(spot(numbers(spo2, pulse)))
        assert found.notes == (["implausible"] if odd else [])
        assert [value.text() for value in found.values] == [str(spo2), str(pulse)]


def test_the_last_value_before_the_finger_leaves():
    good, better = continuous(numbers(96, 70)), continuous(numbers(98, 71))
    for gone in (OFF, LOOSE):
        off = continuous(numbers(50, 50), sensor=gone)
        assert stream(good, better, off, off) == ["98"]
        assert stream(good, off, better) == ["96", "98"]
        assert stream(off) == []
    assert stream(good, better) == ["98"]
    assert stream(good, continuous(NAN + NAN)) == ["96"]
    assert stream(good, continuous(numbers(50, 50), status=0x8000)) == ["96"]


def test_one_value_every_minute():
    assert stream(*[continuous(numbers(70 + second // 10, 70)) for second in range(130)]) == [
        "75",
        "81",
        "82",
    ]
    assert stream((0, continuous()), (61, continuous(NAN + NAN)), (62, continuous(numbers(96, 70)))) == [
        "97",
        "96",
    ]


def test_a_spot_check_does_not_wait_for_the_stream():
    driver = PulseOximeter()
    assert driver.received(Frame("2a5f", 0, continuous())) == []
    assert len(driver.received(Frame("2a5e", 10, spot()))) == 1
    assert len(driver.finish()) == 1


def test_damage_of_a_stream_is_limited_that_of_spot_checks_is_not():
    assert len(records(*[("2a5f", b"\x00")] * 20)) == 8
    assert len(records(*[("2a5e", b"\x00")] * 20)) == 20


def test_other_characteristics_give_nothing():
    assert records(("2a60", b"\x01\x00"), ("2a52", b"\x06\x00\x01\x01"), ("2a19", spot())) == []

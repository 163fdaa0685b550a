"""Heart rates: every field alone and together, cut short, contact, places, and which of many becomes a reading."""

from device_bytes import le

from gateway.drivers import decode_record
from gateway.drivers.heart_rate import HeartRate
from gateway.wire.items import Frame

CONTACT, NO_CONTACT = 6, 4


def sent(rate=60, *, wide=False, contact=0, energy=None, intervals=(), flags=0):
    flags |= (1 if wide else 0) | contact | (0 if energy is None else 8) | (16 if intervals else 0)
    data = bytes([flags]) + le(rate, 2 if wide else 1)
    if energy is not None:
        data += le(energy, 2)
    return data + b"".join([le(ticks, 2) for ticks in intervals])


def visit(*rows):
    """Records of a visit; a row is bytes, or (second, bytes)."""
    driver, records = HeartRate(), []
    for number, row in enumerate(rows):
        second, data = row if isinstance(row, tuple) else (number, row)
        records += driver.received(Frame("2a37", second * 1000, data))
    return records + driver.finish()


def reading(data):
    (record,) = visit(data)
    return record.reading


def rates(records):
    return [record.reading.values[0].text() for record in records]


def test_every_field_alone_and_together():
    for wide in (False, True):
        for contact in (0, CONTACT, NO_CONTACT):
            for energy in (None, 300):
                for intervals in ((), (1024,), (512, 1024, 2048)):
                    found = reading(sent(200, wide=wide, contact=contact, energy=energy, intervals=intervals))
                    values = [(value.name, value.text(), value.unit) for value in found.values]
                    wanted = [("heart-rate", "200", "/min")]
                    wanted += [] if energy is None else [("energy", "300", "kJ")]
                    wanted += [
                        ("rr-interval", {512: "0.5", 1024: "1.0", 2048: "2.0"}[ticks] + "0" * 9, "s")
                        for ticks in intervals
                    ]
                    assert values == wanted
                    assert found.notes == (["no-contact"] if contact == NO_CONTACT else [])
                    assert (found.kind, found.origin, found.final) == ("heart-rate", "spot", True)
                    assert (found.user, found.record, found.device_time) == (None, None, None)


def test_intervals_are_exact():
    for ticks in (0, 1, 3, 825, 1023, 65535):
        value = reading(sent(intervals=(ticks,))).values[1]
        assert value.digits * 1024 == ticks * 10**10
        assert value.exponent == -10
    assert reading(sent(intervals=(825,))).values[1].text() == "0.8056640625"


def test_cut_short_gives_an_error_or_fewer_intervals():
    whole = sent(300, wide=True, energy=5, intervals=(1024, 512))
    for size in range(len(whole)):
        (record,) = visit(whole[:size])
        if size in (5, 7):
            assert len(record.reading.values) == 2 + (size - 5) // 2
        else:
            assert (record.reading, record.error.code) == (None, "frame-short")


def test_reserved_bits_and_bytes_after_the_end_are_ignored():
    for bit in (32, 64, 128):
        assert reading(sent(flags=bit)).wire() == reading(sent()).wire()
    assert reading(sent(energy=3) + b"\x01").wire() == reading(sent(energy=3)).wire()
    assert reading(bytes([2, 60])).notes == []  # contact without the bit that it can be told


def test_the_longest_value_and_one_that_is_longer():
    whole = sent(energy=1, intervals=(1000,) * 254)
    assert len(whole) == 512
    assert len(reading(whole).wire()[2]) == 256
    (record,) = visit(whole + b"\x00\x00")
    assert record.error.code == "frame-garbled"


def test_an_energy_counter_at_its_end_says_more_than():
    value = reading(sent(energy=0xFFFF)).values[1]
    assert (value.text(), value.comparator) == ("65535", ">")
    assert reading(sent(energy=0xFFFE)).values[1].comparator is None


def test_no_pulse_found_is_no_value():
    assert visit(sent(0)) == []
    assert visit(sent(0, wide=True), sent(0xFFFF, wide=True)) == []
    assert rates(visit(sent(61), sent(0), sent(0))) == ["61"]
    assert rates(visit((0, sent(61)), (70, sent(0)), (71, sent(62)))) == ["61", "62"]


def test_what_no_heart_does_is_flagged_and_kept():
    for rate, odd in ((9, True), (10, False), (350, False), (351, True)):
        found = reading(sent(rate, wide=True))
        assert found.notes == (["implausible"] if odd else [])
        assert found.values[0].text() == str(rate)


def test_where_it_is_worn_stands_in_every_record():
    names = ("chest", "wrist", "finger", "hand", "earlobe", "foot")
    for code in range(9):
        records = decode_record(
            "heart-rate",
            [Frame("2a38", 0, bytes([code])), Frame("2a37", 0, sent()), Frame("2a37", 60000, sent(61))],
        )
        word = names[code - 1] if 1 <= code <= 6 else None
        assert rates(records) == ["60", "61"]
        for record in records:
            assert record.reading.context == ([("location", word)] if word else [])
            assert len(record.frames) == (2 if word else 1)
    (record,) = decode_record("heart-rate", [Frame("2a38", 0, b""), Frame("2a37", 0, sent())])
    assert record.reading.context == []
    assert decode_record("heart-rate", [Frame("2a38", 0, b"\x01"), Frame("2a19", 0, sent())]) == []


def test_contact_that_is_lost_closes_the_value():
    on, off = sent(70, contact=CONTACT), sent(99, contact=NO_CONTACT)
    assert rates(visit(on, sent(71, contact=CONTACT), off, off)) == ["71"]
    assert rates(visit(on, off, sent(72, contact=CONTACT))) == ["70", "72"]
    assert rates(visit(off, on)) == ["70"]
    assert rates(visit(off, off)) == ["99"]
    assert rates(visit(on, sent(73))) == ["73"]


def test_one_value_every_minute():
    records = visit(*[sent(60 + second // 30) for second in range(150)])
    assert rates(records) == ["61", "63", "64"]
    assert [record.frames[0].offset_ms for record in records] == [59000, 119000, 149000]


def test_the_record_key_holds_the_numbers_and_is_live():
    (record,) = visit(sent(60, contact=CONTACT, energy=3, intervals=(1024,)))
    assert record.key.wire() == ["2a37", None, None, b"\x3c\x03\x00\x00\x04"]
    assert record.key.live


def test_damage_takes_nothing_with_it():
    records = visit(sent(60), b"", sent(61), b"\x01\x3c")
    assert [record.error and record.error.code for record in records] == ["frame-short", "frame-short", None]
    assert rates(records[2:]) == ["61"]
    assert len(visit(*[b""] * 20)) == 8


def test_a_rate_in_an_advertisement():
    for source, data, rate in (
        ("maker:006b", b"\x3b\x16\x44\x46", "70"),
        ("maker:006b", b"\x2f\x16\x6b\x68", "104"),
        ("maker:ff04", b"\x01\x61\x06\x3f", "63"),
    ):
        driver = HeartRate()
        (record,) = driver.received(Frame(source, 0, data)) + driver.finish()
        assert [(value.name, value.text(), value.unit) for value in record.reading.values] == [
            ("heart-rate", rate, "/min")
        ]
        assert (record.reading.origin, record.reading.notes, record.key.live) == ("spot", [], True)
        (again,) = decode_record("heart-rate", record.frames)
        assert again.key.wire() == record.key.wire()


def test_other_advertisements_give_no_value():
    for source, data, codes in (
        ("maker:006b", b"\x3b\x16\x44", ["frame-garbled"]),
        ("maker:006b", b"", ["frame-garbled"]),
        ("maker:006b", b"\x3b\x16\x44\x46\x01", ["frame-garbled"]),
        ("maker:006b", b"\x3b\x16\x44\0", []),
        ("maker:004c", b"\x3b\x16\x44\x46", []),
    ):
        driver = HeartRate()
        records = driver.received(Frame(source, 0, data)) + driver.finish()
        assert [record.error.code for record in records] == codes

"""Mi scales: every bit of an advertisement, and one record for a weighing that is told over and over."""

from device_bytes import date_time, le

from gateway.drivers import decode_record
from gateway.drivers.mi_scale import MiScale
from gateway.wire.items import Frame

NOW, LATER = date_time(2026, 3, 4, 7, 15, 0), date_time(2026, 3, 4, 7, 16, 0)


def first(raw=14490, control=0x22, time=NOW):
    return ("advert:181d", bytes([control]) + le(raw, 2) + time)


def second(raw=14490, control=0x24, impedance=0, unit=2, time=NOW):
    return ("advert:181b", bytes([unit, control]) + time + le(impedance, 2) + le(raw, 2))


def records(*rows):
    return decode_record("mi-scale", [Frame(source, 0, data) for source, data in rows])


def reading(*rows):
    (record,) = records(*rows)
    assert record.error is None
    return record.reading


def told(found):
    return [(value.name, value.text(), value.unit) for value in found.values]


def test_a_weight_of_either_scale():
    for row in (first(), second()):
        found = reading(row)
        assert told(found) == [("body-weight", "72.450", "kg")]
        assert (found.kind, found.origin, found.notes, found.final) == ("weight", "spot", [], True)
        assert (found.device_time, found.user, found.record, found.context) == (
            "2026-03-04T07:15:00",
            None,
            None,
            [],
        )


def test_units():
    for row in (first(13170, 0x23), second(13170, unit=3), first(13170, 0x33)):
        assert told(reading(row)) == [("body-weight", "131.70", "[lb_av]")]
        assert reading(row).context == []
    for row in (first(14490, 0x32), second(14490, 0x64)):  # 144.90 jin, each exactly half a kilogram
        assert told(reading(row)) == [("body-weight", "72.450", "kg")]
        assert reading(row).context == [("shown-unit", "jin")]


def test_what_gives_no_reading():
    for row in (
        first(control=0x02),  # not stable
        first(control=0xA2),  # taken off
        first(control=0x62),  # a thing
        first(0),
        second(control=0x04),
        second(control=0xA4),
        second(unit=6),
        second(0),
        ("advert:fe95", b"\x01\x02"),
        ("maker:0157", b"\x01\x02"),
    ):
        assert records(row) == []


def test_impedance():
    found = reading(second(control=0x26, impedance=503))
    assert told(found) == [("body-weight", "72.450", "kg"), ("impedance", "503", "Ohm")]
    assert found.kind == "body-composition"
    for row in (
        second(control=0x24, impedance=503),  # the scale does not say that there is one
        second(control=0x26, impedance=0),
        second(control=0x26, impedance=3000),  # shoes
        second(control=0x26, impedance=0xFFFE),
    ):
        assert (reading(row).kind, len(reading(row).values)) == ("weight", 1)


def test_one_weighing_is_told_once():
    assert len(records(*([first(control=0x02)] + [first()] * 30 + [first(control=0xA2)] * 30))) == 1
    rows = [second(control=0x04)] + [second()] * 9 + [second(control=0x26, impedance=503)] * 9
    found = records(*(rows + [second(control=0xA6, impedance=503)] * 9 + [second()]))
    assert [record.reading.kind for record in found] == ["body-composition"]
    assert [frame.data for frame in found[0].frames] == [second(control=0x26, impedance=503)[1]]


def test_a_weight_waits_for_its_impedance_until_the_person_left():
    driver = MiScale()
    assert driver.received(Frame("advert:181b", 0, second()[1])) == []
    (record,) = driver.received(Frame("advert:181b", 0, second(control=0xA4)[1]))
    assert record.reading.kind == "weight"
    assert driver.received(Frame("advert:181b", 0, second()[1])) == []
    assert driver.finish() == []


def test_two_weighings_are_two():
    assert len(records(first(), first(time=LATER))) == 2
    assert len(records(first(), first(14491))) == 2
    assert len(records(second(), second(time=LATER))) == 2
    found = records(second(), second(control=0x26, impedance=500, time=LATER))
    assert [record.reading.kind for record in found] == ["weight", "body-composition"]


def test_the_key_is_time_and_weight():
    for row in (first(), second(), second(control=0x26, impedance=503)):
        (record,) = records(row)
        key = record.key
        assert (key.space, key.number, key.time, key.value, key.live) == (
            row[0],
            None,
            NOW,
            le(14490, 2),
            False,
        )


def test_clocks_that_were_never_set():
    cases = (
        (date_time(1970, 1, 1, 18, 16, 26), "1970-01-01T18:16:26", False),
        (date_time(1970, 1, 1), "1970-01-01T00:00:00", True),
        (date_time(0, 0, 0), None, True),
    )
    for time, text, live in cases:
        (record,) = records(*([first(time=time)] * 3))
        assert (record.reading.device_time, record.reading.notes) == (text, ["clock-not-set"])
        assert record.key.live is live


def test_what_no_scale_can_measure_on_a_person():
    for row in (first(199), first(65401), second(199), first(199, 0x23)):
        assert reading(row).notes == ["implausible"]
    for row in (first(200), first(65400), first(200, 0x23), first(65500, 0x23)):
        assert reading(row).notes == []


def test_cut_short_at_every_byte_gives_an_error_and_no_value():
    for source, whole in (first(), second(control=0x26, impedance=503)):
        for size in range(len(whole)):
            (record,) = records((source, whole[:size]))
            assert (record.reading, record.error.code) == (None, "frame-short")
        assert reading((source, whole + b"\x01\x02")).wire() == reading((source, whole)).wire()


def test_damage_is_told_once_and_not_for_ever():
    short = ("advert:181d", b"\x22\x01")
    assert len(records(short, short, short)) == 1
    many = [("advert:181d", bytes([number])) for number in range(20)]
    assert len(records(*many)) == 8
    rows = list(many)
    rows.append(first())
    rows += many
    assert len(records(*rows)) == 17

"""Temperatures: every field alone and together, cut short at every byte, odd values, codes and bits."""

from device_bytes import date_time, float32

from gateway.drivers import decode_record
from gateway.wire.items import Frame

WARM = float32(3660, -2)
TIME = date_time(2026, 3, 4, 7, 15, 0)
SITES = {
    1: "armpit",
    2: "body",
    3: "ear",
    4: "finger",
    5: "gastro-intestinal-tract",
    6: "mouth",
    7: "rectum",
    8: "toe",
    9: "tympanum",
}
SPECIALS = (
    (b"\xff\xff\x7f\x00", "not-a-number"),
    (b"\x00\x00\x80\x00", "error"),
    (b"\x01\x00\x80\x00", "error"),
    (b"\xfe\xff\x7f\x00", "positive-infinity"),
    (b"\x02\x00\x80\x00", "negative-infinity"),
)


def sent(number=WARM, *, time=None, site=None, flags=0):
    """A temperature record; `flags` adds the unit and reserved bits."""
    flags |= (0 if time is None else 2) | (0 if site is None else 4)
    return bytes([flags]) + number + (time or b"") + (site or b"")


def records(*frames):
    return decode_record("thermometer", [Frame(source, 0, data) for source, data in frames])


def reading(data):
    (found,) = records(("2a1c", data))
    assert found.error is None
    return found.reading


def test_every_field_alone_and_together():
    for time in (None, TIME):
        for site in (None, b"\x06"):
            for unit in (0, 1):
                found = reading(sent(time=time, site=site, flags=unit))
                (value,) = found.values
                assert (value.name, value.text()) == ("body-temperature", "36.60")
                assert value.unit == ("[degF]" if unit else "Cel")
                assert found.kind == "temperature"
                assert found.origin == ("stored" if time else "spot")
                assert found.device_time == ("2026-03-04T07:15:00" if time else None)
                assert found.context == ([("location", "mouth")] if site else [])
                assert (found.user, found.record, found.final) == (None, None, True)


def test_cut_short_at_every_byte_gives_an_error_and_no_value():
    for whole in (sent(), sent(time=TIME), sent(site=b"\x01"), sent(time=TIME, site=b"\x01")):
        for size in range(len(whole)):
            for source in ("2a1c", "2a1e"):
                (found,) = records((source, whole[:size]))
                assert found.reading is None
                assert found.key is None
                assert found.error.code == "frame-short"


def test_reserved_bits_and_bytes_after_the_end_are_ignored():
    plain = sent(time=TIME, site=b"\x01")
    for bit in (8, 16, 32, 64, 128):
        assert reading(sent(time=TIME, site=b"\x01", flags=bit)).wire() == reading(plain).wire()
    assert reading(plain + b"\xff\x00\x17").wire() == reading(plain).wire()


def test_specials_are_absent_with_a_reason():
    for number, reason in SPECIALS:
        found = reading(sent(number))
        assert [(value.digits, value.absent) for value in found.values] == [(None, reason)]
        assert found.notes == []
        assert found.wire()


def test_the_resolution_stays_as_sent():
    for number, text in ((float32(37), "37"), (float32(370, -1), "37.0"), (float32(37000, -3), "37.000")):
        assert reading(sent(number)).values[0].text() == text


def test_sites_by_their_code():
    for code in range(256):
        word = SITES.get(code)
        assert reading(sent(site=bytes([code]))).context == ([("location", word)] if word else [])


def test_the_one_site_of_a_thermometer_is_read_once_and_stands_in_every_record():
    found = records(("2a1d", b"\x03"), ("2a1c", sent()), ("2a1c", sent(time=TIME)))
    assert [record.reading.context for record in found] == [[("location", "ear")]] * 2
    assert [[frame.source for frame in record.frames] for record in found] == [["2a1d", "2a1c"]] * 2
    alone = records(("2a1c", sent(time=TIME)))
    assert [record.key.wire() for record in alone] == [found[1].key.wire()]
    for read in (b"", b"\x00", b"\x0a"):
        assert records(("2a1d", read), ("2a1c", sent()))[0].reading.context == []
    (own,) = records(("2a1d", b"\x03"), ("2a1c", sent(site=b"\x06")))
    assert own.reading.context == [("location", "mouth")]
    assert len(own.frames) == 1


def test_times_that_are_none_or_not_trusted():
    cases = (
        (date_time(0, 4, 17), None, "spot"),
        (date_time(2026, 2, 30), None, "spot"),
        (date_time(2000, 1, 1), "2000-01-01T00:00:00", "spot"),
        (date_time(2000, 1, 1, 0, 7, 12), "2000-01-01T00:07:12", "stored"),
    )
    for raw, text, origin in cases:
        (found,) = records(("2a1c", sent(time=raw)))
        assert (found.reading.device_time, found.reading.origin) == (text, origin)
        assert found.reading.notes == ["clock-not-set"]
        assert found.key.live == (origin == "spot")


def test_the_record_key_holds_time_and_number_and_nothing_else():
    (plain,) = records(("2a1c", sent(time=TIME)))
    assert plain.key.wire() == ["2a1c", None, TIME, WARM]
    for other in (sent(time=TIME, site=b"\x01"), sent(time=TIME, flags=1)):
        assert records(("2a1c", other))[0].key.wire() == plain.key.wire()
    assert records(("2a1c", sent()))[0].key.live


def test_what_no_thermometer_can_measure_is_flagged_and_kept():
    for number, unit, odd in (
        (float32(10), 0, False),
        (float32(50), 0, False),
        (float32(501, -1), 0, True),
        (float32(986, -1), 0, True),
        (float32(986, -1), 1, False),
        (float32(499, -1), 1, True),
    ):
        found = reading(sent(number, flags=unit))
        assert found.notes == (["implausible"] if odd else [])
        assert found.values[0].digits is not None


def test_intermediate_temperatures_and_other_characteristics_give_nothing():
    for source in ("2a1e", "2a19", "2a35"):
        assert records((source, sent(time=TIME, site=b"\x01"))) == []
    assert records(("2a1d", b"\x01")) == []

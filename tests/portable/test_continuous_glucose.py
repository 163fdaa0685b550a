"""Continuous glucose: every field of a value, several in one notification, checksums, sessions, conversations."""

from device_bytes import NAN, date_time, le, sfloat
from glucose_bytes import MORNING, Meter, features, sample, session, with_crc

from gateway.drivers import decode_record
from gateway.drivers.base import Known
from gateway.drivers.continuous_glucose import ContinuousGlucose
from gateway.wire.items import Frame

CRC = 0x1000


def records(*frames):
    rows = [frame if isinstance(frame, tuple) else ("2aa7", frame) for frame in frames]
    return decode_record("continuous-glucose", [Frame(source, 0, data) for source, data in rows])


def reading(*frames):
    (record,) = records(*frames)
    assert record.error is None
    return record.reading


def codes(*frames):
    return [record.error and record.error.code for record in records(*frames)]


def told(found):
    return [(value.name, value.text(), value.unit, value.absent, value.comparator) for value in found.values]


def test_a_whole_value():
    found = reading(
        ("2aa8", features()),
        ("2aaa", session()),
        sample(30, sfloat(1205, -1), trend=sfloat(-8, -1), quality=sfloat(96)),
    )
    assert told(found) == [
        ("glucose", "120.5", "mg/dL", None, None),
        ("trend", "-0.8", "mg/dL/min", None, None),
        ("quality", "96", "%", None, None),
    ]
    assert (found.kind, found.origin, found.notes, found.final) == ("cgm-glucose", "stored", [], True)
    assert (found.device_time, found.record, found.user) == ("2026-03-04T07:45:00", None, None)
    assert found.context == [
        ("sample", "interstitial-fluid"),
        ("location", "subcutaneous"),
        ("utc-offset-minutes", "60"),
    ]


def test_several_values_in_one_notification_are_records_of_their_own():
    one, other = sample(30), sample(29, sfloat(119), trend=sfloat(1))
    found = records(("2aaa", session()), one + other)
    assert [[frame.data for frame in record.frames] for record in found] == [
        [session(), one],
        [session(), other],
    ]
    assert [record.reading.device_time[-8:] for record in found] == ["07:45:00", "07:44:00"]
    assert [record.key.number for record in found] == [30, 29]


def test_the_key_is_the_session_and_the_minute():
    (record,) = records(("2aaa", session()), sample(30))
    key = record.key
    assert (key.space, key.number, key.time, key.value, key.live) == ("2aa7", 30, MORNING, sfloat(120), False)
    (record,) = records(sample(30))
    assert (record.key.number, record.key.time, record.key.live) == (30, None, False)


def test_checksums():
    plain, whole = sample(), sample(crc=True)
    wrong = whole[:-1] + bytes([whole[-1] ^ 1])
    with_it, without_it = ("2aa8", features(CRC)), ("2aa8", features())
    assert codes(plain) == codes(whole) == [None]
    assert codes(wrong) == ["checksum-wrong"]
    assert codes(with_it, whole) == [None]
    assert codes(with_it, wrong) == ["checksum-wrong"]
    assert codes(with_it, plain) == ["frame-short"]
    assert codes(without_it, plain) == codes(without_it, wrong) == [None]  # bytes after the end
    assert codes(wrong + plain + whole) == ["checksum-wrong", None, None]


def test_sizes_that_make_no_sense():
    plain = sample()
    assert codes(b"") == ["frame-short"]
    for size in range(1, 6):
        assert codes(bytes([size]) + plain[1:]) == ["frame-garbled"]
    assert codes(b"\x00" + plain[1:]) == ["frame-short"]
    assert codes(b"\x07" + plain[1:]) == ["frame-short"]
    assert codes(plain + plain[:-1]) == [None, "frame-short"]
    for flag in (0x01, 0x02, 0x20, 0x40, 0x80):
        assert codes(plain[:1] + bytes([flag]) + plain[2:]) == ["frame-short"]
    assert codes(sample(size=9) + b"abc") == [None]


def test_status_octets_become_notes():
    bits = (
        (0, 0x01, "session-stopped"),
        (0, 0x02, "low-battery"),
        (0, 0x04, "sensor-wrong"),
        (0, 0x08, "device-fault"),
        (0, 0x10, "device-alert"),
        (0, 0x20, "device-fault"),
        (1, 0x01, "clock-not-set"),
        (1, 0x02, None),
        (1, 0x04, "calibration-advised"),
        (1, 0x08, "calibration-needed"),
        (1, 0x10, "too-warm"),
        (1, 0x20, "too-cold"),
        (1, 0x40, "calibration-pending"),
        (2, 0x01, "below-set-limit"),
        (2, 0x02, "above-set-limit"),
        (2, 0x04, "below-set-limit"),
        (2, 0x08, "above-set-limit"),
        (2, 0x10, "falling-fast"),
        (2, 0x20, "rising-fast"),
    )
    for place, bit, note in bits:
        status = [None, None, None]
        status[place] = bit
        assert reading(sample(status=status)).notes == ([note] if note else [])


def test_beyond_the_range_of_the_device():
    for bit, sign, reason in ((0x40, "<", "negative-infinity"), (0x80, ">", "positive-infinity")):
        status = (None, None, bit)
        assert told(reading(sample(glucose=sfloat(40), status=status))) == [
            ("glucose", "40", "mg/dL", None, sign)
        ]
        assert told(reading(sample(glucose=NAN, status=status))) == [("glucose", None, "mg/dL", reason, None)]


def test_what_no_sensor_can_measure():
    assert reading(sample(glucose=sfloat(4))).notes == ["implausible"]
    assert reading(sample(glucose=sfloat(2001))).notes == ["implausible"]
    assert reading(sample(glucose=NAN)).notes == []


def test_sessions():
    cases = (
        (session(), "60", "2026-03-04T07:45:00", []),
        (session(zone=8, summer=4), "180", "2026-03-04T07:45:00", []),
        (session(zone=-20), "-300", "2026-03-04T07:45:00", []),
        (session(zone=-128), None, "2026-03-04T07:45:00", []),
        (session(summer=255), None, "2026-03-04T07:45:00", []),
        (session(crc=True), "60", "2026-03-04T07:45:00", []),
        (bytes(9), None, None, ["clock-not-set"]),
        (session(date_time(2026, 12, 31, 23, 45)), "60", "2027-01-01T00:15:00", []),
    )
    for data, offset, text, notes in cases:
        found = reading(("2aaa", data), sample(30))
        assert (found.device_time, found.notes) == (text, notes)
        assert found.context == ([] if offset is None else [("utc-offset-minutes", offset)])
    assert reading(("2aaa", session()), sample(65535)).device_time == "2026-04-18T19:30:00"
    assert reading(sample(30)).device_time is None


def test_what_decides_nothing_or_is_damaged_stands_in_no_record():
    wrong = session(crc=True)[:-1] + b"\x00"
    for frame in (
        ("2aaa", wrong),
        ("2aaa", session()[:8]),
        ("2aa8", b"\x00\x10\x00\x59\x00\x00"),
        ("2aa8", b"\x00"),
    ):
        error, found = records(frame, sample())
        assert error.error.code in ("checksum-wrong", "frame-short")
        assert [read.source for read in found.frames] == ["2aa7"]
    (record,) = records(("2aaa", bytes(9)), ("2aaa", session()), sample())
    assert [frame.data for frame in record.frames] == [session(), sample()]


def test_features_with_a_checksum_that_is_not_needed():
    assert codes(("2aa8", with_crc(b"\x00\x00\x00\x59")), sample()) == [None]
    assert codes(("2aa8", b"\x00\x00\x00\x59\x01\x02"), sample()) == ["checksum-wrong", None]


def test_what_else_a_sensor_says_is_checked_and_makes_no_record():
    good = (
        ("2aab", le(2, 2)),
        ("2aab", with_crc(le(2, 2))),
        ("2aa9", bytes(5)),
        ("2aac", b"\x03\x0b"),
        ("2aac", b"\x03\x0b\x00"),
        ("2aac", with_crc(b"\x03\x0a")),
        ("2aac", b"\x1c\x02\x01"),
        ("2aac", with_crc(b"\x09\x0c\xf0")),
        ("2aac", b"\x06" + bytes(10)),
        ("2aac", b"\x77"),
        ("2a52", b"\x06\x00\x01\x01"),
        ("2a19", b"\x50"),
    )
    for frame in good:
        assert records(frame) == []
    bad = (
        (("2aab", with_crc(le(2, 2))[:-1] + b"\x00"), "checksum-wrong"),
        (("2aab", b"\x02"), "frame-short"),
        (("2aac", b"\x06" + bytes(9)), "frame-short"),
        (("2aac", b""), "frame-short"),
        (("2aac", b"\x1c\x02\x01\x00\x00"), "checksum-wrong"),
    )
    for frame, code in bad:
        assert codes(frame) == [code]


def sensor(*minutes, glucose=120):
    rows = [(minute, [("2aa7", sample(minute, sfloat(glucose)))]) for minute in minutes]
    return Meter(rows)


def visit(device, mark=None, start=MORNING):
    driver = ContinuousGlucose()
    if start is not None:
        driver.received(Frame("2aaa", 0, session(start)))
    driver.start(Known(mark))
    found = []
    for _ in range(30):
        frames = []
        for command in driver.take_sends():
            frames += device.asked(command.data)
        for source, data in frames:
            found += driver.received(Frame(source, 0, data))
        if not frames and driver.patience_s is None:
            break
        if not frames:
            found += driver.silent()
    return [record.key.number for record in found], driver


def test_a_visit_reads_everything_and_the_next_one_the_news():
    device = sensor(1, 2, 3)
    found, driver = visit(device)
    assert found == [1, 2, 3]
    device.records += sensor(4).records
    found, driver = visit(device, driver.mark)
    assert set(found) == {3, 4}
    assert device.heard[-3:] == [b"\x04\x03\x01\x03\x00", b"\x01\x03\x01\x03\x00", b"\x01\x06"]


def test_a_new_session_hides_nothing_even_where_the_same_minute_shows_the_same_value():
    _, driver = visit(sensor(1, 2, 3))
    device = sensor(1, 2, 3, 4)
    found, driver = visit(device, driver.mark, date_time(2026, 3, 20, 9))
    assert set(found) == {1, 2, 3, 4}
    assert device.heard[-1] == b"\x01\x01"


def test_without_its_session_a_sensor_is_not_asked():
    device = sensor(1, 2)
    found, driver = visit(device, start=None)
    assert (found, device.heard, driver.mark) == ([], [], None)
    found, driver = visit(device, start=bytes(7))  # it was never set: values without a time
    assert found == [1, 2]

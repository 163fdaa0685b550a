"""TaiDoc meters: every kind of value, the conversation from the first question on, and everything that goes wrong."""

from taidoc_meter import Meter, day, frame, glucose, moment

from gateway.drivers import decode_record
from gateway.drivers.base import CommandError, Known
from gateway.drivers.families.taidoc_marks import minutes
from gateway.drivers.families.taidoc_talk import Talk
from gateway.drivers.taidoc import TaiDoc
from gateway.wire.items import Frame

BLE = "00001524-1212-efde-1523-785feabcd123"
WHEN = moment(2026, 3, 4, 7, 15)


def decoded(*replies, channel="serial"):
    return decode_record("taidoc", [Frame(channel, 0, reply) for reply in replies])


def model(number):
    return frame(0x24, bytes([number & 255, number >> 8, 0, 0]))


def one(number, value, time=WHEN):
    """What a meter of this model tells in one record; None when it is nothing."""
    records = decoded(model(number), frame(0x25, time), frame(0x26, value))
    assert len(records) <= 1
    for record in records:
        again = decode_record("taidoc", record.frames)
        assert [seen(found) for found in again] == [seen(record)]
    return records[0] if records else None


def seen(record):
    return (
        [frame.data for frame in record.frames],
        record.reading and record.reading.wire(),
        record.key and record.key.wire(),
        record.error and record.error.code,
    )


def values(record):
    return [(value.name, value.text(), value.unit, value.comparator) for value in record.reading.values]


def test_a_glucose_record_is_its_two_replies():
    time, value = frame(0x25, WHEN), frame(0x26, glucose(104, meal=0x40, code=777))
    for replies in ((time, value), (model(0x4277), time, value)):
        (record,) = decoded(*replies)
        assert [part.data for part in record.frames] == [time, value]
        assert values(record) == [("glucose", "104", "mg/dL", None)]
        reading = record.reading
        assert (reading.kind, reading.origin, reading.user, reading.record) == (
            "glucose",
            "stored",
            None,
            None,
        )
        assert reading.device_time == "2026-03-04T07:15:00"
        assert reading.context == [("meal", "before-meal")]
        assert record.key.wire() == ["record", None, WHEN, b"\x68\x00\x00"]
        assert not record.key.live


def test_meals_and_control_solution():
    cases = ((0, []), (0x40, [("meal", "before-meal")]), (0x80, [("meal", "after-meal")]))
    for meal, context in cases:
        assert one(0x4277, glucose(104, meal=meal)).reading.context == context
    assert one(0x4277, glucose(104, meal=0xC0)) is None
    assert one(0x4141, glucose(30, kind=7, meal=0xC0)) is None


def test_a_key_holds_no_meal_and_no_code():
    plain = one(0x4277, glucose(104)).key.wire()
    assert one(0x4277, glucose(104, meal=0x80, code=1023)).key.wire() == plain
    assert one(0x4277, glucose(105)).key.wire() != plain
    assert one(0x4141, glucose(104, kind=7)).key.wire() != plain


def test_beyond_what_a_strip_can_tell():
    cases = ((20, "20", None), (600, "600", None), (601, "600", ">"), (65535, "600", ">"), (19, "20", "<"))
    for raw, text, comparator in cases:
        assert values(one(0x4277, glucose(raw))) == [("glucose", text, "mg/dL", comparator)]
    assert one(0x4277, glucose(0, code=777)) is None
    assert one(0x4277, bytes(4)) is None


def test_ketone_in_thirtieths_of_a_millimole():
    cases = ((1, "0.0", None), (30, "1.0", None), (47, "1.5", None), (240, "8.0", None), (243, "8.0", ">"))
    for raw, text, comparator in cases:
        record = one(0x4141, glucose(raw, kind=7))
        assert record.reading.kind == "ketone"
        assert values(record) == [("ketone", text, "mmol/L", comparator)]


def test_strips_for_which_there_is_no_kind_are_kept_undecoded():
    for kind in (1, 6, 8, 9, 11, 12, 13, 15):
        record = one(0x4216, glucose(50, kind=kind))
        assert (record.reading, record.key, record.error.code) == (None, None, "kind-unsupported")


def test_blood_pressure():
    record = one(0x3128, bytes([120, 95, 80, 62]))
    assert values(record) == [
        ("systolic", "120", "mm[Hg]", None),
        ("diastolic", "80", "mm[Hg]", None),
        ("mean-arterial", "95", "mm[Hg]", None),
        ("pulse-rate", "62", "/min", None),
    ]
    assert (record.reading.kind, record.reading.origin) == ("blood-pressure", "stored")
    assert [part.data[1] for part in record.frames] == [0x24, 0x25, 0x26]
    assert record.key.wire() == ["record", None, WHEN, bytes([120, 95, 80, 62])]
    assert [name for name, *_ in values(one(0x3128, bytes([120, 200, 80, 62])))][2] == "pulse-rate"
    assert values(one(0x3128, bytes([4, 1, 80, 62])))[0] == ("systolic", "260", "mm[Hg]", None)


def test_what_a_cuff_says_beside_its_numbers():
    plain = one(0x3128, bytes([120, 0, 80, 62]))
    assert (plain.reading.notes, plain.reading.origin) == ([], "stored")
    noted = one(0x3128, bytes([120, 0, 80, 62]), moment(2026, 3, 4, 7, 15, 0x40, 0x80))
    assert (noted.reading.notes, noted.reading.origin) == (["irregular-pulse"], "device-average")
    assert noted.reading.device_time == "2026-03-04T07:15:00"
    assert noted.key.wire() == plain.key.wire()
    odd = one(0x3128, bytes([120, 0, 5, 0]))
    assert odd.reading.notes == ["implausible"]
    assert odd.reading.values[-1].absent == "unknown"


def test_a_cuff_and_glucose_meter_in_one_tells_by_the_minute():
    cuff = one(0x3261, bytes([120, 0, 80, 62]), moment(2026, 3, 4, 7, 15, 0x80))
    meter = one(0x3261, glucose(104, meal=0x80))
    assert (cuff.reading.kind, meter.reading.kind) == ("blood-pressure", "glucose")
    assert cuff.reading.device_time == "2026-03-04T07:15:00"
    assert [part.data[1] for part in meter.frames] == [0x24, 0x25, 0x26]


def test_temperature():
    cases = (
        (366, 0, 0, "36.6", "Cel"),
        (3661, 0, 0, "36.61", "Cel"),
        (986, 0, 0x80, "98.6", "[degF]"),
        (1004, 0, 0x80, "100.4", "[degF]"),
        (9860, 0, 0x80, "98.60", "[degF]"),
    )
    for raw, minute, hour, text, unit in cases:
        record = one(0x1261, bytes([raw & 255, raw >> 8, 220, 0]), moment(2026, 3, 4, 7, 15, minute, hour))
        assert values(record) == [("body-temperature", text, unit, None)]
        assert record.reading.kind == "temperature"
        assert record.reading.notes == []
        assert record.key.value == bytes([raw & 255, raw >> 8])
    assert one(0x1261, bytes([244, 1, 0, 0])).reading.notes == []
    assert one(0x1261, bytes([245, 1, 0, 0])).reading.notes == ["implausible"]
    assert one(0x1261, bytes([0, 0, 220, 0])) is None


def test_where_it_was_measured_and_what_was_no_person():
    sites = {0: [], 1: [], 2: [("location", "rectum")], 3: [("location", "armpit")], 6: []}
    for kind in range(8):
        time = moment(2026, 3, 4, 7, 15, (kind & 3) << 6, (kind & 4) << 3)
        record = one(0x1261, bytes([110, 1, 0, 0]), time)
        if kind in (4, 5):
            assert record is None
        else:
            assert record.reading.context == sites.get(kind, [])


def test_oximetry_from_the_memory():
    record = one(0x8255, bytes([97, 0, 0, 62]))
    assert values(record) == [("spo2", "97", "%", None), ("pulse-rate", "62", "/min", None)]
    assert record.key.wire() == ["record", None, WHEN, bytes([97, 62])]
    assert one(0x8255, bytes([0, 0, 0, 62])) is None
    odd = one(0x8255, bytes([120, 0, 0, 5]))
    assert odd.reading.notes == ["implausible"]
    assert one(0x8255, bytes([97, 0, 0, 0])).reading.values[1].absent == "unknown"


def test_clocks_that_were_never_set():
    record = one(0x4277, glucose(104), bytes(4))
    assert (record.reading.device_time, record.reading.notes) == (None, ["clock-not-set"])
    assert record.key.time is None
    assert not record.key.live
    first = one(0x4277, glucose(104), moment(2000, 1, 1, 0, 5))
    assert first.reading.notes == ["clock-not-set"]
    assert first.key.time is not None
    assert one(0x4277, glucose(104), day(2026, 2, 30) + bytes(2)).reading.device_time is None


def test_published_times():
    for octets, text in (("21240e15", "2018-01-01T21:14:00"), ("0427250d", "2019-08-04T13:37:00")):
        assert one(0x4277, glucose(104), bytes.fromhex(octets)).reading.device_time == text


def test_a_value_alone_has_no_time():
    (record,) = decoded(bytes.fromhex("512668000040a5c4"))
    assert values(record) == [("glucose", "104", "mg/dL", None)]
    assert (record.reading.device_time, record.reading.notes, record.key.time) == (None, [], None)
    assert decoded(frame(0x25, WHEN)) == []


def test_a_model_that_nobody_knows():
    (record,) = decoded(model(0x5512))
    assert (record.reading, record.error.code) == (None, "model-unknown")
    assert "TD-5512" in record.error.detail
    (record,) = decoded(model(0x5512), frame(0x25, WHEN), frame(0x26, glucose(104)))
    assert record.error.code == "model-unknown"
    assert len(record.frames) == 3


def test_damaged_replies_give_no_value():
    good = frame(0x26, glucose(104, meal=0x40))
    for place in range(8):
        for bit in range(8):
            bad = good[:place] + bytes([good[place] ^ 1 << bit]) + good[place + 1 :]
            records = decoded(frame(0x25, WHEN), bad)
            assert [record.reading for record in records] == [None], (place, bit)
            assert records[0].error is not None
    for size in range(1, 8):
        (record,) = decoded(good[:size])
        assert record.error.code == "frame-short"
    assert [record.error.code for record in decoded(bytes.fromhex("512680005247a500"))] == ["checksum-wrong"]


def test_any_pieces_noise_and_echoes():
    stream = (
        b"\x00\x51\x07" + frame(0x25, WHEN, 0xA3) + frame(0x25, WHEN) + b"\xff" + frame(0x26, glucose(104))
    )
    whole = [seen(record) for record in decoded(stream)]
    assert [error for *_, error in whole] == ["frame-garbled", None]
    for size in (1, 2, 3, 5, 7):
        pieces = [stream[at : at + size] for at in range(0, len(stream), size)]
        assert [seen(record) for record in decoded(*pieces)] == whole


def test_a_bad_cable_does_not_fill_the_store():
    noise = b"\x00" + frame(0x23, WHEN)
    assert len(decoded(noise * 50)) == 8
    assert (
        len(decoded(frame(0x23, WHEN), (noise * 20 + frame(0x25, WHEN) + frame(0x26, glucose(104))) * 3))
        == 3 * 9
    )


def test_a_recorded_exchange_tells_the_user():
    sent = [Frame(">serial", 0, frame(code, bytes([0, 0, 0, 2]), 0xA3)) for code in (0x25, 0x26)]
    replies = [
        Frame("serial", 0, frame(0x25, WHEN)),
        Frame("serial", 0, frame(0x26, bytes([120, 0, 80, 62]))),
    ]
    first = Frame("serial", 0, model(0x3140))
    (record,) = decode_record("taidoc", [first, sent[0], replies[0], sent[1], replies[1]])
    assert (record.reading.user, record.key.space) == (2, "record-2")
    count = Frame(">serial", 0, frame(0x2B, bytes([2, 0, 0, 2]), 0xA3))
    (record,) = decode_record("taidoc", [first, sent[0], count, replies[0], replies[1]])
    assert (record.reading.user, record.key.space) == (None, "record")


def test_other_sources_are_not_heard():
    assert decode_record("taidoc", [Frame("2a18", 0, frame(0x26, glucose(104)))]) == []


# The conversation.


class Lossy(Meter):
    """Two replies in a row get lost, from the one with this number on."""

    def __init__(self, records, number):
        super().__init__(records=records)
        self.left = number

    def answer(self, command):
        self.left -= 1
        reply = super().answer(command)
        return b"" if self.left in (-1, 0) else reply


class Late(Meter):
    """The reply with this number comes with the one after it."""

    def __init__(self, records, number):
        super().__init__(records=records)
        self.left = number
        self.held = b""

    def answer(self, command):
        self.left -= 1
        reply = self.held + super().answer(command)
        self.held, reply = (reply, b"") if self.left == 0 else (b"", reply)
        return reply


class Shifting(Meter):
    """A measurement is made just before the question with this number."""

    def __init__(self, records, number):
        super().__init__(records=records)
        self.left = number

    def answer(self, command):
        self.left -= 1
        if self.left == 0:
            self.banks[0].insert(0, (moment(2026, 3, 4, 8, 0), glucose(200)))
        return super().answer(command)


def visit(meter, mark=None, *, cable=True, silences=40, size=0):
    """(driver, records): a whole visit; whenever the meter says nothing, time passes."""
    driver = TaiDoc()
    driver.start(Known(mark, cable=cable))
    records = []
    channel = "serial" if cable else BLE
    for _ in range(20_000):
        sends = driver.take_sends()
        assert [part.source for part in sends] == [channel] * len(sends)
        reply = b"".join([meter.answer(part.data) for part in sends])
        for at in range(0, len(reply), size or 8):
            records += driver.received(Frame(channel, 0, reply[at : at + (size or 8)]))
        if not sends:
            if driver.patience_s is None or not silences:
                break
            silences -= 1
            records += driver.silent()
    return driver, records + driver.finish()


def memory(count):
    return [(moment(2026, 3, 4, 7, number), glucose(100 + number)) for number in range(count)][::-1]


def texts(records):
    return [record.reading.values[0].text() for record in records if record.reading]


def test_a_visit_from_the_first_question_on():
    meter = Meter(records=memory(3))
    for cable in (True, False):
        driver, records = visit(meter, cable=cable)
        assert texts(records) == ["102", "101", "100"]
        assert driver.about == {"manufacturer": "TaiDoc", "model": "TD-4277", "serial": "0123456789ABCDEF"}
        assert driver.device_clock == "2026-03-04T07:15:00"
        assert driver.patience_s is None
        newest = b"".join([time + value for time, value in memory(3)])
        assert driver.mark == b"\x03\x00" + newest + bytes(8)
        for record in records:
            assert [seen(found) for found in decode_record("taidoc", record.frames)] == [seen(record)]
    assert meter.asked[:7] == [0x22, 0x24, 0x27, 0x28, 0x23, 0x2B, 0x25]


def test_bytes_one_by_one():
    for size in (1, 3, 7):
        assert texts(visit(Meter(records=memory(3)), size=size)[1]) == ["102", "101", "100"]


def test_an_empty_memory():
    driver, records = visit(Meter())
    assert records == []
    assert driver.mark == bytes(34)


def test_the_next_visit_asks_for_news_only():
    driver, _ = visit(Meter(records=memory(5)))
    meter = Meter(records=memory(5))
    again, records = visit(meter, driver.mark)
    assert records == []
    assert again.mark == driver.mark
    assert meter.asked.count(0x26) == 4
    meter = Meter(records=memory(7))
    again, records = visit(meter, driver.mark)
    assert texts(records) == ["106", "105"]
    assert meter.asked.count(0x26) == 6
    assert visit(Meter(records=memory(7)), again.mark)[1] == []
    for count in (1, 2, 3):
        driver, _ = visit(Meter(records=memory(count)))
        assert visit(Meter(records=memory(count)), driver.mark)[1] == []
        assert len(visit(Meter(records=memory(count + 1)), driver.mark)[1]) == 1


def test_all_is_read_when_the_newest_one_is_not_where_it_must_be():
    driver, _ = visit(Meter(records=memory(5)))
    renumbered = memory(5)[2:] + memory(5)[:2]
    assert len(visit(Meter(records=renumbered), driver.mark)[1]) == 5
    assert texts(visit(Meter(records=memory(2)), driver.mark)[1]) == ["101", "100"]
    twice = memory(5)[:1] + memory(5)  # the very same once more, in the same minute
    assert len(visit(Meter(records=twice), driver.mark)[1]) == 1
    for mark in (b"", b"x", bytes(10), bytes(34), b"\xff" * 34):
        assert len(visit(Meter(records=memory(5)), mark)[1]) == 5


def test_a_full_memory_loses_its_oldest_and_the_newest_are_found_all_the_same():
    driver, _ = visit(Meter(records=memory(5)))
    assert texts(visit(Meter(records=memory(6)[:5]), driver.mark)[1]) == ["105"]
    assert texts(visit(Meter(records=memory(20)[:5]), driver.mark)[1]) == ["119", "118", "117", "116", "115"]
    # the same value as the newest one had, some time later
    again = memory(5)[:4]
    again.insert(0, (moment(2026, 3, 5, 7, 4), glucose(104)))
    assert texts(visit(Meter(records=again), driver.mark)[1]) == ["104"]


def at(hour, values, day_of_month=4):
    """Records an hour apart, the oldest one at this hour."""
    rows = [(moment(2026, 3, day_of_month, hour + n, 30), glucose(value)) for n, value in enumerate(values)]
    return rows[::-1]


def test_records_that_moved_with_the_clock_are_known_again():
    driver, _ = visit(Meter(records=at(7, (98, 133, 180, 75, 101))))
    for moved in (
        at(8, (98, 133, 180, 75, 101)),
        at(6, (98, 133, 180, 75, 101)),
        at(7, (98, 133, 180, 75, 101), 31),
    ):
        again, records = visit(Meter(records=moved), driver.mark)
        assert records == []
        assert visit(Meter(records=moved), again.mark)[1] == []
    news = at(8, (98, 133, 180, 75, 101, 88))
    assert texts(visit(Meter(records=news), driver.mark)[1]) == ["88"]


def test_a_habit_does_not_look_like_a_clock_that_was_set():
    """The same values at the same hours, in a memory that is full."""
    for values in ((98, 98, 98, 98), (98, 99, 98, 99), (98, 99, 100, 98)):
        driver, _ = visit(Meter(records=at(7, values)))
        later = at(7, values)[:3]
        later.insert(0, (moment(2026, 3, 4, 11, 30), glucose(values[0])))
        assert texts(visit(Meter(records=later), driver.mark)[1])[0] == str(values[0])


def test_what_may_be_chance_is_read_again():
    driver, _ = visit(Meter(records=at(7, (98, 133))))
    assert len(visit(Meter(records=at(8, (98, 133))), driver.mark)[1]) == 2
    driver, _ = visit(Meter(records=at(7, (98, 133, 180, 75))))
    other = at(8, (98, 133, 180, 75))
    other[2] = (moment(2026, 3, 4, 9, 31), other[2][1])  # another time between them
    assert len(visit(Meter(records=other), driver.mark)[1]) == 4
    other = at(8, (98, 133, 181, 75))
    assert len(visit(Meter(records=other), driver.mark)[1]) == 4
    never_set = [(bytes(4), value) for _, value in at(8, (98, 133, 180, 75))]
    assert len(visit(Meter(records=never_set), driver.mark)[1]) == 4


def test_results_that_are_none_leave_no_gap():
    records = memory(2)
    records += [(WHEN, bytes(4))]
    records += memory(3)
    assert texts(visit(Meter(records=records))[1]) == ["101", "100", "102", "101", "100"]


def test_two_users_have_records_of_their_own():
    banks = {1: [(WHEN, bytes([120, 0, 80, 62]))], 2: [(WHEN, bytes([130, 0, 85, 70]))]}
    driver, records = visit(Meter(0x3140, banks))
    assert [record.reading.user for record in records] == [1, 2]
    assert [record.key.space for record in records] == ["record-1", "record-2"]
    assert [part.source for part in records[0].frames] == ["serial", ">serial", "serial", "serial"]
    for record in records:
        assert [seen(found) for found in decode_record("taidoc", record.frames)] == [seen(record)]
    assert visit(Meter(0x3140, banks), driver.mark)[1] == []
    banks[2].insert(0, (WHEN, bytes([131, 0, 85, 70])))
    assert texts(visit(Meter(0x3140, banks), driver.mark)[1]) == ["131"]


def test_an_oximeter_is_asked_every_second_while_it_shows_something():
    meter = Meter(0x8255)
    meter.shown = [bytes([96, 0, 0, 61]), bytes([97, 0, 0, 62])]
    driver, records = visit(meter)
    assert texts(records) == ["97"]
    assert records[0].reading.origin == "spot"
    assert records[0].key.live
    assert records[0].key.wire() == ["live", None, None, bytes([97, 62])]
    assert meter.asked.count(0x49) == 5
    assert driver.patience_s is None
    assert [seen(found) for found in decode_record("taidoc", records[0].frames)] == [seen(records[0])]


def test_replies_that_get_lost_are_asked_for_again():
    whole = texts(visit(Meter(records=memory(4)))[1])
    for late in range(24):
        assert texts(visit(Lossy(memory(4), late))[1]) == whole, late


def test_a_late_reply_is_never_taken_for_the_next_ones():
    """Each reply to a time or value comes one question late, once."""
    for late in range(8, 20):
        found = visit(Late(memory(4), late))[1]
        assert [(r.reading.device_time[-5:-3], r.reading.values[0].text()) for r in found] == [
            ("03", "103"),
            ("02", "102"),
            ("01", "101"),
            ("00", "100"),
        ]


def test_a_measurement_in_the_middle_of_a_transfer():
    for number in range(8, 17):
        found = visit(Shifting(memory(3), number))[1]
        pairs = {(record.reading.device_time, record.reading.values[0].text()) for record in found}
        assert {text for _, text in pairs} - {"200"} == {"100", "101", "102"}, number
        assert all(when == f"2026-03-04T07:{text[1:]}:00" for when, text in pairs if text != "200"), number


def test_a_meter_that_never_says_the_same_twice_is_given_up():
    meter = Meter(records=memory(1))
    times = [0]

    def restless(code, number, user, data=meter.data):
        times[0] += 1
        return moment(2026, 3, 4, 7, times[0] % 60) if code == 0x25 else data(code, number, user)

    meter.data = restless
    driver, records = visit(meter)
    assert (records, driver.mark, driver.patience_s) == ([], None, None)


def test_a_meter_that_lacks_what_is_only_nice_to_know():
    driver, records = visit(Meter(records=memory(2), deaf=(0x22, 0x23, 0x27, 0x28)))
    assert len(records) == 2
    assert driver.about == {"manufacturer": "TaiDoc", "model": "TD-4277"}
    assert driver.device_clock is None
    for deaf in ((0x27,), (0x28,)):
        assert "serial" not in visit(Meter(deaf=deaf))[0].about


def test_a_serial_number_that_is_none():
    for serial in ("0" * 16, "F" * 16):
        assert "serial" not in visit(Meter(serial=serial))[0].about


def test_a_meter_that_is_off_is_given_up():
    for deaf in (range(256), (0x24,), (0x2B,), (0x25,), (0x26,)):
        driver, records = visit(Meter(records=memory(1), deaf=deaf))
        assert (records, driver.mark, driver.patience_s) == ([], None, None)
        assert driver.take_sends() == []


def test_a_meter_that_just_begins_to_listen_is_asked_again():
    meter = Meter(records=memory(2))
    answer, passed = meter.answer, [0]

    def ready(command):
        passed[0] += 1
        return frame(0x54) if passed[0] in (1, 2, 8) else answer(command)

    meter.answer = ready
    assert len(visit(meter)[1]) == 2


def test_an_unknown_model_is_told_once():
    driver, records = visit(Meter(0x5512))
    assert [record.error.code for record in records] == ["model-unknown"]
    assert visit(Meter(0x5512), driver.mark)[1] == []


def test_half_a_reply_at_the_end():
    driver = TaiDoc()
    driver.start(Known(cable=True))
    assert driver.received(Frame("serial", 0, frame(0x22))) == []
    assert driver.received(Frame("serial", 0, frame(0x24)[:5])) == []
    (record,) = driver.silent()
    assert (record.error.code, record.frames[0].source) == ("frame-short", "serial")
    assert driver.received(Frame("serial", 0, frame(0x24)[:5])) == []
    assert driver.finish() == []  # a plug that is pulled cuts something off
    (record,) = decoded(frame(0x24)[:5])
    assert record.error.code == "frame-short"


def test_what_nobody_asked_for_is_no_record():
    driver = TaiDoc()
    driver.start(Known(cable=True))
    for code in (0x26, 0x25, 0x49, 0x2B):
        assert driver.received(Frame("serial", 0, frame(code, glucose(104)))) == []


def test_nothing_that_changes_a_meter_is_ever_sent():
    for channel in ("serial", BLE):
        for code in (0x52, 0x43, 0x50, 0x33, 0x54):
            try:
                TaiDoc().send(channel, bytes([0x51, code, 0, 0, 0, 0]))
            except CommandError:
                continue
            raise AssertionError(code)


def test_commands_as_published():
    for text in ("512200000000a316", "512600000000a31a", "512600000001a31b", "514900000000a33d"):
        command = bytes.fromhex(text)
        assert TaiDoc().framed(command[:6]) == command


def test_after_the_conversation_silence_is_the_end():
    driver = visit(Meter())[0]
    assert driver.silent() == []
    assert (driver.patience_s, driver.take_sends()) == (None, [])


def test_the_conversation_leaves_the_memory_to_the_driver():
    for call in (Talk().begin, lambda: Talk().take(0x25, Frame("serial", 0, b""))):
        try:
            call()
        except NotImplementedError:
            continue
        raise AssertionError


def test_minutes_between_any_two_times():
    assert minutes(moment(2000, 1, 1, 0, 0)) == 24 * 60
    assert minutes(moment(2024, 3, 1, 0, 0)) - minutes(moment(2024, 2, 28, 23, 59)) == 24 * 60 + 1
    assert minutes(moment(2026, 3, 1, 0, 0)) - minutes(moment(2026, 2, 28, 23, 59, 0xC0, 0xE0)) == 1
    assert minutes(moment(2025, 1, 1, 0, 0)) - minutes(moment(2024, 12, 31, 0, 0)) == 24 * 60
    assert minutes(bytes(4)) is None
    assert minutes(day(2026, 2, 30) + bytes(2)) is None

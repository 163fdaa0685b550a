"""Contour meters: what records say, the transfer with NAK and frames sent twice, a plug pulled, USB reports."""

from contour_bytes import ACK, ENQ, EOT, NAK, Meter, frame, header, records, reports, result, transfer

from gateway.drivers import decode_record
from gateway.drivers.ascensia_contour import AscensiaContour
from gateway.drivers.base import CommandError, Known
from gateway.wire.items import Frame


def decoded(*pieces):
    return decode_record("ascensia-contour", [Frame("serial", 0, piece) for piece in pieces])


def seen(record):
    return (
        [frame.data for frame in record.frames],
        record.reading and record.reading.wire(),
        record.key and record.key.wire(),
        record.error and record.error.code,
    )


def again(found):
    for record in found:
        assert [seen(one) for one in decode_record("ascensia-contour", record.frames)] == [seen(record)]


def one(text, *before):
    found = decoded(*before, frame(5, text))
    assert len(found) <= 1
    again(found)
    return found[0] if found else None


def value(record):
    found = record.reading.values[0]
    return (found.text(), found.unit, found.comparator, found.absent)


def test_a_published_record():
    text = bytes.fromhex(
        "527c387c5e5e5e476c75636f73657c3133337c6d672f644c5e507c7c422f587c7c323031323032303532303334"
    )
    record = one(text + b"\r")
    reading = record.reading
    assert value(record) == ("133", "mg/dL", None, None)
    assert (reading.kind, reading.origin, reading.record, reading.user) == ("glucose", "stored", 8, None)
    assert reading.device_time == "2012-02-05T20:34:00"
    assert reading.context == [("meal", "before-meal"), ("reference-method", "plasma")]
    assert record.key.wire() == ["result", None, b"201202052034", b"133"]
    assert [part.data for part in record.frames] == [frame(5, text + b"\r")]


def test_a_whole_transfer():
    stream = transfer(
        [result(1, "133"), result(2, "7.4", "mmol/L", "A"), result(3, "98", markers="", method="B")]
    )
    found = decoded(stream)
    again(found)
    assert [value(record)[:2] for record in found] == [("133", "mg/dL"), ("7.4", "mmol/L"), ("98", "mg/dL")]
    assert [record.reading.record for record in found] == [1, 2, 3]
    assert [dict(record.reading.context).get("meal") for record in found] == [
        "before-meal",
        "after-meal",
        None,
    ]
    assert [dict(r.reading.context)["reference-method"] for r in found] == ["plasma", "plasma", "whole-blood"]
    for size in (1, 3, 7, 64):
        pieces = [stream[at : at + size] for at in range(0, len(stream), size)]
        assert [seen(record) for record in decoded(*pieces)] == [seen(record) for record in found]


def test_what_gives_no_reading():
    for text in (
        result(1, markers="C"),
        result(1, markers="B/C"),
        result(1, test="GlucoseA", time=""),
        b"R|1|^^^Glucose|120|mg/dL^P||||E|||202603040715\r",
        header(),
        b"P|1\r",
        b"L|1||N\r",
    ):
        assert one(text) is None


def test_a_method_whose_meaning_is_not_known_is_not_told():
    for method in ("D", ""):
        assert one(result(1, method=method)).reading.context == [("meal", "before-meal")]


def test_an_older_meter_has_its_markers_and_time_where_the_standard_wants_them():
    record = one(b"R|3|^^^Glucose|5.4|mmol/L^P||>|B||||202603040715\r")
    assert value(record) == ("5.4", "mmol/L", ">", None)
    assert record.reading.context[0] == ("meal", "before-meal")
    assert record.reading.device_time == "2026-03-04T07:15:00"


def test_beyond_what_the_meter_can_tell():
    for marker, limit in ((">", "600"), ("<", "20")):
        text = result(4, "601" if marker == ">" else "19", markers="B/" + marker)
        found = decoded(frame(1, header()), frame(2, text))
        again(found)
        assert value(found[0]) == (limit, "mg/dL", marker, None)
        assert [part.data for part in found[0].frames] == [frame(1, header()), frame(2, text)]
        assert value(one(text)) == ("601" if marker == ">" else "19", "mg/dL", marker, None)
    assert value(one(result(4, "33.3", "mmol/L", ">"), frame(1, header()))) == ("33.3", "mmol/L", ">", None)
    assert value(one(result(4, "HI"))) == (None, "mg/dL", None, "positive-infinity")
    assert value(one(result(4, "LO"))) == (None, "mg/dL", None, "negative-infinity")
    assert value(one(result(4, "HI"), frame(1, header()))) == ("600", "mg/dL", ">", None)
    for limits in ("2060", "20x00"):
        found = decoded(frame(1, header(limits=limits)), frame(2, result(4, "601", markers=">")))
        assert value(found[0]) == ("601", "mg/dL", ">", None)


def test_times():
    assert one(result(1, time="20260304071509")).reading.device_time == "2026-03-04T07:15:09"
    for time in ("", "2026030407", "202602300715", "20260304071x", "000000000000"):
        record = one(result(1, time=time))
        assert (record.reading.device_time, record.reading.notes) == (None, ["clock-not-set"])
        assert record.key.time is None
        assert not record.key.live
    record = one(result(1, time="200001010005"))
    assert record.reading.notes == ["clock-not-set"]


def test_records_that_make_no_sense():
    for text in (
        b"R|1|^^^Glucose|133\r",
        result(1).replace(b"R|1", b"R|x"),
        result(10**9),
        result(1, unit="g/L"),
        result(1, "1e3"),
        result(1, "1?3"),
        result(1).replace(b"B/X", b"B\xff"),
    ):
        assert one(text).error.code == "frame-garbled"
    assert one(result(1, "4", "1", test="Insulin")).error.code == "kind-unsupported"


def test_a_record_in_two_frames():
    text = result(1)
    found = decoded(ENQ, frame(1, text[:30]), frame(2, text[30:]), frame(3, result(2, "99")), EOT)
    again(found)
    assert [value(record)[0] for record in found] == ["133", "99"]
    assert [len(record.frames) for record in found] == [2, 1]


def test_half_a_record_is_never_a_reading():
    text = result(1)
    for place in (4, 20, 40, len(text) - 5):
        found = decoded(ENQ, frame(1, text[:place]))
        again(found)
        assert [record.error.code for record in found] == ["frame-short"]
        found = decoded(ENQ, frame(1, text[:place]), frame(2, result(2, "99")))
        again(found)
        assert [record.error and record.error.code for record in found] == ["frame-short", None]


def test_a_header_without_its_end_is_known_all_the_same():
    driver = AscensiaContour()
    for part in (ENQ, frame(1, header()[:-1]), frame(2, b"P|1\r")):
        assert driver.received(Frame("serial", 0, part)) == []
    assert driver.about == {
        "manufacturer": "Ascensia",
        "model": "Bayer7410",
        "firmware": "01.14\\01.03\\04.18",
        "serial": "7410-1611135",
    }
    assert driver.device_clock == "2026-03-04T07:15:00"


def test_a_header_that_says_little():
    driver = AscensiaContour()
    assert driver.received(Frame("serial", 0, frame(1, b"H|\r"))) == []
    assert (driver.about, driver.device_clock) == ({"manufacturer": "Ascensia"}, None)


def test_every_flipped_bit_gives_no_wrong_value():
    good = frame(5, result(1))
    for place in range(len(good)):
        for bit in range(8):
            bad = good[:place] + bytes([good[place] ^ 1 << bit]) + good[place + 1 :]
            found = decoded(bad)
            again(found)
            for record in found:
                if record.reading:
                    assert bad.upper() == good.upper()
                    assert value(record)[0] == "133"


def test_noise_and_damage():
    found = decoded(b"\x00\xffnoise", transfer([result(1)]), b"\xf0\xf1")
    assert [record.error for record in found] == [None]
    found = decoded(b"\x00\xffnoise")
    again(found)
    assert [record.error.code for record in found] == ["frame-garbled"]
    bad = frame(2, b"P|1\r")[:-3] + b"?\r\n"
    found = decoded(ENQ, frame(1, header()), *[bad] * 20)
    again(found)
    assert [record.error.code for record in found] == ["checksum-wrong"] * 8
    found = decoded(frame(1, header())[:20])
    assert [record.error.code for record in found] == ["frame-short"]


def test_usb_reports_hold_the_same():
    results = [result(1), result(2, "601", markers=">")]
    plain = decoded(transfer(results))
    stream = reports(transfer(results))
    for size in (1, 7, 64, 1000):
        pieces = [stream[at : at + size] for at in range(0, len(stream), size)]
        assert [seen(record) for record in decoded(*pieces)] == [seen(record) for record in plain]
    lost = stream[:128] + stream[130:]
    assert all(record.reading is None or value(record)[0] in ("133", "600") for record in decoded(lost))


def test_beginnings_that_are_no_report():
    for start in (b"A", b"AB", b"ABD", b"ABCD", b"ABC\x3d"):
        assert [value(record)[0] for record in decoded(start, transfer([result(1)]))] == ["133"]
    (record,) = decoded(b"AB")
    assert record.error.code == "frame-garbled"


def test_other_sources_are_not_heard():
    assert decode_record("ascensia-contour", [Frame("2a18", 0, transfer([result(1)]))]) == []


# The conversation.


def visit(meter, wrap=lambda data: data, unwrap=lambda data: data, silences=30, mark=None):
    driver = AscensiaContour()
    driver.start(Known(mark))
    found = []
    for _ in range(5000):
        sends = driver.take_sends()
        reply = b"".join([meter.hears(unwrap(part.data)) for part in sends])
        if reply:
            found += driver.received(Frame("serial", 0, wrap(reply)))
        if not sends:
            if driver.patience_s is None or not silences:
                break
            silences -= 1
            found += driver.silent()
    return driver, found + driver.finish()


def test_a_visit():
    meter = Meter([result(1), result(2, "99")])
    driver, found = visit(meter)
    assert [value(record)[0] for record in found] == ["133", "99"]
    assert meter.told == [EOT] + [ACK] * 6
    assert driver.patience_s is None
    assert driver.about["serial"] == "7410-1611135"
    assert driver.device_clock == "2026-03-04T07:15:00"
    assert len(driver.mark) == 22


def test_the_next_visit_tells_news_only():
    first = [result(1, "133"), result(2, "99", time="202603040716"), result(3, "98", time="")]
    driver, found = visit(Meter(first))
    assert len(found) == 3
    meter = Meter(first)
    again, found = visit(meter, mark=driver.mark)
    assert [record.reading.device_time for record in found] == [None]  # no time tells it from another one
    assert again.mark == driver.mark
    assert meter.told == [EOT] + [ACK] * 7
    # one more, all numbers another, and an old one whose meal was changed
    later = [
        result(5, "133", markers="A"),
        result(6, "99", time="202603040716"),
        result(7, "101", time="202603040720"),
    ]
    again, found = visit(Meter(later), mark=again.mark)
    assert [value(record)[0] for record in found] == ["101"]
    for other in (result(1, "134"), result(1, "133", time="202603040717")):
        assert len(visit(Meter([other]), mark=again.mark)[1]) == 1
    long = result(1, "133.00")
    driver, found = visit(Meter([long]))
    assert len(visit(Meter([long]), mark=driver.mark)[1]) == len(found) == 1


def test_a_transfer_that_was_not_whole_leaves_no_mark():
    driver = AscensiaContour()
    driver.start(Known())
    for part in (ENQ, frame(1, header()), frame(2, result(1)), EOT):
        driver.received(Frame("serial", 0, part))
    assert (driver.mark, driver.patience_s) == (None, None)
    driver = visit(Meter([]))[0]
    assert driver.mark == b""


def test_an_answer_follows_its_record():
    driver = AscensiaContour()
    driver.start(Known())
    assert [part.data for part in driver.take_sends()] == [EOT]
    assert driver.received(Frame("serial", 0, EOT + frame(1, header()))) == []
    assert driver.take_sends() == []
    assert driver.received(Frame("serial", 0, ENQ)) == []
    assert [part.data for part in driver.take_sends()] == [ACK]
    assert driver.received(Frame("serial", 0, frame(1, result(1))[:-1])) == []
    assert driver.take_sends() == []
    assert len(driver.received(Frame("serial", 0, b"\n"))) == 1
    assert [part.data for part in driver.take_sends()] == [ACK]


def test_damaged_frames_are_asked_for_again():
    for wrong in range(1, 6):
        meter = Meter([result(1), result(2, "99")], wrong=[wrong])
        _, found = visit(meter)
        assert [value(record)[0] for record in found if record.reading] == ["133", "99"], wrong
        assert meter.told.count(NAK) == 1
        again(found)


def test_a_frame_that_comes_twice_is_one_record():
    text = result(1)
    found = decoded(ENQ, frame(1, header()), frame(2, text), frame(2, text), frame(3, b"L|1\r", b"\x03"), EOT)
    assert len(found) == 1


def test_a_frame_out_of_turn_is_refused_and_no_evidence():
    driver = AscensiaContour()
    assert driver.received(Frame("serial", 0, ENQ + frame(1, header()))) == []
    driver.take_sends()
    assert driver.received(Frame("serial", 0, frame(4, result(1)))) == []
    assert [part.data for part in driver.take_sends()] == [NAK]
    assert driver.finish() == []


def test_a_meter_that_refuses_first():
    meter = Meter([result(1)], refuses=3)
    _, found = visit(meter)
    assert len(found) == 1
    assert meter.told[:5] == [EOT, b"\x00", EOT, b"\x00", EOT]
    driver, found = visit(Meter([result(1)], refuses=100))
    assert (found, driver.patience_s) == ([], None)


def test_a_meter_that_begins_at_the_other_character_is_not_broken_off():
    driver = AscensiaContour()
    driver.start(Known())
    driver.take_sends()
    driver.received(Frame("serial", 0, NAK))
    assert [part.data for part in driver.take_sends()] == [b"\x00"]
    driver.received(Frame("serial", 0, NAK))
    assert [part.data for part in driver.take_sends()] == [EOT]
    driver.received(Frame("serial", 0, NAK))
    assert [part.data for part in driver.take_sends()] == [b"\x00"]
    driver.received(Frame("serial", 0, frame(1, header()) + ENQ))
    assert [part.data for part in driver.take_sends()] == [ACK]


def test_a_meter_that_lost_count_is_left():
    driver = AscensiaContour()
    driver.start(Known())
    driver.received(Frame("serial", 0, ENQ + frame(1, header())))
    driver.take_sends()
    for _ in range(5):
        driver.received(Frame("serial", 0, frame(4, result(1))))
        assert [part.data for part in driver.take_sends()] == [NAK]
    driver.received(Frame("serial", 0, frame(4, result(1))))
    assert (driver.take_sends(), driver.patience_s, driver.mark) == ([], None, None)


def test_a_meter_that_begins_by_itself():
    driver = AscensiaContour()
    assert driver.received(Frame("serial", 0, ENQ)) == []
    assert [part.data for part in driver.take_sends()] == [ACK]
    assert driver.patience_s == 5


class Deaf(Meter):
    """It does not hear the byte with this number;"""

    def __init__(self, results, number):
        super().__init__(results)
        self.left = number

    def hears(self, byte):
        self.left -= 1
        return b"" if self.left == 0 else super().hears(byte)


class Silent(Meter):
    """Nobody is there."""

    def hears(self, byte):
        self.told.append(byte)
        return b""


class Mute(Meter):
    """What it says in answer to this byte gets lost."""

    def __init__(self, results, number):
        super().__init__(results)
        self.left = number

    def hears(self, byte):
        self.left -= 1
        reply = super().hears(byte)
        return b"" if self.left == 0 else reply


def test_what_gets_lost_on_the_way():
    for number in range(1, 8):
        for kind in (Deaf, Mute):
            found = visit(kind([result(1), result(2, "99")], number))[1]
            assert {value(record)[0] for record in found} == {"133", "99"}, (kind, number)


def test_a_meter_that_is_not_there_is_given_up():
    driver, found = visit(Silent([]))
    assert (found, driver.patience_s, driver.take_sends()) == ([], None, [])
    assert driver.received(Frame("serial", 0, ENQ)) == []
    assert driver.take_sends() == []


def test_a_plug_that_is_pulled_in_mid_frame():
    texts = records([result(1), result(2, "99")])
    stream = ENQ + b"".join([frame(at + 1, text) for at, text in enumerate(texts)])
    ends = [len(ENQ) + sum([len(frame(1, text)) for text in texts[:number]]) for number in (3, 4)]
    for place in range(len(ENQ + frame(1, header())), len(stream), 3):
        found = decoded(stream[:place])
        again(found)
        whole = sum([place >= end for end in ends])
        assert [value(record)[0] for record in found] == ["133", "99"][:whole]


def test_a_usb_meter_is_answered_in_reports():
    meter = Meter([result(1)])

    def unwrap(data):
        return data[4 : 4 + data[3]] if data[:3] == b"ABC" else data

    _, found = visit(meter, wrap=reports, unwrap=unwrap)
    assert [value(record)[0] for record in found] == ["133"]
    assert meter.told == [EOT] + [ACK] * 5


def test_a_half_frame_and_then_silence():
    driver = AscensiaContour()
    driver.start(Known())
    driver.take_sends()
    driver.received(Frame("serial", 0, ENQ + frame(1, header())))
    driver.take_sends()
    assert driver.received(Frame("serial", 0, frame(2, result(1))[:12])) == []
    (record,) = driver.silent()
    assert record.error.code == "frame-short"
    assert [part.data for part in driver.take_sends()] == [NAK]


def test_nothing_else_is_ever_sent():
    for command in (b"W|", b"R|", b"\x05", b"\x06\x06"):
        try:
            AscensiaContour().send("serial", command)
        except CommandError:
            continue
        raise AssertionError(command)

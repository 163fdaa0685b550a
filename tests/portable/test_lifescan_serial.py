"""LifeScan meters on a cable: what they say, damaged and whole, and conversations that go wrong on the way."""

from device_bytes import Numbers
from lifescan_bytes import NOW, Easy, Ultra2, Verio, crc, easy, frame, line, talk, ultra2, verio

from gateway.drivers import decode_record
from gateway.drivers.base import CommandError, Known
from gateway.drivers.lifescan_serial import LifescanSerial
from gateway.wire.items import Frame

SAMPLES = (
    easy(NOW, 104),
    verio(NOW, 104, meal=1),
    ultra2("03/04/26", "07:15:09", "104", "A", "05"),
)

NEWER = [(NOW + 60, 120)]


def visit(*pieces):
    """All records of a stream that nobody asked for."""
    driver = LifescanSerial()
    records = []
    for number, piece in enumerate(pieces):
        records += driver.received(Frame("serial", number, piece))
    return records + driver.finish()


def seen(records):
    """(value, time) of each reading, the code of each error."""
    found = []
    for record in records:
        if record.error is not None:
            found.append(record.error.code)
        else:
            found.append((record.reading.values[0].text(), record.reading.device_time))
    return found


def told(record):
    reading, key = record.reading, record.key
    return (
        [f.data for f in record.frames],
        reading and reading.wire(),
        key and (key.wire(), key.live),
        record.error and record.error.code,
    )


def again(records):
    """Each record, decoded from its own frames alone, is that record again."""
    for record in records:
        assert [told(found) for found in decode_record("lifescan-serial", record.frames)] == [told(record)]


def rows(*numbers):
    """Records of an Ultra Easy: (time, mg/dL), newest first."""
    return [(NOW - 3600 * place, mg_dl) for place, mg_dl in enumerate(numbers)]


def test_the_published_frame_of_a_disconnect():
    assert frame(b"", 8).hex() == "02060803c262"
    assert crc(bytes.fromhex("02060803")) == 0x62C2


def test_one_record_of_each_family():
    for sample in SAMPLES:
        records = visit(sample)
        assert seen(records) == [("104", "2026-03-04T07:15:09")]
        assert records[0].frames[0].data == sample
        reading = records[0].reading
        assert (reading.kind, reading.origin, reading.values[0].unit) == ("glucose", "stored", "mg/dL")
        assert (reading.notes, reading.user, reading.record, reading.final) == ([], None, None, True)
        assert not records[0].key.live
        again(records)


def test_what_was_said_at_the_meter():
    assert visit(easy(NOW, 104))[0].reading.context == []
    meals = [visit(verio(NOW, 104, meal=code))[0].reading.context for code in (0, 1, 2, 3)]
    assert meals == [[], [("meal", "before-meal")], [("meal", "after-meal")], []]
    reading = visit(ultra2("03/04/26", "07:15:09", "104", "B", "09"))[0].reading
    assert reading.context == [("meal", "before-meal"), ("comment", "menses")]
    assert visit(ultra2("03/04/26", "07:15:09", "104", "N", "12"))[0].reading.context == []
    comments = [
        visit(ultra2("03/04/26", "07:15:09", "104", "N", f"{code:02d}"))[0].reading.context
        for code in range(12)
    ]
    assert comments[0] == []
    assert comments[11] == [("comment", "other")]
    assert len({tuple(comment) for comment in comments}) == 12


def test_control_solution_and_zero_are_no_measurement():
    assert visit(verio(NOW, 104, control=1)) == []
    assert visit(verio(NOW, 0)) == []
    assert visit(easy(NOW, 0)) == []
    assert visit(ultra2("03/04/26", "07:15:09", "104", first="C")) == []
    assert visit(ultra2("03/04/26", "07:15:09", "000")) == []


def test_high_and_low_keep_the_limit_of_the_meter():
    high = (easy(NOW, 0xFFFF), easy(NOW, 0xFFFFFFFF), verio(NOW, 0xFFFF), verio(NOW, 601))
    high += (ultra2("03/04/26", "07:15:09", "HIGH"), ultra2("03/04/26", "07:15:09", " HI"))
    low = (easy(NOW, 19), verio(NOW, 1), ultra2("03/04/26", "07:15:09", "LOW"))
    for samples, limit in ((high, ("600", ">")), (low, ("20", "<"))):
        for sample in samples:
            value = visit(sample)[0].reading.values[0]
            assert (value.text(), value.comparator) == limit
    for bound in (20, 600):
        assert visit(easy(NOW, bound))[0].reading.values[0].comparator is None


def test_a_parity_error_of_the_meter_gives_no_number():
    records = visit(ultra2("03/04/26", "07:15:09", "104", last="?"))
    value = records[0].reading.values[0]
    assert (value.text(), value.absent) == (None, "error")
    assert records[0].key.wire() == visit(SAMPLES[2])[0].key.wire()
    again(records)


def test_clocks_that_were_never_set():
    assert visit(easy(0, 104))[0].key.time is None
    assert visit(easy(60, 104))[0].reading.notes == ["clock-not-set"]
    assert visit(easy(60, 104))[0].key.time == bytes([60, 0, 0, 0])
    for day, clock in (("00/00/00", "00:00:00"), ("13/01/26", "07:15:09"), ("xx/01/26", "07:15"), ("", "")):
        record = visit(ultra2(day, clock, "104"))[0]
        assert record.reading.device_time is None
        assert record.reading.notes == ["clock-not-set"]
        assert record.key.time is None
        assert not record.key.live


def test_record_keys():
    assert [visit(sample)[0].key.wire() for sample in SAMPLES] == [
        ["ultra-easy", None, bytes.fromhex("fddba769"), bytes.fromhex("68000000")],
        ["verio", None, bytes.fromhex("7d983a31"), bytes.fromhex("6800")],
        ["ultra2", None, b"03/04/2607:15:09", b"104"],
    ]


def test_lines_that_are_no_records():
    for text in ("?P02.00.00 30/08/06", '@ "GMF600DCY"', 'P 003,"GMF600DCY","MG/DL "', 'SU?,"MMOL/L"'):
        assert visit(line(text)) == []
    for text in (
        'P "SAT"',
        'P "S","03/04/26","07:15:09","  abc ","N","00", 00',
        'P "S","","","x","N","00", 00',
    ):
        assert seen(visit(line(text))) == ["frame-garbled"], text
    assert seen(visit(line('P "S","03/04/26","07:15:09","  104 ","N","xx", 00'))) == ["frame-garbled"]


def test_frames_that_are_no_records():
    for payload in (
        b"",
        b"\x05\x06",
        b"\x05\x0f\x03\x00",
        b"\x05\x06\x01\x00\x00\x00",
        b"\x03\x06ABC\x00",
        b"\x05",
    ):
        assert visit(frame(payload)) == []
    assert visit(frame(b"\x03\x06SERIAL009\x00")) == []  # as long as a record
    assert seen(visit(frame(b"\x05\x06SERIAL08"))) == ["frame-garbled"]
    codes = ("device-not-allowed", "device-not-able", "device-not-understood")
    for status, code in zip((7, 8, 9), codes):  # noqa: B905 (no strict on MicroPython)
        records = visit(frame(bytes([3, status, 3])))
        assert seen(records) == [code]
        again(records)


def test_every_flipped_bit_gives_an_error_and_no_value():
    for sample in SAMPLES:
        for place in range(len(sample)):
            for bit in range(8):
                bad = sample[:place] + bytes([sample[place] ^ 1 << bit]) + sample[place + 1 :]
                records = visit(bad)
                assert [record.reading for record in records] == [None] * len(records), (sample, place, bit)
                assert records, (sample, place, bit)
                again(records)


def test_what_was_cut_short_gives_an_error_and_no_value():
    for sample in SAMPLES:
        for size in range(1, len(sample)):
            records = visit(sample[:size])
            assert [record.reading for record in records] == [None], size
            again(records)


def test_noise_before_what_is_whole_is_no_error():
    source = Numbers(7)
    for sample in SAMPLES:
        for _ in range(40):
            noise = bytes([3 + source.below(24) for _ in range(source.below(20))])
            assert seen(visit(noise + sample)) == [("104", "2026-03-04T07:15:09")]
            assert seen(visit(sample + noise)) == [("104", "2026-03-04T07:15:09")]
        assert seen(visit(b"\x55\xaa" + sample[:-1])) in (["frame-short"], ["frame-garbled"])
    assert seen(visit(b"\x55\x66", b"\x77")) == ["frame-garbled"]
    assert visit(b"\x11\rDMP\r", b"\n\x00") == []  # a command that came back


def test_a_frame_that_comes_again_is_one_record():
    assert seen(visit(easy(NOW, 104, 2) * 2 + easy(NOW, 105, 3))) == [
        ("104", "2026-03-04T07:15:09"),
        ("105", "2026-03-04T07:15:09"),
    ]


def test_a_bad_cable_does_not_fill_the_store():
    bad = easy(NOW, 104)[:-1] + b"\x07"
    assert len(visit(bad + b"\x00", *[bad for _ in range(50)])) <= 9
    assert seen(visit(*([bad] * 20 + [easy(NOW, 104)])))[-1] == ("104", "2026-03-04T07:15:09")


def test_any_pieces_give_the_same_records():
    source = Numbers(11)
    stream = (
        b"\x33" + b"".join(SAMPLES) + easy(NOW, 99)[:9] + SAMPLES[1] + b"junk\r" + SAMPLES[2] + b"\x02\x10"
    )
    whole = [told(record) for record in visit(stream)]
    assert len(whole) > 4
    assert [told(record) for record in visit(*[stream[at : at + 1] for at in range(len(stream))])] == whole
    for _ in range(20):
        pieces, at = [], 0
        while at < len(stream):
            size = 1 + source.below(9)
            pieces.append(stream[at : at + size])
            at += size
        assert [told(record) for record in visit(*pieces)] == whole


def test_other_sources_are_not_heard():
    driver = LifescanSerial()
    for source in ("2a18", ">serial"):
        assert driver.received(Frame(source, 0, easy(NOW, 104))) == []
    assert driver.finish() == []


def test_an_ultra_easy_tells_who_it_is_before_its_records():
    meter, driver = Easy(rows(104, 110, 95)), LifescanSerial()
    records = talk(driver, meter)
    assert [value for value, _ in seen(records)] == ["104", "110", "95"]
    again(records)
    assert driver.about == {
        "manufacturer": "LifeScan",
        "model": "OneTouch Ultra Easy",
        "serial": "ABC1234DE",
        "firmware": "P02.00.0025/05/07",
    }
    assert driver.device_clock == "2026-03-04T07:15:09"
    sent = [data for _, data in meter.commands]
    assert sent[0] == frame(b"", 8)
    assert sent[1] == frame(b"\x05\x0b\x02" + bytes(9), 0)
    assert sent[2:4] == [frame(b"", 7), frame(b"\x05\x0d\x02", 3)]
    assert sent[-1][2] & 8  # closed
    assert driver.take_sends() == []


def test_the_next_visit_reads_only_what_is_new():
    driver = LifescanSerial()
    talk(driver, Easy(rows(104, 110, 95)))
    mark = driver.mark
    for records, expected in (
        (rows(104, 110, 95), ["104"]),
        (NEWER + rows(104, 110, 95), ["120", "104"]),
    ):
        driver = LifescanSerial()
        assert [value for value, _ in seen(talk(driver, Easy(records), mark))] == expected
        assert driver.mark is not None
    # another meter, a clock that was set, a memory that was cleared: all is read
    for meter in (
        Easy(rows(104, 110, 95), b"ANOTHER01"),
        Easy([(seconds + 3600, value) for seconds, value in rows(104, 110, 95)]),
        Easy(rows(120)),
        Easy(rows(104, 110)),
    ):
        assert len(talk(LifescanSerial(), meter, mark)) == len(meter.records)


def test_a_meter_whose_record_0_is_the_oldest_hides_nothing():
    driver = LifescanSerial()
    talk(driver, Easy(rows(104, 110)))
    records = rows(104, 110) + NEWER
    assert len(talk(LifescanSerial(), Easy(records), driver.mark)) == 3
    assert len(talk(LifescanSerial(), Easy(records[1:]), driver.mark)) == 2


def test_a_meter_without_records():
    for meter in (Easy([]), Verio([]), Ultra2([])):
        driver = LifescanSerial()
        assert talk(driver, meter) == []
        assert driver.about["serial"]
        assert driver.patience_s is None


def test_a_reply_that_comes_twice_is_acknowledged_and_stored_once():
    meter = Easy(rows(104, 110, 95))
    meter.twice = True
    records = talk(LifescanSerial(), meter)
    assert [value for value, _ in seen(records)] == ["104", "110", "95"]
    acknowledged = [data for _, data in meter.commands if data[2] & 4]
    assert len(acknowledged) == 2 * 7 - 1  # four answers and three records; after the last one it is closed


def test_what_gets_lost_is_asked_again():
    for meter in (Easy(rows(104, 110)), Verio([verio(NOW, 104), verio(NOW - 60, 110)])):
        for attribute in ("deaf", "mute"):
            setattr(meter, attribute, 1)
            driver = LifescanSerial()
            assert [value for value, _ in seen(talk(driver, meter))] == ["104", "110"]
            assert driver.mark is not None


def test_half_a_frame_is_given_up_and_asked_again():
    driver = LifescanSerial()
    driver.start(Known())
    driver.take_sends()
    assert driver.received(Frame("serial", 0, b"\x02\x06\x0c")) == []
    assert driver.silent() == []  # it may have been noise
    assert [sent.data for sent in driver.take_sends()] == [frame(b"", 8)]
    # what hides behind the half frame counts as an answer
    driver.received(Frame("serial", 0, b"\x02\x3f\x00\x05" + frame(b"", 0x0C)))
    assert driver.silent() == []
    assert [sent.data for sent in driver.take_sends()] == [frame(b"\x05\x0b\x02" + bytes(9))]


def test_what_is_damaged_between_good_frames_is_evidence():
    half, wrong = easy(NOW, 99)[:9], easy(NOW, 98)[:-1] + b"\x00"
    assert seen(visit(easy(NOW, 104) + half + b"\xaa" + easy(NOW, 105)))[1] == "frame-short"
    assert seen(visit(wrong + easy(NOW, 104))) == ["checksum-wrong", ("104", "2026-03-04T07:15:09")]
    assert seen(visit(half + easy(NOW, 104))) == [("104", "2026-03-04T07:15:09")]
    assert seen(visit(easy(NOW, 104) + half)) == [("104", "2026-03-04T07:15:09")]


def test_our_own_frames_that_come_back_change_nothing():
    class Echo(Easy):
        def hear(self, data):
            answers = Easy.hear(self, data)
            answers.insert(0, data)
            return answers

    driver = LifescanSerial()
    assert [value for value, _ in seen(talk(driver, Echo(rows(104, 110))))] == ["104", "110"]
    assert driver.about["serial"] == "ABC1234DE"


def test_a_frame_from_before_the_opening_is_not_taken():
    driver = LifescanSerial()
    driver.start(Known())
    driver.take_sends()
    assert driver.received(Frame("serial", 0, easy(NOW, 104))) == []
    assert driver.take_sends() == []


def test_a_verio_iq_tells_who_it_is_before_its_records():
    meter = Verio([verio(NOW, 104, meal=1), verio(NOW - 60, 99, control=1), verio(NOW - 120, 110)])
    driver = LifescanSerial()
    records = talk(driver, meter)
    assert [value for value, _ in seen(records)] == ["104", "110"]
    assert driver.about == {
        "manufacturer": "LifeScan",
        "model": "OneTouch Verio IQ",
        "serial": "VERIO0001",
        "firmware": "01.02.03",
    }
    assert driver.device_clock == "2026-03-04T07:15:09"
    # at the next visit it is spoken to in its own way at once, and only the newest record is read
    meter.commands = []
    later = LifescanSerial()
    assert [value for value, _ in seen(talk(later, meter, driver.mark))] == ["104"]
    assert meter.commands[0] == ("serial", frame(b"\x03\x0b\x01\x02"))


def test_refused_questions_are_evidence_and_do_not_stop_the_rest():
    meter = Verio([verio(NOW, 104)])
    meter.refuses = (0x0D,)
    driver = LifescanSerial()
    assert seen(talk(driver, meter)) == ["device-not-able", ("104", "2026-03-04T07:15:09")]
    assert driver.mark is None
    meter.refuses = (0x21,)
    driver = LifescanSerial()
    assert seen(talk(driver, meter)) == ["device-not-able"]
    assert driver.mark is None
    easy_one = Easy(rows(104))
    easy_one.refuses = (0x1F,)
    assert seen(talk(LifescanSerial(), easy_one)) == ["device-not-understood"]


def test_a_meter_that_refuses_record_after_record_is_left():
    meter = Verio([verio(NOW - 60 * at, 104) for at in range(30)])
    meter.refuses = (0x21,)
    assert seen(talk(LifescanSerial(), meter)) == ["device-not-able"] * 8


def test_answers_to_something_else_are_waited_out():
    class Strange(Verio):
        def tell(self, command):
            return b"\x01\x02\x03" if command in (0x20, 0x27) else Verio.tell(self, command)

    driver = LifescanSerial()
    assert talk(driver, Strange([verio(NOW, 104)])) == []
    assert driver.about["serial"] == "VERIO0001"
    assert driver.mark is None


def test_an_ultra2_tells_all_at_once():
    lines = [ultra2("03/04/26", "07:15:09", "104", "A"), ultra2("03/03/26", "07:15:09", "099", first="C")]
    lines.append(ultra2("03/02/26", "07:15:09", "110"))
    meter, driver = Ultra2(lines), LifescanSerial()
    records = talk(driver, meter)
    assert [value for value, _ in seen(records)] == ["104", "110"]
    again(records)
    assert driver.about == {
        "manufacturer": "LifeScan",
        "model": "OneTouch Ultra2",
        "serial": "GMF600DCY",
        "firmware": "P02.00.00 30/08/06",
    }
    assert driver.device_clock == "2026-03-04T07:15:09"
    meter.commands = []
    assert len(talk(LifescanSerial(), meter, driver.mark)) == 2
    assert [data for _, data in meter.commands] == [
        b"\x11\rDM@\r",
        b"\x11\rDM?\r",
        b"\x11\rDMF\r",
        b"\x11\rDMP\r",
    ]


def test_a_dump_that_breaks_off_is_asked_for_again():
    meter = Ultra2([ultra2("03/04/26", "07:15:09", "104"), ultra2("03/02/26", "07:15:09", "110")])
    meter.short = 1
    driver = LifescanSerial()
    assert [value for value, _ in seen(talk(driver, meter))] == ["104", "104", "110"]
    assert driver.mark is not None


def test_another_old_meter_gets_no_model():
    driver = LifescanSerial()
    talk(driver, Ultra2([], "GMF600DCT"))
    assert driver.about == {
        "manufacturer": "LifeScan",
        "serial": "GMF600DCT",
        "firmware": "P02.00.00 30/08/06",
    }


def test_a_clock_that_says_nothing():
    class Clockless(Ultra2):
        def hear(self, data):
            return [line("F")] if data[2:-1] == b"DMF" else Ultra2.hear(self, data)

    driver = LifescanSerial()
    assert len(talk(driver, Clockless([ultra2("03/04/26", "07:15:09", "104")]))) == 1
    assert driver.device_clock is None


def test_an_empty_cable_is_asked_in_every_way_and_then_left():
    driver, nobody = LifescanSerial(), Easy([])
    nobody.deaf = 1000
    assert talk(driver, nobody) == []
    asked = [frame(b"", 8), b"\x11\rDM@\r", frame(b"\x03\x0b\x01\x02")]
    assert [data for _, data in nobody.commands] == [question for question in asked for _ in range(2)]
    assert driver.about == {}
    assert driver.silent() == []


def test_a_meter_that_dies_in_mid_conversation_is_left_without_a_mark():
    class Dying(Easy):
        def hear(self, data):
            return [] if len(self.commands) > 12 else Easy.hear(self, data)

    driver = LifescanSerial()
    assert len(talk(driver, Dying(rows(104, 110, 95)))) >= 1
    assert driver.mark is None
    assert driver.patience_s is None


def test_a_mark_of_another_kind_of_meter_does_no_harm():
    for mark in (b"", b"\x01", b"\xff\xff", bytes(40)):
        assert len(talk(LifescanSerial(), Easy(rows(104, 110)), mark)) == 2


def test_nothing_that_erases_or_sets_can_be_sent():
    driver = LifescanSerial()
    for command in (
        b"\x05\x1a",
        b"\x03\x1a",
        b"\x04\x1a",
        b"DMZ",
        b"DMT",
        b"\x05\x20\x01" + bytes(4),
        b"\x03\x20\x01",
    ):
        refused = None
        try:
            driver.send("serial", command)
        except CommandError as error:
            refused = error.code
        assert refused == "command-forbidden", command


def test_what_another_kind_of_meter_would_say_answers_nothing():
    for mark, other in ((b"\x01", SAMPLES[1]), (b"\x02", SAMPLES[2]), (b"\x01", line("?P02.00.00"))):
        driver = LifescanSerial()
        driver.start(Known(mark))
        asked = [sent.data for sent in driver.take_sends()]
        driver.received(Frame("serial", 0, other))
        assert driver.take_sends() == []
        driver.silent()
        assert [sent.data for sent in driver.take_sends()] == asked

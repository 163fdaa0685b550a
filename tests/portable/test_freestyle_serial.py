"""FreeStyle meters: their texts with good and wrong sums, the questions, first commands that nobody hears."""

from gateway.drivers import decode_record
from gateway.drivers.base import Known
from gateway.drivers.families.freestyle_text import clock
from gateway.drivers.freestyle_serial import FreestyleSerial
from gateway.wire.items import Frame

SERIAL = b"DBMV123-45678"
STATE = (
    b"S/N:\tDBMV123-45678\r\nVer:\t0.22\tMMOL\r\nClock:\tApr  22 2026\t02:14:37\r\n"
    b"Market:\t1\t2\r\nROM:\t1\t2\t3\t4\r\nUsage:\t2\r\nCMD OK\r\n"
)
GLUCOSE = b"093  May  25 2026 05:25 G 0x00"
KETONE = b"003  June 02 2026 15:07 K 0x00"
LITE = b"101  July 31 2026 23:59 00 0x00"


def memory(*lines, clock=b"Apr  22 2026 02:14:37", ends=b"  END\r\n", space=b"\r\n"):
    """The text with the memory, as Optium writes it."""
    text = b"\r\n".join((b"", SERIAL, b"0.22", clock, b"%03d" % len(lines)) + lines) + space  # noqa: RUF005 (MicroPython has no (a, *b))
    return text + b"0x%04X" % (sum(text) & 0xFFFF) + ends


def frames(*pieces):
    return [Frame("serial", number, piece) for number, piece in enumerate(pieces)]


def visit(*pieces):
    """All records of bytes that nobody asked for: a recorded stream."""
    driver = FreestyleSerial()
    records = []
    for frame in frames(*pieces):
        records += driver.received(frame)
    return records + driver.finish()


class Talk:
    """A visit in which the hub asks. `says` answers with what the driver wants sent."""

    def __init__(self):
        self.driver = FreestyleSerial()
        self.records = []
        self.driver.start(Known())

    def asked(self):
        return [frame.data for frame in self.driver.take_sends()]

    def says(self, *pieces):
        for frame in frames(*pieces):
            self.records += self.driver.received(frame)
        return self.asked()

    def silent(self):
        self.records += self.driver.silent()
        return self.asked()


def values(records):
    """(value or reason, unit) of each reading, an error's code for each error."""
    found = []
    for record in records:
        if record.error is None:
            value = record.reading.values[0]
            found.append((value.text() or value.absent, value.unit))
        else:
            found.append(record.error.code)
    return found


def again(records):
    for record in records:
        (alone,) = decode_record("freestyle-serial", record.frames)
        assert values([alone]) == values([record])
        assert (alone.key and alone.key.wire()) == (record.key and record.key.wire())


def test_a_glucose_record():
    (record,) = visit(GLUCOSE + b"\r\n")
    reading = record.reading
    assert (reading.kind, reading.origin, reading.device_time) == ("glucose", "stored", "2026-05-25T05:25:00")
    assert (reading.values[0].name, reading.notes, reading.user) == ("glucose", [], None)
    assert record.key.wire() == ["memory", None, b"May 25 2026 05:25", b"093G"]
    assert not record.key.live
    assert values([record]) == [("93", "mg/dL")]


def test_ketones_as_the_meter_shows_them():
    for kept, shown in (
        (b"003", "0.2"),
        (b"000", "0.0"),
        (b"009", "0.5"),
        (b"018", "1.0"),
        (b"144", "8.0"),
        (b"001", "0.1"),
    ):
        line = KETONE.replace(b"003", kept)
        assert values(visit(line + b"\r\n")) == [(shown, "mmol/L")]
    assert visit(KETONE + b"\r\n")[0].reading.kind == "ketone"
    assert visit(KETONE + b"\r\n")[0].key.wire()[3] == b"003K"


def test_older_meters_have_two_digits_for_the_kind():
    (record,) = visit(LITE + b"\r\n")
    assert values([record]) == [("101", "mg/dL")]
    assert record.reading.device_time == "2026-07-31T23:59:00"
    assert record.key.wire()[3] == b"10100"


def test_beyond_what_the_meter_can_tell():
    assert values(visit(b"HI   May  25 2026 05:25 G 0x00\r\n")) == [("positive-infinity", "mg/dL")]
    assert values(visit(b"LO   May  25 2026 05:25 00 0x00\r\n")) == [("negative-infinity", "mg/dL")]
    assert values(visit(b"HI   May  25 2026 05:25 K 0x00\r\n")) == [("positive-infinity", "mmol/L")]


def test_a_control_solution_is_nothing():
    assert visit(GLUCOSE[:-1] + b"1\r\n") == []
    assert values(visit(memory(GLUCOSE[:-1] + b"1", KETONE))) == [("0.2", "mmol/L")]


def test_notes():
    for line, notes in (
        (GLUCOSE[:-1] + b"2", ["clock-not-set"]),
        (GLUCOSE.replace(b"093", b"003"), ["implausible"]),
        (GLUCOSE.replace(b"2026", b"1970"), ["clock-not-set"]),
        (GLUCOSE.replace(b" 25 ", b" 32 "), ["clock-not-set"]),
        (KETONE.replace(b"003", b"400"), ["implausible"]),
    ):
        assert visit(line + b"\r\n")[0].reading.notes == notes
    record = visit(GLUCOSE.replace(b" 25 ", b" 32 ") + b"\r\n")[0]
    assert (record.reading.device_time, record.key.time, record.key.live) == (None, None, False)


def test_lines_that_are_none():
    for line in (
        b"Foo",
        GLUCOSE.replace(b"May", b"Mai"),
        GLUCOSE.replace(b"May ", b"Maya"),
        GLUCOSE.replace(b"05:25", b"5:25"),
        GLUCOSE.replace(b"05:25", b"05:2x"),
        GLUCOSE.replace(b"093", b"93"),
        GLUCOSE.replace(b"093", b"HO "),
        GLUCOSE.replace(b"G", b"X"),
        GLUCOSE.replace(b"2026", b"20:6"),
        GLUCOSE.replace(b" 25 ", b" 2x "),
        GLUCOSE.replace(b"0x00", b"0x0"),
        GLUCOSE.replace(b"0x00", b"0xg0"),
        KETONE.replace(b"003", b"03"),
        b"Clock:\tSep  29 2013\t17:35:22.34",
        b"Clock:\tSep  31 2013\t17:35:22",
        b"Clock:\tSep  29 2013\t17:35",
        b"Clock:\tSep  29 2013\t17-35-22",
        b"Clock:\tSep  29 2013",
        b"\xff\x80",
    ):
        records = visit(line + b"\r\n")
        assert values(records) == ["frame-garbled"], line
        again(records)


def test_the_clock():
    for line, moment in (
        (b"Clock:\tApr  22 2014\t02:14:37\r\n", "2014-04-22T02:14:37"),
        (b"Clock:\tJul  10 2013\t14:26:44\r\n", "2013-07-10T14:26:44"),
        (b"Clock:\tSep  29 2013\t17:35:34", "2013-09-29T17:35:34"),
    ):
        assert visit(line) == []
        assert clock(line.decode().split()[1:]) == moment


def test_a_whole_memory():
    records = visit(memory(GLUCOSE, KETONE, LITE))
    assert values(records) == [("93", "mg/dL"), ("0.2", "mmol/L"), ("101", "mg/dL")]
    assert [record.frames[0].data for record in records] == [
        line + b"\r\n" for line in (GLUCOSE, KETONE, LITE)
    ]
    again(records)


def test_a_memory_with_a_wrong_sum_gives_nothing_of_it():
    good = memory(GLUCOSE, KETONE)
    for at in range(len(good) - 7):
        if good[at] in b"\r\n":
            continue  # other lines: below
        wrong = good[:at] + bytes([good[at] ^ 1]) + good[at + 1 :]
        records = visit(wrong)
        assert records
        assert all(record.error is not None for record in records), at
        again(records)
    for at in range(len(good) - 11):
        records = visit(good[:at] + good[at + 1 :])
        assert all(record.error is not None for record in records), at


def test_a_record_of_an_unknown_kind_does_not_cost_the_others():
    records = visit(memory(GLUCOSE, GLUCOSE.replace(b"G", b"X"), b"what is this", KETONE))
    assert values(records) == [("93", "mg/dL"), "frame-garbled", "frame-garbled", ("0.2", "mmol/L")]
    again(records)


def test_a_memory_whose_sum_does_not_come_gives_nothing_of_it():
    good = memory(GLUCOSE, KETONE)
    for size in range(good.index(GLUCOSE), len(good) - 5):
        records = visit(good[:size])
        assert records
        assert all(record.error is not None for record in records), size


def test_an_empty_memory():
    assert visit(b"\r\n" + SERIAL + b"\r\n1.43  -P\r\nApr  22 2026 02:14:37\r\nLog Empty END\r\n") == []
    assert visit(b"\r\nLog Empty END\r\n") == []
    assert values(visit(GLUCOSE + b"\r\nLog Empty END\r\n")) == ["checksum-wrong"]
    assert values(visit(b"0x0000  END\r\n")) == ["checksum-wrong"]
    assert values(visit(SERIAL + b"\r\n0x00  END\r\n")) == ["frame-garbled"]


def test_a_conversation_with_an_optium():
    talk = Talk()
    assert talk.asked() == [b"$colq\r\n"]
    assert talk.driver.patience_s == 2.0
    assert talk.says(STATE[:40], STATE[40:]) == [b"$xmem\r\n"]
    assert talk.driver.device_clock is None
    assert talk.driver.about == {}  # not from a text without a sum: they tell which device it is, and when
    text = memory(GLUCOSE, KETONE)
    assert talk.says(*[text[at : at + 7] for at in range(0, len(text), 7)]) == []
    assert values(talk.records) == [("93", "mg/dL"), ("0.2", "mmol/L")]
    assert talk.driver.about == {"serial": "DBMV123-45678", "firmware": "0.22"}
    assert talk.driver.device_clock == "2026-04-22T02:14:37"
    assert talk.driver.patience_s is None
    assert talk.driver.finish() == []


def test_the_first_command_is_not_heard():
    talk = Talk()
    talk.asked()
    assert talk.silent() == [b"$colq\r\n"]
    assert talk.says(b"\r\n") == []
    assert talk.says(b"$colq\r\n" + STATE) == [b"$xmem\r\n"]
    assert talk.silent() == [b"$xmem\r\n"]
    assert talk.says(b"$xmem\r\n" + memory(GLUCOSE)) == []
    assert values(talk.records) == [("93", "mg/dL")]


def test_an_older_meter_is_asked_in_its_own_way():
    talk = Talk()
    asked = talk.asked() + talk.silent() + talk.silent()
    assert asked == [b"$colq\r\n", b"$colq\r\n", b"mem"]
    text = b"\r\n" + SERIAL + b"\r\n\r\n1.43    -P\r\nApr  22 2026 02:14:37\r\n001\r\n\n" + LITE + b"\r\n"
    text += b"0x%04X" % (sum(text) & 0xFFFF) + b"END"
    assert talk.says(b"\x02" + text) == []
    assert talk.records == []
    assert talk.silent() == []  # its last line has no end
    assert values(talk.records) == [("101", "mg/dL")]
    assert talk.driver.device_clock == "2026-04-22T02:14:37"
    assert talk.driver.patience_s is None


def test_a_meter_that_knows_no_such_command_is_asked_the_next_at_once():
    talk = Talk()
    talk.asked()
    assert talk.says(b"CMD Fail!\r\n") == [b"$colq\r\n"]
    assert talk.says(b"CMD Fail!\r\n") == [b"mem"]
    assert talk.says(b"CMD OK\r\n") == []
    assert [talk.silent(), talk.silent(), talk.silent()] == [[b"mem"], [b"$mem\r\n"], []]
    assert talk.driver.patience_s is None
    assert talk.silent() == []


def test_a_text_that_breaks_off_is_asked_for_again():
    talk = Talk()
    talk.asked()
    talk.says(STATE)
    text = memory(GLUCOSE, KETONE)
    talk.says(text[:80])
    assert talk.silent() == [b"$xmem\r\n"]
    assert talk.says(text[:80]) == []
    assert talk.records + talk.driver.finish() == []
    assert talk.says(text) == []
    assert values(talk.records) == [("93", "mg/dL"), ("0.2", "mmol/L")]


def test_a_wrong_sum_is_asked_for_again_but_not_for_ever():
    talk = Talk()
    talk.asked()
    talk.says(STATE)
    wrong = memory(GLUCOSE).replace(b"093", b"094")
    asked = 2
    while talk.says(wrong):
        asked += 1
    assert asked == 8
    assert values(talk.records) == ["checksum-wrong"] * 7


def test_a_long_memory_comes_in_parts():
    lines = [b"%03d" % (number + 50) + GLUCOSE[3:] for number in range(450)]
    talk = Talk()
    talk.asked()
    talk.says(STATE)
    text = memory(*lines)
    talk.says(*[text[at : at + 100] for at in range(0, len(text), 100)])
    assert len(talk.records) == 16
    assert talk.driver.patience_s == 0.0
    calls = 0
    while talk.driver.patience_s is not None:
        assert talk.silent() == []
        calls += 1
    assert (len(talk.records), calls) == (450, 28)


def test_a_memory_with_less_at_its_head():
    driver = FreestyleSerial()
    text = b"\r\n" + SERIAL + b"\r\n" + GLUCOSE + b"\r\n"
    text += b"0x%04X  END\r\n" % (sum(text) & 0xFFFF)
    assert values(driver.received(Frame("serial", 0, text))) == [("93", "mg/dL")]
    assert driver.about == {"serial": "DBMV123-45678", "firmware": ""}
    assert driver.device_clock is None


def test_a_second_question_without_a_state_before_is_no_memory():
    driver = FreestyleSerial()
    assert driver.received(Frame("serial", 0, STATE + memory(GLUCOSE))) != []
    assert driver.take_sends() == []


def test_noise_and_other_sources():
    assert values(visit(b"\x00\xff\x13" + memory(GLUCOSE))) == [("93", "mg/dL")]
    assert visit() == []
    assert FreestyleSerial().received(Frame("2a18", 0, memory(GLUCOSE))) == []
    long = memory(GLUCOSE, KETONE)[:-13] + b"junk line\r\n"
    assert values(visit(long)) == ["frame-garbled"]

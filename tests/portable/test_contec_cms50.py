"""Contec oximeters of both generations: live values, stored sessions, the conversation, damage."""

from device_bytes import Numbers

from gateway.drivers import decode_record
from gateway.drivers.base import Known
from gateway.drivers.contec_cms50 import ContecCms50
from gateway.drivers.families.contec_talk import command
from gateway.wire.items import Frame

OLD_LIVE_SECOND = 60
STOPPED = b"\x0c\x80"


def old(pulse, spo2, *, out=0, searching=0, state=0):
    """A live packet of the older generation."""
    return bytes(
        (0x80 | out << 4 | state, 40, pulse >> 1 & 0x40 | out << 4 | searching << 5 | 7, pulse & 127, spo2)
    )


def old_stored(pairs):
    body = b"".join([bytes((0xF0 | pulse >> 7, 0x80 | pulse & 127, spo2)) for spo2, pulse in pairs])
    size = len(body) - 1
    return b"\xf2\x80\x00" * 3 + bytes((0x80 | size >> 14, 0x80 | size >> 7 & 127, size & 127)) + body


def packet(kind, data):
    """A packet of the newer generation."""
    high = 0x80
    for at, byte in enumerate(data):
        high |= (byte >> 7) << at
    return bytes([kind, high] + [byte | 0x80 for byte in data])


def shown(spo2, pulse, *, probe=0, searching=0, wave=64):
    return packet(1, [probe << 7 | 5, searching << 7 | wave, 3, pulse, spo2, 0, 0])


def date(year=2026, month=8, day=18):
    return packet(7, [0, 0, year // 100, year % 100, month, day])


def time(hour=2, minute=38, second=18):
    return packet(0x12, [0, 0, hour, minute, second, 0])


def length(size, segment=0):
    return packet(8, [0, segment] + [size >> 8 * place & 255 for place in range(4)])


def stored(pairs):
    rows = [byte for pair in list(pairs) + [(0, 0)] * (-len(pairs) % 3) for byte in pair]
    return b"".join([packet(0x0F, rows[at : at + 6]) for at in range(0, len(rows), 6)])


def stored_with_index(pairs):
    return b"".join([packet(9, [spo2, pulse, 0x4E, 2]) for spo2, pulse in pairs])


def frames(*pieces):
    return [Frame("serial", number, piece) for number, piece in enumerate(pieces)]


def visit(*pieces):
    """All records of a recorded stream that nobody asked for."""
    driver = ContecCms50()
    records = []
    for frame in frames(*pieces):
        records += driver.received(frame)
    return records + driver.finish()


class Device:
    """A conversation. `answers` maps a code to what the oximeter says to it."""

    def __init__(self, mark=None):
        self.driver = ContecCms50()
        self.records = []
        self.asked = []
        self.driver.start(Known(mark))

    def sends(self):
        sends = [frame.data for frame in self.driver.take_sends()]
        self.asked += [data[2] if data[0] == 0x7D else data for data in sends]
        return sends

    def says(self, *pieces):
        for frame in frames(*pieces):
            self.records += self.driver.received(frame)
        return self.sends()

    def silent(self):
        self.records += self.driver.silent()
        return self.sends()

    def go_on(self, answers, most=200):
        """Answers until nothing is asked any more, or the live values begin."""
        waiting = self.sends()
        while (waiting or self.driver.patience_s is not None) and most:
            most -= 1
            said = [answers.get((data[2], data[4] & 127), answers.get(data[2])) for data in waiting]
            said = [data for data in said if data]
            waiting = self.says(*said) if said else self.silent()
        assert most


def values(records):
    """(SpO2, pulse) of each reading, an error's code for each error."""
    found = []
    for record in records:
        if record.error is None:
            found.append(tuple([value.text() for value in record.reading.values]))
        else:
            found.append(record.error.code)
    return found


def seen(records):
    return [
        ([frame.data for frame in r.frames], values([r]), r.key and (r.key.wire(), r.key.live))
        for r in records
    ]


def again(records):
    for record in records:
        alone = decode_record("contec-cms50", record.frames)
        assert seen(alone) == seen([record])
        assert [r.reading and r.reading.json() for r in alone] == [record.reading and record.reading.json()]


def night(seconds, start=70):
    return [(94 + second % 5, start + second % 11) for second in range(seconds)]


# Live values.


def test_one_live_packet_of_either_generation_suffices():
    for data in (old(72, 98), shown(98, 72)):
        (record,) = visit(data)
        reading = record.reading
        assert (reading.kind, reading.origin, reading.notes, reading.device_time) == (
            "oximetry",
            "spot",
            [],
            None,
        )
        assert [(v.name, v.text(), v.unit) for v in reading.values] == [
            ("spo2", "98", "%"),
            ("pulse-rate", "72", "/min"),
        ]
        assert record.frames[0].data == data
        assert record.key.live
        again([record])
    assert visit(old(200, 98))[0].key.wire() == ["live", None, None, bytes((64, 72, 98))]
    assert visit(shown(98, 200))[0].key.wire() == ["live", None, None, bytes((200, 98))]
    assert values(visit(old(200, 98), shown(97, 201))) == [("97", "201")]


def test_numbers_that_are_missing():
    for data, expected in (
        (old(0, 98), [("98", None)]),
        (old(255, 98), [("98", None)]),
        (old(72, 0), [(None, "72")]),
        (old(72, 127), [(None, "72")]),
        (old(0, 0), []),
        (old(255, 127), []),
        (old(72, 98, out=1), []),
        (old(72, 98, searching=1), []),
        (shown(0, 0), []),
        (shown(127, 255), []),
        (shown(98, 72, probe=1), []),
        (shown(98, 72, searching=1), []),
        (shown(98, 72, wave=0), []),
    ):
        assert values(visit(data)) == expected
    assert visit(old(0, 98))[0].reading.values[1].absent == "unknown"


def test_what_nobody_has_is_marked():
    assert visit(old(72, 101))[0].reading.notes == ["implausible"]
    assert visit(shown(98, 9))[0].reading.notes == ["implausible"]


def test_the_last_value_before_the_finger_leaves():
    for packet_of, gone in (
        (lambda n: old(n, 98), old(60, 98, out=1)),
        (lambda n: shown(98, n), shown(0, 0, probe=1)),
    ):
        stream = [packet_of(n) for n in (70, 71, 72)] + [gone, gone] + [packet_of(80), gone]
        records = visit(*stream)
        assert values(records) == [("98", "72"), ("98", "80")]
        again(records)


def test_a_value_a_minute_while_it_lasts():
    stream = [old(60 + second % 100, 97) * OLD_LIVE_SECOND for second in range(150)]
    assert values(visit(*stream)) == [("97", "119"), ("97", "79"), ("97", "109")]


def test_a_search_does_not_end_the_stream():
    assert values(visit(old(70, 98), old(70, 98, searching=1) * 5, old(71, 98))) == [("98", "71")]
    stream = [old(70, 98)] + [old(0, 0, searching=1) * OLD_LIVE_SECOND] * 61 + [old(71, 98)]
    assert values(visit(*stream)) == [("98", "70"), ("98", "71")]


def test_packets_that_are_none():
    for data in (
        "80000000",
        "0000000000",
        "0000800000",
        "0000000080",
        "f00000",
        "f080",
        "f2800001",
        "01",
        "60",
    ):
        records = visit(bytes.fromhex(data))
        assert values(records) == ["frame-garbled"], data
        again(records)


def test_a_cable_that_begins_and_ends_in_a_packet():
    for packets in ([old(70, 98)] * 4, [shown(98, 70)] * 4):
        stream = b"".join(packets)
        for start in range(1, len(packets[0])):
            for end in range(1, len(packets[0])):
                assert values(visit(stream[start:-end])) == [("98", "70")]


def test_damage_in_between_is_kept_up_to_eight():
    for good in (old(70, 98), shown(98, 70)):
        records = visit(good, *[good[:3], good * 3] * 12)
        assert values(records) == ["frame-garbled"] * 8 + [("98", "70")]
        again(records)


# Stored sessions.


def test_a_session_of_the_older_generation():
    pairs = night(150)
    records = visit(old_stored(pairs))
    assert values(records) == [(str(pairs[at][0]), str(pairs[at][1])) for at in (59, 119, 149)]
    for number, record in enumerate(records):
        assert (record.reading.origin, record.reading.device_time, record.reading.notes) == (
            "stored",
            None,
            [],
        )
        window = old_stored(pairs)[12 + number * 180 :][:180]
        assert [(f.source, f.data) for f in record.frames] == [
            ("session", (number * 60).to_bytes(4, "big")),
            ("serial", window),
        ]
        assert record.key.wire() == ["session", number * 60, None, window]
        assert not record.key.live
    again(records)


def test_equal_windows_of_a_session_stay_two():
    records = visit(old_stored([(97, 70)] * 120))
    assert values(records) == [("97", "70")] * 2
    assert records[0].key.wire() != records[1].key.wire()


def test_the_last_valid_value_of_a_window():
    pairs = [(97, 70)] * 10 + [(96, 71)] * 20 + [(0, 0)] * 30 + [(0, 0)] * 60 + [(127, 255)] * 5 + [(95, 72)]
    assert values(visit(old_stored(pairs))) == [("96", "71"), ("95", "72")]
    assert values(visit(stored(pairs))) == [("96", "71"), ("95", "72")]


def test_single_stored_seconds():
    assert visit(bytes.fromhex("f08000")) == []
    assert values(visit(bytes.fromhex("f0c862"))) == [("98", "72")]
    assert visit(bytes.fromhex("f1ff7f")) == []
    assert values(visit(bytes.fromhex("f28000f28000f28000808005f0c862f0c961"))) == [("97", "73")]


def test_damage_that_looks_like_a_live_packet_ends_no_session():
    told = old_stored([(96, 70)] * 180)
    records = visit(told[: 12 + 61 * 3] + old(60, 99) + told[12 + 66 * 3 :])
    assert [(record.key.number, record.reading.origin) for record in records] == [(0, "stored")]


def test_a_live_packet_with_a_byte_too_many_is_no_value():
    longer = old(72, 98)[:2] + b"\x01" + old(72, 98)[2:]
    assert values(visit(old(71, 97) * 3 + longer)) == [("97", "71"), "frame-garbled"]
    assert values(visit(old(71, 97) * 3 + longer + old(0, 0, out=1))) == ["frame-garbled", ("97", "71")]
    assert values(visit(longer)) == ["frame-garbled"]


def test_noise_that_looks_like_a_packet_is_no_value():
    noise = b"\x01\x55\x03"
    assert values(visit(noise + old(72, 98))) == [("98", "72")]
    for count, found in ((1, []), (2, []), (3, [("52", "20")])):
        records = visit(noise + old(70, 97) + noise + old(20, 52) * count + noise[:1])
        assert values([record for record in records if record.reading]) == found


def test_a_head_with_plain_length_bytes_is_no_live_value():
    told = old_stored([(96, 170)] * 200)
    plain = told[:9] + bytes([byte & 0x7F for byte in told[9:12]]) + told[12:]
    assert values(visit(plain)) == values(visit(told)) == [("96", "170")] * 4


def test_sessions_of_the_newer_generation_have_times():
    pairs = night(130)
    for told, size in (
        (stored(pairs), 260),
        (stored_with_index(pairs), 520),
    ):
        records = visit(date() + time() + length(size) + told)
        assert len(records) == 3
        assert records[0].reading.origin == "stored"
        assert records[0].reading.device_time[:14] == "2026-08-18T02:"
        again(records)
    records = visit(date() + time() + length(260) + stored(pairs))
    assert values(records) == [(str(pairs[at][0]), str(pairs[at][1])) for at in (59, 119, 129)]
    assert [r.reading.device_time for r in records] == [
        "2026-08-18T02:39:17",
        "2026-08-18T02:40:17",
        "2026-08-18T02:40:27",
    ]
    assert records[1].key.wire()[:3] == ["session", 60, date() + time()]


def test_a_clock_that_was_never_set():
    for start, text in ((date(2000, 1, 1), "2000-01-01T02:38:19"), (date(2026, 0, 0), None)):
        (record,) = visit(start + time() + stored([(97, 70), (96, 71)]))
        assert record.reading.notes == ["clock-not-set"]
        assert record.reading.device_time == text
        again([record])


def test_a_session_over_new_year():
    (record,) = visit(date(2027, 12, 31) + time(23, 59, 58) + stored([(97, 70)] * 3))
    assert record.reading.device_time == "2028-01-01T00:00:00"


def test_two_sessions_in_a_stream():
    stream = (
        date()
        + time()
        + length(4)
        + stored([(97, 70)] * 2)
        + date(2026, 8, 19)
        + time()
        + stored([(96, 71)] * 3)
    )
    records = visit(stream)
    assert [r.reading.device_time for r in records] == ["2026-08-18T02:38:19", "2026-08-19T02:38:20"]
    stream = date() + time() + stored([(97, 70)] * 3) + date(2026, 8, 19) + time() + stored([(96, 71)] * 3)
    assert len(visit(stream)) == 2
    assert len(visit(old_stored([(97, 70)]) + old_stored([(97, 71)]))) == 2
    assert len(visit(old_stored([(97, 70)] * 5)[:-6] + old(60, 99) * 3)) == 2


def test_a_window_with_damage_is_left_out():
    pairs = night(180)
    for good, at in (
        (old_stored(pairs), 12 + 100 * 3 + 1),
        (date() + time() + length(360) + stored(pairs), 24 + 33 * 8 + 4),
    ):
        whole, records = visit(good), visit(good[:at] + good[at + 1 :])
        assert values(records) == [values(whole)[0], "frame-garbled", values(whole)[2]]
        assert [r.key.wire() for r in records if r.key] == [whole[0].key.wire(), whole[2].key.wire()]
        again(records)


def test_damage_of_unknown_size_ends_what_is_known():
    pairs = night(240)
    good = date() + time() + length(480) + stored(pairs)
    at = 24 + 33 * 8 + 4
    records = visit(good[:at] + good[at + 13 :])
    assert values(records) == [values(visit(good))[0], "frame-garbled"]


def test_a_place_of_any_bytes():
    for place in (b"", b"\x01", b"\xff" * 4, b"\xff" * 20, b"\x00" * 30):
        driver = ContecCms50()
        records = driver.received(Frame("session", 0, place))
        for frame in frames(stored([(97, 70)] * 130)):
            records += driver.received(frame)
        records += driver.finish()
        assert len(records) == 3
        again(records)


# The conversation.

PAIRS = night(130)
ANSWERS = {
    0xA7: STOPPED,
    0xA2: STOPPED,
    0xA0: STOPPED,
    0xA8: packet(2, b"\x00CMS50D") + packet(2, b"\x01+    \x00"),
    0xA9: packet(3, b"CONTEC "),
    0xA3: packet(0x0A, [0, 1]),
    0xA5: date() + time(),
    0xA4: length(2 * len(PAIRS)),
    0xA6: stored(PAIRS),
    0xA1: shown(98, 72),
}
HELLO = [0xA7, 0xA2, 0xA0, 0xA8, 0xA9, 0xA3]


def with_answers(**other):
    """ANSWERS with others: a7="…" by its code in letters."""
    found = dict(ANSWERS)
    for code, answer in other.items():
        found[int(code, 16)] = answer
    return found


def test_a_whole_conversation():
    device = Device()
    assert device.driver.patience_s == 1.0
    device.go_on(ANSWERS)
    assert (device.asked[:6], device.asked[6:]) == (HELLO, [0xA5, 0xA4, 0xA6, 0xA1])
    assert device.driver.about == {"manufacturer": "CONTEC", "model": "CMS50D+"}
    assert values(device.records) == values(visit(ANSWERS[0xA5] + ANSWERS[0xA4] + ANSWERS[0xA6]))
    assert device.driver.mark == date() + time() + (260).to_bytes(4, "little")
    assert device.driver.patience_s is None
    assert values(device.driver.finish()) == [("98", "72")]


def test_a_second_visit_does_not_read_what_is_known():
    mark = date() + time() + (260).to_bytes(4, "little")
    device = Device(mark)
    device.go_on(ANSWERS)
    assert (device.asked[:6], device.asked[6:]) == (HELLO, [0xA5, 0xA4, 0xA1])
    assert device.driver.mark == mark
    for changed in (with_answers(a4=length(262)), with_answers(a5=date() + time(3))):
        device = Device(mark)
        device.go_on(changed)
        assert 0xA6 in device.asked
    never_set = date(2000, 1, 1) + time()
    device = Device(never_set + (260).to_bytes(4, "little"))
    device.go_on(with_answers(a5=never_set))
    assert 0xA6 in device.asked


def test_several_sessions():
    answers = with_answers(a3=packet(0x0A, [0, 3]))
    for segment in range(3):
        answers[(0xA5, segment)] = date(2026, 8, 1 + segment) + time()
        answers[(0xA4, segment)] = length(120 if segment != 1 else 0, segment)
        answers[(0xA6, segment)] = stored(night(60, 60 + segment))
    device = Device()
    device.go_on(answers)
    assert [r.reading.device_time[:10] for r in device.records] == ["2026-08-01", "2026-08-03"]
    assert len(device.driver.mark) == 60


def test_first_commands_that_are_not_heard():
    device = Device()
    assert len(device.sends()) == 1
    assert device.silent() == [bytes.fromhex("7d81a7808080808080")]
    device.says(STOPPED)
    device.go_on(ANSWERS)
    assert len(device.records) == 3


def test_nobody_there():
    device = Device()
    device.go_on({})
    assert device.asked == [0xA7, 0xA7, 0xA1, 0xA1]
    assert device.driver.patience_s is None
    assert device.driver.mark is None
    assert device.driver.finish() == []


def test_one_that_shows_live_values_and_knows_nothing_else():
    device = Device()
    device.go_on({0xA1: shown(98, 72)})
    assert device.asked == [0xA7, 0xA7, 0xA1]
    assert values(device.driver.finish()) == [("98", "72")]


def test_questions_without_an_answer_are_left():
    device = Device()
    device.go_on(with_answers(a0=None, a8=None, a9=packet(0x0B, [0xA9, 5]), a3=None))
    assert device.asked == [0xA7, 0xA2, 0xA0, 0xA0, 0xA8, 0xA8, 0xA9, 0xA3, 0xA3, 0xA1]
    device = Device()
    device.go_on(with_answers(a6=None, a1=None))
    assert device.asked[-4:] == [0xA6, 0xA6, 0xA1, 0xA1]
    assert device.driver.mark is None
    assert device.driver.patience_s is None


def test_a_session_without_length_ends_in_silence():
    device = Device()
    device.go_on(with_answers(a4=packet(0x0B, [0xA4, 5])))
    assert values(device.records) == values(visit(stored(PAIRS)))
    assert device.driver.mark is not None


def test_a_session_of_live_packets():
    told = b"".join([shown(97, 60 + number) for number in range(40)])
    device = Device()
    device.go_on(with_answers(a4=length(240), a6=told, a1=None))
    assert values(device.records) == [("97", "79"), ("97", "99")]


def test_a_session_of_live_packets_in_a_recorded_exchange():
    driver, told = ContecCms50(), b"".join([shown(97, 60 + number) for number in range(30)])
    records = []
    for source, data in (
        (">serial", b"x"),
        (">serial", bytes.fromhex("7d81a6808080808080")),
        ("serial", told),
        (">serial", bytes.fromhex("7d81a1808080808080")),
        ("serial", shown(98, 50)),
    ):
        records += driver.received(Frame(source, 0, data))
    records += driver.finish()
    assert [record.reading.origin for record in records] == ["stored", "stored", "spot"]
    assert values(records) == [("97", "79"), ("97", "89"), ("98", "50")]


def test_a_session_that_nobody_asked_for_now():
    device = Device()
    device.says(stored(PAIRS[:6]))
    device.says(date())
    assert values(device.records) == [("94", "75")]
    assert device.asked == [0xA7]


def test_one_session_of_two_that_is_never_whole():
    answers = with_answers(a3=packet(0x0A, [0, 2]))
    answers[(0xA6, 0)] = stored(PAIRS)[:-20]
    device = Device()
    device.go_on(answers)
    assert len([r for r in device.records if r.key]) == 2 + 2 + 3
    assert device.driver.mark is None


def test_a_session_that_breaks_off_is_asked_for_once_more():
    device = Device()
    device.go_on(with_answers(a6=stored(PAIRS)[:-20]))
    assert device.asked[6:] == [0xA5, 0xA4, 0xA6, 0xA7, 0xA6, 0xA7, 0xA1]
    assert device.driver.mark is None
    assert [r.reading.device_time[14:] for r in device.records if r.key] == ["39:17", "40:17"] * 2


def test_a_session_with_damage_is_asked_for_once_more():
    device = Device()
    damaged = stored(PAIRS)[:100] + stored(PAIRS)[101:]
    device.sends()
    for _ in range(20):
        if 0xA6 in device.asked:
            break
        device.says(ANSWERS[device.asked[-1]])
    device.says(damaged)
    assert device.asked[-2:] == [0xA7, 0xA6]
    device.says(STOPPED, stored(PAIRS))
    whole = values(visit(ANSWERS[0xA5] + ANSWERS[0xA4] + ANSWERS[0xA6]))
    assert [value for value in values(device.records) if value != "frame-garbled"] == whole[1:] + whole
    assert device.driver.mark is not None


def test_it_hears_that_somebody_is_still_there():
    device = Device()
    device.go_on(ANSWERS)
    before = len(device.asked)
    device.says(*[shown(98, 72)] * 300)
    assert device.asked[before:] == [0xAF] * 3
    device = Device()
    device.go_on(with_answers(a4=length(2000), a6=stored(night(1000))))
    assert device.asked.count(0xAF) == 3


def test_live_values_that_go_on_are_no_answer():
    device = Device()
    device.sends()
    for _ in range(2):
        device.says(*[shown(98, 72)] * 180)
    assert device.asked == [0xA7, 0xA7, 0xA2]


# The older generation in a conversation.


def test_the_older_one_is_asked_for_its_session_when_no_finger_is_in():
    device = Device()
    assert device.says(*[old(72, 98)] * 10) == [bytes.fromhex("7d81a7808080808080")]
    assert device.driver.patience_s is None
    assert device.says(old(72, 98, out=1)) == [b"\xf5\xf5"]
    assert values(device.records) == [("98", "72")]
    pairs = night(70)
    told = old_stored(pairs)
    assert device.says(told[:100]) == []
    assert device.driver.patience_s == 5.0
    assert device.says(told[100:]) == [b"\xf6\xf6\xf6"]
    assert values(device.records[1:]) == values(visit(told))
    assert device.says(*[old(0, 0)] * 2000) == []


def test_the_older_one_that_does_not_answer_is_asked_twice():
    device = Device()
    asked = []
    for _ in range(1000):
        asked += device.says(old(0, 0))
    assert asked[1:] == [b"\xf5\xf5", b"\xf5\xf5"]


def test_an_old_session_that_breaks_off_is_asked_for_again():
    device = Device()
    device.says(*[old(0, 0)] * 3)
    pairs = night(70)
    assert device.says(old_stored(pairs)[:-30]) == []
    assert device.says(*[old(0, 0)] * 3) == [b"\xf6\xf6\xf6"]
    assert values(device.records) == values(visit(old_stored(pairs)))[:1]
    sends = []
    for _ in range(200):
        sends += device.says(old(0, 0))
    assert sends == [b"\xf5\xf5"]
    before = len(device.records)
    device.says(old_stored(pairs)[:-12])
    assert device.silent() == [b"\xf6\xf6\xf6"]
    assert values(device.records[before:]) == values(visit(old_stored(pairs)))[:1]
    assert device.driver.patience_s is None
    device.says(old_stored(pairs)[:-30])
    assert [r for r in device.driver.finish() if r.reading] == []


def test_nothing_is_sent_without_a_start():
    driver = ContecCms50()
    driver.received(Frame("serial", 0, old(0, 0) * 500 + b"".join(ANSWERS.values())))
    assert driver.take_sends() == []
    assert driver.received(Frame("2a5f", 0, old(72, 98))) == []


def test_any_pieces_give_the_same_records():
    source = Numbers(4)
    parts = [
        b"\x33\x01",
        old(70, 98) * 3,
        old(70, 98, out=1),
        old_stored(night(80))[:-1],
        old(61, 97) * 2,
        date() + time() + length(140) + stored(night(70)),
        source.octets(60),
        shown(96, 80) * 5,
        stored(night(5))[:-3],
    ]
    stream = b"".join(parts)
    whole = visit(stream)
    again(whole)
    assert len(whole) > 5
    assert seen(visit(*[stream[at : at + 1] for at in range(len(stream))])) == seen(whole)
    for _ in range(10):
        pieces, at = [], 0
        while at < len(stream):
            size = 1 + source.below(60)
            pieces.append(stream[at : at + size])
            at += size
        assert seen(visit(*pieces)) == seen(whole)


def test_commands_are_those_of_working_software_and_erasing_is_none():
    """tobac/cms50ew@7db65e4 cms50ew/cms50ew.py; headrotor/contec_data@ab15668 download_data.py (A6, AF)."""
    allowed = [start for _, start, size in ContecCms50.may_send if size == 9]
    for code in (0xA0, 0xA1, 0xA2, 0xA3, 0xA4, 0xA5, 0xA6, 0xA7, 0xA8, 0xA9, 0xAF):
        assert command(code) == bytes((0x7D, 0x81, code)) + b"\x80" * 6
        assert command(code)[:3] in allowed
    assert len(allowed) == 11
    assert command(0xAE)[:3] not in allowed
    assert command(0xA6, 2) == bytes.fromhex("7d81a6808280808080")

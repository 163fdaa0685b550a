"""Viatom rings: nights read in blocks of any size, windows of 60 s, live values, silence, damage, marks."""

from viatom_ring import NOTIFY, WRITE, Ring, information, night, notifications, reply, talk

from gateway.drivers import decode_record
from gateway.drivers.base import CommandError, Known
from gateway.drivers.families.viatom_frames import told_field, told_time
from gateway.drivers.viatom_oximeter import ViatomOximeter
from gateway.wire.items import Frame

NAME, OTHER = "20260131223340", "20260201223340.vld"
OUT = (0xFF, 0xFFFF)
READING = bytes.fromhex("614800000000005501030601")  # 97 %, 72, worn
CALIBRATING = bytes(11) + b"\x01"


def visit(*files, **options):
    names = [NAME, OTHER][: len(files)]
    ring = Ring(dict(zip(names, files)), names, **options)  # noqa: B905 (MicroPython has no strict=)
    driver = ViatomOximeter()
    records, mark = talk(driver, ring, Known())
    return records, mark, ring, driver


def said(records):
    """(time, SpO2, pulse) of each reading, or the code of an error."""
    return [
        record.error.code
        if record.error
        else (record.reading.device_time, record.reading.values[0].text(), record.reading.values[1].text())
        for record in records
    ]


def heard(*replies, mtu=20):
    frames = []
    for data in replies:
        frames += notifications(data, mtu)
    return decode_record("viatom-oximeter", frames)


def test_one_reading_a_minute_the_last_value_in_it():
    samples = [(90 + at // 15, 60 + at) for at in range(40)]
    records, mark, ring, driver = visit(night(samples))
    assert said(records) == [
        ("2026-01-31T22:34:36", "90", "74"),
        ("2026-01-31T22:35:36", "91", "89"),
        ("2026-01-31T22:36:16", "92", "99"),
    ]
    for record in records:
        assert (record.reading.kind, record.reading.origin, record.reading.notes) == (
            "oximetry",
            "stored",
            [],
        )
    assert mark == b"1,20260131223340:240"
    assert [code for code, _, _ in ring.commands] == [0x14, 3, 4, 5]
    assert ring.commands[1][2] == NAME.encode() + b"\x00"
    assert driver.about == {"model": "1652", "firmware": "1.4.0", "serial": "2051"}
    assert (driver.device_clock, driver.patience_s) == ("2026-02-01T07:00:05", None)


def test_the_evidence_is_the_date_and_the_samples_of_that_minute():
    data = night([(90 + at, 60) for at in range(32)], 2)
    records = visit(data)[0]
    assert [[(frame.source, frame.data) for frame in record.frames] for record in records] == [
        [("vld-begin", data[:9]), ("vld-window:2:0", data[40:190])],
        [("vld-begin", data[:9]), ("vld-window:2:30", data[190:])],
    ]
    for record in records:
        (again,) = decode_record("viatom-oximeter", record.frames)
        assert (again.reading.wire(), again.key.wire()) == (record.reading.wire(), record.key.wire())


def test_blocks_and_notifications_of_any_size_give_the_same():
    data = night([(90 + at % 9, 60 + at % 50) for at in range(50)])
    wanted = said(visit(data)[0])
    assert len(wanted) == 4
    for block in (1, 7, 39, 40, 41, 200, 2000):
        for mtu in (1, 20, 244) if block > 30 else (244,):
            assert said(visit(data, block=block, mtu=mtu)[0]) == wanted


def test_a_minute_without_finger_gives_nothing():
    samples = [OUT] * 15 + [(96, 60)] + [OUT] * 14 + [OUT] * 15 + [(0, 0)] * 15 + [(97, 61)] * 2
    assert said(visit(night(samples))[0]) == [
        ("2026-01-31T22:34:40", "96", "60"),
        ("2026-01-31T22:37:44", "97", "61"),
    ]


def test_one_number_without_the_other():
    records = visit(night([(97, 0xFFFF)] * 15 + [(0xFF, 61)] * 15 + [(101, 9)]))[0]
    assert [(t, s, p) for t, s, p in said(records)][:2] == [
        ("2026-01-31T22:34:36", "97", None),
        ("2026-01-31T22:35:36", None, "61"),
    ]
    assert [value.absent for value in records[0].reading.values] == [None, "unknown"]
    assert [record.reading.notes for record in records] == [[], [], ["implausible"]]


def test_times_over_midnight_and_the_year():
    records = visit(night([(96, 60)] * 60, begin=(2026, 12, 31, 23, 58, 30)))[0]
    assert [time for time, _, _ in said(records)] == [
        "2026-12-31T23:59:26",
        "2027-01-01T00:00:26",
        "2027-01-01T00:01:26",
        "2027-01-01T00:02:26",
    ]
    assert (
        said(visit(night([(96, 60)] * 20, begin=(2028, 2, 28, 23, 59, 59)))[0])[0][0] == "2028-02-29T00:00:55"
    )
    (record,) = visit(night([(96, 60)], begin=(2000, 1, 1, 0, 0, 0)))[0]
    assert record.reading.notes == ["clock-not-set"]
    assert not record.key.live


def test_the_key_is_the_beginning_the_number_and_the_values():
    records = visit(night([(96, 300)] * 16))[0]
    assert [record.key.wire() for record in records] == [
        ["vld", None, bytes.fromhex("ea07011f162128" + "0000000e"), bytes.fromhex("602c01")],
        ["vld", None, bytes.fromhex("ea07011f162128" + "0000000f"), bytes.fromhex("602c01")],
    ]


def test_files_that_were_read_are_not_read_again():
    one, two = night([(96, 60)] * 15), night([(97, 61)] * 15)
    mark = visit(one)[1]
    ring = Ring({NAME: one, OTHER: two}, [NAME, OTHER])
    records, mark = talk(ViatomOximeter(), ring, Known(mark))
    assert said(records) == [("2026-01-31T22:34:36", "97", "61")]
    assert [code for code, _, _ in ring.commands] == [0x14, 3, 5, 3, 4, 5]
    assert mark == b"1,20260131223340:115,20260201223340.vld:115"
    longer = Ring({NAME: one + bytes(5), OTHER: two}, [NAME, OTHER])
    talk(ViatomOximeter(), longer, Known(mark))
    assert [code for code, _, _ in longer.commands] == [0x14, 3, 4, 5, 3, 5]
    later = Ring({OTHER: two}, [OTHER])
    assert talk(ViatomOximeter(), later, Known(b"0," + mark[2:]))[1] == b"1,20260201223340.vld:115"


def test_a_file_that_is_not_given_and_names_that_are_none():
    one = night([(96, 60)])
    ring = Ring({NAME: one, OTHER: one}, ["", NAME, OTHER, "x" * 33])
    ring.refused = (NAME,)
    records, mark = talk(ViatomOximeter(), ring, Known())
    assert (len(records), mark) == (1, b"1,20260201223340.vld:45")
    empty = Ring({}, [])
    assert talk(ViatomOximeter(), empty, Known()) == ([], None)
    assert [code for code, _, _ in empty.commands] == [0x14]


def test_a_file_that_breaks_off_is_read_at_the_next_visit():
    whole = night([(96, 60)] * 120)

    class Short(Ring):
        def _reply(self, code, block, data):
            if code == 4 and block:
                return reply(b"", block, 1) if self.refused else reply(b"", block)
            return Ring._reply(self, code, block, data)

    for refused in ((), ("never",)):
        ring = Short({NAME: whole}, [NAME], block=400)
        ring.refused = refused
        records, mark = talk(ViatomOximeter(), ring, Known())
        assert (len(records), mark) == (4, None)
        assert ring.commands[-1][0] == 5
    assert len(visit(whole)[0]) == 8


def test_silence_is_asked_again_three_times_in_all():
    one = night([(96, 60)] * 30)
    for deaf in (1, 2):
        ring = Ring({NAME: one}, [NAME])
        ring.deaf = deaf
        assert len(talk(ViatomOximeter(), ring, Known())[0]) == 2
    ring = Ring({NAME: one}, [NAME])
    ring.deaf = 1000
    driver = ViatomOximeter()
    assert talk(driver, ring, Known()) == ([], None)
    assert ([code for code, _, _ in ring.commands], driver.silent()) == ([0x14] * 3, [])


def test_a_block_that_is_told_twice_counts_once():
    one = night([(96, 60)] * 30)
    driver = ViatomOximeter()
    driver.start(Known())
    found = []
    for data in (information([NAME]), len(one).to_bytes(4, "little")):
        for frame in notifications(reply(data)):
            found += driver.received(frame)
    for block in (0, 0, 7, 1, 1):
        for frame in notifications(reply(one[100:] if block == 1 else one[:100], block)):
            found += driver.received(frame)
    assert said(found) == [("2026-01-31T22:34:36", "96", "60"), ("2026-01-31T22:35:36", "96", "60")]


def test_files_of_another_kind_are_told_once():
    for wrong in (
        night([(96, 60)] * 15, version=2),
        night([(96, 60)] * 15, begin=(2026, 13, 1, 0, 0, 0)),
        night([(96, 60)] * 15, duration=61),
        night([(96, 60)] * 15, duration=45),
    ):
        records, mark, ring, _ = visit(wrong)
        assert said(records) == ["frame-garbled"]
        assert [(frame.source, frame.data) for frame in records[0].frames] == [("vld-head:115", wrong[:40])]
        assert said(decode_record("viatom-oximeter", records[0].frames)) == ["frame-garbled"]
        assert talk(ViatomOximeter(), ring, Known(mark))[0] == []
    records = visit(night([])[:39])[0]
    assert said(records) == ["frame-short"]
    assert said(decode_record("viatom-oximeter", records[0].frames)) == ["frame-short"]
    assert said(visit(night([]))[0]) == []
    assert visit(b"")[1] is None


def test_live_values_of_both_kinds_by_the_rule_of_streams():
    old = reply(READING)
    (record,) = heard(old)
    assert said([record]) == [(None, "97", "72")]
    assert (record.reading.origin, record.key.wire()) == ("spot", ["viatom-17", None, None, b"\x61\x48"])
    assert (record.key.live, [frame.data for frame in record.frames]) == (True, [old])
    wave = bytes.fromhex("602c01500006" + "01" + "000000" + "0300" + "102030")
    assert said(heard(reply(wave))) == [(None, "96", "300")]
    assert heard(reply(wave[:6] + b"\x00" + wave[7:])) == []
    assert heard(reply(CALIBRATING)) == []
    assert heard(reply(READING[:11] + b"\x00")) == []
    assert said(heard(reply(READING + b"\x00"))) == [(None, "97", "72")]
    assert said(heard(reply(b"\x60" + READING[1:]), old, reply(READING[:11] + b"\x00"), old)) == [
        (None, "97", "72"),
        (None, "97", "72"),
    ]
    assert said(heard(reply(b"\x60" + READING[1:]), reply(CALIBRATING))) == [(None, "96", "72")]
    assert heard(reply(READING[:11])) == heard(reply(bytes(40))) == []


def test_a_live_stream_gives_a_value_a_minute():
    driver, found = ViatomOximeter(), []
    for second in range(130):
        data = reply(bytes((90 + second // 60,)) + READING[1:])
        found += driver.received(Frame(NOTIFY, second * 1000, data))
    assert [spo2 for _, spo2, _ in said(found + driver.finish())] == ["90", "91", "92"]


def test_a_recorded_exchange_is_understood_without_what_was_sent():
    one = night([(96, 60)] * 30)
    sent = Frame(">" + WRITE, 0, b"\xaa")
    frames = []
    for data in (information([NAME]), len(one).to_bytes(4, "little"), one[:150], one[150:], b""):
        frames.append(sent)
        frames += notifications(reply(data, 1 if data == one[150:] else 0))
    assert len(decode_record("viatom-oximeter", frames)) == 2
    assert len(decode_record("viatom-oximeter", frames + frames)) == 4  # two files of one size
    assert decode_record("viatom-oximeter", [Frame("2a5f", 0, one)]) == []


def test_damage_costs_itself():
    good = reply(READING)
    bad = good[:8] + bytes((good[8] ^ 4,)) + good[9:]
    assert said(heard(bad, good)) == ["checksum-wrong", (None, "97", "72")]
    assert said(heard(b"\x00\x01", good)) == ["frame-garbled", (None, "97", "72")]
    assert said(heard(b"\x55\x00\x00" + good)) == ["frame-garbled", (None, "97", "72")]
    assert said(heard(good[:-3])) == ["frame-garbled"]
    assert said(heard(*[bad] * 20)) == ["checksum-wrong"] * 8
    for place in range(len(good)):
        for bit in range(8):
            flipped = good[:place] + bytes((good[place] ^ 1 << bit,)) + good[place + 1 :]
            for record in heard(flipped):
                assert record.error is not None


def test_windows_without_their_beginning_and_the_like():
    window = Frame("vld-window:4:0", 0, bytes((96, 60, 0, 0, 0)))
    begin = Frame("vld-begin", 0, night([])[:9])
    assert decode_record("viatom-oximeter", [window]) == []
    assert len(decode_record("viatom-oximeter", [begin, window])) == 1
    for source in (
        "vld-window:",
        "vld-window:4",
        "vld-window:x:0",
        "vld-window:4:-1",
        "vld-head:",
        "vld-head:1234567890",
    ):
        (record,) = decode_record("viatom-oximeter", [begin, Frame(source, 0, window.data)])
        assert record.error.code == "frame-garbled"
    for short in (b"", begin.data[:8]):
        (record,) = decode_record("viatom-oximeter", [Frame("vld-begin", 0, short), window])
        assert record.error.code == "frame-short"


def test_what_a_ring_tells_of_itself():
    assert told_field('{"SN" : "20 51","X":"1"}', "SN") == "20 51"
    for text in ("", '{"SN":', '{"SN":"20', '{"SN":20,"X":"1"}', '{"NS":"1"}'):
        assert told_field(text, "SN") == ""
    assert told_time("2026-03-04,22:15:00") == "2026-03-04T22:15:00"
    for text in ("", "2026-03-04", "2026-13-04,22:15:00", "2026-03-04,22:15:xx"):
        assert told_time(text) is None


def test_nothing_that_changes_the_ring_can_be_sent():
    driver = ViatomOximeter()
    for code in range(256):
        for size in range(40):
            try:
                driver.send(WRITE, bytes((code, 0, 0)) + bytes(size))
            except CommandError:
                continue
            assert code in (3, 4, 5, 0x14), code
            assert size == 0 or code == 3

"""The OneTouch Verio over Bluetooth: its notifications, and conversations that go wrong on the way."""

from device_bytes import le
from lifescan_bytes import NOTIFY, NOW, SINCE_2000, WRITE, Flex, flex, frame, line, talk

from gateway.drivers import decode_record
from gateway.drivers.base import CommandError, Known
from gateway.drivers.onetouch_verio import OnetouchVerio
from gateway.wire.items import Frame


def visit(*notifications):
    driver = OnetouchVerio()
    records = []
    for number, data in enumerate(notifications):
        records += driver.received(Frame(NOTIFY, number, data))
    return records + driver.finish()


def seen(records):
    """(value, time) of each reading, the code of each error."""
    return [
        record.error.code
        if record.error
        else (record.reading.values[0].text(), record.reading.device_time[11:])
        for record in records
    ]


def again(records):
    for record in records:
        alone = decode_record("onetouch-verio", record.frames)
        assert seen(alone) == seen([record])
        assert [found.key and found.key.wire() for found in alone] == [record.key and record.key.wire()]


def meter_of(*numbers, first=1):
    """A meter with these values, one a minute, numbered from `first` on."""
    return Flex({first + at: flex(NOW + 60 * at, mg_dl) for at, mg_dl in enumerate(numbers)})


def conversation(meter, mark=None):
    driver = OnetouchVerio()
    records = talk(driver, meter, mark, channel=NOTIFY)
    again(records)
    return driver, [value for value, _ in seen(records)]


def asked(meter):
    """The commands, without what wraps them."""
    return [data[5:-3] if len(data) > 1 else data for _, data in meter.commands]


def test_one_notified_record():
    records = visit(flex(NOW, 104))
    assert seen(records) == [("104", "07:15:09")]
    reading = records[0].reading
    assert (reading.kind, reading.origin, reading.context, reading.notes) == ("glucose", "stored", [], [])
    assert records[0].frames[0].data == flex(NOW, 104)[1:]
    assert records[0].key.wire() == ["verio", None, le(NOW - SINCE_2000, 4), le(104, 2)]
    again(records)


def test_a_notification_in_pieces_or_with_others():
    first, second = flex(NOW, 104), flex(NOW + 60, 110)
    whole = seen(visit(first, second))
    assert len(whole) == 2
    assert seen(visit(b"\x81" + first + b"\x81" + second)) == whole
    assert seen(visit(first[:9], first[9:] + second[:3], second[3:])) == whole


def test_what_is_notified_twice_counts_once():
    assert seen(visit(flex(NOW, 104), flex(NOW, 104), flex(NOW + 60, 104))) == [
        ("104", "07:15:09"),
        ("104", "07:16:09"),
    ]


def test_what_gives_no_reading():
    assert visit(flex(NOW, 104, control=1)) == []
    assert visit(flex(NOW, 0)) == []
    assert visit(b"\x81") == []
    assert visit(b"\x01" + frame(b"\x03\x06" + le(7, 4)), b"\x01" + frame(b"\x03\x06\x02\x00")) == []
    assert visit(b"\x01" + frame(b"\x03\x20\x02"), b"\x01" + frame(b""), line("P 000")) == []
    assert OnetouchVerio().received(Frame("2a18", 0, flex(NOW, 104))) == []


def test_every_flipped_bit_gives_an_error_and_no_value():
    sample = flex(NOW, 104)
    for place in range(1, len(sample)):  # the byte before the frame says nothing
        for bit in range(8):
            bad = sample[:place] + bytes([sample[place] ^ 1 << bit]) + sample[place + 1 :]
            records = visit(bad)
            assert records, (place, bit)
            assert [record.reading for record in records] == [None] * len(records), (place, bit)
            again(records)


def test_what_was_cut_short_gives_an_error_and_no_value():
    sample = flex(NOW, 104)
    for size in range(2, len(sample)):
        records = visit(sample[:size])
        assert [record.reading for record in records] == [None], size
        again(records)


def test_refusals_say_why():
    codes = ("device-not-allowed", "device-not-able", "device-not-understood")
    for status, code in zip((7, 8, 9), codes):  # noqa: B905 (no strict on MicroPython)
        assert seen(visit(b"\x01" + frame(bytes([3, status, 3])))) == [code]


def test_clock_newest_and_count_are_asked_before_the_records():
    meter = meter_of(104, 110, 95, first=41)
    driver, values = conversation(meter)
    assert values == ["104", "110", "95"]
    assert driver.device_clock == "2026-03-04T07:15:09"
    questions = [command for command in asked(meter) if command != b"\x81"]
    assert questions == [
        b"\x20\x02",
        b"\x0a\x02\x06",
        b"\x27\x00",
        b"\xb3\x29\x00",
        b"\xb3\x2a\x00",
        b"\xb3\x2b\x00",
    ]
    assert len(asked(meter)) == 2 * 6  # each answer is answered
    assert {channel for channel, _ in meter.commands} == {WRITE}
    assert driver.patience_s is None


def test_the_next_visit_reads_only_what_is_new():
    first, _ = conversation(meter_of(104, 110, 95))
    assert conversation(meter_of(104, 110, 95), first.mark)[1] == ["95"]
    driver, values = conversation(meter_of(104, 110, 95, 120), first.mark)
    assert values == ["95", "120"]
    assert conversation(meter_of(104, 110, 95, 120), driver.mark)[1] == ["120"]


def test_a_meter_whose_records_moved_is_read_whole():
    driver, _ = conversation(meter_of(104, 110, 95))
    # its clock was set, it was renumbered, emptied and used again, or forgot the oldest records
    moved = Flex({number: flex(NOW + 3600 + 60 * number, 100 + number) for number in (1, 2, 3, 4)})
    assert conversation(moved, driver.mark)[1] == ["103", "101", "102", "103", "104"]
    assert conversation(meter_of(120, 121), driver.mark)[1] == ["120", "121"]
    assert conversation(meter_of(120, 121, first=3), driver.mark)[1] == ["120", "121"]
    assert conversation(meter_of(120, 121, first=7), driver.mark)[1] == ["120", "121"]


def test_an_empty_meter():
    driver, values = conversation(Flex({}))
    assert (values, driver.mark, driver.patience_s) == ([], None, None)


def test_answers_that_come_twice_or_not_at_once():
    meter = meter_of(104, 110)
    meter.twice = True
    assert conversation(meter)[1] == ["104", "110"]
    for deaf in (1, 2, 5):
        meter = meter_of(104, 110)
        meter.deaf = deaf
        driver, values = conversation(meter)
        assert values == ["104", "110"]
        assert driver.mark is not None


def test_a_record_that_never_comes_is_left_out_and_asked_for_again():
    meter = meter_of(104, 110, 95)
    meter.silent = (2,)
    driver, values = conversation(meter)
    assert values == ["104", "95"]
    assert driver.mark is None
    assert asked(meter).count(b"\xb3\x02\x00") == 6
    meter = meter_of(104, 110, 95, 99)
    meter.silent = (2, 3)
    assert conversation(meter)[1] == ["104"]  # it is gone
    meter = meter_of(104, 110)
    meter.silent = (2,)
    assert conversation(meter)[1] == ["104"]


def test_a_meter_that_never_answers_is_left():
    meter = meter_of(104)
    meter.deaf = 1000
    assert conversation(meter)[1] == []
    assert len(meter.commands) == 6


def test_a_meter_that_refuses():
    for command, values in ((0x20, ["104"]), (0x0A, []), (0x27, []), (0xB3, [])):
        meter = meter_of(104)
        meter.status = {command: 7}
        driver = OnetouchVerio()
        assert [
            found for found in seen(talk(driver, meter, channel=NOTIFY)) if found != "device-not-allowed"
        ] == [(value, "07:15:09") for value in values]
        assert (driver.mark is None) == (not values or command == 0xB3)
        assert driver.patience_s is None


def test_a_meter_that_refuses_record_after_record_is_left():
    meter = meter_of(*[104 + at for at in range(30)])
    meter.status = {0xB3: 8}
    records = talk(OnetouchVerio(), meter, channel=NOTIFY)
    assert seen(records) == ["device-not-able"] * 8
    assert asked(meter).count(b"\x81") == 3 + 8


def test_an_answer_behind_half_a_frame_counts():
    driver = OnetouchVerio()
    driver.start(Known())
    driver.take_sends()
    driver.received(Frame(NOTIFY, 0, b"\x02\x3f\x00\x03" + frame(b"\x03\x06" + le(NOW - SINCE_2000, 4))))
    assert driver.silent() == []
    assert [sent.data[4:-3] for sent in driver.take_sends()] == [b"", b"\x03\x0a\x02\x06"]


def test_an_answer_to_something_else_is_waited_out():
    class Strange(Flex):
        def tell(self, command):
            return b"\x01\x02\x03" if command == 0x27 else Flex.tell(self, command)

    driver, values = conversation(Strange({1: flex(NOW, 104)}))
    assert values == []
    assert driver.device_clock == "2026-03-04T07:15:09"


def test_nothing_that_erases_or_sets_can_be_sent():
    driver = OnetouchVerio()
    for command in (b"\x1a", b"\x03\x1a", b"\x03\x20\x01" + bytes(4), b"\x03\x09\x02\x02"):
        refused = None
        try:
            driver.send(WRITE, command)
        except CommandError as error:
            refused = error.code
        assert refused == "command-forbidden", command

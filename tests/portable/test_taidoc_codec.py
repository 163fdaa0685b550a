"""What stands beside a TaiDoc meter's replies: the model as it was read, and which record was asked for."""

from taidoc_meter import frame, glucose, moment

from gateway.drivers import decode_record
from gateway.drivers.taidoc import TaiDoc
from gateway.wire.items import Frame

CHANNEL = "00001524-1212-efde-1523-785feabcd123"
FIRST, SECOND = moment(2026, 3, 4, 7, 15), moment(2026, 3, 3, 8, 30)


def asked(command, number=0, user=0):
    return Frame(">" + CHANNEL, 0, frame(command, bytes([number, 0, 0, user]), 0xA3))


def told(command, data):
    return Frame(CHANNEL, 0, frame(command, data))


def heard(frames, first=None):
    """What the driver makes of frames; `first` is heard before them."""
    driver, records = TaiDoc(), []
    for part in ([first] if first else []) + frames:
        records += driver.received(part)
    return records + driver.finish()


def test_the_model_that_was_read_tells_what_is_measured():
    cuff = [told(0x25, FIRST), told(0x26, bytes([120, 0, 80, 70]))]
    for text in (b"TD-3128", b"3128", b"TD3128B\0"):
        (record,) = heard(cuff, Frame("2a24", 0, text))
        assert record.reading.kind == "blood-pressure"
        assert [part.source for part in record.frames] == ["2a24", CHANNEL, CHANNEL]
        (again,) = decode_record("taidoc", record.frames)
        assert (again.reading.wire(), again.key.wire()) == (record.reading.wire(), record.key.wire())
        (by_reply,) = heard(cuff, told(0x24, b"\x28\x31\0\0"))
        assert by_reply.key.wire() == record.key.wire()


def test_what_the_meter_says_itself_counts_more():
    strip = [told(0x24, b"\x77\x42\0\0"), told(0x25, FIRST), told(0x26, glucose(104))]
    (record,) = heard(strip, Frame("2a24", 0, b"TD-3128"))
    assert record.reading.kind == "glucose"


def test_a_model_without_number_tells_nothing():
    for text in (b"", b"FORA 6", b"\xff\xfe", b"TD-31280"):
        (record,) = heard([Frame("2a24", 0, text), told(0x25, FIRST), told(0x26, glucose(104))])
        assert record.reading.kind == "glucose"
        assert len(record.frames) == 2


def test_a_value_does_not_take_the_time_of_another_record():
    values_first = [
        asked(0x26, 0),
        told(0x26, glucose(104)),
        asked(0x25, 0),
        told(0x25, FIRST),
        asked(0x26, 1),
        told(0x26, glucose(98)),
        asked(0x25, 1),
        told(0x25, SECOND),
    ]
    assert [record.reading.device_time for record in heard(values_first)] == [None, None]
    lost = [asked(0x25, 0), told(0x25, FIRST), asked(0x26, 0), asked(0x25, 1), told(0x25, SECOND)]
    lost += [asked(0x26, 1), told(0x26, glucose(98))]
    assert [record.reading.device_time for record in heard(lost)] == ["2026-03-03T08:30:00"]
    both_lost = [asked(0x25, 0), told(0x25, FIRST), asked(0x25, 1), asked(0x26, 1), told(0x26, glucose(98))]
    assert [record.reading.device_time for record in heard(both_lost)] == [None]
    other_user = [asked(0x25, 0, 1), told(0x25, FIRST), asked(0x26, 0, 2), told(0x26, glucose(98))]
    assert [(record.reading.device_time, record.reading.user) for record in heard(other_user)] == [(None, 2)]


def test_a_value_that_is_told_twice_is_one_record():
    record = [told(0x25, FIRST), told(0x26, glucose(104))]
    times = [one.reading.device_time for one in heard(record + record[1:] + [told(0x25, SECOND), record[1]])]
    assert times == ["2026-03-04T07:15:00", "2026-03-03T08:30:00"]
    times = [one.reading.device_time for one in heard([record[0], record[1], told(0x26, glucose(98))])]
    assert times == ["2026-03-04T07:15:00", None]
    next_one = [asked(0x25), record[0], asked(0x26), record[1], asked(0x26, 1), record[1]]
    assert [one.reading.device_time for one in heard(next_one)] == ["2026-03-04T07:15:00", None]


def test_user_255_is_nobody():
    cuff = [told(0x24, b"\x28\x31\0\0"), asked(0x25, 0, 255), told(0x25, FIRST), asked(0x26, 0, 255)]
    cuff.append(told(0x26, bytes([120, 0, 80, 70])))
    (record,) = heard(cuff)
    assert (record.reading.user, record.key.space) == (None, "record")

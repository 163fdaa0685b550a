"""Record access: what is asked, in which order, and when a transfer is whole; against a meter of its own."""

from glucose_bytes import Meter

from gateway.drivers.base import CommandError, Driver, Known
from gateway.drivers.shared.record_access import RecordAccess, RecordReader

ALL, COUNT_ALL, NEWEST, ABORT = b"\x01\x01", b"\x04\x01", b"\x01\x06", b"\x03\x00"


def since(number, opcode=1):
    return bytes([opcode, 3, 1, number & 255, number >> 8])


def body(number, mark=0):
    """A record's bytes, known by its number and one more byte."""
    return bytes([number & 255, number >> 8, mark])


def meter(*numbers, **knows):
    return Meter([(number, [("record", body(number))]) for number in numbers], **knows)


def talk(device, mark=None, most=40):
    """Both sides until nothing is awaited: (the numbers that came, in order; the conversation)."""
    access = RecordAccess()
    command, came = access.begin(mark), []
    while most and access.patience_s is not None:
        most -= 1
        frames = [] if command is None else device.asked(command)
        command = None
        for source, data in frames:
            if source == "record":
                access.record(data[0] + 256 * data[1], data)
                came.append(data[0] + 256 * data[1])
            else:
                command = access.answered(data) or command
        if not frames:
            command = access.silent()
        elif command is None and access.patience_s == 5:
            command = access.silent()  # busy: it waits
    assert access.patience_s is None
    return came, access


def marked(number, mark=0):
    return bytes([number & 255, number >> 8]) + body(number, mark)


def test_everything_is_asked_of_a_device_that_is_new():
    device = meter(3, 4, 5)
    came, access = talk(device)
    assert (came, device.heard) == ([3, 4, 5], [COUNT_ALL, ALL])
    assert (access.whole, access.mark) == (True, marked(5))


def test_none_found_is_success():
    for device in (meter(), meter(counts=False)):
        came, access = talk(device)
        assert (came, access.whole, access.mark) == ([], True, None)
    assert device.heard == [COUNT_ALL, ALL]


def test_only_news_is_asked_for_and_the_last_one_again():
    device = meter(3, 4, 5, 6, 7)
    came, access = talk(device, marked(5))
    assert device.heard == [since(5, 4), since(5), NEWEST]
    assert (came, access.mark) == ([5, 6, 7, 7], marked(7))


def test_nothing_new():
    device = meter(3, 4, 5)
    came, access = talk(device, marked(5))
    assert (came, access.whole, access.mark) == ([5, 5], True, marked(5))


def test_a_device_that_was_renumbered_hides_nothing():
    other = Meter([(number, [("record", body(number, 9))]) for number in (4, 5, 6)])
    cases = (
        (meter(0, 1, 2), [since(5, 4)]),  # emptied, and began anew
        (meter(), [since(5, 4)]),  # emptied
        (other, [since(5, 4), since(5)]),  # other records with these numbers
        (meter(6, 7), [since(5, 4), since(5)]),  # the last one is gone
        (meter(3, 4, 5, 0, 1), [since(5, 4), since(5), NEWEST]),  # began anew, and kept the old ones
    )
    for device, before in cases:
        came, access = talk(device, marked(5))
        assert device.heard == before + ([COUNT_ALL, ALL] if device.records else [COUNT_ALL])
        assert access.whole
        for number, _ in device.records:
            assert number in came


def test_numbers_that_are_about_to_wrap_are_not_relied_on():
    device = meter(0xFF00, 0xFF01, 0)
    came, _ = talk(device, marked(0xFF00))
    assert (came, device.heard) == ([0xFF00, 0xFF01, 0], [COUNT_ALL, ALL])
    assert talk(meter(0xFEFF), marked(0xFEFF))[1].mark == marked(0xFEFF)


def test_a_mark_without_a_record_is_no_mark():
    for mark in (None, b"", b"\x05\x00"):
        device = meter(3)
        talk(device, mark)
        assert device.heard == [COUNT_ALL, ALL]


def test_a_device_that_does_not_count_or_knows_no_newest():
    device = meter(3, 4, counts=False, newest=False)
    came, access = talk(device, marked(3))
    assert (came, device.heard) == ([3, 4], [since(3, 4), since(3), NEWEST])
    assert access.mark == marked(4)


def test_a_device_that_cannot_select_is_asked_for_all():
    device = meter(3, 4, since=False, counts=False)
    came, access = talk(device, marked(3))
    assert (came, device.heard) == ([3, 4], [since(3, 4), since(3), COUNT_ALL, ALL])
    assert access.mark == marked(4)


def test_lost_notifications_are_noticed_and_asked_for_again():
    device = meter(3, 4, 5)
    device.loses = [4]
    came, access = talk(device)
    assert (came, access.mark) == ([3, 5, 3, 4, 5], marked(5))
    assert device.heard == [COUNT_ALL, ALL, ALL]


def test_a_device_that_counts_more_than_it_tells_is_believed_at_last():
    device = meter(3, 4)
    device.records.append((5, []))
    came, access = talk(device)
    assert (came, access.mark, access.whole) == ([3, 4, 3, 4], marked(4), True)


def test_busy_is_asked_again_and_not_for_ever():
    device = meter(3)
    device.busy = 3
    came, access = talk(device)
    assert (came, access.whole) == ([3], True)
    assert device.heard == [COUNT_ALL] * 4 + [ALL]
    device.busy = 99
    came, access = talk(device)
    assert (came, access.whole, access.mark) == ([], False, None)


def test_silence_is_ended_by_an_abort_and_tried_again():
    access = RecordAccess()
    assert access.begin(None) == COUNT_ALL
    assert access.silent() == ALL  # it does not count
    assert access.patience_s == 30
    access.record(3, body(3))
    assert access.silent() == ABORT
    access.record(4, body(4))  # still on its way
    assert access.answered(b"\x06\x00\x01\x01") is None  # of the procedure that was given up
    assert access.answered(b"\x06\x00\x03\x01") == COUNT_ALL
    assert access.answered(b"\x05\x00\x01\x00") == ALL
    access.record(3, body(3))
    assert access.answered(b"\x06\x00\x01\x01") is None
    assert (access.whole, access.mark, access.patience_s) == (True, marked(3), None)


def test_a_device_that_never_answers_is_left_alone():
    device = meter(3)
    device.deaf = 99
    came, access = talk(device)
    assert (came, access.whole, access.mark) == ([], False, None)
    assert device.heard.count(ABORT) == 6
    assert len(device.heard) == 18


def test_what_was_not_completed_is_asked_again_and_marks_nothing():
    device = meter(3, 4, 5)
    device.breaks = 1
    came, access = talk(device)
    assert (came, access.mark) == ([3, 3, 4, 5], marked(5))
    device.breaks = 1
    came, access = talk(device, marked(3))
    assert device.heard[-2:] == [COUNT_ALL, ALL]


def test_a_link_that_drops_leaves_no_mark():
    access = RecordAccess()
    access.begin(marked(3))
    access.answered(b"\x05\x00\x03\x00")
    access.record(4, body(4))
    assert (access.whole, access.mark) == (False, None)


def test_the_newest_may_stay_silent_or_be_none():
    access = RecordAccess()
    access.begin(marked(3))
    access.answered(b"\x06\x00\x04\x02")
    access.record(3, body(3))
    assert access.answered(b"\x06\x00\x01\x01") == NEWEST
    assert access.silent() is None
    assert (access.whole, access.mark) == (True, marked(3))


def test_answers_that_make_no_sense_are_passed_over():
    access = RecordAccess()
    assert access.answered(b"\x06\x00\x01\x01") is None  # nothing was asked
    assert access.silent() is None
    access.record(9, body(9))
    access.begin(None)
    for data in (b"", b"\x06", b"\x06\x00\x01", b"\x06\x00\x01\x01", b"\x07\x00\x04\x01"):
        assert access.answered(data) is None
    assert access.answered(b"\x05\x00\x01\x00\x00\x00") == ALL  # a count in four bytes
    assert access.answered(b"\x05\x00\x01\x00") is None
    assert access.patience_s == 30


class Reader(RecordReader):
    name = "reader"


def refused(driver, command):
    try:
        driver.send("2a52", command)
    except CommandError as error:
        return error.code == "command-forbidden"
    return False


def test_a_reader_sends_what_the_conversation_asks_and_nothing_else():
    driver = Reader()
    assert isinstance(driver, Driver)
    driver.start(Known(marked(5)))
    assert [(frame.source, frame.data) for frame in driver.take_sends()] == [("2a52", since(5, 4))]
    assert (driver.patience_s, driver.mark, driver.silent()) == (5, None, [])
    assert [frame.data for frame in driver.take_sends()] == [since(5)]
    assert driver.patience_s == 30
    forbidden = [bytes([2, operator]) for operator in range(8)]
    forbidden += [
        b"\x02",
        b"\x02\x03\x01\x05\x00",
        b"\x01\x01\x00",
        b"\x03\x01",
        b"\x01\x03\x02\x00\x00",
        b"",
    ]
    for command in forbidden:
        assert refused(driver, command)
    assert driver.take_sends() == []

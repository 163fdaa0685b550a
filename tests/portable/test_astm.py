"""ASTM E1381 from the receiving side: numbers, sums, repetitions, and what is answered."""

from device_bytes import Numbers

from gateway.drivers.shared.astm import ACCEPTED, CLOSED, DAMAGED, FRAME, OPENED, REFUSED, REPEATED, Receiver

ACK, NAK = b"\x06", b"\x15"
ENQ, EOT = b"\x05", b"\x04"


def frame(number, text, end=b"\x17"):
    body = b"%d" % number + text + b"\r" + end
    return b"\x02" + body + b"%02X" % (sum(body) & 255) + b"\r\n"


def heard(*pieces):
    receiver = Receiver()
    found = []
    for piece in pieces:
        found += receiver.feed(piece)
    return found + receiver.silent()


def answers(*pieces):
    return [(one.what, one.answer) for one in heard(*pieces)]


def texts(*pieces):
    return [one.text for one in heard(*pieces) if one.what == FRAME]


def test_a_whole_transfer():
    stream = ENQ + frame(1, b"H|one") + frame(2, b"P|1") + frame(3, b"L|1", b"\x03") + EOT
    found = heard(stream)
    assert [(one.what, one.answer) for one in found] == [(OPENED, ACK)] + [(FRAME, ACK)] * 3 + [(CLOSED, b"")]
    assert [(one.text, one.last) for one in found[1:4]] == [
        (b"H|one\r", False),
        (b"P|1\r", False),
        (b"L|1\r", True),
    ]
    assert [one.cut.data for one in found] == [
        ENQ,
        frame(1, b"H|one"),
        frame(2, b"P|1"),
        frame(3, b"L|1", b"\x03"),
        EOT,
    ]
    assert all(one.cut.error() is None for one in found)


def test_numbers_go_round_from_7_to_0():
    stream = ENQ + b"".join([frame(number % 8, b"R|%d" % number) for number in range(1, 20)])
    assert texts(stream) == [b"R|%d\r" % number for number in range(1, 20)]


def test_a_frame_that_came_before_is_acknowledged_and_not_taken_twice():
    one, two = frame(1, b"one"), frame(2, b"two")
    assert answers(ENQ, one, one, two, two)[1:] == [(FRAME, ACK), (REPEATED, ACK)] * 2
    assert texts(ENQ, one, one, two, two) == [b"one\r", b"two\r"]
    assert answers(ENQ, one, ENQ, one)[2:] == [(OPENED, ACK), (FRAME, ACK)]


def test_a_missing_frame_is_asked_for():
    found = heard(ENQ, frame(2, b"two"), frame(1, b"one"))
    assert [(one.what, one.answer) for one in found[1:]] == [(DAMAGED, NAK), (FRAME, ACK)]
    assert found[1].cut.error().code == "frame-garbled"


def test_a_damaged_frame_is_asked_for_at_once_and_taken_when_it_comes_again():
    good = frame(1, b"R|1|9.3", b"\x03")
    for at in range(1, len(good) - 2):
        for bit in range(8):
            wrong = good[:at] + bytes([good[at] ^ 1 << bit]) + good[at + 1 :]
            found = heard(ENQ, wrong, good)
            if wrong[at : at + 1].upper() == good[at : at + 1] and at >= len(good) - 4:
                continue  # a digit of the sum in small letters is that digit
            assert texts(ENQ, wrong, good) == [b"R|1|9.3\r"], (at, bit)
            assert NAK in [one.answer for one in found], (at, bit)


def test_noise_that_looks_like_a_new_enquiry_does_not_stop_the_numbers():
    two = frame(2, b"two")
    assert texts(ENQ, frame(1, b"one"), two[:4] + ENQ + two[5:], two, frame(3, b"three")) == [
        b"one\r",
        b"two\r",
        b"three\r",
    ]


def test_what_is_wrong_with_a_frame_is_named():
    good = frame(1, b"one")

    def code(data):
        return heard(ENQ, data)[1].cut.code

    assert code(good.replace(b"one", b"two")) == "checksum-wrong"
    assert code(good[:-4] + b"\r\n") == "frame-garbled"
    assert code(good[:-2] + b"\n") == "frame-short"
    assert code(b"\x02\r\n") == "frame-short"
    assert code(good[:-1]) == "frame-short"
    assert code(good.replace(b"\x021", b"\x029")) == "frame-garbled"
    assert code(good[:5] + good) == "frame-short"


def test_small_letters_in_the_sum_are_the_same_sum():
    for number in range(1, 8):
        good = frame(1, b"x" * number)
        assert texts(ENQ, good[:-4] + good[-4:-2].lower() + good[-2:]) == [b"x" * number + b"\r"]


def test_noise_between_frames_is_not_answered():
    found = answers(b"\x00\xff", ENQ, b"abc\r\n", frame(1, b"one"), b"\x80")
    assert found == [(DAMAGED, b""), (OPENED, ACK), (DAMAGED, b""), (FRAME, ACK), (DAMAGED, b"")]


def test_what_the_device_answers():
    assert answers(ACK, NAK) == [(ACCEPTED, b""), (REFUSED, b"")]


def test_a_frame_that_stays_half_is_asked_for_after_a_silence():
    receiver = Receiver()
    good = frame(1, b"one")
    assert [one.what for one in receiver.feed(ENQ + good[:6])] == [OPENED]
    assert [(one.what, one.answer) for one in receiver.silent()] == [(DAMAGED, NAK)]
    assert [one.text for one in receiver.feed(good)] == [b"one\r"]
    assert receiver.silent() == []


def test_a_frame_without_end_does_not_fill_the_store():
    receiver = Receiver()
    sizes = [len(one.cut.data) for one in receiver.feed(b"\x02" + b"x" * 5000)]
    assert sizes
    assert max(sizes) <= 1024


def test_any_pieces_give_the_same():
    source = Numbers(9)
    for _ in range(30):
        stream = source.octets(source.below(50)) + ENQ + frame(1, b"one") + source.octets(source.below(50))
        stream += b"\x02" + frame(2, b"two") * 2 + EOT + source.octets(5)
        whole = [(one.what, one.cut.data, one.answer) for one in heard(stream)]
        assert b"".join([row[1] for row in whole]) == stream
        pieces = [stream[at : at + 1] for at in range(len(stream))]
        assert [(one.what, one.cut.data, one.answer) for one in heard(*pieces)] == whole


def test_before_the_first_enquiry_frames_are_taken_and_nothing_is_answered():
    assert answers(frame(5, b"five"), frame(2, b"two")) == [(FRAME, b""), (FRAME, b"")]
    assert answers(frame(1, b"one")[:-4] + b"\r\n") == [(DAMAGED, b"")]


def test_numbers_go_on_from_a_frame_before_the_first_enquiry_or_begin_at_1():
    one, two = frame(1, b"H|one"), frame(2, b"P|1")
    assert answers(one, ENQ, two) == [(FRAME, b""), (OPENED, ACK), (FRAME, ACK)]
    assert answers(one, ENQ, one, two) == [(FRAME, b""), (OPENED, ACK), (FRAME, ACK), (FRAME, ACK)]

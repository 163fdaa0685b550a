"""Cutting streams: whole frames, damaged stretches, and that nothing gets lost in between."""

from device_bytes import Numbers

from gateway.drivers.shared.checksums import crc16_ccitt_false
from gateway.drivers.shared.framing import Cut, Cutter, LengthFrames, Lines, SyncPackets


class Packets(SyncPackets):
    """Five bytes; of a first byte F0 to FF three."""

    def length(self, first):
        return 3 if first >= 0xF0 else 5


class Replies(SyncPackets):
    """Turned round: the first byte without bit 7 says how long it is."""

    sync = 0

    def length(self, first):
        return {1: 9, 0x0F: 8}.get(first, 0)


class Framed(LengthFrames):
    """02, length of the whole, payload, 03, CRC with the low byte first."""

    def __init__(self):
        super().__init__(b"\x02", 1, 0)

    def fault(self, frame):
        if len(frame) < 5 or frame[-3] != 3:
            return "frame-garbled"
        return "" if crc16_ccitt_false(frame[:-2]) == frame[-2] | frame[-1] << 8 else "checksum-wrong"


class Doubled(LengthFrames):
    """Two bytes to begin with, and a length that counts what follows it only."""

    most = 20

    def __init__(self):
        super().__init__(b"\xa5\x5a", 2, 3)


def framed(payload):
    body = bytes([2, len(payload) + 5]) + payload + b"\x03"
    crc = crc16_ccitt_false(body)
    return body + bytes([crc & 255, crc >> 8])


def cuts(cutter, *pieces):
    found = []
    for piece in pieces:
        found += cutter.feed(piece)
    return [(cut.data, cut.code) for cut in found + cutter.end()]


def any_pieces(kind, stream, source):
    """The cuts of a stream, once they are sure to be the same in all pieces and to be the stream again."""
    whole = cuts(kind(), stream)
    assert b"".join([data for data, _ in whole]) == stream
    assert cuts(kind(), *[stream[at : at + 1] for at in range(len(stream))]) == whole
    pieces, at = [], 0
    while at < len(stream):
        size = 1 + source.below(40)
        pieces.append(stream[at : at + size])
        at += size
    assert cuts(kind(), *pieces) == whole
    return whole


def test_a_cut_has_an_error_or_none():
    assert Cut(b"a").error() is None
    assert Cut(b"a", "frame-short").error().code == "frame-short"
    assert Cut(b"a", "checksum-wrong").error().detail


def test_a_cutter_without_a_form_says_so():
    for method in (Cutter().size, SyncPackets().length):
        try:
            method(b"a")
        except NotImplementedError:
            continue
        raise AssertionError(method)
    assert Cutter().fault(b"a") == ""


def test_lines():
    assert cuts(Lines(), b"one\r\ntwo\n\n") == [(b"one\r\n", ""), (b"two\n", ""), (b"\n", "")]
    assert cuts(Lines(0x0D), b"one\rt\two\r") == [(b"one\r", ""), (b"t\two\r", "")]
    assert cuts(Lines(), b"half") == [(b"half", "frame-short")]


def test_bytes_that_no_text_holds_break_a_line():
    assert cuts(Lines(), b"\x00\xffone\n") == [(b"\x00\xff", "frame-garbled"), (b"one\n", "")]
    assert cuts(Lines(), b"on\x80e\n") == [(b"on\x80", "frame-garbled"), (b"e\n", "")]
    assert cuts(Lines(), b"a\x7fb") == [(b"a\x7fb", "frame-garbled")]


def test_a_line_without_end_does_not_fill_the_store():
    found = cuts(Lines(), b"x" * 300 + b"\none\n")
    short = "frame-short"
    assert [(len(data), code) for data, code in found] == [(128, short), (45, short), (128, ""), (4, "")]


def test_packets_by_their_sync_bit():
    good, short = bytes([0x80, 1, 2, 3, 4]), bytes([0xF1, 5, 6])
    assert cuts(Packets(), good + short + good) == [(good, ""), (short, ""), (good, "")]
    assert cuts(Packets(), b"\x01\x02" + good) == [(b"\x01\x02", "frame-garbled"), (good, "")]
    assert cuts(Packets(), good[:3] + good) == [(good[:3], "frame-short"), (good, "")]
    assert cuts(Packets(), good + good[:4]) == [(good, ""), (good[:4], "frame-short")]
    assert cuts(Packets(), good[:1] * 2 + good) == [(good[:1], "frame-short")] * 2 + [(good, "")]


def test_packets_with_the_sync_bit_turned_round():
    live, stored = bytes([1] + [0x80] * 8), bytes([0x0F] + [0x91] * 7)
    assert cuts(Replies(), live + stored) == [(live, ""), (stored, "")]
    assert cuts(Replies(), b"\x02\x80\x80" + live) == [(b"\x02\x80\x80", "frame-garbled"), (live, "")]
    assert cuts(Replies(), b"\x02\x80") == [(b"\x02\x80", "frame-garbled")]


def test_frames_that_tell_their_length():
    one, two = framed(b"\x05\x06"), framed(b"")
    assert cuts(Framed(), one + two) == [(one, ""), (two, "")]
    assert cuts(Framed(), b"\x00" + one[:-1]) == [(b"\x00" + one[:-1], "frame-short")]
    assert cuts(Framed(), b"\x02\x01" + one) == [(b"\x02\x01", "frame-garbled"), (one, "")]
    wrong = one[:-1] + bytes([one[-1] ^ 1])
    assert cuts(Framed(), wrong + two) == [(wrong, "checksum-wrong"), (two, "")]
    assert cuts(Framed(), b"\x02\x05\x00\x00\x00" + two) == [
        (b"\x02\x05\x00\x00\x00", "frame-garbled"),
        (two, ""),
    ]


def test_a_frame_inside_what_only_looked_like_a_frame_is_found():
    one = framed(b"\x05\x06")
    for length in range(256):
        noise = bytes([2, length])
        found = cuts(Framed(), noise + one * 40)
        assert [data for data, code in found if not code] == [one] * 40, length


def test_silence_gives_up_what_was_waited_for():
    one = framed(b"\x05")
    cutter = Framed()
    assert cutter.feed(b"\x02\xff" + one) == []
    found = cutter.end()
    assert [(cut.data, cut.code) for cut in found] == [(b"\x02\xff", "frame-short"), (one, "")]
    assert [cut.data for cut in cutter.feed(one)] == [one]
    assert cutter.end() == []


def test_a_beginning_of_two_bytes_and_a_length_of_the_rest():
    good = b"\xa5\x5a\x02ab"
    assert cuts(Doubled(), b"\xa5" + good) == [(b"\xa5", "frame-garbled"), (good, "")]
    assert cuts(Doubled(), good + b"\xa5") == [(good, ""), (b"\xa5", "frame-short")]
    # longer than any frame: not waited for
    assert cuts(Doubled(), b"\xa5\x5a\x40" + good) == [(b"\xa5\x5a\x40", "frame-garbled"), (good, "")]


def test_noise_is_cut_at_the_greatest_length():
    good = b"\xa5\x5a\x02ab"
    found = cuts(Doubled(), b"\x01" * 50 + good)
    assert [len(data) for data, _ in found] == [20, 20, 10, 5]


def test_any_pieces_give_the_same_cuts():
    source = Numbers(5)
    one, packet, line = framed(b"abc"), bytes([0x81, 2, 3, 4, 5]), b"ST,+00065.0 kg\r\n"
    for _ in range(40):
        noise = source.octets(source.below(60))
        for kind, frame in (
            (Framed, one),
            (Packets, packet),
            (Replies, b"\x01" + b"\x90" * 8),
            (Lines, line),
        ):
            mixed = (
                noise
                + frame
                + source.octets(source.below(400))
                + frame[: source.below(len(frame))]
                + frame * 3
            )
            found = any_pieces(kind, mixed, source)
            assert found[-1] == (frame, "")

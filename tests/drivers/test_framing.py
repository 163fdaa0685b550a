"""Streams of any bytes through every kind of cutter: the pieces do not matter, and no frame gets lost."""

import os
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_astm import frame as astm_frame
from test_framing import Framed, Packets, Replies, cuts, framed

from gateway.drivers.shared.astm import FRAME, Receiver
from gateway.drivers.shared.framing import Lines

DOSE = settings(max_examples=100 * int(os.environ.get("MEETHUB_DOSE", "1")), deadline=None)
FRAMES = {
    Framed: framed(b"\x05\x06\x00"),
    Lines: b"ST,+00065.0 kg\r\n",
    Packets: bytes([0x81, 2, 3, 4, 5]),
    Replies: b"\x01" + bytes(range(0x80, 0x88)),
}
KINDS = pytest.mark.parametrize("kind", FRAMES, ids=lambda kind: kind.__name__)
PLACES = st.lists(st.integers(0, 2000), max_size=12)


def streams(frame: bytes) -> st.SearchStrategy[bytes]:
    piece = st.just(frame) | st.binary(max_size=40) | st.integers(0, len(frame)).map(lambda at: frame[:at])
    return st.lists(piece, max_size=8).map(b"".join)


def pieces(stream: bytes, places: list[int]) -> list[bytes]:
    edges = [0, *sorted(place % (len(stream) + 1) for place in places), len(stream)]
    return [stream[low:high] for low, high in pairwise(edges)]


@KINDS
@DOSE
@given(st.data(), PLACES)
def test_the_pieces_do_not_matter(kind, data, places):
    stream = data.draw(streams(FRAMES[kind]))
    whole = cuts(kind(), stream)
    assert b"".join(part for part, _ in whole) == stream
    assert cuts(kind(), *pieces(stream, places)) == whole
    assert cuts(kind(), *[stream[at : at + 1] for at in range(len(stream))]) == whole


@pytest.mark.parametrize("kind", [Framed, Replies], ids=lambda kind: kind.__name__)
@DOSE
@given(st.data())
def test_noise_before_a_frame_never_loses_it(kind, data):
    """Lines and packets without a checksum can grow together with what stands before them; these cannot."""
    stream = data.draw(streams(FRAMES[kind]))
    assert (FRAMES[kind], "") in cuts(kind(), stream + FRAMES[kind])


@DOSE
@given(st.binary(max_size=200), st.sampled_from([b"\n", b"\xff"]))
def test_a_line_after_the_end_of_anything_is_found(stream, end):
    assert cuts(Lines(), stream + end + FRAMES[Lines])[-1] == (FRAMES[Lines], "")


@DOSE
@given(st.binary(max_size=200))
def test_a_packet_is_found_again_at_its_sync_bit(stream):
    assert cuts(Packets(), stream + FRAMES[Packets])[-1] == (FRAMES[Packets], "")


@KINDS
@DOSE
@given(st.binary(max_size=600), PLACES)
def test_no_good_frame_comes_out_of_anything_but_good_bytes(kind, stream, places):
    cutter = kind()
    for part, code in cuts(cutter, *pieces(stream, places)):
        assert 0 < len(part) <= cutter.most
        assert code or (cutter.size(part) == len(part) and not cutter.fault(part))


@DOSE
@given(st.lists(st.binary(max_size=30) | st.sampled_from([b"\x02", b"\x05", b"\x04"]), max_size=6), PLACES)
def test_a_transfer_comes_through_noise_when_the_device_repeats_what_was_refused(noise, places):
    """A frame that is not acknowledged is sent again; the text arrives once, whatever came before it."""
    receiver = Receiver()
    for part in pieces(b"".join(noise), places):
        receiver.feed(part)
    receiver.silent()
    heard = []
    for number, text in ((1, b"one"), (2, b"two"), (3, b"three")):
        if number == 1:
            receiver.feed(b"\x05")
        heard += receiver.feed(astm_frame(number, text))
    assert [one.text for one in heard if one.what == FRAME] == [b"one\r", b"two\r", b"three\r"]

"""Nonin streams of any bytes: readings or errors only, the same in any pieces, found again from the evidence."""

import os
from itertools import pairwise

from device_bytes import df2, df7, df8, df13
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.drivers import decode_record
from gateway.drivers.nonin_serial import NoninSerial
from gateway.wire.items import Frame
from gateway.wire.reading import reading_from_wire

DOSE = settings(max_examples=200 * int(os.environ.get("MEETHUB_DOSE", "1")), deadline=None)
NUMBERS = st.tuples(st.sampled_from([0, 61, 74, 128, 200, 300, 511]), st.sampled_from([88, 97, 100, 127]))
STATUS = st.sampled_from([0, 0x20, 0x10, 0x08, 0x18, 0x04, 0x06])
PACKET = st.one_of(
    st.builds(lambda n, s: df2(*n, s), NUMBERS, STATUS),
    st.builds(lambda n, s: df7(*n, s), NUMBERS, STATUS),
    st.builds(lambda n, s: df8(*n, s) * 3, NUMBERS, STATUS),
    st.builds(lambda n, s: df13(*n, status=s), NUMBERS, st.sampled_from([0, 0x100, 0x200, 0x10])),
)
PIECE = PACKET | st.binary(max_size=30) | st.builds(lambda p, a: p[a:], PACKET, st.integers(0, 125))
STREAM = st.lists(PIECE | st.builds(lambda p, a: p[:a], PACKET, st.integers(0, 125)), max_size=8).map(
    b"".join
)


def visit(pieces: list[bytes]):
    driver = NoninSerial()
    records = [record for piece in pieces for record in driver.received(Frame("serial", 0, piece))]
    return records + driver.finish()


def told(record):
    reading, key = record.reading, record.key
    return (
        record.frames[0].data,
        reading and reading.wire(),
        key and (key.wire(), key.live),
        record.error and record.error.code,
    )


def cut(stream: bytes, places: list[int]) -> list[bytes]:
    edges = [0, *sorted(place % (len(stream) + 1) for place in places), len(stream)]
    return [stream[low:high] for low, high in pairwise(edges)]


@DOSE
@given(STREAM)
def test_readings_or_errors_only_and_the_evidence_gives_them_again(stream: bytes):
    for record in visit([stream]):
        assert record.reading is None or record.error is None
        assert record.frames[0].data in stream
        assert [told(found) for found in decode_record("nonin-serial", record.frames)] == [told(record)]
        if record.reading is not None:
            assert reading_from_wire(record.reading.wire()).wire() == record.reading.wire()
            assert any(value.digits is not None for value in record.reading.values)


@DOSE
@given(STREAM, st.lists(st.integers(0, 2000), max_size=12))
def test_the_pieces_do_not_matter(stream: bytes, places: list[int]):
    whole = [told(record) for record in visit([stream])]
    assert [told(record) for record in visit(cut(stream, places))] == whole
    assert [told(record) for record in visit([stream[at : at + 1] for at in range(len(stream))])] == whole


@DOSE
@given(STREAM, st.sampled_from([df2(93, 94), df7(93, 94)]))
def test_two_packets_after_anything_are_found(stream: bytes, packet: bytes):
    """Whatever came before costs at most the first packet, once what may be a spot check has passed (263 bytes)."""
    records = visit([stream + packet * 5])
    assert [value.text() for value in records[-1].reading.values] == ["94", "93"]


@DOSE
@given(st.binary(max_size=600))
def test_checked_values_come_out_of_whole_checked_packets_only(stream: bytes):
    for record in visit([stream]):
        if record.reading is not None:
            data = record.frames[0].data
            assert len(data) == 4 or data[-1] == 3 or sum(data[-5:-1]) & 255 == data[-1]

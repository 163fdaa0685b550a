"""Viatom rings under any bytes, any files, any pieces."""

import os

from hypothesis import given, settings
from hypothesis import strategies as st
from viatom_ring import NOTIFY, Ring, night, notifications, reply, talk

from gateway.drivers import decode_record
from gateway.drivers.base import Known
from gateway.drivers.viatom_oximeter import ViatomOximeter
from gateway.wire.items import Frame
from gateway.wire.reading import reading_from_wire
from tests.drivers.properties import DOSE, frames_of, told

RARE = settings(max_examples=40 * int(os.environ.get("MEETHUB_DOSE", "1")), deadline=None)
NAME = "20260131223340"
SAMPLES = st.lists(
    st.tuples(st.sampled_from([0, 88, 97, 100, 127, 255]), st.sampled_from([0, 61, 300, 65535])), max_size=70
)
DATA = st.one_of(
    st.binary(max_size=20),
    st.binary(min_size=4, max_size=4),
    st.sampled_from(
        [b'{"FileList":"a,b"}', bytes.fromhex("614800000000005501030601"), night([(97, 60)] * 20)]
    ),
)
REPLY = st.builds(reply, DATA, st.integers(0, 3), st.sampled_from([0, 0, 0, 1]))
STREAM = st.lists(REPLY | st.binary(max_size=12), max_size=8).map(b"".join)


def sure(records):
    """Each record is well-formed and follows from its own frames."""
    for record in records:
        assert (record.reading is None) == (record.key is None) == (record.error is not None)
        assert [told(found) for found in decode_record("viatom-oximeter", record.frames)] == [told(record)]
        if record.reading is not None:
            assert reading_from_wire(record.reading.wire()).wire() == record.reading.wire()
            assert any(value.digits is not None for value in record.reading.values)
    return records


@DOSE
@given(STREAM, st.integers(1, 60))
def test_any_replies_in_any_pieces(stream, mtu):
    whole = sure(decode_record("viatom-oximeter", notifications(stream, max(len(stream), 1))))
    cut = decode_record("viatom-oximeter", notifications(stream, mtu))
    assert [told(record) for record in cut] == [told(record) for record in whole]


@DOSE
@given(frames_of(NOTIFY, "vld-begin", "vld-window:4:30", "vld-window:2:0", "vld-head:115", "2a5f", most=10))
def test_any_frames_give_readings_or_errors(frames):
    sure(decode_record("viatom-oximeter", frames))


@RARE
@given(SAMPLES, st.sampled_from([2, 4]), st.integers(1, 400), st.integers(1, 244), st.integers(0, 2))
def test_every_file_is_read_once_whatever_the_pieces(samples, pace, block, mtu, deaf):
    ring = Ring({NAME: night(samples, pace)}, [NAME], block, mtu)
    ring.deaf = deaf
    records, mark = talk(ViatomOximeter(), ring, Known())
    sure(records)
    width, wanted = 60 // pace, []
    for at in range(0, len(samples), width):
        good = [s for s in samples[at : at + width] if s[0] not in {0, 255} or s[1] not in {0, 65535}]
        wanted += good[-1:]
    found = [[value.text() for value in record.reading.values] for record in records]
    assert found == [
        [None if spo2 in {0, 255} else str(spo2), None if pulse in {0, 65535} else str(pulse)]
        for spo2, pulse in wanted
    ]
    assert talk(ViatomOximeter(), ring, Known(mark)) == ([], None)


@RARE
@given(st.binary(max_size=200), st.integers(1, 80))
def test_any_file_gives_readings_or_one_error(data, block):
    ring = Ring({NAME: data}, [NAME], block)
    records, mark = talk(ViatomOximeter(), ring, Known())
    assert sum(record.error is not None for record in sure(records)) <= 1
    assert (mark is None) == (data == b"")


@DOSE
@given(st.integers(0, 200), st.binary(min_size=1, max_size=3))
def test_an_exchange_in_conversation_never_raises(seed, noise):
    driver = ViatomOximeter()
    driver.start(Known())
    for at, byte in enumerate(noise * 3):
        driver.received(Frame(NOTIFY, 0, reply(bytes((byte,)) * ((seed + at) % 14), at % 2, byte % 3 == 0)))
        driver.take_sends()
        driver.silent()
    driver.finish()

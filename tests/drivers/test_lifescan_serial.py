"""LifeScan meters and any bytes: readings or errors only, the same in any pieces, found again from the evidence."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lifescan_bytes import (
    NOTIFY,
    NOW,
    Easy,
    Flex,
    Ultra2,
    Verio,
    crc,
    easy,
    flex,
    frame,
    line,
    talk,
    ultra2,
    verio,
)

from gateway.drivers import decode_record, driver_named
from gateway.wire.items import Frame
from gateway.wire.reading import reading_from_wire
from tests.drivers.properties import DOSE, told

SECONDS, MG_DL = st.integers(NOW, NOW + 90_000), st.integers(0, 700)
WHOLE = st.one_of(
    st.builds(easy, SECONDS, MG_DL, st.integers(0, 3)),
    st.builds(verio, SECONDS, MG_DL, st.integers(0, 2), st.integers(0, 3)),
    st.builds(flex, SECONDS, MG_DL, st.integers(0, 1)),
    st.builds(lambda mg_dl: ultra2("03/04/26", "07:15:09", f"{mg_dl:03d}"), MG_DL),
    st.builds(frame, st.binary(max_size=20).map(lambda rest: b"\x03\x06" + rest), st.integers(0, 31)),
    st.text('P @?F,"0123C', max_size=20).map(line),
)
PIECE = st.one_of(
    WHOLE,
    st.binary(max_size=30),
    st.builds(lambda whole, at: whole[:at], WHOLE, st.integers(0, 60)),
    st.builds(lambda whole, at: whole[at:], WHOLE, st.integers(0, 60)),
)
STREAM = st.lists(PIECE, max_size=8).map(b"".join)
BOTH = pytest.mark.parametrize(
    ("name", "source"), [("lifescan-serial", "serial"), ("onetouch-verio", NOTIFY)]
)


def visit(name: str, source: str, pieces: list[bytes]):
    driver = driver_named(name)()
    records = [record for piece in pieces for record in driver.received(Frame(source, 0, piece))]
    return records + driver.finish()


@BOTH
@DOSE
@given(STREAM)
def test_readings_or_errors_only_and_the_evidence_gives_them_again(name: str, source: str, stream: bytes):
    for record in visit(name, source, [stream]):
        assert (record.reading is None) == (record.key is None) == (record.error is not None)
        assert record.frames[0].data in stream
        assert [told(found) for found in decode_record(name, record.frames)] == [told(record)]
        if record.reading is not None:
            assert reading_from_wire(record.reading.wire()).wire() == record.reading.wire()


@BOTH
@DOSE
@given(STREAM, st.lists(st.integers(0, 400), max_size=12))
def test_the_pieces_do_not_matter(name: str, source: str, stream: bytes, places: list[int]):
    whole = [told(record) for record in visit(name, source, [stream])]
    edges = [0, *sorted(place % (len(stream) + 1) for place in places), len(stream)]
    assert [
        told(record) for record in visit(name, source, [stream[a:b] for a, b in pairwise(edges)])
    ] == whole
    assert [told(record) for record in visit(name, source, [bytes((byte,)) for byte in stream])] == whole


@BOTH
@DOSE
@given(st.binary(max_size=300))
def test_values_come_out_of_what_has_a_right_checksum_only(name: str, source: str, stream: bytes):
    for record in visit(name, source, [stream]):
        if record.reading is not None:
            data = record.frames[0].data
            right = crc(data[:-2]) == int.from_bytes(data[-2:], "little")
            assert right or sum(data[:-6]) == int(data[-5:-1], 16)


@DOSE
@given(STREAM, WHOLE)
def test_noise_never_loses_a_record(noise: bytes, whole: bytes):
    """Binary records only: a line can grow together with what stands before it."""
    want = [record.frames[0].data for record in visit("onetouch-verio", NOTIFY, [whole]) if record.reading]
    if whole[:2] == b"\x01\x02" and want and noise[-64:].find(want[0]) < 0:
        found = visit("onetouch-verio", NOTIFY, [noise + whole])
        assert want[0] in [record.frames[0].data for record in found]


class Confused:
    """A meter that answers anything, now and then after what a right one says."""

    def __init__(self, meter, answers: list[bytes | None]) -> None:
        self.meter = meter
        self.answers = answers
        self.commands: list[tuple[str, bytes]] = []

    def hear(self, data: bytes) -> list[bytes]:
        said = self.answers.pop() if self.answers else None
        return self.meter.hear(data) if said is None else [said]


METERS = {
    "ultra-easy": lambda: Easy([(NOW, 104), (NOW - 60, 110)]),
    "verio-iq": lambda: Verio([verio(NOW, 104), verio(NOW - 60, 110)]),
    "ultra2": lambda: Ultra2([ultra2("03/04/26", "07:15:09", "104")]),
    "flex": lambda: Flex({1: flex(NOW, 104), 2: flex(NOW + 60, 110)}),
}


@pytest.mark.parametrize("kind", METERS)
@DOSE
@given(st.lists(st.none() | PIECE, max_size=20), st.none() | st.binary(max_size=30))
def test_every_conversation_ends(kind: str, answers: list[bytes | None], mark: bytes | None):
    name, channel = ("onetouch-verio", NOTIFY) if kind == "flex" else ("lifescan-serial", "serial")
    driver = driver_named(name)()
    for record in talk(driver, Confused(METERS[kind](), answers), mark, channel=channel):
        assert [told(found) for found in decode_record(name, record.frames)] == [told(record)]
    assert driver.patience_s is None

"""Streams of Contec oximeters made of any bytes: readings or errors only, in any pieces, found again."""

from hypothesis import given
from hypothesis import strategies as st
from test_contec_cms50 import date, length, old, old_stored, shown, stored, stored_with_index, time

from gateway.drivers import decode_record
from gateway.wire.items import Frame
from tests.drivers.cable_properties import PLACES, cut, same_in_pieces, visit, well_formed
from tests.drivers.properties import DOSE, told

PULSE, SPO2, BIT = (
    st.sampled_from([0, 61, 127, 128, 200, 255]),
    st.sampled_from([0, 88, 97, 100, 127]),
    st.integers(0, 1),
)
PAIRS = st.lists(st.tuples(SPO2, PULSE), max_size=130)
PACKET = st.one_of(
    st.builds(
        lambda pulse, spo2, out, searching: old(pulse, spo2, out=out, searching=searching),
        PULSE,
        SPO2,
        BIT,
        BIT,
    ),
    st.builds(
        lambda spo2, pulse, probe, wave: shown(spo2, pulse, probe=probe, wave=wave * 60),
        SPO2,
        PULSE,
        BIT,
        BIT,
    ),
    PAIRS.filter(bool).map(old_stored),
    PAIRS.map(stored),
    PAIRS.map(stored_with_index),
    st.builds(
        lambda month, size: date(2026, month) + time() + length(size), st.integers(0, 12), st.integers(0, 300)
    ),
)
PIECE = (
    PACKET | st.binary(max_size=20) | st.builds(lambda packet, at: packet[at:], PACKET, st.integers(0, 40))
)
STREAM = st.lists(
    PIECE | st.builds(lambda packet, at: packet[:at], PACKET, st.integers(0, 400)), max_size=8
).map(b"".join)


@DOSE
@given(STREAM)
def test_readings_or_errors_only_and_the_evidence_gives_them_again(stream):
    well_formed("contec-cms50", stream)


@DOSE
@given(STREAM, PLACES)
def test_the_pieces_do_not_matter(stream, places):
    same_in_pieces("contec-cms50", stream, places)


@DOSE
@given(st.binary(max_size=40), STREAM)
def test_any_place_of_a_window_gives_its_records_again(place, stream):
    for record in decode_record("contec-cms50", [Frame("session", 0, place), Frame("serial", 0, stream)]):
        assert [told(found) for found in decode_record("contec-cms50", record.frames)] == [told(record)]


@DOSE
@given(STREAM, PLACES, st.sampled_from([old(93, 94), shown(94, 93)]))
def test_a_live_value_after_anything_is_found(stream, places, packet):
    """Whatever came before costs at most one packet, once an open session is at its end."""
    end = old(0, 0) if packet[0] & 0x80 else date() + time()
    records = visit("contec-cms50", cut(stream + end * 3 + packet * 3, places))
    assert [value.text() for value in records[-1].reading.values] == ["94", "93"]


@DOSE
@given(st.binary(max_size=600), PLACES)
def test_a_conversation_with_anything_ends_without_a_fault(stream, places):
    for record in visit("contec-cms50", cut(stream, places), asked=True):
        assert (record.reading is None) != (record.error is None)

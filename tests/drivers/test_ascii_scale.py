"""Lines of scales made of any bytes: readings or errors only, in any pieces, found again from the evidence."""

from hypothesis import given
from hypothesis import strategies as st

from tests.drivers.cable_properties import PLACES, cut, same_in_pieces, visit, well_formed
from tests.drivers.properties import DOSE

LINE = st.builds(
    lambda header, mode, number, unit, end: header + mode + number + unit + end,
    st.sampled_from([b"ST,", b"US,", b"OL,", b"ST"]),
    st.sampled_from([b"", b"GS,", b"NT,"]),
    st.sampled_from([b"+00065.0", b"-00000.5", b"  72.40", b"+00000.0", b"+9999999", b"+6 5.0", b"", b"+-1"]),
    st.sampled_from([b" kg", b"kg", b" lb", b" st", b""]),
    st.sampled_from([b"\r\n", b"\n", b"\r", b""]),
)
STREAM = st.lists(LINE | st.binary(max_size=30), max_size=8).map(b"".join)


@DOSE
@given(STREAM)
def test_readings_or_errors_only_and_the_evidence_gives_them_again(stream):
    for record in well_formed("ascii-scale", stream):
        if record.reading is not None:
            assert record.frames[0].data.startswith(b"ST,")
            assert record.reading.values[0].digits


@DOSE
@given(STREAM, PLACES)
def test_the_pieces_do_not_matter(stream, places):
    same_in_pieces("ascii-scale", stream, places)


@DOSE
@given(STREAM, PLACES)
def test_a_weight_after_anything_is_found(stream, places):
    records = visit("ascii-scale", cut(stream + b"\nST,+00123.4 kg\r\n", places))
    assert [value.text() for value in records[-1].reading.values] == ["123.4"]

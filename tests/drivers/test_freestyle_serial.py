"""Texts of FreeStyle meters made of any bytes: readings or errors only, in any pieces, nothing of a wrong sum."""

from hypothesis import given
from hypothesis import strategies as st
from test_freestyle_serial import GLUCOSE, KETONE, LITE, STATE, memory

from tests.drivers.cable_properties import PLACES, cut, same_in_pieces, visit, well_formed
from tests.drivers.properties import DOSE

LINE = st.sampled_from(
    [GLUCOSE, KETONE, LITE, GLUCOSE[:-1] + b"1", GLUCOSE.replace(b"G", b"X"), b"HI " + KETONE[3:]]
)
TEXT = st.lists(LINE, max_size=4).map(lambda lines: memory(*lines))
PIECE = (
    TEXT | LINE | st.binary(max_size=30) | st.sampled_from([b"\r\n", b"$xmem\r\n", b"CMD Fail!\r\n", STATE])
)
STREAM = st.lists(PIECE | st.builds(lambda text, at: text[:at], TEXT, st.integers(0, 150)), max_size=8).map(
    b"".join
)


@DOSE
@given(STREAM)
def test_readings_or_errors_only_and_the_evidence_gives_them_again(stream):
    well_formed("freestyle-serial", stream)


@DOSE
@given(STREAM, PLACES)
def test_the_pieces_do_not_matter(stream, places):
    same_in_pieces("freestyle-serial", stream, places)
    same_in_pieces("freestyle-serial", stream, places, asked=True)


@DOSE
@given(TEXT, st.integers(0, 300), st.binary(min_size=1, max_size=3))
def test_a_text_that_was_asked_for_counts_whole_or_not_at_all(text, at, other):
    at %= len(text)
    spoiled = text[:at] + other + text[at + len(other) :]
    good = [record.reading for record in visit("freestyle-serial", [text], asked=True)]
    found = [record.reading for record in visit("freestyle-serial", [spoiled], asked=True)]
    wires = [[reading.wire() for reading in readings if reading] for readings in (found, good)]
    assert wires[0] in ([], wires[1])


@DOSE
@given(st.binary(max_size=60), PLACES)
def test_a_memory_after_anything_is_found(noise, places):
    """A command begins a text anew, in the meter's echo or in the hub's next try."""
    records = visit("freestyle-serial", cut(noise + b"\n$xmem\r\n" + memory(KETONE), places), asked=True)
    assert [value.text() for value in records[-1].reading.values] == ["0.2"]

"""TaiDoc bytes of any kind: readings or errors only, the same in any pieces, found again from the evidence."""

from datetime import date, datetime
from itertools import pairwise

from hypothesis import assume, given
from hypothesis import strategies as st
from taidoc_meter import Meter, frame, glucose, moment

from gateway.drivers import decode_record
from gateway.drivers.base import Known
from gateway.drivers.families.taidoc_marks import minutes
from gateway.drivers.taidoc import TaiDoc
from gateway.wire.items import Frame
from gateway.wire.reading import reading_from_wire
from tests.drivers.properties import DOSE, told

MODELS = st.sampled_from([0x4277, 0x4141, 0x3128, 0x3140, 0x3261, 0x1261, 0x8255, 0x2555, 0xFFFF])
CODES = st.sampled_from([0x22, 0x23, 0x24, 0x25, 0x26, 0x27, 0x28, 0x2B, 0x49, 0x54])
FOUR = st.binary(min_size=4, max_size=4)
REPLY = st.builds(frame, CODES, FOUR)
MODEL = st.builds(lambda number: frame(0x24, bytes([number & 255, number >> 8, 0, 0])), MODELS)
PAIR = st.builds(lambda time, value: frame(0x25, time) + frame(0x26, value), FOUR, FOUR)
PIECE = (
    PAIR | REPLY | MODEL | st.binary(max_size=20) | st.builds(lambda a, n: a[n:], PAIR, st.integers(0, 15))
)
STREAM = st.lists(PIECE, max_size=10).map(b"".join)


def visit(pieces: list[bytes]):
    return decode_record("taidoc", [Frame("serial", 0, piece) for piece in pieces])


def cut(stream: bytes, places: list[int]) -> list[bytes]:
    edges = [0, *sorted(place % (len(stream) + 1) for place in places), len(stream)]
    return [stream[low:high] for low, high in pairwise(edges)]


@DOSE
@given(STREAM)
def test_readings_or_errors_only_and_the_evidence_gives_them_again(stream: bytes):
    for record in visit([stream]):
        assert (record.reading is None) == (record.error is not None)
        assert all(part.data in stream for part in record.frames)
        assert [told(found) for found in decode_record("taidoc", record.frames)] == [told(record)]
        if record.reading is not None:
            assert reading_from_wire(record.reading.wire()).wire() == record.reading.wire()
            assert all(sum(part.data[:7]) & 255 == part.data[7] for part in record.frames)
            assert record.reading.values[0].digits


@DOSE
@given(STREAM, st.lists(st.integers(0, 300), max_size=10))
def test_the_pieces_do_not_matter(stream: bytes, places: list[int]):
    whole = [told(record) for record in visit([stream])]
    assert [told(record) for record in visit(cut(stream, places))] == whole


@DOSE
@given(
    st.dates(date(2001, 1, 1), date(2127, 12, 31)),
    st.times(),
    st.integers(20, 600),
    st.sampled_from([None, "before-meal", "after-meal"]),
    st.integers(0, 1023),
    st.binary(max_size=7),
)
def test_what_the_protocol_encodes_is_what_is_read(on, at, value, meal, code, noise):
    flag = {None: 0, "before-meal": 0x40, "after-meal": 0x80}[meal]
    time = moment(on.year, on.month, on.day, at.hour, at.minute)
    stream = noise.replace(b"\x51", b"") + frame(0x25, time) + frame(0x26, glucose(value, 0, flag, code))
    record = visit([stream])[-1]
    assert record.reading.values[0].text() == str(value)
    assert record.reading.device_time == f"{on}T{at:%H:%M}:00"
    assert dict(record.reading.context).get("meal") == meal


MOMENTS = st.datetimes(datetime.fromisoformat("2001-01-01"), datetime.fromisoformat("2127-12-31"))


@DOSE
@given(MOMENTS, MOMENTS)
def test_minutes_between_two_times_are_those_of_the_calendar(one, other):
    told = [moment(when.year, when.month, when.day, when.hour, when.minute) for when in (one, other)]
    whole = [when.replace(second=0, microsecond=0) for when in (one, other)]
    assert minutes(told[1]) - minutes(told[0]) == (whole[1] - whole[0]).total_seconds() / 60


@DOSE
@given(
    st.lists(st.tuples(st.integers(0, 3), st.integers(0, 2)), max_size=9),
    st.integers(0, 9),
    st.integers(0, 5),
)
def test_no_new_record_is_ever_passed_over(rows, before, most):
    """However alike they are: after two visits of a memory of any size every record was told.

    But for a memory whose newest ones are those of before, shifted: then nobody can tell.
    """
    made = [
        (moment(2026, 3, 4, 7, 5 * at + minute), glucose(100 + value))
        for at, (value, minute) in enumerate(rows)
    ]
    told, mark, before_it = set(), None, []
    for count in (min(before, len(made)), len(made)):
        kept = made[:count][::-1][: most or None]
        shift = {minutes(new[0]) - minutes(old[0]) for new, old in zip(kept[:4], before_it[:4], strict=False)}
        assume(len(shift) != 1 or shift == {0} or [v for _, v in kept[:4]] != [v for _, v in before_it[:4]])
        before_it = kept
        mark, found = transfer(kept, mark)
        told |= {(time, value) for time, value in kept if (time, value) in found}
        assert set(kept) <= told


def transfer(records, mark):
    """(mark, the raw records that were told) of a visit of a meter with these records."""
    meter, driver = Meter(records=records), TaiDoc()
    driver.start(Known(mark, cable=True))
    found = []
    while sends := driver.take_sends():
        for sent in sends:
            found += driver.received(Frame("serial", 0, meter.answer(sent.data)))
    pairs = {(record.frames[-2].data[2:6], record.frames[-1].data[2:6]) for record in found}
    return driver.mark, pairs


@DOSE
@given(st.lists(PIECE | st.none(), max_size=30), st.binary(max_size=40), st.booleans())
def test_a_conversation_with_anybody_ends_in_good_order(pieces, mark, cable):
    """None: nothing came. Only what is on the list is sent, and every record follows from its frames."""
    driver = TaiDoc()
    driver.start(Known(mark, cable=cable))
    channel = "serial" if cable else TaiDoc.subscribe[0]
    records = []
    for piece in pieces:
        records += driver.silent() if piece is None else driver.received(Frame(channel, 0, piece))
        for sent in driver.take_sends():
            assert sent.data[1] in {0x22, 0x23, 0x24, 0x25, 0x26, 0x27, 0x28, 0x2B, 0x49}
    for _ in range(60):
        records += driver.silent() if driver.patience_s else []
    assert driver.patience_s is None
    for record in records + driver.finish():
        assert (record.reading is None) == (record.error is not None)
        assert [told(found) for found in decode_record("taidoc", record.frames)] == [told(record)]

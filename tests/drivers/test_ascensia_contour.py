"""Contour bytes of any kind: readings or errors only, the same in any pieces, found again from the evidence."""

from contour_bytes import ACK, ENQ, EOT, NAK, frame, header, reports, result, transfer
from hypothesis import given
from hypothesis import strategies as st

from gateway.drivers import decode_record
from gateway.drivers.ascensia_contour import AscensiaContour
from gateway.drivers.base import Known
from gateway.wire.items import Frame
from tests.drivers.cable_properties import PLACES, same_in_pieces, well_formed
from tests.drivers.properties import DOSE, told

NAME = "ascensia-contour"
VALUE = st.sampled_from(["133", "7.4", "20", "HI", "", "x"])
RESULT = st.builds(
    result,
    st.integers(0, 2000),
    VALUE,
    st.sampled_from(["mg/dL", "mmol/L", "g"]),
    st.sampled_from(["", "B", "A/X", "C", ">", "B/<"]),
    st.sampled_from(["202603040715", "20260304071501", "", "0"]),
)
TEXT = RESULT | st.just(header()) | st.sampled_from([b"P|1\r", b"L|1\r", b"R|\r", b"H|\r", b"x"])
TEXTS = TEXT | st.builds(lambda text, at: text[:at], TEXT, st.integers(0, 40))
FRAME = st.builds(frame, st.integers(0, 7), TEXTS, st.sampled_from([b"\x03", b"\x17"]))
PIECE = st.one_of(
    FRAME,
    st.builds(transfer, st.lists(RESULT, max_size=3)),
    st.sampled_from([ENQ, EOT, ACK, NAK, b"\r\n", b"ABC"]),
    st.binary(max_size=20),
    st.builds(lambda whole, at: whole[:at], FRAME, st.integers(0, 60)),
)
STREAM = st.lists(PIECE, max_size=8).map(b"".join)


@DOSE
@given(STREAM)
def test_readings_or_errors_only_and_the_evidence_gives_them_again(stream: bytes):
    for record in well_formed(NAME, ENQ + stream):  # what begins with "ABC" may be in reports
        assert record.reading is None or all(part.data[0] == 2 for part in record.frames)


@DOSE
@given(STREAM, PLACES)
def test_the_pieces_do_not_matter(stream: bytes, places: list[int]):
    same_in_pieces(NAME, stream, places)


@DOSE
@given(st.lists(RESULT, max_size=6), PLACES)
def test_reports_hold_what_a_line_says(results: list[bytes], places: list[int]):
    def seen(stream):
        return [told(record) for record in decode_record(NAME, [Frame("serial", 0, stream)])]

    stream = transfer(results)
    assert seen(reports(stream)) == seen(stream)
    same_in_pieces(NAME, reports(stream), places)


@DOSE
@given(
    st.datetimes().filter(lambda moment: moment.year >= 1901),
    st.integers(200, 6000),
    st.sampled_from([0, 1]),
    st.integers(1, 2000),
    st.sampled_from(["", "B", "A", "X/S", "B/1"]),
)
def test_what_the_protocol_encodes_is_what_is_read(moment, tenths, places, number, markers):
    value = f"{tenths // 10}.{tenths % 10}" if places else str(tenths // 10)
    text = result(number, value, "mmol/L" if places else "mg/dL", markers, f"{moment:%Y%m%d%H%M}".zfill(12))
    (record,) = decode_record(NAME, [Frame("serial", 0, frame(3, text))])
    assert record.reading.values[0].text() == value
    assert record.reading.record == number
    assert record.reading.device_time == moment.isoformat()[:16] + ":00"
    assert dict(record.reading.context).get("meal") == {"B": "before-meal", "A": "after-meal"}.get(
        markers[:1]
    )


@DOSE
@given(st.lists(PIECE | st.none(), max_size=20))
def test_a_conversation_with_anybody_ends_in_good_order(pieces):
    """None: nothing came. Only ACK, NAK, EOT and NUL are sent, and every record follows from its frames."""
    driver = AscensiaContour()
    driver.start(Known(cable=True))
    records = []
    for piece in pieces:
        records += driver.silent() if piece is None else driver.received(Frame("serial", 0, piece))
        for sent in driver.take_sends():
            assert sent.data in {b"\0", ACK, NAK, EOT} or sent.data[:3] == b"ABC"
    for _ in range(10):
        records += driver.silent() if driver.patience_s else []
    assert driver.patience_s is None
    for record in records + driver.finish():
        assert (record.reading is None) == (record.error is not None)
        assert [told(found) for found in decode_record(NAME, record.frames)] == [told(record)]

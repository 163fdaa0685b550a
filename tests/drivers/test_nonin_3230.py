"""The Nonin 3230 under any bytes."""

from hypothesis import given
from hypothesis import strategies as st

from gateway.drivers import decode_record
from gateway.wire.items import Frame
from tests.drivers.properties import DOSE, all_good, frames_of

SOURCE = "0aad7ea0-0d60-11e2-8e3c-0002a5d5c51b"


@DOSE
@given(frames_of(SOURCE, "2a5f", most=12))
def test_any_bytes_give_readings_or_errors(frames):
    for record in all_good("nonin-3230", frames):
        assert (record.reading is None) == (record.error is not None)


@DOSE
@given(st.integers(0, 255), st.integers(0, 0xFFFF), st.integers(0, 0xFFFF), st.integers(0, 255))
def test_what_is_encoded_is_what_is_read(spo2, pulse, amplitude, status):
    data = (
        bytes((10, status, 0)) + amplitude.to_bytes(2, "big") + bytes((0, 0, spo2)) + pulse.to_bytes(2, "big")
    )
    found = decode_record("nonin-3230", [Frame(SOURCE, 0, data)])
    wanted = [None if spo2 == 127 else str(spo2), None if pulse == 511 else str(pulse)]
    if wanted == [None, None]:
        assert found == []
        return
    wanted += [f"{amplitude // 100}.{amplitude % 100:02d}"] if amplitude else []
    assert [value.text() for value in found[0].reading.values] == wanted

"""Heart rates under any bytes, and against an encoder that knows the specification by itself."""

from fractions import Fraction

from device_bytes import le
from hypothesis import given
from hypothesis import strategies as st

from gateway.drivers import decode_record
from gateway.wire.items import Frame
from tests.drivers.properties import DOSE, all_good, frames_of, told


@DOSE
@given(frames_of("2a37", "2a38", "2a19", most=12))
def test_any_bytes_give_readings_or_errors(frames):
    for record in all_good("heart-rate", frames):
        assert (record.reading is None) == (record.error is not None)
        assert record.frames[-1].source == "2a37"
        assert record.reading is None or record.reading.values[0].digits not in {0, 0xFFFF}


@DOSE
@given(st.binary(max_size=24), st.data())
def test_fewer_bytes_never_give_another_value(data, draw):
    cut = data[: draw.draw(st.integers(0, len(data)))]
    whole = decode_record("heart-rate", [Frame("2a37", 0, data)])
    for less in decode_record("heart-rate", [Frame("2a37", 0, cut)]):
        if less.reading and whole[0].reading:
            count = len(less.reading.values)
            assert less.reading.wire()[2] == whole[0].reading.wire()[2][:count]
        assert less.error or whole[0].error or told(less)[1][3:] == told(whole[0])[1][3:]


@DOSE
@given(
    st.integers(1, 0xFFFE),
    st.sampled_from([0, 4, 6]),
    st.none() | st.integers(0, 0xFFFF),
    st.lists(st.integers(0, 0xFFFF), max_size=9),
)
def test_what_the_specification_encodes_is_what_is_read(rate, contact, energy, intervals):
    wide = rate > 255
    flags = wide | contact | (energy is not None) << 3 | bool(intervals) << 4
    data = bytes([flags]) + le(rate, 1 + wide) + (b"" if energy is None else le(energy, 2))
    data += b"".join(le(ticks, 2) for ticks in intervals)
    (record,) = decode_record("heart-rate", [Frame("2a37", 0, data)])
    values = [(value.name, Fraction(value.text())) for value in record.reading.values]
    assert values == [
        ("heart-rate", rate),
        *([] if energy is None else [("energy", energy)]),
        *[("rr-interval", Fraction(ticks, 1024)) for ticks in intervals],
    ]
    assert ("no-contact" in record.reading.notes) == (contact == 4)

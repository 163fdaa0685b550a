"""Temperatures under any bytes, and against an encoder that knows the specification by itself."""

from decimal import Decimal

from device_bytes import date_time, float32
from hypothesis import given
from hypothesis import strategies as st

from gateway.drivers import decode_record
from gateway.wire.items import Frame
from tests.drivers.properties import DOSE, all_good, frames_of, told

SOURCES = ("2a1c", "2a1e", "2a1d")
SPECIAL = {0x7FFFFE, 0x7FFFFF, -0x800000, -0x7FFFFF, -0x7FFFFE}
NUMBERS = st.tuples(st.integers(-0x800000, 0x7FFFFF), st.integers(-40, 40)).filter(
    lambda n: n[1] != 0 or n[0] not in SPECIAL
)


@DOSE
@given(frames_of(*SOURCES))
def test_any_bytes_give_readings_or_errors(frames):
    for record in all_good("thermometer", frames):
        assert (record.reading is None) == (record.error is not None)
        assert record.frames[-1].source in {"2a1c", "2a1e"}
        assert record.reading is None or record.frames[-1].source == "2a1c"


@DOSE
@given(st.binary(max_size=24), st.data())
def test_fewer_bytes_never_give_another_value(data, draw):
    (whole,) = decode_record("thermometer", [Frame("2a1c", 0, data)])
    (less,) = decode_record("thermometer", [Frame("2a1c", 0, data[: draw.draw(st.integers(0, len(data)))])])
    assert less.error or told(less)[1:] == told(whole)[1:]


@DOSE
@given(
    NUMBERS, st.booleans(), st.none() | st.datetimes(), st.none() | st.integers(0, 255), st.binary(max_size=4)
)
def test_what_the_specification_encodes_is_what_is_read(number, fahrenheit, moment, site, rest):
    data = bytes([fahrenheit | (2 if moment else 0) | (4 if site is not None else 0)]) + float32(*number)
    if moment:
        data += date_time(*moment.timetuple()[:6])
    data += b"" if site is None else bytes([site])
    ((record),) = decode_record("thermometer", [Frame("2a1c", 0, data + rest)])
    (value,) = record.reading.values
    assert Decimal(value.text()) == Decimal(number[0]).scaleb(number[1])
    assert len(value.text().partition(".")[2]) == max(0, -number[1])
    assert value.unit == ("[degF]" if fahrenheit else "Cel")
    shown = moment.isoformat(timespec="seconds") if moment and moment.year >= 1582 else None
    assert record.reading.device_time == shown
    assert bool(record.reading.context) == (site is not None and 1 <= site <= 9)

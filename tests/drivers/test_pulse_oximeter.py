"""Oximeters under any bytes, and against an encoder that knows the specification by itself."""

from decimal import Decimal

from device_bytes import date_time, le, sfloat
from hypothesis import given
from hypothesis import strategies as st

from gateway.drivers import decode_record
from gateway.wire.items import Frame
from tests.drivers.properties import DOSE, all_good, frames_of, told

SPECIAL = {0x7FE, 0x7FF, -0x800, -0x7FF, -0x7FE}
NUMBERS = st.tuples(st.integers(-2048, 2047), st.integers(-8, 7)).filter(
    lambda n: n[1] != 0 or n[0] not in SPECIAL
)
NO_RESULT = 0x0400 | 0x0800 | 0x2000 | 0x8000


@DOSE
@given(frames_of("2a5e", "2a5f", "2a60", most=12))
def test_any_bytes_give_readings_or_errors(frames):
    for record in all_good("pulse-oximeter", frames):
        assert (record.reading is None) == (record.error is not None)
        assert record.frames[-1].source in {"2a5e", "2a5f"}


@DOSE
@given(st.sampled_from(["2a5e", "2a5f"]), st.binary(max_size=24), st.data())
def test_fewer_bytes_never_give_another_value(source, data, draw):
    whole = decode_record("pulse-oximeter", [Frame(source, 0, data)])
    cut = data[: draw.draw(st.integers(0, len(data)))]
    for less in decode_record("pulse-oximeter", [Frame(source, 0, cut)]):
        assert less.error or told(less)[1:] == told(whole[0])[1:]


@DOSE
@given(
    pair=st.tuples(NUMBERS, NUMBERS),
    other=st.none() | st.tuples(NUMBERS, NUMBERS),
    moment=st.none() | st.datetimes().filter(lambda m: m.year >= 1582),
    status=st.none() | st.integers(0, 0xFFFF),
    sensor=st.none() | st.integers(0, 0xFFFFFF),
    amplitude=st.none() | NUMBERS,
    is_spot=st.booleans(),
)
def test_what_the_specification_encodes_is_what_is_read(
    pair, other, moment, status, sensor, amplitude, is_spot
):
    fields = [(0, b"".join(sfloat(*number) for number in pair))]
    if is_spot:
        fields.append((1, moment and date_time(*moment.timetuple()[:6])))
    else:
        fields.append((1, other and b"".join(sfloat(*number) for number in other)))
        fields.append((2, other and b"".join(sfloat(*number) for number in other)))
    shift = 0 if is_spot else 1
    fields.append((2 << shift, None if status is None else le(status, 2)))
    fields.append((4 << shift, None if sensor is None else le(sensor, 3)))
    fields.append((8 << shift, amplitude and sfloat(*amplitude)))
    there = [(bit, data) for bit, data in fields if data is not None]
    data = bytes([sum(bit for bit, _ in there)]) + b"".join(data for _, data in there)
    found = decode_record("pulse-oximeter", [Frame("2a5e" if is_spot else "2a5f", 0, data)])
    early = (status or 0) & 0x40 and not (status or 0) & 0x180
    gone = not is_spot and (sensor or 0) & 0x8800
    if (status or 0) & NO_RESULT or early or gone:
        assert found == []
        return
    wanted = [*pair, *([amplitude] if amplitude else [])]
    for value, number in zip(found[0].reading.values, wanted, strict=True):
        assert Decimal(value.text()) == Decimal(number[0]).scaleb(number[1])
        assert len(value.text().partition(".")[2]) == max(0, -number[1])
    shown = moment.isoformat(timespec="seconds") if moment and is_spot else None
    assert found[0].reading.device_time == shown

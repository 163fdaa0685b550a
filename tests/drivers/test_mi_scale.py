"""Mi scales under any bytes, and against an encoder of its own."""

from decimal import Decimal
from itertools import pairwise

from device_bytes import date_time, le
from hypothesis import given
from hypothesis import strategies as st

from gateway.drivers import decode_record
from gateway.wire.items import Frame
from tests.drivers.properties import DOSE, all_good, frames_of, told

SOURCES = ("advert:181d", "advert:181b", "maker:0157")
CONTROLS = st.sampled_from([0x02, 0x22, 0x23, 0x32, 0x24, 0x26, 0x62, 0x64, 0xA2, 0xA6])


def first(control, raw, minute, _):
    return "advert:181d", bytes([control]) + le(raw, 2) + date_time(2026, 3, 4, 7, minute)


def second(control, raw, minute, impedance):
    head = bytes([2, control]) + date_time(2026, 3, 4, 7, minute)
    return "advert:181b", head + le(impedance, 2) + le(raw, 2)


ADVERTS = st.builds(
    lambda make, *fields: make(*fields),
    st.sampled_from([first, second]),
    CONTROLS,
    st.sampled_from([0, 14490, 14500, 65535]),
    st.integers(0, 1),
    st.sampled_from([0, 503, 3000]),
)


@DOSE
@given(frames_of(*SOURCES, most=12))
def test_any_bytes_give_readings_or_errors(frames):
    check(frames)


@DOSE
@given(st.lists(ADVERTS, max_size=12))
def test_any_advertisements_give_each_weighing_in_a_row_once(rows):
    found = check([Frame(source, 0, data) for source, data in rows])
    keys = [told(record)[2] for record in found]
    assert all(one != other for one, other in pairwise(keys))


def check(frames):
    found = all_good("mi-scale", frames)
    for record in found:
        assert len(record.frames) == 1
        assert (record.reading is None) == (record.error is not None)
        if record.reading is not None:
            control = record.frames[0].data[0 if record.frames[0].source == "advert:181d" else 1]
            assert control & 0xA0 == 0x20
    return found


@DOSE
@given(st.integers(1, 0xFFFF), st.sampled_from([0x22, 0x23, 0x32]), st.datetimes())
def test_what_is_told_is_what_is_read(raw, control, moment):
    data = bytes([control]) + le(raw, 2) + date_time(*moment.timetuple()[:6])
    (record,) = decode_record("mi-scale", [Frame("advert:181d", 0, data)])
    (value,) = record.reading.values
    step = Decimal("0.01") if control == 0x23 else Decimal("0.005")
    assert value.text() == str(raw * step)
    assert value.unit == ("[lb_av]" if control == 0x23 else "kg")

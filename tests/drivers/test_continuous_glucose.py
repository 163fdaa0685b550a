"""Continuous glucose under any bytes, and against an encoder that knows the specification by itself."""

from decimal import Decimal

from device_bytes import date_time, le, sfloat
from glucose_bytes import features, sample, session
from hypothesis import given
from hypothesis import strategies as st

from gateway.drivers import decode_record
from gateway.drivers.shared.checksums import crc16_mcrf4xx
from gateway.wire.items import Frame
from gateway.wire.reading import reading_from_wire
from tests.drivers.properties import DOSE, frames_of, told

OCTET = st.none() | st.integers(0, 255)
numbers = st.tuples(st.integers(-2045, 2045), st.integers(-8, 7))
READS = st.sampled_from(
    [[], [features()], [features(0x1000)], [session()], [features(0x1000), session(crc=True)]]
)


def frames_before(reads):
    return [Frame("2aa8" if len(data) == 6 else "2aaa", 0, data) for data in reads]


@DOSE
@given(frames_of("2aa7", "2aac", "2a52", "2aa8", "2aaa", "2aab", "2aa9"), READS)
def test_any_bytes_give_readings_or_errors(frames, reads):
    check(frames_before(reads) + frames)


@DOSE
@given(
    st.lists(st.builds(sample, st.integers(0, 3), crc=st.booleans()) | st.binary(max_size=9), max_size=5),
    READS,
)
def test_any_records_in_a_row_give_readings_or_errors(parts, reads):
    frame = Frame("2aa7", 0, b"".join(parts))
    found = check([*frames_before(reads), frame])
    cut = b"".join(own.data for record in found for own in record.frames if own.source == "2aa7")
    assert cut == frame.data  # every byte stands in one record


def check(frames):
    found = decode_record("continuous-glucose", frames)
    for record in found:
        assert (record.reading is None) == (record.error is not None) == (record.key is None)
        assert [told(again) for again in decode_record("continuous-glucose", record.frames)] == [told(record)]
        if record.reading is not None:
            assert reading_from_wire(record.reading.wire()).wire() == record.reading.wire()
    return found


@DOSE
@given(
    numbers,
    st.integers(0, 0xFFFF),
    st.tuples(OCTET, OCTET, OCTET),
    st.none() | numbers,
    st.none() | numbers,
    st.booleans(),
    st.datetimes(),
)
def test_what_the_specification_encodes_is_what_is_read(glucose, minute, status, trend, quality, crc, start):
    data = sample(
        minute,
        sfloat(*glucose),
        status=status,
        trend=trend and sfloat(*trend),
        quality=quality and sfloat(*quality),
        crc=crc,
    )
    read = session(date_time(*start.timetuple()[:6]))
    (record,) = decode_record("continuous-glucose", [Frame("2aaa", 0, read), Frame("2aa7", 0, data)])
    wanted = [("glucose", glucose), ("trend", trend), ("quality", quality)]
    assert [(value.name, Decimal(value.text())) for value in record.reading.values] == [
        (name, Decimal(one[0]).scaleb(one[1])) for name, one in wanted if one is not None
    ]
    assert (record.key.number, record.key.value) == (minute, sfloat(*glucose))
    beyond = (status[2] or 0) & 0xC0
    assert (record.reading.values[0].comparator is not None) == bool(beyond)


@DOSE
@given(st.binary(min_size=1, max_size=20), st.integers(0, 159))
def test_a_wrong_checksum_is_never_a_value(noise, bit):
    data = bytearray(sample(30, crc=True))
    place = 8 + bit % ((len(data) - 1) * 8)  # any bit but those of the size
    data[place // 8] ^= 1 << place % 8
    found = decode_record(
        "continuous-glucose", [Frame("2aa8", 0, features(0x1000)), Frame("2aa7", 0, bytes(data))]
    )
    assert [record.reading for record in found] == [None]


@DOSE
@given(st.binary(max_size=40))
def test_the_checksum_as_the_tests_compute_it(data):
    from glucose_bytes import crc

    assert crc16_mcrf4xx(data) == crc(data)
    assert crc16_mcrf4xx(data + le(crc(data), 2)) == 0

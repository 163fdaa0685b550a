"""Scales under any bytes, and against an encoder that knows the specification by itself."""

from decimal import Decimal

from device_bytes import date_time, le
from hypothesis import given
from hypothesis import strategies as st

from gateway.drivers import decode_record
from gateway.drivers.weight_scale import WeightScale
from gateway.wire.items import Frame
from tests.drivers.properties import DOSE, all_good, frames_of, told

# A composition's parts as the specification lists them, from bit 3: a name and 10^-n of its metric unit x factor.
PARTS = (
    ("basal-metabolism", "1"),
    ("muscle-percentage", "0.1"),
    ("muscle-mass", "0.005"),
    ("fat-free-mass", "0.005"),
    ("soft-lean-mass", "0.005"),
    ("body-water-mass", "0.005"),
    ("impedance", "0.1"),
    ("body-weight", "0.005"),
    ("body-height", "0.001"),
)
NUMBERS = st.lists(st.none() | st.integers(1, 0xFFFE), min_size=len(PARTS), max_size=len(PARTS))


def composition(number: int, parts: list[int | None], flags: int = 0, head: bytes = b"") -> bytes:
    flags |= sum(1 << bit for bit, part in enumerate(parts, 3) if part is not None)
    tail = b"".join(le(part, 2) for part in parts if part is not None)
    return le(flags, 2) + le(number, 2) + head + tail


PACKETS = st.builds(
    composition,
    st.integers(0, 3),
    st.lists(st.none() | st.integers(0, 2), min_size=9, max_size=9),
    st.sampled_from([0, 0x1000]),
)


@DOSE
@given(frames_of("2a9d", "2a9c", "2a9f", most=8))
def test_any_bytes_give_readings_or_errors(frames):
    check(frames)


@DOSE
@given(st.lists(PACKETS | st.binary(max_size=8), max_size=8))
def test_any_packets_give_readings_or_errors(packets):
    check([Frame("2a9c", 0, data) for data in packets])


def check(frames):
    for record in all_good("weight-scale", frames):
        assert (record.reading is None) == (record.error is not None)
        kinds = {"2a9d": "weight", "2a9c": "body-composition"}
        assert record.reading is None or record.reading.kind == kinds[record.frames[0].source]
        assert len(record.frames) <= 2
        assert record.error is None or len(record.frames) == 1


@DOSE
@given(st.lists(PACKETS, max_size=8))
def test_no_packet_is_lost_but_one_that_was_told_again(packets):
    """Each packet stands in a record, or is the same as one that does."""
    driver = WeightScale()
    frames = [Frame("2a9c", 0, data) for data in packets]
    found = [record for frame in frames for record in driver.received(frame)] + driver.finish()
    there = {frame.data for record in found for frame in record.frames}
    assert {frame.data for frame in frames} == there


@DOSE
@given(st.sampled_from(["2a9d", "2a9c"]), st.binary(max_size=32), st.data())
def test_fewer_bytes_never_give_another_value(source, data, draw):
    (whole,) = decode_record("weight-scale", [Frame(source, 0, data)])
    cut = data[: draw.draw(st.integers(0, len(data)))]
    (less,) = decode_record("weight-scale", [Frame(source, 0, cut)])
    assert less.error or told(less)[1:] == told(whole)[1:]


@DOSE
@given(
    st.integers(1, 0xFFFE),
    NUMBERS,
    st.none() | st.datetimes(),
    st.none() | st.integers(0, 255),
    st.integers(0, 9),
)
def test_what_the_specification_encodes_is_what_is_read_from_one_packet_or_two(
    fat, parts, moment, user, place
):
    head = date_time(*moment.timetuple()[:6]) if moment else b""
    head += b"" if user is None else bytes([user])
    flags = (2 if moment else 0) | (0 if user is None else 4)
    whole = composition(fat, parts, flags, head)
    first = composition(fat, [*parts[:place], *[None] * (9 - place)], flags | 0x1000, head)
    second = composition(fat, [*[None] * place, *parts[place:]], 0x1000)
    wanted = [("body-fat", Decimal("0.1") * fat)]
    for (name, factor), part in zip(PARTS, parts, strict=True):
        wanted += [] if part is None else [(name, Decimal(factor) * part)]
    for packets in ([whole],) if first == second else ([whole], [first, second]):
        (record,) = decode_record("weight-scale", [Frame("2a9c", 0, data) for data in packets])
        values = record.reading.values
        assert [(value.name, Decimal(value.text())) for value in values] == wanted
        assert all(value.text() == str(number) for value, (_, number) in zip(values, wanted, strict=True))
        assert record.reading.user == (None if user == 255 else user)
        shown = moment.isoformat(timespec="seconds") if moment and moment.year >= 1582 else None
        assert record.reading.device_time == shown

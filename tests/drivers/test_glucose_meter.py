"""Glucose meters under any bytes, against an encoder of its own, and against meters that do what they like."""

from decimal import Decimal

from device_bytes import date_time, sfloat
from glucose_bytes import Meter, context, measurement
from hypothesis import given
from hypothesis import strategies as st

from gateway.drivers import decode_record
from gateway.drivers.base import Known
from gateway.drivers.glucose_meter import GlucoseMeter
from gateway.wire.items import Frame
from tests.drivers.properties import DOSE, all_good, frames_of, told

MAKERS = st.sampled_from([b"TaiDoc", b"i-SENS, Inc.", b"Roche", b""])
NUMBERS = st.integers(0, 3)
MEASUREMENTS = st.builds(
    lambda number, minute, flags, announced: measurement(
        number, date_time(2026, 3, 4, 7, minute), context=announced, flags=flags
    ),
    NUMBERS,
    st.integers(0, 3),
    st.sampled_from([0, 0x20]),
    st.booleans(),
)
CONTEXTS = st.builds(lambda number, meal: context(number, meal=meal), NUMBERS, st.integers(0, 7))
digits = st.tuples(st.integers(-2046, 2045), st.integers(-8, 7)).filter(lambda n: n != (-2046, 0))


@DOSE
@given(frames_of("2a18", "2a34", "2a52", most=8), MAKERS)
def test_any_bytes_give_readings_or_errors(frames, maker):
    check([Frame("2a29", 0, maker), *frames])


@DOSE
@given(
    st.lists(
        st.tuples(st.just("2a18"), MEASUREMENTS)
        | st.tuples(st.just("2a34"), CONTEXTS | st.binary(max_size=8)),
        max_size=20,
    ),
    MAKERS,
)
def test_any_measurements_and_contexts_give_readings_or_errors(rows, maker):
    frames = [Frame("2a29", 0, maker)] + [Frame(source, 0, data) for source, data in rows]
    check(frames)


def check(frames):
    for record in all_good("glucose-meter", frames):
        assert (record.reading is None) == (record.error is not None)
        own = [frame.source for frame in record.frames if frame.source != "2a29"]
        assert sorted(own) in (["2a18"], ["2a34"], ["2a18", "2a34"])
        assert record.reading is None or "2a18" in own
        if len(own) == 2:
            assert record.frames[-1].data[1:3] == record.frames[-2].data[1:3]


@DOSE
@given(st.sampled_from(["2a18", "2a34"]), st.binary(max_size=32), st.data())
def test_fewer_bytes_never_give_another_value(source, data, draw):
    whole = decode_record("glucose-meter", [Frame(source, 0, data)])
    cut = data[: draw.draw(st.integers(0, len(data)))]
    (less,) = decode_record("glucose-meter", [Frame(source, 0, cut)]) or [None]
    assert less is None or less.error or [told(less)[1:]] == [told(record)[1:] for record in whole]


@DOSE
@given(
    digits,
    st.booleans(),
    st.integers(0, 0xFFFF),
    st.datetimes(),
    st.none() | st.integers(-32767, 32766),
    st.integers(1, 9),
    st.integers(1, 3),
)
def test_what_the_specification_encodes_is_what_is_read(value, mol, number, moment, offset, kind, place):
    data = measurement(
        number,
        date_time(*moment.timetuple()[:6]),
        sfloat(*value),
        mol=mol,
        offset=offset,
        what=place << 4 | kind,
    )
    (record,) = decode_record("glucose-meter", [Frame("2a18", 0, data)])
    (found,) = record.reading.values
    shift = 3 if mol else 5
    assert (found.digits, found.exponent) == (value[0], value[1] + shift)
    assert Decimal(found.text()) == Decimal(value[0]).scaleb(value[1] + shift)
    assert found.unit == ("mmol/L" if mol else "mg/dL")
    assert (record.reading.record, record.key.value) == (number, sfloat(*value))
    assert record.reading.device_time == shown(moment, offset or 0)


def shown(moment, minutes):
    from datetime import timedelta

    if moment.year < 1582:
        return None
    try:
        later = moment.replace(microsecond=0) + timedelta(minutes=minutes)
    except OverflowError:
        return None
    return later.isoformat() if later.year >= 1582 else None


STORES = st.lists(st.integers(0, 5), max_size=6)
KNOWS = st.fixed_dictionaries({"counts": st.booleans(), "newest": st.booleans(), "since": st.booleans()})
TROUBLE = st.fixed_dictionaries(
    {"busy": st.integers(0, 6), "deaf": st.integers(0, 6), "breaks": st.none() | st.integers(0, 5)}
)


@DOSE
@given(STORES, STORES, KNOWS, TROUBLE)
def test_whatever_a_meter_does_with_its_numbers_nothing_stays_hidden(before, after, knows, trouble):
    """Two visits of a meter; in between its memory became another one. All of the second memory was read."""
    mark = visit(Meter(rows(before, 1), **knows), None)[1].mark
    device = Meter(rows(after, 2), **knows)
    device.busy, device.deaf, device.breaks = trouble["busy"], trouble["deaf"], trouble["breaks"]
    seen, driver = visit(device, mark)
    if trouble["busy"] + trouble["deaf"] + (trouble["breaks"] is not None) <= 2:
        assert seen == {data for _, own in device.records for _, data in own}
    assert all(command[0] in {1, 3, 4} for command in device.heard)
    assert driver.mark is None or driver.mark[2:] in seen


def rows(numbers, day):
    """A memory: the place in it tells the minute, so that no two records are equal."""
    made = []
    for place, number in enumerate(numbers):
        data = measurement(number, date_time(2026, 3, day, 0, place))
        made.append((number, [("2a18", data)]))
    return made


def visit(device, mark):
    driver, seen = GlucoseMeter(), set()
    driver.start(Known(mark))
    for _ in range(99):
        frames = [frame for command in driver.take_sends() for frame in device.asked(command.data)]
        for source, data in frames:
            driver.received(Frame(source, 0, data))
            seen |= {data} if source == "2a18" else set()
        if not frames and driver.patience_s is None:
            return seen, driver
        if not frames:
            driver.silent()
    raise AssertionError("it never ends")


@DOSE
@given(st.lists(st.binary(max_size=8) | st.none(), max_size=30), st.none() | st.binary(max_size=12))
def test_whatever_the_control_point_says_only_what_reads_is_sent(answers, mark):
    driver = GlucoseMeter()
    driver.start(Known(mark))
    for data in answers:
        if data is None:
            driver.silent()
        else:
            driver.received(Frame("2a52", 0, data))
        for frame in driver.take_sends():
            assert frame.source == "2a52"
            assert frame.data[:2] in (
                b"\x01\x01",
                b"\x01\x03",
                b"\x01\x06",
                b"\x03\x00",
                b"\x04\x01",
                b"\x04\x03",
            )

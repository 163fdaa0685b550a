"""Blood pressure under any bytes, and against an encoder that knows the specification by itself."""

import os
from decimal import Decimal

from device_bytes import bp, date_time, le, sfloat
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.drivers import decode_record
from gateway.drivers.blood_pressure import BloodPressure
from gateway.wire.items import Frame
from gateway.wire.reading import reading_from_wire

DOSE = settings(max_examples=300 * int(os.environ.get("MEETHUB_DOSE", "1")), deadline=None)
SOURCES = st.sampled_from(["2a35", "2a36", "2b34", "2b35"])
SPECIAL = {0x7FE, 0x7FF, -0x800, -0x7FF, -0x7FE}
numbers = st.tuples(st.integers(-2048, 2047), st.integers(-8, 7)).filter(
    lambda n: n[1] != 0 or n[0] not in SPECIAL
)


def decoded(source: str, data: bytes):
    return decode_record("blood-pressure", [Frame(source, 0, data)])


@DOSE
@given(SOURCES, st.binary(max_size=40))
def test_any_bytes_give_a_reading_or_an_error(source: str, data: bytes):
    for record in decoded(source, data):
        assert (record.reading is None) == (record.error is not None)
        assert (record.key is None) == (record.reading is None)
        if record.reading is not None:
            assert reading_from_wire(record.reading.wire()).wire() == record.reading.wire()
            assert source in {"2a35", "2b34"}


@DOSE
@given(SOURCES, st.binary(max_size=40), st.data())
def test_fewer_bytes_never_give_another_value(source: str, data: bytes, draw: st.DataObject):
    whole = decoded(source, data)
    less = decoded(source, data[: draw.draw(st.integers(0, len(data)))])
    if less and less[0].reading:
        assert less[0].reading.wire() == whole[0].reading.wire()  # only bytes after the end were cut
    if whole and whole[0].error:
        assert less[0].error


@DOSE
@given(
    pressures=st.tuples(numbers, numbers, numbers),
    pulse=st.none() | numbers,
    user=st.none() | st.integers(0, 255),
    status=st.none() | st.integers(0, 0xFFFF),
    moment=st.none() | st.datetimes().filter(lambda m: m.year >= 1582),
    kpa=st.integers(0, 1),
    rest=st.binary(max_size=5),
)
def test_what_the_specification_encodes_is_what_is_read(pressures, pulse, user, status, moment, kpa, rest):
    data = bp(
        [sfloat(*number) for number in pressures],
        kpa=kpa,
        time=moment
        and date_time(moment.year, moment.month, moment.day, moment.hour, moment.minute, moment.second),
        pulse=pulse and sfloat(*pulse),
        user=None if user is None else bytes([user]),
        status=None if status is None else le(status, 2),
    )
    (record,) = decoded("2a35", data + rest)
    reading = record.reading
    wanted = list(pressures) + ([pulse] if pulse else [])
    for value, (digits, exponent) in zip(reading.values, wanted, strict=True):
        assert Decimal(value.text()) == Decimal(digits).scaleb(exponent)
        assert len(value.text().partition(".")[2]) == max(0, -exponent)
    assert {value.unit for value in reading.values[:3]} == {"kPa" if kpa else "mm[Hg]"}
    assert reading.user == (None if user in {None, 255} else user)
    assert reading.device_time == (moment and moment.isoformat(timespec="seconds").split(".")[0])
    assert ("irregular-pulse" in reading.notes) == bool((status or 0) & 4)


@given(st.lists(st.tuples(SOURCES, st.binary(max_size=24)), max_size=8))
def test_frames_are_judged_one_by_one(frames):
    driver = BloodPressure()
    together = [record for source, data in frames for record in driver.received(Frame(source, 0, data))]
    alone = [record for source, data in frames for record in decoded(source, data)]
    assert [
        (r.frames[0].data, r.reading and r.reading.wire(), r.error and r.error.code) for r in together
    ] == [(r.frames[0].data, r.reading and r.reading.wire(), r.error and r.error.code) for r in alone]


def test_a_record_holds_the_very_frame_that_came():
    frame = Frame("2a35", 0, bytes.fromhex("00780050005f00"))
    assert BloodPressure().received(frame)[0].frames[0] is frame

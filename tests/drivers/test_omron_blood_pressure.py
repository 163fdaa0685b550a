"""Omron monitors under any bytes, in records, in frames and in a whole conversation."""

import os

from hypothesis import given, settings
from hypothesis import strategies as st
from omron_monitor import NOTIFY, UNLOCK, Monitor, data_frame, pieces, talk

from gateway.drivers import decode_record
from gateway.drivers.base import Known
from gateway.drivers.families.omron_models import _MODELS, _OTHER_NAMES, model_named
from gateway.drivers.families.omron_records import _FORMS
from gateway.drivers.omron_blood_pressure import OmronBloodPressure
from gateway.wire.items import Frame
from gateway.wire.reading import reading_from_wire
from tests.drivers.properties import DOSE, frames_of, told

NAMES = sorted(_MODELS)
RARE = settings(max_examples=20 * int(os.environ.get("MEETHUB_DOSE", "1")), deadline=None)
SOURCES = st.sampled_from(
    [*(f"eeprom:{name}:{user}" for name in NAMES for user in (1, 2, 3)), "eeprom:?", "eeprom::"]
)
SECRET = bytes(range(16))


def sure(records):
    """Each record is well-formed and follows from its own frames."""
    for record in records:
        assert (record.reading is None) == (record.key is None) == (record.error is not None)
        assert [told(found) for found in decode_record("omron-blood-pressure", record.frames)] == [
            told(record)
        ]
        if record.reading is not None:
            assert reading_from_wire(record.reading.wire()).wire() == record.reading.wire()
            assert [frame.source[:7] for frame in record.frames] == ["eeprom:"]
    return records


@DOSE
@given(SOURCES, st.binary(max_size=40))
def test_any_slot_gives_a_reading_or_an_error_or_is_empty(source, data):
    assert len(sure(decode_record("omron-blood-pressure", [Frame(source, 0, data)]))) <= 1


@DOSE
@given(frames_of(*NOTIFY, UNLOCK, "2a24", "2a35", most=14))
def test_any_notifications_give_readings_or_errors(frames):
    sure(decode_record("omron-blood-pressure", frames))


@DOSE
@given(
    st.sampled_from(NAMES),
    st.lists(st.tuples(st.integers(0, 0x0E00), st.binary(min_size=1, max_size=56)), max_size=5),
    st.lists(st.integers(0, 30), max_size=3),
)
def test_any_blocks_with_pieces_lost_give_records_of_their_own_bytes(model, blocks, lost):
    one = not model_named(model).has_key
    heard = [piece for address, data in blocks for piece in pieces(data_frame(address, data), one)]
    heard = [piece for at, piece in enumerate(heard) if at not in lost]
    frames = [Frame("2a24", 0, model.encode()), *heard]
    whole = b"".join(data for _, data in blocks)
    for record in sure(decode_record("omron-blood-pressure", frames)):
        if record.reading is not None and not lost:
            assert record.frames[0].data in whole


@RARE
@given(
    st.sampled_from(NAMES),
    st.dictionaries(st.integers(0, 0x1A00), st.integers(0, 255), max_size=300),
    st.integers(0, 8),
)
def test_whatever_stands_in_the_memory_is_read_and_nothing_is_written(model, memory, deaf):
    monitor = Monitor(model.encode(), memory, not model_named(model).has_key)
    monitor.key, monitor.deaf = SECRET, deaf
    records, marks = talk(OmronBloodPressure(), monitor, Known(None, SECRET))
    sure(records)
    assert all(source == UNLOCK or text[2:6] in {"0000", "0100", "0f00"} for source, text in monitor.commands)
    assert (marks == []) == (deaf > (6 if not model_named(model).has_key else 4))
    again, _ = talk(OmronBloodPressure(), monitor, Known(marks[-1] if marks else None, SECRET))
    if marks:
        assert [told(record) for record in again] == [told(record) for record in records if record.reading]


@DOSE
@given(
    st.sampled_from(NAMES),
    st.tuples(st.integers(1, 0xE1), st.integers(1, 255), st.integers(1, 255)),
    st.datetimes().map(lambda moment: moment.replace(year=2001 + moment.year % 62, day=min(moment.day, 28))),
)
def test_what_is_packed_is_what_is_read(model, numbers, moment):
    """Packed by the table's own positions; that these are right is shown by captured records."""
    is_big, size, fields, _, _ = _FORMS[_MODELS[model][0]]
    parts = [
        *numbers,
        moment.year - 2000,
        moment.month,
        moment.day,
        moment.hour,
        moment.minute,
        moment.second,
        0,
        0,
    ]
    whole = sum(part << first for part, (first, _) in zip(parts, fields, strict=True))
    data = whole.to_bytes(size, "big" if is_big else "little") + bytes(_MODELS[model][3] - size)
    (record,) = decode_record("omron-blood-pressure", [Frame(f"eeprom:{model}:1", 0, data)])
    found = [value.text() for value in record.reading.values]
    assert found == [str(numbers[0] + 25), str(numbers[1]), str(numbers[2])]
    assert record.reading.device_time == moment.isoformat(timespec="seconds")


def test_every_other_name_is_of_a_model_that_is_known():
    assert set(_OTHER_NAMES.values()) <= set(_MODELS)
    assert all(row[0] in _FORMS for row in _MODELS.values())

"""What hypothesis tries on every driver: visits of any frames, and what always holds for their records."""

import os

from hypothesis import settings
from hypothesis import strategies as st

from gateway.drivers import decode_record, driver_named
from gateway.drivers.base import Record
from gateway.wire.items import Frame
from gateway.wire.reading import reading_from_wire

DOSE = settings(max_examples=200 * int(os.environ.get("MEETHUB_DOSE", "1")), deadline=None)


def frames_of(*sources: str, most: int = 6) -> st.SearchStrategy[list[Frame]]:
    """The frames of a visit: any bytes, from these sources, at rising times."""
    rows = st.lists(
        st.tuples(st.sampled_from(sources), st.integers(0, 90_000), st.binary(max_size=40)), max_size=most
    )
    return rows.map(_frames)


def _frames(rows: list[tuple[str, int, bytes]]) -> list[Frame]:
    frames, at = [], 0
    for source, passed, data in rows:
        at += passed
        frames.append(Frame(source, at, data))
    return frames


def told(record: Record):
    """All that a record says, comparable; the frames first."""
    reading, key = record.reading, record.key
    return (
        [(frame.source, frame.data) for frame in record.frames],
        reading and reading.wire(),
        key and (key.wire(), key.live),
        record.error and record.error.code,
    )


def all_good(driver: str, frames: list[Frame]) -> list[Record]:
    """The records of a visit, once it is sure of each that it is well-formed and follows from its own frames.

    Its frames are objects that were received; no frame but one that was read stands in two records.
    """
    records = decode_record(driver, frames)
    seen: list[int] = []
    for record in records:
        assert (record.reading is None) == (record.key is None)
        assert record.reading is None or record.error is None
        assert all(any(frame is mine for mine in frames) for frame in record.frames)
        assert [told(found) for found in decode_record(driver, record.frames)] == [told(record)]
        if record.reading is not None:
            assert reading_from_wire(record.reading.wire()).wire() == record.reading.wire()
            assert record.reading.values
        seen += [id(frame) for frame in record.frames if frame.source not in driver_named(driver).reads]
    assert len(set(seen)) == len(seen)
    return records

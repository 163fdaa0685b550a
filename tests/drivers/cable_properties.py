"""What always holds for drivers that cut records from the bytes of a cable."""

from itertools import pairwise

from hypothesis import strategies as st

from gateway.drivers import decode_record, driver_named
from gateway.drivers.base import Known, Record
from gateway.wire.items import Frame
from gateway.wire.reading import reading_from_wire
from tests.drivers.properties import told

PLACES = st.lists(st.integers(0, 2000), max_size=12)


def visit(driver: str, pieces: list[bytes], *, asked: bool = False) -> list[Record]:
    """The records of a visit; asked: as a hub holds it, which may send what the driver wants sent."""
    one = driver_named(driver)()
    if asked:
        one.start(Known())
    records = [record for piece in pieces for record in one.received(Frame("serial", 0, piece))]
    if asked:
        one.take_sends()
    return records + one.finish()


def cut(stream: bytes, places: list[int]) -> list[bytes]:
    edges = [0, *sorted(place % (len(stream) + 1) for place in places), len(stream)]
    return [stream[low:high] for low, high in pairwise(edges)]


def well_formed(driver: str, stream: bytes) -> list[Record]:
    """The records of a stream, once each is sure to be well-formed, cut from it, and found again from its frames."""
    records = visit(driver, [stream])
    for record in records:
        assert (record.reading is None) != (record.error is None)
        assert (record.reading is None) == (record.key is None)
        assert all(frame.data in stream for frame in record.frames if frame.source == "serial")
        assert [told(found) for found in decode_record(driver, record.frames)] == [told(record)]
        if record.reading is not None:
            assert reading_from_wire(record.reading.wire()).wire() == record.reading.wire()
            assert record.reading.values
    return records


def same_in_pieces(driver: str, stream: bytes, places: list[int], *, asked: bool = False) -> None:
    whole = [told(record) for record in visit(driver, [stream], asked=asked)]
    for pieces in (cut(stream, places), [stream[at : at + 1] for at in range(len(stream))]):
        assert [told(record) for record in visit(driver, pieces, asked=asked)] == whole

"""Captured frames through their drivers once more: what a restart found durable and not sealed."""

from gateway.drivers import driver_named
from gateway.drivers.base import Record
from gateway.hub.stored import Captured
from gateway.wire.errors import DecodeError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from gateway.hub.given import Iterator


def replayed(rows: list[Captured]) -> "Iterator[tuple[list[Captured], Record]]":
    """Each record with the captured rows that its frames came from, oldest first.

    The same records as before the restart, and so the same measurement keys. A row that stands in none held
    no reading.
    """
    for group in _groups(rows):
        yield from _records(group)


def _groups(rows: list[Captured]) -> list[list[Captured]]:
    """What is replayed together: a whole visit where frames are joined, else each capture alone."""
    groups: list[list[Captured]] = []
    found: dict[bytes | int, list[Captured]] = {}
    for captured in rows:
        kind = driver_named(captured.driver)
        key = captured.visit if kind is not None and kind.joins else captured.row
        if key not in found:
            found[key] = []
            groups.append(found[key])
        found[key].append(captured)
    return groups


def _records(group: list[Captured]) -> "Iterator[tuple[list[Captured], Record]]":
    frames = [frame for captured in group for frame in captured.frames]
    kind = driver_named(group[0].driver)
    if kind is None:
        yield group, Record(frames, None, None, DecodeError("driver-unknown"))
        return
    driver = kind()
    origins = {id(frame): captured for captured in group for frame in captured.frames}
    for record in [record for frame in frames for record in driver.received(frame)] + driver.finish():
        # What was read of the device stands in every capture and is none of its own.
        own = [frame for frame in record.frames if frame.source not in kind.reads]
        # A stream's driver cuts frames anew: those are of the group's one capture.
        mine: list[Captured] = []
        for frame in own:
            origin = origins.get(id(frame), group[0])
            if origin not in mine:
                mine.append(origin)
        yield mine, record

"""Captured frames through their drivers once more: what a restart found durable and not sealed."""

from collections.abc import Iterator

from gateway.drivers import driver_named
from gateway.drivers.base import Record
from gateway.outbox import Captured
from gateway.wire.errors import DecodeError


def replayed(rows: list[Captured]) -> Iterator[tuple[list[Captured], Record]]:
    """Each record with the captured rows that its frames came from, oldest first.

    The same records as before the restart, and so the same measurement keys. A row that stands in none held
    no reading.
    """
    for group in _groups(rows):
        yield from _records(group)


def _groups(rows: list[Captured]) -> list[list[Captured]]:
    """What is replayed together: a whole visit where frames are joined, else each capture alone."""
    groups: dict[bytes | int, list[Captured]] = {}
    for captured in rows:
        kind = driver_named(captured.driver)
        joined = kind is not None and kind.joins
        groups.setdefault(captured.visit if joined else captured.row, []).append(captured)
    return list(groups.values())


def _records(group: list[Captured]) -> Iterator[tuple[list[Captured], Record]]:
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
        mine = [origins.get(id(frame), group[0]) for frame in own]
        yield list({captured.row: captured for captured in mine}.values()), record

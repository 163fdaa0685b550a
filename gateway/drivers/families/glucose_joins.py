"""Halves of a glucose record that wait for the other one: measurements (2A18) and contexts (2A34).

Source: Glucose Service 1.0.1: both begin with flags and the sequence number by which they belong together.
"""

from gateway.drivers.base import Record
from gateway.wire.errors import DecodeError
from gateway.wire.items import Frame

# A meter that announces contexts and never sends them must not fill the memory of a small hub.
_MOST = 32


def number_of(frame: Frame) -> int:
    """The sequence number, which stands in the same place in both."""
    return int.from_bytes(frame.data[1:3], "little")


class Waiting:
    """Frames in the order in which they came. Bytes are kept, which are smaller than the fields in them."""

    def __init__(self) -> None:
        self._frames: list[Frame] = []

    def __len__(self) -> int:
        return len(self._frames)

    def holds(self, data: bytes) -> bool:
        """True for what waits already."""
        return any(frame.data == data for frame in self._frames)

    def add(self, frame: Frame) -> list[Frame]:
        """One more; that which waited longest, when there are too many."""
        self._frames.append(frame)
        return [self._frames.pop(0)] if len(self._frames) > _MOST else []

    def take(self, number: int) -> Frame | None:
        """The first one with that number, which then waits no longer."""
        for at, frame in enumerate(self._frames):
            if number_of(frame) == number:
                return self._frames.pop(at)
        return None

    def take_all(self) -> list[Frame]:
        """All of them, at the end."""
        frames, self._frames = self._frames, []
        return frames


def lost(context: Frame) -> Record:
    """A context whose measurement did not come."""
    error = DecodeError("context-alone", "no measurement with number %d" % number_of(context))
    return Record([context], None, None, error)

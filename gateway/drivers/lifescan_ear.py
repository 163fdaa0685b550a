"""Hears a LifeScan meter: what arrived whole goes on to the driver, what was damaged becomes evidence."""

from gateway.drivers.framing import Cut
from gateway.drivers.lifescan_packets import Packets, is_filling
from gateway.wire.errors import DecodeError
from gateway.wire.items import Frame

# Damaged stretches that are kept between two whole frames; a bad plug makes thousands.
_MOST_DAMAGE = 8
_NOISE = "frame-garbled"


class Ear:
    """The bytes of one visit. Every method gives frames in order, each with its error; None for a whole one.

    Noise is an error only in a visit in which nothing else came: plugs make noise.
    """

    def __init__(self, source: str) -> None:
        self._source = source
        self._packets = Packets()
        self._noise: list[tuple[Frame, DecodeError | None]] = []
        self._told = False
        self._damages = 0
        self._at_ms = 0

    def hear(self, frame: Frame) -> list[tuple[Frame, DecodeError | None]]:
        """What becomes certain with these bytes; nothing for those of another source."""
        if frame.source != self._source:
            return []
        self._at_ms = frame.offset_ms
        return self._sorted(self._packets.feed(frame.data))

    def quiet(self) -> list[tuple[Frame, DecodeError | None]]:
        """Nothing more comes of what had begun."""
        return self._sorted(self._packets.end())

    def gone(self) -> list[tuple[Frame, DecodeError | None]]:
        """The meter is gone."""
        last = self.quiet()
        return last if self._told else self._noise

    def _sorted(self, cuts: list[Cut]) -> list[tuple[Frame, DecodeError | None]]:
        heard: list[tuple[Frame, DecodeError | None]] = []
        for cut in cuts:
            frame = Frame(self._source, self._at_ms, cut.data)
            if not cut.code:
                self._damages = 0
                heard.append((frame, None))
            elif not is_filling(cut.data):
                heard += self._damaged(frame)
        self._told = self._told or heard != []
        return heard

    def _damaged(self, frame: Frame) -> list[tuple[Frame, DecodeError | None]]:
        error = _alone(frame.data)
        if error is not None and error.code == _NOISE:
            self._noise = self._noise or [(frame, error)]
            return []
        self._damages += 1
        return [(frame, error)] if self._damages <= _MOST_DAMAGE else []


def _alone(data: bytes) -> DecodeError | None:
    """What is wrong with a damaged stretch as such: its evidence alone must give the same error."""
    packets = Packets()
    cuts = packets.feed(data) + packets.end()
    return cuts[0].error()
